# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-chain shorten --socket: the running VM merges its own layers, and its guest, which checks its disk and memory all
# the time, notices nothing.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load trigger

# vm_on_chain BUS [LAYERS]: a VM whose guest wrote something into each layer of base <- l1 <- … <- top.
vm_on_chain() {
    local i below=base.qcow2
    make_disk "$T/base.qcow2" qcow2 64M
    vm_start vm -drive "file=$T/base.qcow2,format=qcow2,if=$1" -m 64M
    for ((i = 1; i <= ${2:-3}; i++)); do
        vm_wait_count vm +4
        below=$T/l$i.qcow2
        "$QMP" "$T/vm.qmp" blockdev-snapshot-sync "device=$(device)" "snapshot-file=$below" format=qcow2 >/dev/null
    done
    vm_wait_count vm +4
    top=$below
}

device() { "$QMP" "$T/vm.qmp" query-block | jq -r '.[0].device'; }

names() { qemu-img info -U --backing-chain --output json "$1" | jq -r '[.[].filename | split("/")[-1]] | join(" ")'; }

# What the VM itself says of its chain.
names_in_vm() {
    "$QMP" "$T/vm.qmp" query-block |
        jq -r '[.[0].inserted.image | recurse(."backing-image" // empty) | .filename | split("/")[-1]] | join(" ")'
}

no_jobs() { assert_equal "$("$QMP" "$T/vm.qmp" query-block-jobs)" '[]'; }

# goes_on: the guest goes on, and after a cold start, too, its disk is what it wrote.
goes_on() {
    vm_assert_counting vm 12
    no_jobs
    vm_kill vm
    qemu-img check -q "$top"
}

@test "merged upwards, by a VM that runs" {
    vm_on_chain virtio
    run_tool 0 mplcr-chain shorten --keep 2 --socket "$T/vm.qmp" "$top"
    assert_equal "$(names "$top")" 'l3.qcow2 base.qcow2'
    assert_equal "$(names_in_vm)" 'l3.qcow2 base.qcow2'
    assert_equal "$(cd "$T" && ls -- *.qcow2*)" $'base.qcow2\nl3.qcow2'
    run_tool 0 mplcr-chain shorten --keep 1 --socket "$T/vm.qmp" "$top"
    assert_equal "$(names "$top")" l3.qcow2
    goes_on
}

@test "merged downwards, on IDE, whose reads must not meet a change of images" {
    vm_on_chain ide
    run_tool 0 mplcr-chain shorten --into "$T/base.qcow2" --socket "$T/vm.qmp" "$top"
    assert_equal "$(names "$top")" 'l3.qcow2 base.qcow2'
    assert_equal "$(names_in_vm)" 'l3.qcow2 base.qcow2'
    assert_equal "$(cd "$T" && ls -- *.qcow2*)" $'base.qcow2\nl3.qcow2'
    goes_on
}

# bats test_tags=qemu9
@test "a paused VM stays paused; a chain that something else needs stays" {
    vm_on_chain virtio 2
    qemu-img create -q -u -f qcow2 -F qcow2 -b "$T/l1.qcow2" "$T/other.qcow2" 64M
    run_tool 3 mplcr-chain shorten --keep 2 --socket "$T/vm.qmp" "$top"
    [[ $stderr == *"it is the backing file of '"*"other.qcow2'"* ]]
    rm "$T/other.qcow2"
    make_disk "$T/x.qcow2" qcow2 1M
    qemu-img create -q -f qcow2 -F qcow2 -b x.qcow2 "$T/y.qcow2"
    run_tool 3 mplcr-chain shorten --keep 1 --socket "$T/vm.qmp" "$T/y.qcow2"
    [[ $stderr == *'does not have'*'open'* ]]
    "$QMP" "$T/vm.qmp" stop >/dev/null
    run_tool 0 mplcr-chain shorten --keep 2 --socket "$T/vm.qmp" "$top"
    vm_running "$T/vm.qmp" && fail 'it runs'
    "$QMP" "$T/vm.qmp" cont >/dev/null
    goes_on
}

