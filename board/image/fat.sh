# A FAT that its files alone decide. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

# make_fat FILES IMAGE SIZE LABEL ID-TEXT MKFS-OPTION...
make_fat() {
    local files=$1 image=$2 size=$3 label=$4 id=$5
    shift 5
    find "$files" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    truncate -s "$size" "$image"
    mkfs.vfat --invariant -n "$label" -i "$(sha256sum <<<"$id" | cut -c1-8)" "$@" "$image" >/dev/null
    # In this order, whatever the directory's own.
    (cd "$files" && find . -mindepth 1 -type d | sort | while read -r entry; do mmd -i "$image" "::$entry"; done)
    (cd "$files" && find . -type f | sort | while read -r entry; do mcopy -m -i "$image" "$entry" "::$entry"; done)
}
