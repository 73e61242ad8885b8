# The initrd: our init and the modules it needs to reach the root. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

initrd_key() {
    cat board/image/{initrd,root}.sh board/image/modules.list
    echo "$1 $(sha256sum <"$init")"
}

# make_initrd DIRECTORY BASE: initrd.img
make_initrd() {
    local into=$1 kernel version names files module
    local tree=$into/tree
    mkdir -p "$tree"/{dev,proc,sys,sysroot,data,modules}
    install -m 755 "$init" "$tree/init"
    kernel=$(mktemp -d)
    version=$(kernel_modules "$2" "$kernel")
    names=$(listed_modules initrd)
    # shellcheck disable=SC2086 # words
    files=$(modules_for "$kernel" "$version" $names)
    for module in $files; do
        install -m 644 "$module" "$tree/modules"
        echo "${module##*/}" >>"$tree/modules/list"
    done
    rm -rf "$kernel"
    find "$tree" -exec touch -h -d "@$debian_date" {} +
    (cd "$tree" && find . -print0 | sort -z | cpio --quiet -0 -o -H newc -R 0:0 --reproducible) |
        zstd -q -19 >"$into/initrd.img"
    rm -rf "$tree"
}
