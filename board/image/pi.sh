# What a Raspberry Pi would miss in its image, as far as files tell without a board. Sourced by board/check.
# shellcheck shell=bash

# pi_faults FIRMWARE SLOT ROOT: a line for each fault of these trees of files
pi_faults() {
    local firmware=$1 slot=$2 root=$3 kernel tree fault
    local own=board/boards/raspberrypi
    kernel=$(mktemp)
    zcat "$slot/vmlinuz" >"$kernel"
    for tree in "$slot"/broadcom/*.dtb; do
        tree_faults "$tree" "$kernel" $own/board.toml $own/displays/*.toml | while read -r fault; do
            echo "${tree##*/}: $fault"
        done
    done
    rm "$kernel"
    chain_faults "$firmware" "$slot"
    radio_faults $own/radios.list "$root/usr/lib/firmware/brcm" "$root"/usr/lib/modules/*/kernel/drivers/net/wireless/broadcom/brcm80211/brcmfmac/brcmfmac.ko
}

# chain_faults FIRMWARE SLOT: what firmware or U-Boot asks for and does not find, a line each
chain_faults() {
    local firmware=$1 slot=$2 name made
    # With gpu_mem=16 and U-Boot as the kernel, on a Pi up to 3, on a Pi 4, on a Pi 5; the last has the rest of its firmware, PSCI included, on board.
    for name in config.txt u-boot.bin bootcode.bin start_cd.elf fixup_cd.dat start4cd.elf fixup4cd.dat bcm2712-rpi-5-b.dtb \
        overlays/bcm2712d0.dtbo boot.scr uboot.env; do
        [[ -s $firmware/$name ]] || echo "the firmware's $name is missing"
    done
    for name in gpu_mem=16 kernel=u-boot.bin upstream_kernel=1 arm_64bit=1; do
        grep -qxF "$name" "$firmware/config.txt" || echo "config.txt lacks $name"
    done
    # U-Boot loads the slot's tree by these names, and takes the firmware's where the slot has none.
    for name in $(grep -aoE 'broadcom/bcm(2837|2711|2712)-[a-z0-9-]+\.dtb' "$firmware/u-boot.bin") broadcom/bcm2712-d-rpi-5-b.dtb; do
        [[ -s $slot/$name ]] || echo "U-Boot's $name is not in the slot"
        [[ -s $firmware/${name##*/} ]] || echo "the tree ${name##*/} is not beside the firmware"
    done
    # What the firmware makes of a Pi 5 of stepping D0 is mainline's tree for it, but for names of lines.
    made=$(mktemp)
    fdtoverlay -i "$firmware/bcm2712-rpi-5-b.dtb" -o "$made" "$firmware/overlays/bcm2712d0.dtbo"
    cmp -s <(sorted_tree "$made") <(sorted_tree "$firmware/bcm2712-d-rpi-5-b.dtb") || echo "bcm2712d0.dtbo does not make bcm2712-d-rpi-5-b.dtb"
    rm "$made"
}

# sorted_tree TREE: as text, without what lines are called
sorted_tree() { dtc -q -s -I dtb -O dts "$1" | grep -v 'gpio-line-names'; }

# radio_faults LIST FIRMWARE DRIVER: what the radios of the list ask for and these files lack, a line each
radio_faults() {
    local list=$1 firmware=$2 driver=$3 board chips chip kind known
    known=$(modinfo -F firmware "$driver")
    grep -v -e '^#' -e '^$' "$list" | while read -r board chips; do
        for chip in $chips; do
            local name=brcmfmac${chip#-}-sdio
            grep -qxF "brcm/$name.bin" <<<"$known" || echo "$board: the driver knows no $name"
            # With a minus, Debian has none, and whoever builds may bring it.
            for kind in bin txt; do
                [[ $chip = -* || -e $firmware/$name.$board.$kind || -e $firmware/$name.$kind ]] || echo "$board: $name.$kind is missing"
            done
        done
    done
}
