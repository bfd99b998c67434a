#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trigger recover: mplcr-trigger and its guardian are killed together, at points that fake-qmp between the tool and the VM
# makes sure of; or the VM is gone, too.

load helpers
load trigger

# both_killed AT [OPTION…]: a checkpoint x1 is begun, and both are killed at COMMAND[:N]=both….
both_killed() {
    local at=$1 status=0
    shift
    between "$at"
    timeout 60 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --name "${NAME:-x1}" "$@" >"$T/fake.said" 2>&1 3>&- || status=$?
    [[ $status == 137 ]] || fail "$at: not killed, but ended with $status: $(cat "$T/fake.said")"
    wait_all_gone
}

# recover STATUS [OPTION…]: in $T.
recover() {
    local expected=$1
    shift
    run_tool "$expected" "$BIN/mplcr-trigger" recover "$@" "$T"
}

# found KIND…: these are the findings of the last call, in any order.
found() {
    assert_equal "$(sed 's/ .*//' <<<"$output" | sort -u | xargs)" "$(printf '%s\n' "$@" | sort -u | xargs)"
}

# recovered: what both_killed left is found, nothing is done without --yes, and with it all is as $facts says.
recovered() {
    local left
    left=$(vm_facts)
    recover 1
    [[ $(vm_facts) == "$left" ]] || fail "$(printf 'recover without --yes has changed something:\n'; diff <(echo "$left") <(vm_facts))"
    recover 0 --yes
    [[ $output == *"; done: "* ]] || fail "nothing was done: $output"
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f -- "$T/fake.pid" "$T/fake.qmp"
    STEPS=4 as_before "$facts"
    recover 0
    assert_output ""
}

# at_points ENGINE POINT…: at each of them.
at_points() {
    local engine=$1 at facts
    shift
    boot
    facts=$(vm_facts)
    for at; do
        both_killed "$at" --engine "$engine"
        echo "both killed at $at"
        recovered
    done
    trigger 0 --engine "$engine"
    vm_assert_counting vm 4
}

@test "both killed: before the overlays, after them, in the background save, before publication" {
    at_points background getfd=both-answered migrate-set-parameters=both-sent stop=both-answered transaction=both-answered \
        migrate=both-answered query-migrate:4=both-answered query-block:2=both-answered
}

@test "both killed, engine stop: overlays, migration, postmigrate" {
    at_points stop migrate-set-capabilities:2=both-answered stop=both-sent transaction=both-sent migrate=both-sent \
        query-status:2=both-answered cont=both
}

@test "both killed: a VM that was paused before is paused again, and --socket finds it where nobody listens any more" {
    local facts
    boot
    qmp vm stop >/dev/null
    facts=$(vm_facts)
    both_killed cont=both-answered --engine stop
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f -- "$T/fake.pid" "$T/fake.qmp"
    recover 1 --yes
    found unreached
    run_tool 0 "$BIN/mplcr-trigger" recover --yes --socket "$T/vm.qmp"
    found running capabilities overlay parameters partial
    as_before "$facts"
    recover 0 --yes
    assert_output ""
}

@test "the VM is gone: its overlays stay, and are named with how to go on; verify warns of the frozen images" {
    boot
    both_killed query-block:2=both --engine background
    vm_assert_counting vm 4
    vm_kill vm
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f -- "$T/fake.pid" "$T/fake.qmp"
    run_tool 0 "$BIN/mplcr-chain" verify "$T/a.qcow2"
    assert_output --partial "W-OVERLAY-AHEAD $T/a.qcow2: disk 'drive0' went on with '$T/a_x1.ovl'"
    run_tool 0 "$BIN/mplcr-chain" verify "$T/a_x1.ovl"
    refute_output --partial W-OVERLAY-AHEAD
    recover 1
    found active partial
    assert_output --partial "-drive file=$T/a_x1.ovl,format=qcow2 in place of file=$T/a.qcow2,format=qcow2"
    assert_output --partial "-drive file=$T/b_x1.ovl,format=qcow2 in place of file=$T/b.img,format=raw"
    recover 1 --json
    jq -e '.schema == "mplcr.trigger.recover/1" and ([.found[] | select(.kind == "active") | .device] == ["drive0", "drive1"])' <<<"$output"
    recover 0 --yes
    [ ! -e "$T/x1.ckpt.partial" ]
    [[ -s $T/a_x1.ovl && -s $T/b_x1.ovl ]]
    recover 0
    assert_output ""
    vm_start again -m 128M -drive "file=$T/a_x1.ovl,format=qcow2,if=virtio,id=drive0" -drive "file=$T/b_x1.ovl,format=qcow2,if=ide,id=drive1"
    vm_wait_count again 2
}

