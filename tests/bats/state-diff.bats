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

# map_row OFFSET: the cells of that row of the block that $output has first.
map_row() { grep -m 1 "^$1 " <<<"$output" | cut -d ' ' -f 2; }

@test "diff --map: zero, same and changed in letters, SVG and PNG; files whole or not at all" {
    local i dots=............................................................... # 63
    saved_vm
    vm_save "$T/vm1.qmp" "$T/plain"
    vm_kill vm1
    mkdir "$T/b"
    run_tool 0 mplcr-state split "$T/plain" "$T/a.ckpt"
    run_tool 0 mplcr-state split "$T/plain" "$T/b/a.ckpt"
    # cells of 32 pages from 96 MiB on: one page of the first, 8 of the second, all of the third
    for i in 0 {32..39} {64..95}; do
        printf '\1' | dd of="$T/b/a.ckpt/ram/pc.ram" bs=1 seek=$((96 * 1024 * 1024 + i * 4096)) conv=notrunc status=none
    done
    run_tool 1 mplcr-state diff --summary --map - "$T/a.ckpt" "$T/b/a.ckpt"
    assert_line "first: $T/a.ckpt"
    assert_line "second: $T/b/a.ckpt"
    assert_line 'a cell is 128.0 KiB'
    assert_line --regexp '^pc\.ram, 128\.0 MiB: 164\.0 KiB changed, .* same, .* zero$'
    assert_equal "$(map_row 0x0006000000)" "+x#${dots:2}"
    assert_equal "$(map_row 0x0005800000)" "$dots."
    assert_equal "$(map_row 0x0001000000)" "${dots//./-}-"
    # a file in letters is the same, and in pictures what is said and in which colours
    run_tool 1 mplcr-state diff --map "$T/m.txt" "$T/a.ckpt" "$T/b/a.ckpt"
    [[ $output != *'a cell is'* ]]
    output=$(<"$T/m.txt")
    assert_equal "$(map_row 0x0006000000)" "+x#${dots:2}"
    run_tool 1 mplcr-state diff --json -m "$T/m.svg" "$T/a.ckpt" "$T/b/a.ckpt"
    jq -e '.same == false' <<<"$output" >/dev/null
    grep -q 'pc.ram, 128.0 MiB: 164.0 KiB changed' "$T/m.svg"
    run_tool 1 mplcr-state diff -m "$T/m.png" "$T/a.ckpt" "$T/b/a.ckpt"
    assert_equal "$(head -c 4 "$T/m.png" | tail -c 3)" PNG
    # two that are the same have a map too
    run_tool 0 mplcr-state diff --map - "$T/plain" "$T/a.ckpt"
    assert_line 'second: a.ckpt'
    assert_equal "$(map_row 0x0006000000)" "$dots."
    # nothing is written over, or made by half
    run_tool 3 mplcr-state diff -m "$T/m.txt" "$T/plain" "$T/a.ckpt"
    [[ $stderr == *"m.txt' exists"*--force* ]]
    run_tool 0 mplcr-state diff -m "$T/m.txt" --force "$T/plain" "$T/a.ckpt"
    for i in "$T/m.jpg" "$T/svg" "$T/.d/"; do
        run_tool 2 mplcr-state diff -m "$i" "$T/plain" "$T/a.ckpt"
    done
    run_tool 2 mplcr-state diff --json --map - "$T/plain" "$T/a.ckpt"
    run_tool 2 mplcr-state diff --force "$T/plain" "$T/a.ckpt"
    run_tool 3 mplcr-state diff -m "$T/none/m.txt" "$T/plain" "$T/a.ckpt"
    assert_output ''
    run_tool 3 env PATH="$T" "$BIN/mplcr-state" diff -m "$T/new.svg" "$T/a.ckpt" "$T/b/a.ckpt"
    [[ $stderr == *'gnuplot is not installed'*'--map FILE.txt works without it'* ]]
    assert_equal "$(ls -A "$T" | grep -cE '^(m\.|new)')" 3
}
