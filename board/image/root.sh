# The root file system: the base without what only installs and removes, plus our files, units and programs, as a squashfs
# with its verity tree. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

root_key() {
    cat board/image/{root,trees}.sh board/image/{packages,modules,masked}.list board/boards/raspberrypi/kernel.config Cargo.toml
    digest systemd
    if [[ -n $keyring$update_key ]]; then
        cat ${keyring:+"$keyring"} ${update_key:+"$update_key"}
    fi
    if [[ -n $wifi_firmware ]]; then
        declare -f radio_files
        radio_files "$wifi_firmware" | cut -f 1 | xargs -d '\n' sha256sum
    fi
    echo "$1 $SOURCE_DATE_EPOCH $(sha256sum <"$daemon") $(sha256sum <"$boot") $(sha256sum <"$ctl")"
}

# program_features FILE: what `holdfastd --version` says of its features, without running it
program_features() {
    grep -aoE 'features: (none|lab)' "$1" | head -n 1 | cut -d' ' -f2
}

# make_root DIRECTORY BASE: squashfs, verity (its tree), hash (its root hash), packages, manifest
make_root() {
    local into=$1 base=$2
    local tree=$into/tree
    mkdir "$tree"
    tar -C "$tree" -xf "$base/root.tar" --exclude='./dev/*'
    remove_packages "$tree" "$into/packages"
    remove_ballast "$tree"
    add_modules "$tree" "$base"
    if [[ -e $base/wifi.deb ]]; then
        add_wifi_firmware "$tree" "$base"
    fi
    add_ours "$tree"
    settle "$tree"

    mksquashfs "$tree" "$into/squashfs" -noappend -quiet -no-progress -no-exports -no-xattrs \
        -comp zstd -Xcompression-level 19 -b 256K
    list_files "$tree" >"$into/manifest"
    rm -rf "$tree"

    # Whole blocks, a tree's salt and id from the content: nothing in it is by chance.
    truncate -s %4096 "$into/squashfs"
    local content
    content=$(sha256sum <"$into/squashfs" | cut -c1-64)
    veritysetup format "$into/squashfs" "$into/verity" --salt "$content" --uuid "$(uuid "$content tree")" |
        sed -n 's/^Root hash:[[:space:]]*//p' >"$into/hash"
}

# remove_packages TREE LIST: removes the files of `-NAME` packages; lists those that stay, with version and source
remove_packages() {
    local tree=$1 list=$2 removed
    removed=$(sed -n 's/^-//p' board/image/packages.list)
    dpkg-query --admindir="$tree/var/lib/dpkg" -W \
        -f '${Package} ${Version} ${source:Package} ${source:Version} ${Architecture}\n' |
        awk 'NR == FNR { gone[$1]; next } !($1 in gone)' <(echo "$removed") - | sort >"$list"
    local package info file
    for package in $removed; do
        info=$tree/var/lib/dpkg/info/$package
        [[ -e $info.list ]] || info+=:$arch
        [[ -e $info.list ]] || fail "packages.list removes $package, which is not there"
        while read -r file; do
            if [[ ! -d $tree$file || -L $tree$file ]]; then
                rm -f "$tree$file"
            fi
        done <"$info.list"
    done
}

