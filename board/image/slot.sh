# A slot's boot partition: what U-Boot reads of it. Kernel, initrd, device trees and the kernel's command line, as one FAT that is the same for
# both slots. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

slot_key() {
    cat board/image/{fat,slot,trees}.sh "board/boards/$board/cmdline.$arch" "$2/hash"
    if [[ $board = raspberrypi ]]; then
        digest board/boards/raspberrypi/overlays
    fi
    echo "$1 $3 $SOURCE_DATE_EPOCH"
}

# make_slot DIRECTORY BASE ROOT INITRD: files (a tree) and fat (the partition)
make_slot() {
    local into=$1 base=$2 root=$3 initrd=$4 size
    local files=$into/files kernel
    mkdir "$files"
    kernel=$(mktemp -d)
    unpack_kernel "$base" "$kernel"
    case $arch in
    # What Debian ships for arm64 is not compressed; U-Boot takes it so, and reads less.
    arm64) gzip -9 -n <"$kernel"/usr/lib/modules/*/vmlinuz >"$files/vmlinuz" ;;
    amd64) cp "$kernel"/boot/vmlinuz-* "$files/vmlinuz" ;;
    esac
    cp "$initrd/initrd.img" "$files"
    # The hash proves every block of the root, and an update is for the board that is named; which slot it is, the bootloader adds.
    echo "bootargs=$(grep -v '^#' "board/boards/$board/cmdline.$arch" | paste -sd' ')" \
        "holdfast.compatible=holdfast-$board-$arch holdfast.roothash=$(<"$root/hash")" >"$files/slot.txt"
    if [[ $board = raspberrypi ]]; then
        add_device_trees "$files/broadcom" "$kernel"
    fi
    rm -rf "$kernel"

    # As large as its files and a little more: an update writes all of it.
    size=$(($(du -s --apparent-size --block-size=1M "$files" | cut -f1) + 2))
    ((size <= 64)) || fail "the boot files are larger than their partition of 64 MiB"
    make_fat "$files" "$into/fat" "${size}M" BOOT "$(<"$root/hash")" -F 16 -s 4
}

# add_device_trees DIRECTORY KERNEL: the kernel's, each with our overlays in it
add_device_trees() {
    local tree
    mkdir "$1"
    take_trees "$2" "$1"
    for tree in "$1"/*.dtb; do
        overlay board/boards/raspberrypi/overlays "$tree"
    done
}
