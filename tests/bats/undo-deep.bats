#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# A VM on a chain of 300 layers, as many checkpoints make one: whatever ends a checkpoint, it is taken back. QEMU's full
# answer to query-named-block-nodes grows with the square of the depth; at this one it is longer than any answer may be.

load helpers
load trigger

LAYERS=300
export QMP_SECONDS=60 # QEMU takes its time to list 600 nodes

# deep_boot: the VM "vm" on that chain
deep_boot() {
    ulimit -n "$(ulimit -H -n)"
    "$BUILD/tests/tools/make-chain" "$T" 1 $((LAYERS - 1))
    qemu-img create -q -u -f qcow2 -F qcow2 -b "vm0_$((LAYERS - 2)).qcow2" "$T/top.qcow2" 16M
    vm_start vm -m 128M -drive "file=$T/top.qcow2,format=qcow2,if=virtio,id=drive0"
    vm_wait_count vm 5
    facts=$(deep_facts)
}

# What must be as it was: the nodes, the files, and that the VM runs. (jq takes no answer as deep as query-block's.)
deep_facts() {
    qmp vm query-named-block-nodes flat=true | jq -r '.[] | "\(.["node-name"]) \(.drv) \(.file) \(.ro)"' | sort
    qmp vm query-block-jobs
    vm_status "$T/vm.qmp"
    find "$T" \( -path "$T/.tool" -o -path "$T/.key" -o -path "$T/fake.*" \) -prune -o ! -name '*.log' -printf '%P %m\n' | sort
}

deep_as_before() {
    local now
    now=$(deep_facts)
    [[ $now == "$facts" ]] || fail "$(printf 'after %s:\n' "$1"; diff <(echo "$facts") <(echo "$now") | head -n 20)"
    vm_assert_counting vm 4
}

# fake_ends: the process between the tool and the VM is not needed any more
fake_ends() {
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f -- "$T/fake.pid" "$T/fake.qmp"
}

# ends_by WAY COMMAND STATUS: mplcr-trigger is ended so at that command
ends_by() {
    between "$2=$1"
    run timeout 120 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop --disks overlay --name x1
    [[ $status == "$3" ]] || fail "$1 at $2: $status instead of $3: $output"
    wait_all_gone 120
    fake_ends
    deep_as_before "$1 at $2"
}

@test "300 layers: a failure, a signal and SIGKILL are all taken back; then a checkpoint is taken" {
    local facts
    deep_boot
    trigger 3 --disks overlay --at-freeze false
    deep_as_before --at-freeze
    ends_by int transaction 3
    ends_by term migrate 3
    ends_by kill-answered transaction 137
    ends_by kill-sent migrate 137
    trigger 0 --disks overlay --name whole
    assert_equal "$(jq '.disks[0].chain | length' "$T/whole.ckpt/checkpoint.json")" $LAYERS
    vm_assert_counting vm 4
}
