#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-chain on images that a VM has open, and on real checkpoints.

load helpers
load trigger
load chain

@test "verify while a VM runs: its own image is sound, a backing file that it writes to is not; checkpoints are" {
    boot
    sound a.qcow2 b.img
    overlay above a.qcow2 qcow2
    finds E-BACKING-WRITTEN above
    [[ $output == *"$T/a.qcow2: process $(<"$T/vm.pid") has it open for writing, and it is the backing file of '$T/above'"* ]]
    rm "$T/above"

    trigger 0 --name x1 --json
    jq -r '.disks[].frozen, .disks[].active' <<<"$output" >"$T/images"
    vm_wait_count vm +20
    run_tool_stdin 0 mplcr-chain verify - <"$T/images"
    assert_equal "$output" ''
    sound --sums x1.ckpt
    chain 0 walk "$(tail -n 1 "$T/images")"
    assert_equal "${#lines[@]}" 2

    # The second is an overlay of the first; the tree goes elsewhere when the VM has ended.
    trigger 0 --name x2
    sound x1.ckpt x2.ckpt
    vm_kill vm
    sound --sums x1.ckpt x2.ckpt
    mkdir "$T/new"
    mv "$T"/*.qcow2 "$T"/*.img "$T"/*.ovl "$T"/*.ckpt "$T/new"
    chain 0 verify --strict new/x1.ckpt new/x2.ckpt
    refute_output --partial 'E-'
    # A frozen image that is written to, quietly.
    touch -r "$T/new/b.img" "$T/time"
    qemu-io -f raw -c 'write -P 7 0 512' "$T/new/b.img" >/dev/null
    touch -r "$T/time" "$T/new/b.img"
    finds E-BACKING-CHANGED new/x1.ckpt
    [[ $output == *"$T/new/b.img: it was changed since checkpoint 'x1' froze it"* ]]
}

@test "verify of a checkpoint whose frozen image a second VM writes to" {
    boot
    trigger 0 --name x1
    vm_kill vm
    vm_start other -drive "file=$T/a.qcow2,format=qcow2,if=virtio"
    finds E-BACKING-WRITTEN x1.ckpt
    [[ $output == *"a checkpoint has frozen it"* ]]
}
