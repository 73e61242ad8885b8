# The base: Debian's packages as they are, the kernel's and the firmware's beside them, not installed. Sourced by board/build.
# shellcheck shell=bash disable=SC2154 # the variables of board/build

debian=trixie
# The release's own date, so that a commit of ours does not change the base.
debian_date=1754690400

base_key() {
    declare -f make_base
    packages
    echo "$arch $debian $debian_date"
}

# The packages to install, a line each.
packages() { grep -v -e '^#' -e '^-' -e '^$' board/image/packages.list; }

# make_base DIRECTORY: root.tar, kernel.deb, and for the Pi wifi.deb and boot.deb
make_base() {
    local into=$1 include
    include=$(packages | paste -sd,)
    if [[ $arch != $(dpkg --print-architecture) ]] && ! arch-test "$arch" >/dev/null; then
        fail "programs for $arch do not run here: install qemu-user-static (and register it with binfmt_misc, see docs/image.md)"
    fi
    # The kernel is not installed: its package would bring an initrd builder along.
    # shellcheck disable=SC2016 # expanded by the hook's shell
    local download='cd "$0" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" &&
        kernel=$(apt-cache depends linux-image-'$arch' | sed -n "s/.*Depends: \(linux-image-[0-9]\)/\1/p") &&
        apt-get download -qq -o APT::Sandbox::User=root "$kernel" && mv linux-image-*.deb kernel.deb'
    if [[ $arch = arm64 ]]; then
        download+=' && apt-get download -qq -o APT::Sandbox::User=root raspi-firmware firmware-brcm80211 &&
            mv raspi-firmware_*.deb boot.deb && mv firmware-brcm80211_*.deb wifi.deb'
    fi
    SOURCE_DATE_EPOCH=$debian_date mmdebstrap --quiet --variant=apt --architectures="$arch" --include="$include" \
        --components=main,non-free-firmware \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --customize-hook="bash -euc '$download' '$into'" \
        "$debian" "$into/root.tar"
}
