#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# qemu: both
#
# mplcr-snap and running VMs: overlays on all disks at one instant, and copies of images in the pause of a checkpoint.

load helpers
load trigger # boot, says, between, vm_facts, as_before
load filesystems

setup() { scratch_begin; }

teardown() {
    cd /
    fs_end
    scratch_end
}

snap() {
    local expected=$1
    shift
    run_tool "$expected" "$BIN/mplcr-snap" "$@"
}

overlay() {
    local expected=$1
    shift
    snap "$expected" overlay --socket "${SOCKET:-$T/vm.qmp}" "$@"
}

# writes_to DEVICE: the file that the VM's disk writes to.
writes_to() { qmp vm query-block | jq -r --arg d "$1" '.[] | select(.device == $d).inserted.file'; }

@test "overlay --socket: all disks in one transaction; what froze never changes, and the guest goes on" {
    local frozen
    boot
    between
    SOCKET=$T/fake.qmp overlay 0
    assert_output "drive0: frozen '$T/a.qcow2', active '$T/a_x1.ovl'
drive1: frozen '$T/b.img', active '$T/b_x1.ovl'"
    [[ $(grep -c transaction "$T/fake.commands") == 1 ]]
    [[ $(writes_to drive0) == "$T/a_x1.ovl" && $(writes_to drive1) == "$T/b_x1.ovl" ]]
    [[ $(qemu-img info -U --output=json "$T/b_x1.ovl" | jq -r '."backing-filename-format"') == raw ]]
    frozen=$(sha256sum "$T/a.qcow2" "$T/b.img")
    vm_assert_counting vm 20
    overlay 0 --json
    [[ $(jq -r '[.schema, .name, (.disks[] | .device, .frozen, .active)] | @csv' <<<"$output") == "\"mplcr.snap.overlay-live/1\",\"x2\",\"drive0\",\"$T/a_x1.ovl\",\"$T/a_x2.ovl\",\"drive1\",\"$T/b_x1.ovl\",\"$T/b_x2.ovl\"" ]]
    overlay 0 --name mine --device "drive1=$T/with space.ovl"
    assert_output "drive1: frozen '$T/b_x2.ovl', active '$T/with space.ovl'"
    [[ $(writes_to drive0) == "$T/a_x2.ovl" ]]
    vm_assert_counting vm 20
    [[ $(sha256sum "$T/a.qcow2" "$T/b.img") == "$frozen" ]] || fail "a frozen image was changed"
    snap 0 list "$T"
    assert_line --partial "overlay     a_x1.ovl: on a.qcow2; it is the backing file of '$T/a_x2.ovl'"
    snap 3 remove "$T/a_x2.ovl"
    says "process $(<"$T/vm.pid")"
}

@test "overlay --socket: whatever fails, the VM is as it was and no file is left" {
    local facts rule
    boot
    touch "$T/a_taken.ovl"
    facts=$(vm_facts)
    overlay 3 --name taken
    says 'exists'
    overlay 3 --device "drive0=$T/nosuch/x.ovl"
    overlay 3 --device "drive0=$T/a.qcow2"
    overlay 2 --device nodisk
    says 'drive0 drive1'
    overlay 2 --name a/b
    overlay 2 --device "drive0=$T/x.ovl" --device "drive1=$T/x.ovl"
    for rule in transaction=error transaction=close query-block=error; do
        between "$rule"
        SOCKET=$T/fake.qmp overlay 3
    done
    SOCKET=$T/nosuch.qmp overlay 3
    kill_and_wait "$(<"$T/fake.pid")" && rm -f "$T/fake.pid"
    run_tool 3 env PATH="$BIN" mplcr-snap overlay --socket "$T/vm.qmp"
    says 'qemu-img'
    as_before "$facts"
}

