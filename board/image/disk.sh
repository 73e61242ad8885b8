# The card: firmware, U-Boot's environment, two slots, and at first boot a data partition behind them. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

# make_disk OUT ROOT FIRMWARE SLOT: OUT/$name.img.zst, its bmap, and in OUT/$name.boot what its FATs hold
make_disk() {
    local out=$1 root=$2 firmware=$3 slot=$4 work type tree_type
    work=$(mktemp -d "$cache/disk.XXXXXX")
    # Discoverable Partitions Specification: root and root-verity of the architecture.
    case $arch in
    arm64) type=b921b045-1df0-41c3-af44-4c6f280d3fae tree_type=df3300ce-d69f-4c92-978c-9bfb0f38d820 ;;
    amd64) type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709 tree_type=2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 ;;
    esac
    (($(stat -c %s "$root/squashfs") <= 192 << 20)) || fail "the root file system is larger than its slot of 192 MiB"
    # The first slot is good: more tries than are counted (boot.cmd). The second is empty.
    mkenvimage -s 0x200 -p 0 -o "$work/env" - <<'ENV'
BOOT_ORDER=A B
BOOT_A_LEFT=9
BOOT_B_LEFT=0
ENV

    # What starts a Pi 3 reads no GPT: there the FAT is in a hybrid MBR as well. Everything else reads the GPT.
    local table=gpt mbr_type=''
    if [[ $board = raspberrypi ]]; then
        table=hybrid mbr_type='partition-type = 0xC'
    fi
    # systemd-repart grows nothing that does not start on whole MiB. An update leaves the table as it is: a label names a partition, its id
    # follows from that. The types keep a PC from mounting what is not the owner's.
    cat >"$work/genimage.cfg" <<CFG
image $name.img {
    hdimage {
        partition-table-type = "$table"
        disk-uuid = "$(uuid "$(<"$root/hash") disk")"
        align = 1M
    }
$(partition firmware ebd0a0a2-b9e5-4433-87c0-68b6b72699c7 128M "$firmware/fat" "$mbr_type")
$(partition env 3de21764-95bd-54bd-a5c3-4abe786f38a8 1M "$work/env")
$(partition boot-a bc13c2ff-59e6-4262-a352-b275fd6f7172 64M "$slot/fat")
$(partition root-a "$type" 192M "$root/squashfs")
$(partition root-a-verity "$tree_type" 4M "$root/verity")
$(partition boot-b bc13c2ff-59e6-4262-a352-b275fd6f7172 64M)
$(partition root-b "$type" 192M)
$(partition root-b-verity "$tree_type" 4M)
}
CFG
    mkdir "$work/empty"
    genimage --loglevel 0 --config "$work/genimage.cfg" --rootpath "$work/empty" --inputpath / \
        --tmppath "$work/tmp" --outputpath "$work"
    bmaptool -q create "$work/$name.img" | sed '/<!-- .*[Gg]enerated/d' >"$out/$name.bmap"
    zstd -q -f -12 -T2 "$work/$name.img" -o "$out/$name.img.zst"
    rm -rf "$work" "$out/$name.boot"
    mkdir "$out/$name.boot"
    cp -r "$firmware/files" "$out/$name.boot/firmware"
    cp -r "$slot/files" "$out/$name.boot/slot"
    if [[ -e $firmware/bios ]]; then
        cp "$firmware/bios" "$out/$name.boot"
    fi
}

# partition LABEL TYPE SIZE [IMAGE [LINE]]: its part of genimage's configuration
partition() {
    local label=$1 type=$2 size=$3 image=${4-} line=${5-}
    echo "    partition $label {"
    [[ -z $image ]] || echo "        image = \"$image\""
    [[ -z $line ]] || echo "        $line"
    echo "        size = $size"
    echo "        partition-type-uuid = \"$type\""
    echo "        partition-uuid = \"$(uuid "holdfast $label")\""
    echo "    }"
}