# The VM's job is slow, so that there is a middle: its base has much to copy, and the VM's disk is throttled.
slow_chain() {
    make_disk "$T/base.qcow2" qcow2 512M
    qemu-io -c 'write -q -P 1 64M 320M' "$T/base.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 "$T/l1.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b l1.qcow2 "$T/l2.qcow2"
    top=$T/l2.qcow2
    vm_start vm -m 64M -drive "file=$top,format=qcow2,if=virtio"
}

# killed_at COMMAND[:N]: when it sends that.
killed_at() {
    local status=0
    between "$1=kill-sent"
    mplcr-chain shorten --keep 2 --leave --socket "$T/fake.qmp" "$top" >"$T/said.log" 2>&1 3>&- || status=$?
    [[ $status == 137 ]] || fail "not killed at $1: $(cat "$T/said.log")"
    guard_gone
    kill_and_wait "$(<"$T/fake.pid")"
    vm_running "$T/vm.qmp" || fail "paused by $1"
    no_jobs
    assert_equal "$(names "$top")" "$(names_in_vm)"
}

# bats test_tags=qemu9
@test "killed at any command that it sends, it leaves the VM running" {
    vm_on_chain virtio 2
    for at in stop cont block-stream stop:2 block-job-finalize; do
        killed_at "$at"
    done
    assert_equal "$(names "$top")" 'l2.qcow2 base.qcow2'
    top=$T/l3.qcow2
    "$QMP" "$T/vm.qmp" blockdev-snapshot-sync "device=$(device)" "snapshot-file=$top" format=qcow2 >/dev/null
    killed_at cont:2
    goes_on
}

# bats test_tags=qemu9
@test "interrupted or killed, it leaves the VM running on the chain that it had" {
    slow_chain
    for signal in INT KILL; do
        mplcr-chain shorten --keep 1 --progress=always --socket "$T/vm.qmp" "$top" >"$T/said.log" 2>&1 3>&- &
        pid=$!
        until grep -q merging: "$T/said.log"; do sleep 0.01; done
        kill -"$signal" "$pid"
        status=0
        wait "$pid" || status=$?
        if [[ $signal == INT ]]; then assert_equal "$status" 3; else assert_equal "$status" 137; fi
        guard_gone
        no_jobs
        vm_running "$T/vm.qmp"
        assert_equal "$(names "$top")" 'l2.qcow2 l1.qcow2 base.qcow2'
        vm_assert_counting vm 4
    done
    run_tool 0 mplcr-chain shorten --keep 1 --socket "$T/vm.qmp" "$top"
    assert_equal "$(names "$top")" l2.qcow2
    goes_on
    [[ $(qemu-io -r -c 'read -P 1 64M 320M' "$top") != *failed* ]]
}

# bats test_tags=qemu9
@test "stopped while it holds the guest: its guardian lets the VM run" {
    local status=0
    vm_on_chain virtio 2
    between stop:2=halt-answered
    mplcr-chain shorten --keep 2 --leave --socket "$T/fake.qmp" "$top" >"$T/said.log" 2>&1 3>&- || status=$?
    assert_equal "$status" 137
    guard_gone
    assert_equal "$(tail -n 1 "$T/said.log")" "mplcr-guardian: mplcr-chain did not move for 2 s in the pause and was killed; the VM goes on"
    kill_and_wait "$(<"$T/fake.pid")"
    vm_running "$T/vm.qmp"
    goes_on
}

# bats test_tags=qemu9
@test "QEMU that does not answer while it holds the guest is waited for, and the VM runs on" {
    local qemu
    vm_on_chain virtio 2
    qemu=$(<"$T/vm.pid")
    between "cont=run:kill -STOP $qemu"
    mplcr-chain shorten --keep 2 --leave --socket "$T/fake.qmp" "$top" >"$T/said.log" 2>&1 3>&- &
    pid=$!
    until grep -qx cont "$T/fake.commands"; do sleep 0.01; done
    kill -KILL "$pid"
    until grep -qF "mplcr-guardian: QEMU (process" "$T/said.log"; do sleep 0.01; done
    kill -CONT "$qemu"
    guard_gone
    kill_and_wait "$(<"$T/fake.pid")"
    vm_running "$T/vm.qmp"
    goes_on
}