# remove_ballast TREE: what packages leave behind, and what no program here reads
remove_ballast() {
    local tree=$1
    # Made by installing; each card makes its own.
    rm -f "$tree"/etc/ssh/ssh_host_* "$tree/etc/machine-id"
    rm -rf "$tree"/etc/{apt,dpkg,cron.*,init.d,rc?.d,logrotate.d,kernel,update-motd.d,opt,motd,ucf.conf} \
        "$tree"/etc/{passwd,group,shadow,gshadow,subuid,subgid}- "$tree"/etc/ssh/moduli \
        "$tree"/usr/lib/{apt,dpkg,valgrind,init,lsb} "$tree"/usr/lib/*/{gconv,perl-base,perl5,security} "$tree"/usr/share/perl* \
        "$tree"/usr/lib/udev/hwdb.{bin,d} "$tree"/usr/lib/python3* \
        "$tree"/usr/share/{bash-completion,bug,debconf,doc-base,gcc,gdb,i18n,info,lintian,locale,man,menu,polkit-1,zsh,initramfs-tools} \
        "${tree:?}"/{var,boot,home,media,mnt,opt,root}
    # The one program that needs a database library.
    rm -f "$tree/usr/sbin/arpd"
    mkdir -m 755 "$tree"/{var,boot,boot/firmware,data,home}
    mkdir -m 700 "$tree/root"
}

# kernel_modules BASE DIRECTORY: unpacks the kernel's package there and prints its version
kernel_modules() {
    unpack_kernel "$1" "$2"
    ln -s usr/lib "$2/lib"
    local version
    version=$(basename "$2"/usr/lib/modules/*)
    find "$2/usr/lib/modules" -name '*.ko.xz' -print0 | xargs -0 -n 64 -P 2 unxz
    depmod -b "$2" "$version"
    echo "$version"
}

# listed_modules [initrd]: those that modules.list has for this architecture: all, or the initrd's
listed_modules() {
    awk -v arch="$arch" -v all="${1-all}" '
        /^(#|-|$)/ { next }
        { early = $1 == "initrd"; only = early ? $2 : $1 }
        only ~ /^(amd64|arm64)$/ && only != arch { next }
        all == "all" || early { print $NF }' board/image/modules.list
}

# modules_for KERNEL VERSION NAME...: the files to load for these, dependencies first, each once; fails on names that the kernel does not know
modules_for() {
    local kernel=$1 version=$2 name files='' unknown=''
    shift 2
    for name; do
        files+=$(modprobe -d "$kernel" -S "$version" --show-depends "$name" 2>/dev/null)$'\n' || unknown+=" $name"
    done
    [[ -z $unknown ]] || fail "modules.list has what the kernel $version does not know:$unknown"
    sed -n 's/^insmod //p' <<<"$files" | awk '!seen[$1]++ { print $1 }'
}

# add_modules TREE BASE: the listed modules, and no others
add_modules() {
    local tree=$1 kernel version names files module
    kernel=$(mktemp -d)
    version=$(kernel_modules "$2" "$kernel")
    local to=$tree/usr/lib/modules/$version
    names=$(listed_modules)
    # shellcheck disable=SC2086 # words
    files=$(modules_for "$kernel" "$version" $names)
    for module in $files; do
        install -D -m 644 "$module" "$to/${module#*/modules/"$version"/}"
    done
    cp "$kernel/usr/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$to"
    depmod -b "$tree" "$version"
    if [[ $arch = arm64 ]]; then
        is_for_pis "$kernel" "$version"
    fi
    rm -rf "$kernel"
}

# is_for_pis KERNEL VERSION: fails where a Raspberry Pi would lack a driver: a symbol of the kernel's configuration, or a module that a device
# tree asks for and that modules.list has not
is_for_pis() {
    local kernel=$1 version=$2 trees lacking names all early name path module
    trees=$(mktemp -d)
    grep -v -e '^#' -e '^$' board/boards/raspberrypi/kernel.config |
        grep -vxFf <(cat "$kernel"/boot/config-* "$kernel"/usr/lib/modules/*/config 2>/dev/null) >"$trees/lacking" || true
    take_trees "$kernel" "$trees"
    names=$(listed_modules)
    # shellcheck disable=SC2086 # words
    all=$(modules_for "$kernel" "$version" $names && sed -n 's/^-//p' board/image/modules.list)
    names=$(listed_modules initrd)
    # shellcheck disable=SC2086 # words
    early=$(modules_for "$kernel" "$version" $names)
    for name in $(compatibles "$trees"/*.dtb); do
        modprobe -d "$kernel" -S "$version" -R "of:NxTxC$name" 2>/dev/null || true
    done | sort -u >"$trees/asked"
    # What is built in has no file, or is not known by the name of its alias.
    for name in $(<"$trees/asked"); do
        path=$(modprobe -d "$kernel" -S "$version" --show-depends "$name" 2>/dev/null | sed -n '$s/^insmod \([^ ]*\).*/\1/p' || true)
        module=${path##*/}
        case $path in
        '') ;;
        */drivers/clk/* | */drivers/gpio/* | */drivers/irqchip/* | */drivers/mmc/* | */drivers/pinctrl/* | */drivers/regulator/*)
            grep -qxF "$path" <<<"$early" || echo "initrd $module"
            ;;
        *) grep -qxF -e "$path" -e "${module%.ko}" <<<"$all" || echo "$module" ;;
        esac
    done >>"$trees/lacking"
    lacking=$(<"$trees/lacking")
    rm -rf "$trees"
    [[ -z $lacking ]] || fail "the kernel $version is not for a Raspberry Pi as it is, or modules.list lacks it: ${lacking//$'\n'/ }"
}

# add_wifi_firmware TREE BASE: for the radios on a Pi
add_wifi_firmware() {
    local tree=$1 from
    from=$(mktemp -d)
    dpkg-deb -x "$2/wifi.deb" "$from"
    dpkg-deb -x "$2/boot.deb" "$from"
    local to=$tree/usr/lib/firmware
    mkdir -p "$to/brcm" "$to/cypress"
    cp -a "$from"/usr/lib/firmware/brcm/brcmfmac434{30,55}-sdio.{bin,clm_blob,txt} "$to/brcm"
    # How a board's radio is tuned; the files without a board's name are for the others.
    cp -a "$from"/usr/lib/firmware/brcm/brcmfmac434{30,55}-sdio.raspberrypi,*.txt "$to/brcm"
    cp -a "$from"/usr/lib/firmware/brcm/brcmfmac43456-sdio.{bin,clm_blob,txt} "$to/brcm"
    cp -a "$from"/usr/lib/firmware/cypress/cyfmac434{30,55}-sdio.{bin,clm_blob} "$to/cypress"
    rm -rf "$from"
    local file name
    [[ -z $wifi_firmware ]] || radio_files "$wifi_firmware" | while IFS=$'\t' read -r file name; do
        install -m 644 "$file" "$to/brcm/$name"
        echo "board/build: $name is ${file##*/}: $(sha256sum <"$file" | cut -c1-64)"
    done
}

