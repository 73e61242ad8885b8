# Names from content, and parts kept under them. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

# digest PATH...: one line for names, modes and contents below the paths
digest() {
    find "$@" \( -type f -printf '%m %p ' -exec sha256sum {} \; \) -o \( -type l -printf '%p -> %l\n' \) |
        sort | sha256sum | cut -c1-64
}

# cached NAME KEY MAKE ARGUMENT...: the directory that `MAKE DIRECTORY ARGUMENT...` filled for this key, now or earlier
cached() {
    local name=$1 key=$2 make=$3
    shift 3
    local kept
    kept=$cache/$name-$(printf '%s %s' "$make" "$key" | sha256sum | cut -c1-16)
    if [[ ! -d $kept ]]; then
        echo "board/build: making ${kept##*/}" >&2
        rm -rf "$kept.part"
        mkdir "$kept.part"
        (set -e && "$make" "$kept.part" "$@") >&2
        mv "$kept.part" "$kept"
    fi
    echo "$kept"
}

# uuid TEXT: an id that the text alone decides
uuid() {
    local hex
    hex=$(printf %s "$1" | sha256sum)
    echo "${hex:0:8}-${hex:8:4}-4${hex:13:3}-8${hex:17:3}-${hex:20:12}"
}
