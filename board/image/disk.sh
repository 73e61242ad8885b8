# The card: firmware, two slots, and at first boot a data partition behind them. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

# make_disk OUT ROOT FIRMWARE: OUT/$name.img.zst, its bmap, and the files of its FAT for a virtual machine's bootloader
make_disk() {
    local out=$1 root=$2 firmware=$3 work hash type tree_type
    work=$(mktemp -d "$cache/disk.XXXXXX")
    hash=$(<"$root/hash")
    # Discoverable Partitions Specification: root and root-verity of the architecture.
    case $arch in
    arm64) type=b921b045-1df0-41c3-af44-4c6f280d3fae tree_type=df3300ce-d69f-4c92-978c-9bfb0f38d820 ;;
    amd64) type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709 tree_type=2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 ;;
    esac
    (($(stat -c %s "$root/squashfs") <= 192 << 20)) || fail "the root file system is larger than its slot of 192 MiB"

    # What starts a Pi 3 reads no GPT: there the FAT is in a hybrid MBR as well. Everything else reads the GPT.
    local table=gpt mbr_type=''
    if [[ $board = raspberrypi ]]; then
        table=hybrid mbr_type='partition-type = 0xC'
    fi
    # systemd-repart grows nothing that does not start on whole MiB.
    cat >"$work/genimage.cfg" <<CFG
image $name.img {
    hdimage {
        partition-table-type = "$table"
        disk-uuid = "$(uuid "$hash disk")"
        align = 1M
    }
    partition firmware {
        image = "$firmware/fat"
        $mbr_type
        partition-type-uuid = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
        partition-uuid = "$(uuid "$hash firmware")"
    }
    partition root-a {
        image = "$root/squashfs"
        size = 192M
        partition-type-uuid = "$type"
        partition-uuid = "$(as_uuid "${hash:0:32}")"
    }
    partition root-a-verity {
        image = "$root/verity"
        size = 4M
        partition-type-uuid = "$tree_type"
        partition-uuid = "$(as_uuid "${hash:32}")"
    }
    partition root-b {
        size = 192M
        partition-type-uuid = "$type"
        partition-uuid = "$(uuid "$hash root-b")"
    }
    partition root-b-verity {
        size = 4M
        partition-type-uuid = "$tree_type"
        partition-uuid = "$(uuid "$hash root-b-verity")"
    }
}
CFG
    mkdir "$work/empty"
    genimage --loglevel 0 --config "$work/genimage.cfg" --rootpath "$work/empty" --inputpath / \
        --tmppath "$work/tmp" --outputpath "$work"
    bmaptool -q create "$work/$name.img" | sed '/<!-- .*[Gg]enerated/d' >"$out/$name.bmap"
    zstd -q -f -12 -T2 "$work/$name.img" -o "$out/$name.img.zst"
    rm -rf "$work" "$out/$name.boot"
    cp -r "$firmware/files" "$out/$name.boot"
}
