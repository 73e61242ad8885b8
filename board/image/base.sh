# The base: Debian's packages as they are, the kernel's and the firmware's beside them, not installed. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

debian=trixie
# Where the kernel comes from, for APT: Debian's release, its security fixes first, has no driver for what is behind a Pi 5's RP1; its backports
# have. See docs/decisions/0130.
kernel_from() {
    if [[ $arch = arm64 ]]; then
        echo "-o APT::Default-Release=$debian-backports"
    fi
}
# The release's own date, so that a commit of ours does not change the base.
debian_date=1754690400

base_key() {
    declare -f make_base kernel_from
    packages
    printf "%s\n" ${with[@]+"${with[@]}"} | sed -n '/\.deb$/p' | xargs -r -d '\n' sha256sum
    echo "$arch $debian $debian_date"
}

# The packages to install, a line each; one that is a file with its path.
packages() {
    local package
    grep -v -e '^#' -e '^-' -e '^$' board/image/packages.list
    for package in ${with[@]+"${with[@]}"}; do
        case $package in
        *.deb) realpath -e "$package" ;;
        *) echo "$package" ;;
        esac
    done
}

# unpack_kernel BASE DIRECTORY: its packages, of which newer kernels have several
unpack_kernel() {
    local deb
    for deb in "$1"/kernel-*.deb; do
        dpkg-deb -x "$deb" "$2"
    done
}

# make_base DIRECTORY: root.tar, kernel-NAME.deb, u-boot.deb for a virtual machine, and for the Pi wifi.deb, boot.deb and u-boot-pi.deb
make_base() {
    local into=$1 include
    include=$(packages | paste -sd,)
    if [[ $arch != $(dpkg --print-architecture) ]] && ! arch-test "$arch" >/dev/null; then
        fail "programs for $arch do not run here: install qemu-user-static (and register it with binfmt_misc, see docs/image.md)"
    fi
    # None of these is installed: the kernel's package would bring an initrd builder along, and the others are not for the root.
    local download
    # shellcheck disable=SC2016 # expanded by the hook's shell
    download='cd "$0" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" &&
        fetch() { apt-get download -qq -o APT::Sandbox::User=root "$1" && mv "$1"_*.deb "$2"; } &&
        needs() { apt-cache '$(kernel_from)' depends "$1" | sed -n "s/.*Depends: \(linux-[a-z]*-[0-9].*\)/\1/p"; } &&
        image=$(needs linux-image-'$arch') &&
        for name in $image $(needs $image); do fetch $name kernel-$name.deb; done &&
        fetch u-boot-qemu u-boot.deb'
    if [[ $arch = arm64 ]]; then
        download+=' && fetch raspi-firmware boot.deb && fetch firmware-brcm80211 wifi.deb && fetch u-boot-rpi u-boot-pi.deb'
    fi
    SOURCE_DATE_EPOCH=$debian_date mmdebstrap --quiet --variant=apt --architectures="$arch" --include="$include" \
        --components=main,non-free-firmware \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        --hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --setup-hook="echo 'deb http://deb.debian.org/debian $debian-backports main' >\"\$1\"/etc/apt/sources.list.d/backports.list" \
        --customize-hook="bash -euc '$download' '$into'" \
        "$debian" "$into/root.tar"
}
