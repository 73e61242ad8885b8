# What the board's own firmware reads, and U-Boot with its script: the partition `firmware`. No update changes it. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

firmware_key() {
    cat board/image/{fat,firmware,trees}.sh board/image/boot.cmd
    if [[ $board = raspberrypi ]]; then
        cat board/boards/raspberrypi/{config.txt,uboot.env,bcm2712d0.dts}
    fi
    echo "$1 $board $SOURCE_DATE_EPOCH"
}

# make_firmware DIRECTORY BASE: files (a tree) and fat (the partition); for a virtual machine bios (U-Boot), which it gets beside the card
make_firmware() {
    local into=$1 base=$2 from
    local files=$into/files
    mkdir "$files"
    mkimage -q -A arm64 -T script -C none -n boot -d board/image/boot.cmd "$files/boot.scr"
    from=$(mktemp -d)
    case $board-$arch in
    raspberrypi-*) add_pi "$files" "$base" "$from" ;;
    qemu-arm64) dpkg-deb -x "$base/u-boot.deb" "$from" && cp "$from/usr/lib/u-boot/qemu_arm64/u-boot.bin" "$into/bios" ;;
    qemu-amd64) dpkg-deb -x "$base/u-boot.deb" "$from" && cp "$from/usr/lib/u-boot/qemu-x86/u-boot.rom" "$into/bios" ;;
    esac
    rm -rf "$from"
    make_fat "$files" "$into/fat" 128M FIRMWARE "$board-$arch" -F 32
}

# add_pi FILES BASE WORK: the Pi's own firmware, the device trees that it hands to U-Boot, U-Boot and its defaults
add_pi() {
    local files=$1 base=$2 from=$3
    dpkg-deb -x "$base/boot.deb" "$from"
    unpack_kernel "$base" "$from"
    dpkg-deb -x "$base/u-boot-pi.deb" "$from"
    cp "$from"/usr/lib/raspi-firmware/{bootcode.bin,start_cd.elf,fixup_cd.dat,start4cd.elf,fixup4cd.dat} "$files"
    take_trees "$from" "$files"
    # A Pi 5's firmware asks for it by this name where the chip is of stepping D0.
    mkdir "$files/overlays"
    dtc -@ -q -I dts -O dtb -o "$files/overlays/bcm2712d0.dtbo" board/boards/raspberrypi/bcm2712d0.dts
    cp "$from/usr/lib/u-boot/rpi_arm64/u-boot.bin" board/boards/raspberrypi/config.txt "$files"
    mkenvimage -s 0x4000 -o "$files/uboot.env" <(grep -v '^#' board/boards/raspberrypi/uboot.env)
    chmod 644 "$files/uboot.env"
}
