#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
# bats file_tags=qemu9
#
# The traps of the MPLCR-patched QEMU, and how mplcr-trigger gets by each of them; on the stand-in, or with
# MPLCR_QEMU=PATH (make check-mplcr) on the genuine one; see mplcr.bash.

load helpers
load trigger
load mplcr

@test "an overlay that QEMU fails to make, and does not say so: the checkpoint fails, and the active images are named" {
    local which
    patched_boot
    for which in b "a b"; do
        between migrate="run:for d in $which; do ln -sf $T/none/x $T/\${d}_x1.ovl; done"
        SOCKET=$T/fake.qmp mplcr 3 --name x1
        grep -q '^live-checkpointing-disable$' "$T/fake.commands"
        if [[ $which == b ]]; then says "'ide0-hd1' writes to '$T/b.img'"; else says "'ide0-hd0' writes to '$T/a.qcow2'"; fi
        assert_equal "$(active)" "$T/a.qcow2 $T/b.img"
        vm_running "$T/vm.qmp"
        vm_assert_counting vm 6
        nothing_left
    done
    switched_off
    mplcr 0
    assert_equal "$(active)" "$T/a_x1.ovl $T/b_x1.ovl"
}

@test "two failures that kill QEMU" {
    standin_only "no such failure is known of the genuine QEMU"
    STANDIN=--assert patched_boot
    between migrate="run:for d in a b; do ln -sf $T/none/x $T/\${d}_x1.ovl; done"
    SOCKET=$T/fake.qmp trigger 3 --engine mplcr --name x1
    says "QMP connection closed"
    [ ! -e "$T/x1.ckpt" ]
    [ ! -e "$T/x1.ckpt.partial" ]
}

@test "what an earlier try has left in the queue" {
    local json
    patched_boot
    # of ours: it is made now, under the names that QEMU was told then
    mplcr_begin --extend-live
    log_wait "out migrate_init"
    kill -TERM "$mplcr_pid"
    mplcr_ends 3
    says "warning: overlays stay queued in QEMU"
    nothing_left
    mplcr 0 --name y
    [[ $stderr != *"is between"* ]]
    json=$(<"$T/y.ckpt/checkpoint.json")
    assert_equal "$(field '.disks[].frozen' | xargs)" "$T/a.qcow2 $T/b.img"
    assert_equal "$(field '.disks[].active' | xargs)" "$T/a_x1.ovl $T/b_x1.ovl"
    assert_equal "$(active)" "$T/a_x1.ovl $T/b_x1.ovl"
    [ ! -e "$T/vm.qmp.mplcr" ]
    vm_assert_counting vm 4
    # somebody else's
    qmp vm hmp "snapshot_blkdev_mplcr ide0-hd0 $T/foreign.ovl qcow2"
    mplcr 0 --name z
    says "'$T/foreign.ovl' is between its overlay and the frozen image"
    assert_equal "$(active)" "$T/a_z.ovl $T/b_z.ovl"
    vm_assert_counting vm 4
    switched_off
}

@test "a live stage that spins for ever: noticed, and said plainly; the VM runs on" {
    standin_only "it cannot be had for the asking"
    STANDIN=--stuck patched_boot
    mplcr 4
    says "stuck"
    says "restart"
    vm_running "$T/vm.qmp"
    vm_assert_counting vm 6
    assert_equal "$(active)" "$T/a.qcow2 $T/b.img"
    assert_equal "$(find "$T" -name '*.ckpt*')" ''
    qmp vm set-mplm-end-live >/dev/null
    knows_that_it_is_stuck
}

# The next checkpoint of it is refused at once.
knows_that_it_is_stuck() {
    assert_equal "$(qmp vm query-migrate | jq -r .status)" cancelling
    mplcr 3
    says "restart"
    vm_assert_counting vm 6
}

