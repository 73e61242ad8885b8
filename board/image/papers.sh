# What goes with an image: what is in it, its checksum, and an entry for Raspberry Pi Imager. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

# make_papers DIRECTORY BASE ROOT FIRMWARE SLOT: $name.{manifest,spdx.json,os_list.json,sha256} beside the image in it
make_papers() {
    local into=$1 base=$2 root=$3 firmware=$4 slot=$5 deb
    (
        cat "$root/manifest"
        list_files "$firmware/files" | sed 's,\./,firmware:,'
        list_files "$slot/files" | sed 's,\./,boot:,'
    ) >"$into/$name.manifest"
    (
        cat "$root/packages"
        for deb in $(debs_beside "$base"); do
            # shellcheck disable=SC2016
            dpkg-deb --showformat='${Package} ${Version} ${source:Package} ${source:Version} ${Architecture}\n' -W "$deb"
        done
    ) | board/image/sbom "$name" >"$into/$name.spdx.json"
    if [[ $board = raspberrypi ]]; then
        imager_entry "$into/$name.img.zst" >"$into/$name.os_list.json"
        install -m 644 board/imager.png "$into/$name.png"
    fi
    (cd "$into" && sha256sum "$name".img.zst "$name".{bmap,manifest,spdx.json}) >"$into/$name.sha256"
}

# debs_beside BASE: the packages that something was taken from without installing them, a line each
debs_beside() {
    ls "$1"/kernel-*.deb
    [[ $arch != arm64 ]] || ls "$1"/{wifi,boot}.deb
    case $board in
    raspberrypi) ls "$1/u-boot-pi.deb" ;;
    qemu) ls "$1/u-boot.deb" ;;
    esac
}

# imager_entry IMAGE: the list that Imager's `--repo` takes; it writes the owner's wishes the way init_format says. Image and icon are
# addresses, of files here: whoever puts them on a server puts its own
imager_entry() {
    local image=$1
    jq -n --arg url "file://$out/$name.img.zst" --arg icon "file://$out/$name.png" \
        --arg date "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" \
        --arg version "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" \
        --argjson download "$(stat -c %s "$image")" --arg download_sha "$(sha256sum <"$image" | cut -c1-64)" \
        --argjson extract "$(zstd -dcq "$image" | wc -c)" --arg extract_sha "$(zstd -dcq "$image" | sha256sum | cut -c1-64)" '{
        os_list: [{
            name: "Holdfast \($version)",
            description: "Keeps one WhatsApp linked-device session alive",
            icon: $icon,
            url: $url,
            release_date: $date,
            image_download_size: $download,
            image_download_sha256: $download_sha,
            extract_size: $extract,
            extract_sha256: $extract_sha,
            devices: ["pi5-64bit", "pi4-64bit", "pi3-64bit"],
            architecture: "armv8",
            init_format: "cloudinit"
        }]
    }'
}