@test "overlay --socket: where the answer does not come, QEMU is asked again, and what is true is said" {
    boot
    between transaction=int # passed on: the disks are frozen when the tool hears of the signal, or never
    run "$BIN/mplcr-snap" overlay --socket "$T/fake.qmp" --name int
    case $status in
    0 | 4) [[ $(writes_to drive0) == "$T/a_int.ovl" ]] ;;
    3) [[ $(writes_to drive0) == "$T/a.qcow2" && ! -e $T/a_int.ovl ]] ;;
    *) fail "status $status: $output" ;;
    esac
    between transaction=kill-qemu
    SOCKET=$T/fake.qmp overlay 4 --name last
    says 'nobody says whether'
}

@test "reflink: a disk that the VM writes to is refused; with --live-ok the copy is of one moment" {
    fs_mount btrfs "$T/b"
    make_disk "$T/b/a.qcow2" qcow2 16M
    GUEST_WORDS='ws=16M rate=8M' vm_start vm -m 128M -drive "file=$T/b/a.qcow2,format=qcow2,if=virtio,id=drive0"
    vm_wait_count vm 5
    snap 3 reflink --to "$T/b/set" "$T/b/a.qcow2"
    says "is in use: the VM of process $(<"$T/vm.pid") writes to it"
    snap 3 overlay "$T/b/a.qcow2" "$T/b/new.ovl"
    snap 3 subvolume "$T/b" "$T/b/snap"
    snap 0 reflink --live-ok --to "$T/b/set" "$T/b/a.qcow2"
    overlay 0
    snap 0 reflink --suffix .layer2 "$T/b/a.qcow2"
    cmp "$T/b/a.qcow2" "$T/b/a.qcow2.layer2"
    snap 3 reflink --chain --suffix .layer3 "$T/b/a_x1.ovl"
    vm_assert_counting vm 10
}

@test "reflink in the pause of a checkpoint: the copies are the images at the freeze, then go their own way" {
    require tool:mplcr-chain "the chain is walked"
    local type command
    for type in btrfs xfs; do
        fs_mount $type "$T/$type"
        cd "$T/$type"
        make_disk base.qcow2 qcow2 16M
        qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 a.ovl
        GUEST_WORDS='ws=16M rate=8M' vm_start vm -m 128M -drive "file=$T/$type/a.ovl,format=qcow2,if=virtio,id=drive0"
        vm_wait_count vm 5
        mkdir backup
        command="mplcr-chain walk a.ovl | mplcr-snap reflink --to backup - && sha256sum a.ovl base.qcow2 >sums"
        trigger 0 --engine stop --disks none --at-freeze "$command"
        vm_assert_counting vm 10
        (cd backup && sha256sum --quiet -c ../sums)
        run sha256sum --status -c sums
        assert_failure
        qemu-img check -q -f qcow2 backup/a.ovl
        cd /
        vm_kill vm
    done
}

@test "overlay --socket: killed, its guardian removes what the VM does not use" {
    local facts status
    boot
    facts=$(vm_facts)
    for at in transaction=kill query-named-block-nodes=kill; do
        between "$at"
        status=0
        "$BIN/mplcr-snap" overlay --socket "$T/fake.qmp" >"$T/fake.said" 2>&1 3>&- || status=$?
        [[ $status == 137 ]] || fail "not killed at $at: $(<"$T/fake.said")"
        wait_all_gone
        as_before "$facts"
    done
    between transaction=kill-answered
    "$BIN/mplcr-snap" overlay --socket "$T/fake.qmp" >"$T/fake.said" 2>&1 3>&- || true
    wait_all_gone
    [[ $(<"$T/fake.said") == "mplcr-guardian: mplcr-snap died; the disks are frozen: the VM writes to the overlays '$T/a_x1.ovl' …" ]]
    [[ $(writes_to drive0) == "$T/a_x1.ovl" && $(writes_to drive1) == "$T/b_x1.ovl" ]]
    kill_and_wait "$(<"$T/fake.pid")"
    vm_assert_counting vm 8
}