# radio_files DIRECTORY: the firmware there for a 43436, a line each: its path, a tab, and the name that the kernel asks for. Mainline's driver
# takes the chip for a 43430 of revision B0 (drivers/net/wireless/broadcom/brcm80211/brcmfmac/sdio.c); the vendor's files have its own name
radio_files() {
    local from=$1 stem kind found=''
    [[ ! -d $from/brcm ]] || from+=/brcm
    for stem in brcmfmac43430b0-sdio{.raspberrypi\,model-zero-2-w,} brcmfmac43436-sdio; do
        if [[ -z $found && -e $from/$stem.bin ]]; then
            found=$from/$stem
        fi
    done
    [[ -n $found ]] || fail "$1 has neither brcmfmac43430b0-sdio.bin nor brcmfmac43436-sdio.bin"
    # Every one of this maker's ends with what it is.
    tail -c 4096 "$found.bin" | grep -qaE '4343[06]b0-roml/.* Version: ' || fail "$found.bin is no firmware for a 43436"
    grep -qs '^boardtype=' "$found.txt" || fail "$found.txt is missing, or does not say how the radio is tuned"
    for kind in bin txt clm_blob; do
        [[ ! -e $found.$kind ]] || printf '%s\t%s\n' "$found.$kind" "brcmfmac43430b0-sdio.$kind"
    done
}

# is_public_key FILE: fails where it is not one that a list of new versions is checked by
is_public_key() {
    openssl pkey -pubin -in "$1" -noout -text 2>/dev/null | grep -q '^ED25519 Public-Key' ||
        fail "$1 is no public Ed25519 key as 'openssl pkey -pubout' writes it"
}

# add_ours TREE: files, units, programs, users
add_ours() {
    local tree=$1 version unit
    systemd/install "$tree"
    install -m 755 "$daemon" "$tree/usr/bin/holdfastd"
    install -m 755 "$boot" "$tree/usr/bin/holdfast-boot"
    install -m 755 "$ctl" "$tree/usr/bin/holdfastctl"
    if [[ -n $keyring ]]; then
        install -D -m 644 "$keyring" "$tree/etc/rauc/keyring.pem"
    fi
    if [[ -n $update_key ]]; then
        install -m 644 "$update_key" "$tree/usr/lib/holdfast/update.pub"
    fi
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    cat >"$tree/usr/lib/os-release" <<OS
NAME=Holdfast
PRETTY_NAME="Holdfast $version"
ID=holdfast
ID_LIKE=debian
VERSION_ID=$version
IMAGE_ID=holdfast
IMAGE_VERSION=$version
OS
    # No clock runs on a Pi without power: never before the day of this image.
    touch -d "@$SOURCE_DATE_EPOCH" "$tree/usr/lib/clock-epoch"
    while read -r unit; do
        ln -sf /dev/null "$tree/etc/systemd/system/$unit"
    done < <(grep -v -e '^#' -e '^$' board/image/masked.list)
}

# settle TREE: what a system that can write would do at its first start
settle() {
    local tree=$1
    systemd-sysusers --root="$tree" holdfast.conf
    # sshd without PAM lets nobody in whose password is locked, `!`; with `*` there is none either (sshd(8), ALLOWED ACCOUNTS).
    sed -i 's/^diagnosis:!\*:/diagnosis:*:/' "$tree/etc/shadow"
    # With the image's date, not today's.
    sed -i -E "s/^([^:]*:[^:]*):[0-9]+:/\1:$((debian_date / 86400)):/" "$tree/etc/shadow"
    rm -f "$tree"/etc/{passwd,group,shadow,gshadow}- "$tree/etc/.pwd.lock"
    systemctl --root="$tree" preset-all --quiet
    # There are no sessions; it starts when it is asked for a restart.
    rm "$tree/usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service"
    journalctl --root="$tree" --update-catalog
    # /var starts empty: tmpfiles.d puts the catalog's place back.
    mv "$tree/var/lib/systemd/catalog/database" "$tree/usr/lib/systemd/catalog.database"
    rm -rf "${tree:?}"/var/*
}

# list_files TREE: a line for each file: type, mode, owner, size, digest or target, path
list_files() {
    (cd "$1" && find . -mindepth 1 -type f -printf '%y %m %U:%G %s ' -exec sha256sum {} \; \
        -o -type l -printf '%y %m %U:%G 0 %l %p\n' -o -printf '%y %m %U:%G 0 - %p\n') |
        tr -s ' ' | sort -k 6
}