@test "the VM is gone before it wrote to its overlays: they go; and who starts it from the frozen image meanwhile is told" {
    boot
    both_killed transaction=both-sent --engine background
    vm_kill vm
    kill_and_wait "$(<"$T/fake.pid")"
    recover 1
    found orphan partial
    recover 0 --yes
    nothing_left
    rm -f -- "$T/fake.pid" "$T/fake.qmp" "$T/a.qcow2" "$T/b.img" "$T/vm.serial"

    boot
    both_killed query-block:2=both --engine background
    vm_assert_counting vm 4
    vm_kill vm
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f -- "$T/vm.serial"
    vm_start again -m 128M -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0" -drive "file=$T/b.img,format=raw,if=ide,id=drive1"
    recover 1
    found active forked partial
}

# made_whole: the checkpoint x1 as it was right before it got its name.
made_whole() {
    between "query-block:2=run:cp '$T/x1.ckpt.partial/undo.jsonl' '$T/saved'"
    run_tool 0 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --name x1 --engine background
    [ ! -e "$T/x1.ckpt/undo.jsonl" ]
    mv "$T/x1.ckpt" "$T/x1.ckpt.partial"
    cp "$T/saved" "$T/x1.ckpt.partial/undo.jsonl"
    chmod 600 "$T/x1.ckpt.partial/undo.jsonl"
}

@test "both killed in publication: the checkpoint gets its name, or loses its journal" {
    boot
    made_whole
    recover 1
    found whole
    recover 0 --yes
    assert_equal "$(qmp vm query-block | jq -r '.[].inserted.file' | sort | xargs)" "$T/a_x1.ovl $T/b_x1.ovl"
    [ ! -e "$T/x1.ckpt/undo.jsonl" ]
    run_tool 0 "$BIN/mplcr-chain" verify --sums "$T/x1.ckpt"
    cp "$T/saved" "$T/x1.ckpt/undo.jsonl"
    chmod 600 "$T/x1.ckpt/undo.jsonl"
    recover 0 --yes
    found journal
    recover 0
    assert_output ""
    vm_assert_counting vm 4
}

@test "whose tool is at work, or is not ours: nothing is touched" {
    local pid i left
    boot
    between migrate=delay:3000
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop --name x1 >"$T/fake.said" 2>&1 3>&- &
    pid=$!
    for ((i = 0; i < 3000; i++)); do
        grep -q '^migrate$' "$T/fake.commands" && break
        sleep 0.01
    done
    recover 1 --yes
    found at-work
    assert_output --partial "process $pid"
    wait "$pid"
    run_tool 0 "$BIN/mplcr-chain" verify "$T/x1.ckpt"
    kill_and_wait "$(<"$T/fake.pid")"
    rm -rf -- "$T/fake.pid" "$T/fake.qmp" "$T/x1.ckpt"

    NAME=x2 both_killed migrate=both-sent --engine stop
    left=$(find "$T" -name 'x*' -o -name '*.ovl' | sort)
    cp "$T/x2.ckpt.partial/undo.jsonl" "$T/saved"
    sed -i 's/"was_running":true/"was_running":false/' "$T/x2.ckpt.partial/undo.jsonl"
    recover 1 --yes
    found unknown
    says "1 of 1 are left"
    rm "$T/x2.ckpt.partial/undo.jsonl"
    recover 1 --yes
    found unknown
    cp "$T/saved" "$T/x2.ckpt.partial/undo.jsonl"
    chmod 666 "$T/x2.ckpt.partial/undo.jsonl"
    recover 1 --yes
    found unknown
    chmod 600 "$T/x2.ckpt.partial/undo.jsonl"
    cp -a "$T/x2.ckpt.partial" "$T/copied"
    rm -r "$T/x2.ckpt.partial"
    mv "$T/copied" "$T/x2.ckpt.partial"
    recover 1 --yes
    found unknown
    assert_equal "$(find "$T" -name 'x*' -o -name '*.ovl' | sort)" "$left"
}
