#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-state split: checkpoints from what others saved.

load helpers
load restore
load state

# lazily NAME CHECKPOINT: a VM of our own command line from it, lazily, and the guest goes on clean.
lazily() {
    qemu-img create -q -f qcow2 -b "$T/a.qcow2" -F qcow2 "$T/$1.ovl"
    restore "$1" "$2" -- "$QEMU" -nodefaults -display none -kernel "$GUEST" -append 'ws=16M rate=8M' -m 128M \
        -drive "file=$T/$1.ovl,format=qcow2,if=virtio" -serial "file:$T/$1.serial"
    assert_equal "$(jq -r '.mode, .running' <<<"$run" | xargs)" 'lazy true'
    vm_assert_counting "$1"
    vm_kill "$1"
}

@test "split of a plain stream and of what virsh saves: restored lazily, and cat of it loads as the stream did" {
    saved_vm
    vm_save "$T/vm1.qmp" "$T/plain"
    vm_kill vm1
    libvirt_head "$T/save" 5 0
    zstd -q <"$T/plain" >>"$T/save"
    run_tool 0 mplcr-state split "$T/plain" "$T/p.ckpt"
    assert_output "$T/p.ckpt"
    run_tool 0 mplcr-state split "$T/save" "$T/v"
    assert_output "$T/v.ckpt"
    seal
    run_tool 0 mplcr-state verify "$T/p.ckpt" "$T/v.ckpt"
    cmp "$T/p.ckpt/ram/pc.ram" "$T/v.ckpt/ram/pc.ram"
    [[ $(<"$T/v.ckpt/domain.xml") == '<domain type="qemu">'* ]]
    assert_equal "$(jq -r .run_state "$T"/[pv].ckpt/checkpoint.json | xargs)" 'running paused'
    assert_equal "$(stat -c %a "$T/p.ckpt" "$T/p.ckpt/ram/pc.ram" "$T/p.ckpt/checkpoint.json" | xargs)" '700 600 600'
    lazily l1 "$T/p.ckpt"
    mplcr-state cat "$T/p.ckpt" >"$T/again"
    vm_load l2 "$T/again" -m 128M -drive "file=$T/a.qcow2,format=qcow2,if=virtio,snapshot=on"
    vm_assert_counting l2
    vm_kill l2
    sealed
}

# bats test_tags=qemu9
@test "split of mapped-ram files: precopy, multifd, a background snapshot" {
    require 'qemu>=9' 'mapped-ram came with QEMU 9.0'
    local i
    saved_vm
    for i in background-snapshot multifd; do
        "$QMP" "$T/vm1.qmp" migrate-set-capabilities \
            "capabilities=[{\"capability\":\"mapped-ram\",\"state\":true},{\"capability\":\"$i\",\"state\":true}]" >/dev/null
        [[ $i != multifd ]] || "$QMP" "$T/vm1.qmp" stop >/dev/null
        "$QMP" "$T/vm1.qmp" migrate "uri=file:$T/$i" >/dev/null
        vm_wait_migration "$T/vm1.qmp"
        until [[ $(vm_status "$T/vm1.qmp") != finish-migrate ]]; do sleep 0.01; done
        "$QMP" "$T/vm1.qmp" migrate-set-capabilities "capabilities=[{\"capability\":\"$i\",\"state\":false}]" >/dev/null
        run_tool 0 mplcr-state info --json "$T/$i"
        assert_equal "$(jq -r .kind <<<"$output")" mapped-ram
        run_tool 0 mplcr-state split "$T/$i" "$T/$i.ckpt"
        run_tool 0 mplcr-state verify "$T/$i.ckpt" "$T/$i"
    done
    vm_kill vm1
    lazily l1 "$T/multifd.ckpt"
    head -c 20000000 "$T/multifd" >"$T/cut"
    run_tool 3 mplcr-state split "$T/cut" "$T/cut.ckpt"
    [[ $stderr == *'is cut'* && ! -e $T/cut.ckpt && ! -e $T/cut.ckpt.partial ]]
}

@test "split leaves nothing half: what is cut, what is there, no space, a signal" {
    saved_vm
    vm_save "$T/vm1.qmp" "$T/plain"
    vm_kill vm1
    head -c 10000000 "$T/plain" >"$T/cut"
    gzip -1 <"$T/plain" | head -c 1000000 >"$T/cut.gz"
    for i in cut cut.gz; do
        run_tool 3 mplcr-state split "$T/$i" "$T/x.ckpt"
        assert_equal "$(find "$T" -name 'x.ckpt*')" ''
    done
    mkdir "$T/there.ckpt"
    run_tool 3 mplcr-state split "$T/plain" "$T/there"
    [[ $stderr == *exists* && -z $(ls "$T/there.ckpt") ]]
    run_tool 3 mplcr-state split --ram tape "$T/plain" "$T/x.ckpt"
    [[ $stderr == *"no RAM block 'tape'"* ]]
    run_tool 2 mplcr-state split "$T/plain"
    require root 'mounts a small filesystem'
    mkdir "$T/small"
    mount -t tmpfs -o size=4M none "$T/small"
    run_tool 3 mplcr-state split "$T/plain" "$T/small/x.ckpt"
    [[ $stderr == *'not enough space'* ]]
    zstd -q "$T/plain" -o "$T/zst"
    run_tool 3 mplcr-state split "$T/zst" "$T/small/x.ckpt"
    assert_equal "$(find "$T/small" -mindepth 1)" ''
    umount "$T/small"
}
