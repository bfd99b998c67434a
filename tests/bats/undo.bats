#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# What an undo of mplcr-trigger must leave alone, and what it must not: migrations and files of others, jobs of its own.

load helpers
load trigger

# A VM with a second QMP socket, for who does not come through the tool.
boot_two() { boot -qmp "unix:$T/other.qmp,server=on,wait=off"; }

other() { "$QMP" "$T/other.qmp" "$@"; }

# foreign_goes_on: the migration of somebody else's does, and so does the guest; then it is ended.
foreign_goes_on() {
    assert_equal "$(qmp vm query-migrate | jq -r .status)" active
    vm_running "$T/vm.qmp"
    vm_assert_counting vm 4
    assert_equal "$(qmp vm query-block | jq -r '.[].inserted.file' | sort | xargs)" "$T/a.qcow2 $T/b.img"
    assert_equal "$(find "$T" -name '*.ovl')" ''
    rm -rf "$T"/*.ckpt.partial # settings that cannot be put back meanwhile are in its journal
    kill_and_wait "$(<"$T/foreign.pid")"
    while [[ $(qmp vm query-migrate | jq -r .status) == active ]]; do sleep 0.02; done
}

@test "a migration of somebody else's that begins just before ours is not cancelled: refused, killed" {
    local foreign
    boot_two
    foreign="$QMP $T/other.qmp migrate 'uri=exec:echo \$\$ >$T/foreign.pid; exec sleep 100'"
    between migrate="run:$foreign"
    SOCKET=$T/fake.qmp trigger 4 --engine stop
    foreign_goes_on
    between migrate="run:$foreign; while ! [ -s $T/fake.tool ]; do sleep 0.01; done; kill -9 \$(cat $T/fake.tool)"
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop >"$T/fake.said" 2>&1 3>&- &
    echo $! >"$T/fake.tool"
    wait $! || true
    wait_all_gone
    foreign_goes_on
}

@test "a migration of somebody else's that has taken the VM away meanwhile: it does not run here, too" {
    boot_two
    between transaction="run:$QMP $T/other.qmp migrate 'uri=exec:cat >/dev/null'; until $QMP $T/other.qmp query-status | grep -q postmigrate; do sleep 0.02; done"
    SOCKET=$T/fake.qmp trigger 4 --engine stop --disks overlay
    says "a migration that is not ours has stopped the VM ('postmigrate')"
    assert_equal "$(vm_status "$T/vm.qmp")" postmigrate
    qmp vm cont >/dev/null
    vm_assert_counting vm 4
}

@test "an overlay that somebody has open stays, and is named" {
    boot
    trigger 4 --engine stop --disks overlay --name x1 \
        --at-freeze "setsid sleep 100 <'$T/a_x1.ovl' >/dev/null 2>&1 3>&- & echo \$! >'$T/holder.pid'; false"
    says "'$T/a_x1.ovl' stays, since it is in use: process $(<"$T/holder.pid") (sleep) has it open"
    says "hint: the VM does not need it any more: when nobody uses it, rm '$T/a_x1.ovl'"
    assert_equal "$(find "$T" -name '*.ovl')" "$T/a_x1.ovl"
    assert_equal "$(qmp vm query-block | jq -r '.[].inserted.file' | sort | xargs)" "$T/a.qcow2 $T/b.img"
    vm_assert_counting vm 6
}

@test "a job of the undo's that cannot be completed is cancelled, and what stands is said" {
    boot
    between block-job-complete=error
    SOCKET=$T/fake.qmp trigger 4 --engine stop --disks overlay --name x1 --at-freeze false
    says "undo it with the QMP command block-commit"
    assert_equal "$(qmp vm query-block-jobs)" '[]'
    vm_assert_counting vm 6
}

@test "a checkpoint that is not durable and cannot be taken back: it stands, with its overlays, and that is said" {
    local last
    require strace "fails certain system calls"
    boot
    # traced STRACE OPTION… -- STATUS: those of its calls that are about the directory, or the checkpoint's name
    traced() {
        local strace=(strace -qq -o "$T/fake.strace" -P "$T" -P "$T/x1.ckpt" -e trace=fsync,rename)
        while [[ $1 != -- ]]; do strace+=("$1"); shift; done
        run_tool "$2" "${strace[@]}" "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --engine stop --disks overlay --name "$3"
    }
    export ASAN_OPTIONS=detect_leaks=0
    traced -- 0 x0 # the first one makes a name more durable
    traced -- 0 x00
    last=$(grep -c '^fsync' "$T/fake.strace")
    traced -e "inject=fsync:error=EIO:when=$last" -- 3 x1
    [ ! -e "$T/x1.ckpt" ]
    [ ! -e "$T/x1.ckpt.partial" ]
    traced -e "inject=fsync:error=EIO:when=$last" -e inject=rename:error=EIO -- 4 x1
    says "the checkpoint '$T/x1.ckpt' is complete, may not outlive a power cut, and cannot be taken back"
    says "hint: look at the disk"
    says "the VM goes on with '$T/a_x1.ovl', '$T/b_x1.ovl'"
    assert_equal "$(qmp vm query-block | jq -r '.[].inserted.file' | sort | xargs)" "$T/a_x1.ovl $T/b_x1.ovl"
    run_tool 0 "$BIN/mplcr-chain" verify "$T/x1.ckpt"
    assert_equal "$(find "$T" -name '*.partial' -o -name undo.jsonl)" ''
    vm_assert_counting vm 4
}
