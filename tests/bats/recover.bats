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
    timeout 60 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --name x1 "$@" >"$T/fake.said" 2>&1 3>&- || status=$?
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
