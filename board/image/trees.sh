# A Raspberry Pi's device trees: the kernel's, our overlays in them, and what can be said of a board without having one. Sourced by
# board/build and board/check.
# shellcheck shell=bash

# take_trees KERNEL DIRECTORY: those of the boards that the image is for, under each name that they are asked for by
take_trees() {
    cp "$1"/usr/lib/linux-image-*/broadcom/bcm2{711,712,712-d,837}-rpi-*.dtb "$2"
    # U-Boot names a compute module without its carrier (board/raspberrypi/rpi/rpi.c).
    cp "$2/bcm2837-rpi-cm3-io3.dtb" "$2/bcm2837-rpi-cm3.dtb"
    cp "$2/bcm2711-rpi-cm4-io.dtb" "$2/bcm2711-rpi-cm4.dtb"
}

# overlay OVERLAYS TREE: puts into the tree what is for its chip: an overlay's `compatible` says for which it is
overlay() {
    local overlays=$1 tree=$2 source chip made
    local ours=()
    made=$(mktemp -d)
    for source in "$overlays"/*.dts; do
        dtc -@ -q -I dts -O dtb -o "$made/$(basename "$source")" "$source"
        for chip in $(fdtget "$made/$(basename "$source")" / compatible); do
            if [[ " $(fdtget "$tree" / compatible) " = *" $chip "* ]]; then
                ours+=("$made/$(basename "$source")")
            fi
        done
    done
    fdtoverlay -i "$tree" -o "$made/tree" "${ours[@]}"
    cp "$made/tree" "$tree"
    rm -rf "$made"
}

# compatibles TREE...: what the devices in them are, a line each
compatibles() {
    local tree
    for tree; do dtc -q -I dtb -O dts "$tree"; done |
        sed -n 's/^[[:space:]]*compatible = "\(.*\)";$/\1/p' | sed -e 's/\\0/\n/g' -e 's/", "/\n/g' | sort -u
}

# nodes TREE: the path of each node, a line each
nodes() {
    dtc -q -I dtb -O dts "$1" | awk '
        / \{$/ { path[depth + 1] = depth ? path[depth] "/" $(NF - 1) : ""; if (depth++) print path[depth] }
        /^[[:space:]]*\};$/ { depth-- }'
}

# tree_faults TREE KERNEL DESCRIPTION...: what keeps a board with this tree and this kernel, not compressed, from driving a display or a button
# that is described, a line each
tree_faults() {
    local tree=$1 kernel=$2 all node chip='' description key names name found
    local -A looked_at=()
    shift 2
    all=$(nodes "$tree")
    # What a chip's lines are called is its driver's (drivers/pinctrl/bcm/pinctrl-bcm2835.c, drivers/pinctrl/pinctrl-rp1.c).
    while read -r node; do
        case " $(fdtget "$tree" "$node" compatible) " in
        *" brcm,bcm2835-gpio "*) chip=pinctrl-bcm2835 ;;
        *" brcm,bcm2711-gpio "*) chip=pinctrl-bcm2711 ;;
        *" raspberrypi,rp1-gpio "*) chip=pinctrl-rp1 ;;
        esac
    done < <(grep -E '/(gpio|pinctrl)@[0-9a-f]+$' <<<"$all")
    if [[ -z $chip ]]; then
        echo "no lines of a header"
        return
    fi
    awk -v chip="$chip" '/^(lines|data_command|reset|busy|power|backlight) = \[/ && !index($0, "\"" chip ":") {
        sub(/.*\//, "", FILENAME)
        print FILENAME ": " $1 " names no line of " chip }' "$@"
    # A line each: description, key, names.
    awk '/^(bus|spi) = \[/ { gsub(/[][",=]/, " "); sub(/.*\//, "", FILENAME); print FILENAME, $0 }' "$@" |
        while read -r description key names; do
            found=''
            for name in $names; do
                found=${found:-$(grep "/$name\$" <<<"$all")} || true
            done
            if [[ -n ${looked_at[$key $names]-} ]]; then
                continue
            fi
            looked_at[$key $names]=yes
            case $key-$chip-$found in
            # There is neither a node nor, in Debian's kernel, a driver (SPI_DESIGNWARE) for the one of an RP1: docs/hardware.md says so.
            spi-pinctrl-rp1-) ;;
            spi-pinctrl-rp1-*) echo "a Pi 5 has SPI now, and docs/hardware.md says that it has none" ;;
            *-) echo "$description: no node of $key" ;;
            bus-*) bus_faults "$tree" "$found" ;;
            spi-*) spi_faults "$tree" "$found" "$kernel" ;;
            esac
        done
}

# is_on TREE NODE: with its pins
is_on() {
    if [[ $(fdtget -d okay "$1" "$2" status) != okay ]]; then
        echo "$2 is off"
    fi
    fdtget "$1" "$2" pinctrl-0 >/dev/null 2>&1 || echo "$2 has no pins"
}

# bus_faults TREE NODE: what an I2C bus lacks
bus_faults() {
    is_on "$1" "$2"
    [[ $(fdtget -d 100000 "$1" "$2" clock-frequency) = 400000 ]] || echo "$2 does not run at 400 kHz"
}

# spi_faults TREE NODE KERNEL: what an SPI bus lacks
spi_faults() {
    local tree=$1 node=$2 kernel=$3 select device
    is_on "$tree" "$node"
    # A line is three cells: chip, number, flags.
    [[ $(fdtget -d '' "$tree" "$node" cs-gpios | wc -w) = 6 ]] || echo "$node has not two chip selects"
    for select in 0 1; do
        device=$(fdtget "$tree" "$node/spidev@$select" compatible 2>/dev/null || true)
        # Debian's kernel has spidev built in, so that no list says what it knows; its table is in the kernel, a text for each.
        [[ -n $device ]] && grep -qazxF "$device" "$kernel" || echo "$node has no device for spidev at chip select $select"
    done
}
