# U-Boot's script, the same for every board: it starts one of two slots. It lies on the partition `firmware` as `boot.scr`, and no update
# changes it. The disk it came from is ${devtype} ${devnum}.
#
# BOOT_ORDER, BOOT_A_LEFT and BOOT_B_LEFT are RAUC's names; they are kept in one sector of the partition `env`. A slot with 3 tries or fewer
# left is on trial: each start takes one, which is written down before. One with more is good, and its start writes nothing. Without an
# environment both are good, and the first comes first. What is left after the start the kernel is told, so that whoever runs knows to call it good.

# Where things go in memory: RAM begins at 0, or at 1 GiB. Between 0xb000000 and 0xb010000 a Raspberry Pi keeps the last words of a panic.
setenv high 0
test "${board}" = qemu-arm && setenv high 4
setenv kernel_at 0x${high}2000000
setenv fdt_at 0x${high}7000000
setenv text_at 0x${high}7800000
setenv env_at 0x${high}7900000
setenv initrd_at 0x${high}8000000
setenv kernel_comp_addr_r 0x${high}c000000
setenv kernel_comp_size 0x4000000

${devtype} dev ${devnum}
setenv sector
part start ${devtype} ${devnum} env sector && ${devtype} read ${env_at} ${sector} 1 && env import -c ${env_at} 200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER A B
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 9
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 9

# More words for the kernel, by whoever holds the card: `append=WORD...`.
setenv append
part number ${devtype} ${devnum} firmware number
if test -e ${devtype} ${devnum}:${number} append.txt; then
    load ${devtype} ${devnum}:${number} ${text_at} append.txt && env import -t -r ${text_at} ${filesize} append
fi

# When no slot has a try left, both are tried once more: something may have changed, and nothing is lost.
for turn in ${BOOT_ORDER} a b; do
    setenv left 9
    setenv next
    if test ${turn} = A; then
        setenv left ${BOOT_A_LEFT}
    fi
    if test ${turn} = B; then
        setenv left ${BOOT_B_LEFT}
    fi
    setenv slot B
    setenv label b
    if test ${turn} = A || test ${turn} = a; then
        setenv slot A
        setenv label a
    fi
    test "${left}" = 3 && setenv next 2
    test "${left}" = 2 && setenv next 1
    test "${left}" = 1 && setenv next 0
    setenv told ${left}
    test ${turn} = a && setenv told 0
    test ${turn} = b && setenv told 0
    if test -n "${next}"; then
        setenv told ${next}
        setenv BOOT_${slot}_LEFT ${next}
        env export -c -s 200 ${env_at} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
        test -n "${sector}" && ${devtype} write ${env_at} ${sector} 1
    fi
    setenv number
    setenv from
    test "${left}" != 0 && part number ${devtype} ${devnum} boot-${label} number && setenv from ${devtype} ${devnum}:${number}
    setenv bootargs
    if test -n "${from}" && load ${from} ${text_at} slot.txt && env import -t ${text_at} ${filesize} bootargs && load ${from} ${kernel_at} vmlinuz && load ${from} ${initrd_at} initrd.img; then
        echo "Holdfast: slot ${slot}, ${left} left"
        setenv initrd_size ${filesize}
        setenv bootargs "${bootargs} rauc.slot=${slot} holdfast.disk=${devtype} holdfast.left=${told} ${append}"
        if test "${arch}" = x86; then
            zboot ${kernel_at} 0 ${initrd_at} ${initrd_size}
        else
            # The slot's own device tree where it has this board's, else the firmware's.
            setenv tree ${fdt_addr}
            if test -n "${fdtfile}" && test -e ${from} ${fdtfile}; then
                load ${from} ${fdt_at} ${fdtfile} && setenv tree ${fdt_at}
            fi
            booti ${kernel_at} ${initrd_at}:${initrd_size} ${tree}
        fi
        echo "Holdfast: slot ${slot} does not start"
    fi
done

echo "Holdfast: no slot starts; once more in ten seconds"
sleep 10
reset
