# What the firmware and the bootloader read: the FAT partition's files. Sourced by board/build.
# Kernel, initrd, command line and device trees of a slot are in a directory of its own; the firmware's os_prefix names it,
# so that an update fills the other one and tryboot tries it.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

firmware_key() {
    cat board/image/firmware.sh "$2/hash"
    digest "board/boards/$board"
    echo "$1 $3 $SOURCE_DATE_EPOCH"
}

# make_firmware DIRECTORY BASE ROOT INITRD: files (a tree) and fat (the partition)
make_firmware() {
    local into=$1 base=$2 root=$3 initrd=$4
    local files=$into/files kernel
    local slot=$files/slot-a
    mkdir -p "$slot"
    kernel=$(mktemp -d)
    dpkg-deb -x "$base/kernel.deb" "$kernel"
    case $arch in
    # What Debian ships for arm64 is not compressed; the Pi's firmware and QEMU both take it so.
    arm64) gzip -9 -n <"$kernel"/boot/vmlinuz-* >"$slot/vmlinuz" ;;
    *) cp "$kernel"/boot/vmlinuz-* "$slot/vmlinuz" ;;
    esac
    cp "$initrd/initrd.img" "$slot"
    echo "$(grep -v '^#' "board/boards/$board/cmdline.$arch" | paste -sd' ') holdfast.roothash=$(<"$root/hash")" >"$slot/cmdline.txt"
    if [[ $board = raspberrypi ]]; then
        add_pi "$files" "$base" "$kernel"
    fi
    rm -rf "$kernel"

    find "$files" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    truncate -s 128M "$into/fat"
    mkfs.vfat --invariant -F 32 -n FIRMWARE -i "$(sha256sum <"$root/hash" | cut -c1-8)" "$into/fat" >/dev/null
    # In this order, whatever the directory's own.
    (cd "$files" && find . -mindepth 1 -type d | sort | while read -r entry; do mmd -i "$into/fat" "::$entry"; done)
    (cd "$files" && find . -type f | sort | while read -r entry; do mcopy -m -i "$into/fat" "$entry" "::$entry"; done)
}

# add_pi FILES BASE KERNEL: the Pi's own firmware, device trees and overlays
add_pi() {
    local files=$1 base=$2 kernel=$3 from overlay
    local slot=$files/slot-a
    from=$(mktemp -d)
    dpkg-deb -x "$base/boot.deb" "$from"
    cp "$from"/usr/lib/raspi-firmware/{bootcode.bin,start_cd.elf,fixup_cd.dat,start4cd.elf,fixup4cd.dat} "$files"
    cp "$kernel"/usr/lib/linux-image-*/broadcom/bcm{2711,2837}-rpi-*.dtb "$slot"
    mkdir "$slot/overlays"
    for overlay in board/boards/raspberrypi/overlays/*.dts; do
        dtc -@ -q -I dts -O dtb -o "$slot/overlays/$(basename "$overlay" .dts).dtbo" "$overlay"
    done
    # The firmware looks for overlays below the prefix only where this file is.
    cp board/boards/raspberrypi/overlays/README "$slot/overlays"
    cp board/boards/raspberrypi/config.txt "$files"
    rm -rf "$from"
}