@test "a live stage that spins already" {
    local i
    GUEST_WORDS='ws=16M rate=8M' MEMORY=128M STANDIN=--stuck patched_boot
    # with QEMU's own settings the genuine one spins nearly always
    qmp vm migrate "uri=exec:cat >/dev/null" >/dev/null
    for ((i = 0; i < 100; i++)); do
        [[ $(qmp vm query-migrate | jq -r '"\(.status) \(.ram.remaining)"') != 'active 0' ]] || break
        sleep 0.02
    done
    ((i < 100)) || skip "QEMU was lucky"
    sleep 0.2
    qmp vm migrate_cancel >/dev/null
    knows_that_it_is_stuck
}

@test "names of 149 bytes are taken, longer ones are refused before anything is done" {
    local facts file device n
    device=$(printf 'd%.0s' {1..149})
    make_disk "$T/a.img" raw 16M
    make_disk "$T/c.img" raw 1M
    GUEST_WORDS=$quiet patched_start vm -m 64M -drive "file=$T/a.img,format=raw,if=none,id=$device" -device "virtio-blk-pci,drive=$device" \
        -drive "file=$T/c.img,format=raw,if=none,id=${device}x" -device "megasas" -device "scsi-hd,drive=${device}x"
    vm_wait_count vm 3
    facts=$(vm_facts)
    mplcr 3 --device "${device}x" --leave-out "$device"
    says "device name"
    says "150 bytes, at most 149"
    for n in 150 151 200; do
        file=$(printf '%*s' $((n - ${#T} - 5)) '')
        mplcr 3 --device "$device=$T/${file// /f}.ovl" --leave-out "${device}x"
        says "$n bytes, at most 149"
    done
    as_before "$facts"
    file=$(printf '%*s' $((149 - ${#T} - 5)) '')
    mplcr 0 --device "$device=$T/${file// /f}.ovl" --leave-out "${device}x"
    vm_assert_counting vm 6
    assert_equal "$(active)" "$T/${file// /f}.ovl $T/c.img"
}

@test "20 disks are frozen, 21 are not" {
    local i drives=() facts
    for ((i = 0; i < 21; i++)); do
        make_disk "$T/d$i.img" raw 1M
        drives+=(-drive "file=$T/d$i.img,format=raw,if=none,id=d$i" -device "scsi-hd,drive=d$i,scsi-id=$i")
    done
    GUEST_WORDS=$quiet patched_start vm -m 64M -device megasas "${drives[@]}"
    vm_wait_count vm 3
    facts=$(vm_facts)
    mplcr 3
    says "21 disks"
    says "at most 20"
    as_before "$facts"
    mplcr 0 --json $(printf -- '--device d%d ' {0..19}) --leave-out d20
    assert_equal "$(jq '[.disks[] | select(.active | endswith(".ovl"))] | length' <<<"$output")" 20
    assert_equal "$(active | tr ' ' '\n' | grep -c ovl)" 20
    vm_assert_counting vm 6
}

@test "a VM that was paused stays paused" {
    patched_boot
    qmp vm stop >/dev/null
    mplcr 0 --json
    assert_equal "$(jq -r .run_state <<<"$output")" paused
    assert_equal "$(vm_status "$T/vm.qmp")" paused
    assert_equal "$(active)" "$T/a_x1.ovl $T/b_x1.ovl"
    mplcr 3 --extend-live --timeout 0.5
    assert_equal "$(vm_status "$T/vm.qmp")" paused
    mplcr 3 --leave-paused
    qmp vm cont >/dev/null
    vm_assert_counting vm 6
}

# killed WAY COMMAND[:N]: the tool is killed (SIGKILL) at that command; its guardian leaves the VM as it was.
killed() {
    between "$2=$1"
    SOCKET=$T/fake.qmp mplcr_begin --name x1
    wait "$mplcr_pid" || true
    wait_all_gone
    kill_and_wait "$(<"$T/fake.pid")"
    rm -rf "$T/fake.pid" "$T/fake.qmp" "$T"/*.mplcr
    [ ! -e "$T/x1.ckpt" ] || fail "not killed at $2: $(<"$T/fake.said")"
    STEPS=4 as_before "$facts" || fail "killed at $2"
}

@test "killed at any command: the VM is as it was before, and nothing is left switched on" {
    local facts at
    patched_boot
    facts=$(vm_facts)
    for at in human-monitor-command:2 live-checkpointing-enable migrate live-checkpointing-disable query-block:2; do
        killed kill-sent "$at"
    done
    killed kill-answered migrate
    # and a SIGINT, where no live stage is to be ended
    between query-migrate:3=int
    SOCKET=$T/fake.qmp mplcr 3 --name x1
    says interrupted
    rm -rf "$T"/*.mplcr
    STEPS=4 as_before "$facts"
    switched_off
}

# killed_once: a tool on $T/fake.qmp is, at the next rule of the fake-qmp there. The same fake-qmp then takes the next tool,
# for which what was noted of this one counts.
killed_once() {
    SOCKET=$T/fake.qmp mplcr_begin --name x1
    wait "$mplcr_pid" || true
    wait_all_gone
    [ ! -e "$T/x1.ckpt" ] || fail "not killed: $(<"$T/fake.said")"
}

# goes_on ACTIVE…: the next checkpoint, x1, is taken, and the VM writes to these then.
goes_on() {
    SOCKET=$T/fake.qmp mplcr 0 --name "${NAME:-x1}"
    kill_and_wait "$(<"$T/fake.pid")"
    assert_equal "$(active)" "$*"
    [ ! -e "$T/fake.qmp.mplcr" ]
    vm_assert_counting vm 4
}

@test "killed once QEMU has made its overlays: they are struck off, and the next checkpoint is taken" {
    patched_boot
    between live-checkpointing-disable=kill-sent
    killed_once
    [[ $(<"$T/fake.said") != *"queued in QEMU"* ]] || fail "$(<"$T/fake.said")"
    nothing_left
    [ ! -e "$T/fake.qmp.mplcr" ]
    goes_on "$T/a_x1.ovl" "$T/b_x1.ovl"
}

@test "killed once QEMU has failed to make them: the same" {
    patched_boot
    between migrate="run:ln -sf $T/none/x $T/a_x1.ovl; ln -sf $T/none/x $T/b_x1.ovl" live-checkpointing-disable=kill-sent
    killed_once
    nothing_left
    goes_on "$T/a_x1.ovl" "$T/b_x1.ovl"
}

@test "killed together with the guardian once QEMU has made its overlays: found out before the next pause, or by recover" {
    patched_boot
    between live-checkpointing-disable=both-sent
    killed_once
    grep -qF a_x1.ovl "$T/fake.qmp.mplcr/state.json"
    NAME=y goes_on "$T/a_y.ovl" "$T/b_y.ovl"
    rm -r "$T"/*.ckpt*
    between live-checkpointing-disable=both-sent
    SOCKET=$T/fake.qmp mplcr_begin --name z
    wait "$mplcr_pid" || true
    run_tool 0 "$BIN/mplcr-trigger" recover --yes --socket "$T/fake.qmp" "$T"
    [ ! -e "$T/fake.qmp.mplcr" ]
    NAME=z goes_on "$T/a_z.ovl" "$T/b_z.ovl"
}

@test "killed while overlays are being queued: one in doubt is never queued again under its name" {
    patched_boot
    between human-monitor-command:2=kill human-monitor-command:4=kill-sent
    for _ in 1 2; do
        killed_once
        grep -qF 'overlays may stay queued in QEMU' "$T/fake.said"
        nothing_left
    done
    goes_on "$T/a_x1-3.ovl" "$T/b_x1-3.ovl"
    says "'$T/a_x1-2.ovl' is between its overlay and the frozen image"
}

# Kills the processes in $T/fake.end when QEMU's script has begun, and has not opened its FIFOs yet.
script_hook() {
    mkdir "$T/bin"
    cat >"$T/bin/timeout" <<EOF
#!/bin/sh
if [ -e "$T/fake.hook" ]; then
    rm "$T/fake.hook"
    while ! [ -s "$T/fake.end" ]; do sleep 0.01; done
    read -r pids <"$T/fake.end"
    kill -9 \$pids
    for pid in \$pids; do while kill -0 \$pid && ! grep -q '^State:.Z' /proc/\$pid/status; do sleep 0.01; done; done 2>/dev/null
fi
exec $(command -v timeout) "\$@"
EOF
    chmod +x "$T/bin/timeout"
}

@test "killed before QEMU's script has opened its FIFOs: the guest does not stand until the script's time is up" {
    local facts way
    script_hook
    PATH=$T/bin:$PATH patched_boot
    facts=$(vm_facts)
    for way in both tool; do
        : >"$T/fake.hook"
        rm -f "$T/fake.end"
        mplcr_begin --name x1 --disks none --at-freeze "echo >>'$T/fake.ran'"
        until ! [[ -e $T/fake.hook ]]; do sleep 0.01; done # now it waits for the other file
        case $way in
        both) echo "$mplcr_pid $(pgrep -P "$mplcr_pid" | xargs)" ;;
        tool) echo "$mplcr_pid" ;;
        esac >"$T/fake.end"
        vm_wait_count vm +3 20
        wait "$mplcr_pid" || true
        wait_all_gone 20
        [ ! -e "$T/fake.ran" ]
        rm -rf "$T"/*.mplcr "$T"/*.partial
        if [[ $way == both ]]; then # what they had set is there still
            qmp vm live-checkpointing-disable >/dev/null
            facts=$(vm_facts)
        fi
        STEPS=4 as_before "$facts"
    done
    switched_off
}

# --- what the tool relies on ----------------------------------------------------------------------------------------

@test "the patch's own answers" {
    local long odd i
    patched_boot
    refuses() {
        local expected=$1
        shift
        run qmp vm "$@"
        assert_equal "$status $output" "1 qmp: $1: $expected"
    }
    refuses "Error! script only allowed with MPLCR enabled" mplcr-post-checkpointing-script uri=/bin/true
    refuses "Parameter 'firstnondirty' is missing" set-mplm-migration enable=true
    refuses "Parameter 'dirtypercents' is missing" set-mplm-migration enable=true firstnondirty=true intervaltime=3 relaxlivemig=true
    refuses "Invalid parameter 'background-snapshot'" migrate-set-capabilities \
        '{"capabilities": [{"capability": "background-snapshot", "state": true}]}'
    long=$(printf 'x%.0s' {1..150})
    odd=$'Parameter \'snapshot-file\' is missing\r'
    assert_equal "$(qmp vm hmp "snapshot_blkdev_mplcr ide0-hd0 $long qcow2")" "$odd"
    assert_equal "$(qmp vm hmp "snapshot_blkdev_mplcr $long /x qcow2")" "$odd"
    assert_equal "$(qmp vm hmp "snapshot_blkdev_mplcr ide0-hd0")" "$odd"
    for ((i = 0; i < 20; i++)); do
        assert_equal "$(qmp vm hmp "snapshot_blkdev_mplcr nosuch \"$T/no such/\\\"file\" qcow2")" ''
    done
    assert_equal "$(qmp vm hmp "snapshot_blkdev_mplcr ide0-hd0 /x qcow2")" "$odd"

    # 20 failures, of which QEMU tells its standard error of the first, and nobody else
    qmp vm live-checkpointing-enable >/dev/null
    qmp vm migrate-set-parameters max-bandwidth=8388608 downtime-limit=2000000 >/dev/null
    qmp vm migrate "uri=exec:cat >/dev/null" >/dev/null
    vm_wait_migration "$T/vm.qmp"
    assert_equal "$(grep -c '^qemu-system-x86_64: ' "$T/vm.log")" 1
    vm_assert_counting vm 4
    assert_equal "$(active)" "$T/a.qcow2 $T/b.img"

    # without a format it dies
    run qmp vm hmp "snapshot_blkdev_mplcr ide0-hd0 /x"
    assert_failure
    until ! kill -0 "$(<"$T/vm.pid")" 2>/dev/null; do sleep 0.02; done
}
