#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 7
#
# mplcr-state diff: pages, bytes and fields that differ.

load helpers
load restore
load state

@test "diff: the same state in other forms is the same; one byte of memory and no more" {
    saved_vm
    vm_save "$T/vm1.qmp" "$T/plain"
    vm_kill vm1
    gzip -1 <"$T/plain" >"$T/gz"
    run_tool 0 mplcr-state split "$T/plain" "$T/a.ckpt"
    run_tool 0 mplcr-state split "$T/plain" "$T/b.ckpt"
    run_tool 0 mplcr-state diff "$T/plain" "$T/gz"
    run_tool 0 mplcr-state diff "$T/a.ckpt" "$T/plain"
    assert_output ''
    # three bytes in two pages one behind the other, one in a page that was a hole
    printf '\377\1' | dd of="$T/b.ckpt/ram/pc.ram" bs=1 seek=$((100 * 1024 * 1024 + 4095)) conv=notrunc status=none
    printf '\1' | dd of="$T/b.ckpt/ram/pc.ram" bs=1 seek=$((120 * 1024 * 1024)) conv=notrunc status=none
    run_tool 1 mplcr-state diff "$T/a.ckpt" "$T/b.ckpt"
    assert_line 'pc.ram: 3 of 32768 pages differ, 3 bytes'
    assert_line --regexp '^  0x0006400000-0x0006401fff +2 pages +2 bytes$'
    assert_line --regexp '^  0x0007800000-0x0007800fff +1 page +1 bytes$'
    run_tool 1 mplcr-state diff --summary "$T/gz" "$T/b.ckpt"
    assert_output 'pc.ram: 3 of 32768 pages differ, 3 bytes'
    run_tool 1 mplcr-state diff --json "$T/a.ckpt" "$T/b.ckpt"
    assert_equal "$(jq -c '[.schema, .same, (.ram_blocks[] | select(.name == "pc.ram") | .pages, .bytes, .ranges[1].offset), .devices]' <<<"$output")" \
        '["mplcr.state.diff/1",false,3,3,125829120,[]]'
    run_tool 2 mplcr-state diff "$T/plain"
    run_tool 3 mplcr-state diff "$T/plain" "$T/nothing"
}

@test "diff: two instants of one VM: fields by name; a device that one alone has" {
    saved_vm
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet
    vm_wait_count vm1 +5
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x2 --quiet
    run_tool 1 mplcr-state diff "$T/x1.ckpt" "$T/x2.ckpt"
    assert_line --regexp '^pc\.ram: [0-9]+ of 32768 pages differ'
    assert_line --regexp '^timer, instance 0: [0-9]+ fields? differs?$'
    assert_line --regexp '^  cpu_clock_offset +[0-9]+ -> [0-9]+$'
    vm_kill vm1
    vm_start vm2 -m 128M -device virtio-rng-pci
    vm_save "$T/vm2.qmp" "$T/other"
    run_tool 1 mplcr-state diff -s "$T/x1.ckpt" "$T/other"
    assert_line --regexp 'virtio-blk, instance 0: only in the first$'
    assert_line --regexp 'virtio-rng, instance 0: only in the second$'
}
