#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-state cat: an ordinary stream, which QEMU loads.

load helpers
load restore
load state

# goes_on NAME IMAGE COMMAND…: a new VM, on an overlay of the image, loads what the command prints from its standard
# input, and the guest goes on.
goes_on() {
    local name=$1
    qemu-img create -q -f qcow2 -b "$2" -F qcow2 "$T/$name.ovl"
    shift 2
    "$@" | "$QEMU" -nodefaults -display none -no-reboot -kernel "$GUEST" -append 'ws=16M rate=8M' -m 128M \
        -drive "file=$T/$name.ovl,format=qcow2,if=virtio" -serial "file:$T/$name.serial" \
        -qmp "unix:$T/$name.qmp,server=on,wait=off" -incoming fd:0 >"$T/$name.log" 2>&1 3>&- &
    until [[ -S $T/$name.qmp ]] && processes=$(pgrep -f -- "$T/$name.qmp,server"); do sleep 0.01; done
    vm_adopt "$name" "$processes"
    vm_wait_migration "$T/$name.qmp"
    "$QMP" "$T/$name.qmp" cont >/dev/null
    vm_assert_counting "$name"
    vm_kill "$name"
}

@test "cat of each layout, and of what others saved, loads with -incoming fd:0, and the guest goes on clean" {
    saved_vm
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet --engine stop
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x2 --quiet --engine stop --layout stream --compress zstd
    vm_save "$T/vm1.qmp" "$T/plain"
    vm_kill vm1
    seal
    goes_on pages "$T/a.qcow2" mplcr-state cat "$T/x1.ckpt"
    goes_on stream "$T/a_x1.ovl" mplcr-state cat "$T/x2.ckpt"
    libvirt_head "$T/save" 3 1
    xz -0 <"$T/plain" >>"$T/save"
    goes_on others "$T/a_x2.ovl" mplcr-state cat "$T/save"
    cmp <(mplcr-state cat "$T/save") "$T/plain"
    sealed
}

@test "cat writes the same into a pipe as into a file; a background snapshot; several RAM blocks" {
    saved_vm -object memory-backend-ram,id=m0,size=64M -object memory-backend-ram,id=m1,size=64M \
        -numa node,memdev=m0 -numa node,memdev=m1
    checkpoint x1
    assert_equal "$(find "$T/x1.ckpt/ram" -type f -printf '%f\n' | sort | xargs)" 'm0 m1'
    mplcr-state cat "$T/x1.ckpt" >"$T/file"
    mplcr-state cat "$T/x1.ckpt" | cmp - "$T/file"
    # through a second pipe, which gets what the first refers to
    mplcr-state cat "$T/x1.ckpt" | cat | cmp - "$T/file"
    run_tool 0 mplcr-state info --json "$T/file"
    assert_equal "$(jq -c '[.ram_blocks[] | select(.name | startswith("m")) | [.name, .stored + .zero]]' <<<"$output")" \
        '[["m0",67108864],["m1",67108864]]'
}

@test "cat of what is not whole writes nothing" {
    saved_vm
    checkpoint x1
    truncate -s 4096 "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-state cat "$T/x1.ckpt"
    [[ -z $output && $stderr == *'has 4096 bytes'* ]]
    rm "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-state cat "$T/x1.ckpt"
    [[ -z $output ]]
    echo hello >"$T/text"
    run_tool 3 mplcr-state cat "$T/text"
    run_tool 2 mplcr-state cat
    # a reader that ends early is no success
    run_tool 3 mplcr-state cat --virsh "$T/text" "$T/x1.ckpt"
}
