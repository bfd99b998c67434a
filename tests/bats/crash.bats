#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trigger is killed (SIGKILL) at any step: its guardian leaves the VM as it was, or the checkpoint is complete.
#
# Deterministic points: fake-qmp, between the tool and the VM, kills the tool when a command passes.  And kills at many
# times, for what is between two commands.  TORTURE=1 tries every command in every way, and many more times.

load helpers
load trigger

# ended [TIME]: mplcr-trigger was killed while the VM was as $facts says.  Soon it is so again, unless the checkpoint x1
# was complete already; then the VM goes on on its overlays.
ended() {
    wait_all_gone
    if [[ -f $T/fake.pid ]]; then
        kill_and_wait "$(<"$T/fake.pid")"
        rm -f -- "$T/fake.pid" "$T/fake.qmp"
    fi
    vm_running "$T/vm.qmp" || fail "the VM is left in the state $(vm_status "$T/vm.qmp")"
    if [[ -d $T/x1.ckpt ]]; then
        complete
    else
        echo "killed at $1" # the last one of these is shown with what is wrong; no ||, which would hide it
        STEPS=${STEPS:-4} as_before "$facts"
    fi
}

# The checkpoint x1 is whole, although its maker was killed.  Makes room for the next one.
complete() {
    jq -e '.schema == "mplcr.trigger.checkpoint/1" and (.disks | all(.active | endswith(".ovl")))' "$T/x1.ckpt/checkpoint.json" >/dev/null
    [ ! -e "$T/x1.ckpt.partial" ]
    assert_equal "$(qmp vm query-block | jq -r '.[].inserted.file' | sort | xargs)" "$T/a_x1.ovl $T/b_x1.ovl"
    vm_assert_counting vm 4
    vm_kill vm
    rm -rf "$T"/x1.ckpt "$T"/*.ovl "$T"/a.qcow2 "$T"/b.img "$T"/vm.serial
    boot
    facts=$(vm_facts)
}

# times_sent COMMAND: how often it has passed since `between`.
times_sent() { grep -cx -- "$1" "$T/fake.commands" || true; }

# killed WAY COMMAND[:N] [OPTION…]: at that command.  Counts in $kills.
#
# How often the tool looks, and what it sets then, depends on time: a run may end well that has come to the command fewer
# than N times.  With a command that has no N that is a failure: every run comes to it.
killed() {
    local way=$1 at=$2 nth=0 status=0
    [[ $at != *:* ]] || nth=${at#*:}
    shift 2
    between "$at=$way"
    timeout 60 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --name x1 "$@" >"$T/fake.said" 2>&1 3>&- || status=$?
    [[ $status == 137 || ($status == 0 && $(times_sent "${at%:*}") -lt $nth) ]] ||
        fail "$way at $at: not killed, but ended with $status: $(cat "$T/fake.said")"
    [[ $status != 137 ]] || kills=$((${kills:-0} + 1))
    ended "$way at $at"
}

# The commands of one checkpoint of this engine, "NAME:NTH", the last a query-block; of polls only the first two.
commands_of() {
    between
    run_tool 0 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --name all "$@"
    kill_and_wait "$(<"$T/fake.pid")"
    rm -rf "$T/all.ckpt" "$T/fake.pid" "$T/fake.qmp"
    awk '{ n[$1]++ } $1 ~ /^query-(migrate|status)$/ && n[$1] > 3 { next } { print $1 ":" n[$1] }' "$T/fake.commands"
}

# everywhere ENGINE [OPTION…]: killed at the commands that change something, or at each command in each way.
everywhere() {
    local engine=$1 at way facts points kills=0 ways=(kill-sent)
    shift
    boot
    points=$(commands_of --engine "$engine" "$@")
    vm_kill vm
    rm -f "$T"/*.ovl "$T/a.qcow2" "$T/b.img" "$T/vm.serial"
    boot
    facts=$(vm_facts)
    if [[ ${TORTURE:-} == 1 ]]; then
        ways=(kill kill-sent kill-answered)
    else
        points=$(grep -E '^(getfd|migrate-set-capabilities:[23]|migrate-set-parameters|stop|transaction|migrate|migrate-continue|cont|query-migrate:2|query-block:2)(:|$)' <<<"$points")
    fi
    [[ $(wc -l <<<"$points") -ge 6 ]] || fail "too few points: $points"
    for at in $points; do
        for way in "${ways[@]}"; do
            killed "$way" "$at" --engine "$engine" "$@"
        done
    done
    [[ $kills -ge 6 ]] || fail "killed only $kills times"
    # What is answered and not heard of matters most here.
    for at in transaction migrate; do
        killed kill-answered "$at" --engine "$engine" "$@"
    done
    # and after all that a checkpoint is taken as ever
    trigger 0 --engine "$engine" "$@"
    vm_assert_counting vm 8
}

# at_times ENGINE COUNT: killed at COUNT times, evenly spread over how long one takes.
at_times() {
    local engine=$1 count=$2 facts i began took pid
    boot
    began=${EPOCHREALTIME/./}
    trigger 0 --engine "$engine" --name all
    took=$((${EPOCHREALTIME/./} - began))
    vm_kill vm
    rm -rf "$T"/all.ckpt "$T"/*.ovl "$T"/a.qcow2 "$T"/b.img "$T"/vm.serial
    boot
    facts=$(vm_facts)
    for ((i = 0; i < count; i++)); do
        "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --engine "$engine" --name x1 >"$T/fake.said" 2>&1 3>&- &
        pid=$!
        sleep "$(printf '%d.%06d' $((took * i / count / 1000000)) $((took * i / count % 1000000)))"
        kill_and_wait "$pid"
        ended "$engine, after $((took * i / count / 1000)) ms of $((took / 1000))"
    done
}

times() { [[ ${TORTURE:-} == 1 ]] && echo 100 || echo "$1"; }

@test "killed at each command, background" { everywhere background; }

@test "killed at each command, stop" { everywhere stop; }

# bats test_tags=qemu9
@test "killed at each command, precopy" {
    require 'qemu>=9' "precopy under TCG loses writes before QEMU 9.0"
    everywhere precopy
}

@test "killed at any time, background" { at_times background "$(times 10)"; }

@test "killed at any time, stop" { at_times stop "$(times 6)"; }

# bats test_tags=qemu9
@test "killed at any time, precopy" {
    require 'qemu>=9' "precopy under TCG loses writes before QEMU 9.0"
    at_times precopy "$(times 6)"
}

@test "killed while the VM was paused by its user: it stays paused" {
    local facts
    boot
    qmp vm stop >/dev/null
    facts=$(vm_facts)
    for at in transaction migrate query-block:2; do
        between "$at=kill-sent"
        "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop >"$T/fake.said" 2>&1 3>&- || true
        wait_all_gone
        kill_and_wait "$(<"$T/fake.pid")"
        rm -f -- "$T/fake.pid" "$T/fake.qmp"
        as_before "$facts"
    done
    qmp vm cont >/dev/null
    vm_assert_counting vm 8
}

@test "unusual capabilities and parameters come back too" {
    local facts
    boot
    qmp vm migrate-set-capabilities 'capabilities=[{"capability": "xbzrle", "state": true}]' >/dev/null
    qmp vm migrate-set-parameters max-bandwidth=123456789 downtime-limit=777 >/dev/null
    facts=$(vm_facts)
    killed kill-sent migrate --engine background
    killed kill-answered migrate-set-parameters --engine stop
}

@test "SIGKILL to tool and guardian's terminal: a SIGINT, SIGTERM and SIGHUP do not stop the guardian" {
    local facts guardian
    boot
    facts=$(vm_facts)
    between migrate=delay:3000
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop >"$T/fake.said" 2>&1 3>&- &
    local pid=$!
    for ((i = 0; i < 3000; i++)); do
        grep -q '^migrate$' "$T/fake.commands" && break
        sleep 0.01
    done
    guardian=$(pgrep -P "$pid")
    assert_equal "$(ps -o comm= -p "$guardian")" mplcr-guardian
    kill -INT "$guardian"
    kill -TERM "$guardian"
    kill -HUP "$guardian"
    kill_and_wait "$pid"
    ended "migrate, delayed"
    # the last line: before it, what it waited for may stand
    assert_equal "$(tail -n 1 "$T/fake.said")" "mplcr-guardian: mplcr-trigger died; the VM is as it was before"
}
