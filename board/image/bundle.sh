# An update: root, verity tree and boot partition, signed, as RAUC takes it. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

# make_bundle DIRECTORY ROOT SLOT: $name.raucb in it, where there is a key
make_bundle() {
    local into=$1 root=$2 slot=$3 content version
    rm -f "$into/$name.raucb"
    if [[ -z $key ]]; then
        echo "board/build: no update is made: it takes --key and --cert" >&2
        return
    fi
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    content=$(mktemp -d "$cache/bundle.XXXXXX")
    cp "$root/squashfs" "$content/root.img"
    cp "$root/verity" "$content/tree.img"
    cp "$slot/fat" "$content/boot.vfat"
    cat >"$content/manifest.raucm" <<MANIFEST
[update]
compatible=$name
version=$version
build=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)
description=Holdfast $version for $name

[bundle]
format=verity

[image.rootfs]
filename=root.img

[image.verity]
filename=tree.img

[image.boot]
filename=boot.vfat
MANIFEST
    rauc --key "$key" --cert "$cert" bundle "$content" "$into/$name.raucb" >&2
    rm -rf "$content"
}
