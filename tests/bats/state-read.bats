#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-state read: the guest's memory by guest-physical address, as QEMU itself reads it.

load helpers
load restore
load state

# as_qemu_reads FILE ADDRESS LENGTH: the bytes of the saved state are those of the VM, which is stopped.
as_qemu_reads() {
    "$QMP" "$T/vm1.qmp" pmemsave "val=$(($2))" "size=$(($3))" "filename=$T/pmem" >/dev/null
    mplcr-state read "$1" "$2" "$3" | cmp - "$T/pmem"
}

@test "read: below and above the hole under 4 GiB, on both machines, from stream and checkpoint" {
    local machine i
    for machine in pc q35; do
        vm_start vm1 -machine "$machine" -m 4G
        vm_wait_count vm1 5
        vm_save "$T/vm1.qmp" "$T/$machine"
        rm -rf "$T/x.ckpt"
        run_tool 0 mplcr-state split "$T/$machine" "$T/x.ckpt"
        for i in "$T/$machine" "$T/x.ckpt"; do
            as_qemu_reads "$i" 0x100000 3000000
            as_qemu_reads "$i" 1048577 4097
            as_qemu_reads "$i" 0x7ffff000 4096
            as_qemu_reads "$i" 0x100000000 0x3000
        done
        # into the hole, and behind the end
        run_tool 3 mplcr-state read "$T/$machine" 0xf0000000 16
        [[ -z $output && $stderr == *'no memory is at 0xf0000000'* ]]
        run_tool 3 mplcr-state read "$T/$machine" 0x100000 3G
        [[ -z $output ]]
        run_tool 3 mplcr-state read "$T/$machine" 8G 1
        # the last byte: 1 GiB above on pc, 2 GiB on q35
        i=$([[ $machine == pc ]] && echo 0x13fffffff || echo 0x17fffffff)
        run_tool 0 mplcr-state read --hex "$T/$machine" "$i" 1
        run_tool 3 mplcr-state read "$T/$machine" "$i" 2
        vm_kill vm1
        rm "$T/vm1.serial"
    done
}

@test "read --hex, --block; numbers" {
    saved_vm
    vm_save "$T/vm1.qmp" "$T/plain"
    run_tool 0 mplcr-state read --hex --block pc.bios "$T/plain" 0x3fff0 16
    # the reset vector: a far jump to f000:e05b
    assert_output --regexp '^000000000003fff0  ea 5b e0 00 f0 .*\|\.\[\.\.\.'
    run_tool 0 mplcr-state read --hex "$T/plain" 1M 20
    assert_equal "${#lines[@]}" 2
    run_tool 3 mplcr-state read --block tape "$T/plain" 0 1
    run_tool 3 mplcr-state read --block pc.bios "$T/plain" 256K 1
    run_tool 2 mplcr-state read "$T/plain" 0x 1
    run_tool 2 mplcr-state read "$T/plain" 0xfffffffffffffffff 1
    run_tool 3 mplcr-state read "$T/plain" 0 0xffffffffffffffff
    run_tool 2 mplcr-state read "$T/plain" 1
}
