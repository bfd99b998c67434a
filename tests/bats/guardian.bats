#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# The pause has an end whatever keeps the tool: its guardian takes over from one that does not move for 2 s, is not taken
# along by what ends the tool by its name, and is replaced when it is lost.

load helpers
load trigger

# in_background RULE [OPTION…]: mplcr-trigger through fake-qmp with that rule, as process $pid; says $T/fake.said.
in_background() {
    local rule=$1
    shift
    boot
    facts=$(vm_facts)
    between "$rule"
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" "$@" >"$T/fake.said" 2>&1 3>&- &
    pid=$!
}

# said FILE TEXT [GREP-OPTION]: until the file holds a line with the text.
said() {
    local i
    for ((i = 0; i < 3000; i++)); do
        ! grep -qF ${3:+"$3"} -- "$2" "$1" || return 0
        sleep 0.01
    done
    fail "nobody says '$2', but: $(<"$1")"
}

# sent COMMAND: until fake-qmp has got that.
sent() { said "$T/fake.commands" "$1" -x; }

# guardian_of PID [BUT]: the guardian of that tool, another one than BUT.
guardian_of() {
    local i guardian
    for ((i = 0; i < 1000; i++)); do
        guardian=$(guardians "$1")
        if [[ -n $guardian && $guardian != "${2:-}" ]]; then
            echo "$guardian"
            return
        fi
        sleep 0.01
    done
    fail "process $1 has no guardian"
}

# ends_with STATUS: the tool.
ends_with() {
    local status=0
    wait "$pid" || status=$?
    [[ $status == "$1" ]] || fail "it ended with $status, not $1: $(cat "$T/fake.said")"
}

# all_gone: the tool, its guardian and fake-qmp, so that the VM can be looked at.
all_gone() {
    wait_all_gone
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f -- "$T/fake.pid" "$T/fake.qmp"
}

# undone STATUS WHAT: the tool ended so, and the VM is as it was; its guardian says WHAT in the end.
undone() {
    ends_with "$1"
    all_gone
    as_before "$facts"
    assert_equal "$(tail -n 1 "$T/fake.said")" "mplcr-guardian: mplcr-trigger $2; the VM is as it was before"
}

still='did not move for 2 s in the pause and was killed'

@test "what is killed by the tool's name is not the guardian, which has a session of its own" {
    local guardian
    in_background transaction=mute --engine stop
    sent transaction
    guardian=$(guardian_of "$pid")
    for way in "" -f -x; do # as pkill, killall and pidof would
        assert_equal "$(pgrep $way mplcr-trigger | grep -cx "$guardian")" 0
    done
    assert_equal "$(tr '\0' ' ' <"/proc/$guardian/cmdline" | sed 's/ *$//')" "mplcr-guardian $pid"
    assert_equal "$(ps -o sid= -p "$guardian" | tr -d ' ')" "$guardian"
    kill -KILL "$pid"
    undone 137 died
}

@test "a lost guardian is replaced, killed or stopped, and the next one does all that it would have done" {
    local first second third
    in_background transaction=mute --engine stop
    sent transaction
    first=$(guardian_of "$pid")
    kill -KILL "$first"
    second=$(guardian_of "$pid" "$first")
    kill -STOP "$second"
    third=$(guardian_of "$pid" "$second")
    [[ $third != "$first" ]]
    kill -KILL "$pid"
    undone 137 died
}

@test "stopped in the pause, or before a command that ends it: the VM runs on by itself" {
    in_background transaction=halt-answered --engine stop
    undone 137 "$still"
    between stop=halt-answered
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine background >"$T/fake.said" 2>&1 3>&- &
    pid=$!
    undone 137 "$still"
}

# bats test_tags=qemu9
@test "stopped before QEMU pauses by itself: the VM runs on" {
    require 'qemu>=9' "precopy under TCG loses writes before QEMU 9.0"
    in_background migrate=halt-answered --engine precopy
    undone 137 "$still"
}

@test "a tool that waits is not stuck: a slow answer, a slow command in the pause" {
    boot
    between stop=delay:2600
    SOCKET=$T/fake.qmp trigger 0 --engine stop --name x1 --at-freeze 'sleep 2.6; echo I slept'
    says 'at-freeze: I slept'
    kill_and_wait "$(<"$T/fake.pid")"
    vm_assert_counting vm 8
}

@test "Ctrl-Z waits until the pause is over" {
    local i state
    boot
    between transaction=tstp
    set -m # a process group of its own, as at a terminal
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop --name x1 >"$T/fake.said" 2>&1 3>&- &
    pid=$!
    set +m
    for ((i = 0; i < 3000; i++)); do
        state=$(ps -o state= -p "$pid") || fail "it ended: $(<"$T/fake.said")"
        [[ $state != T ]] || break
        sleep 0.01
    done
    assert_equal "$state" T
    grep -qx cont "$T/fake.commands"
    vm_wait_count vm +4
    kill -CONT "$pid"
    ends_with 0
    all_gone
    [ -f "$T/x1.ckpt/checkpoint.json" ]
}

# --- slow is not gone -----------------------------------------------------------------------------------------------

# halted_qemu [OPTION…]: QEMU does not get on from the moment when the tool is about to let the guest run: stopped, it is
# as silent as one that waits for a disk. Sets $qemu.
halted_qemu() {
    boot
    facts=$(vm_facts)
    qemu=$(<"$T/vm.pid")
    between "cont=run:kill -STOP $qemu"
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop "$@" >"$T/fake.said" 2>&1 3>&- &
    pid=$!
    sent cont
}

@test "QEMU that does not answer is not gone: the tool says what it waits for, and lets the VM run when it can" {
    halted_qemu --timeout 1
    said "$T/fake.said" "does not answer"
    [[ -n $(guardians "$pid") ]]
    kill -CONT "$qemu"
    ends_with 3
    all_gone
    as_before "$facts"
}

@test "SIGTERM ends the tool while QEMU does not answer; the guardian goes on and lets the VM run when it can" {
    halted_qemu
    kill -TERM "$pid"
    said "$T/fake.said" "does not answer"
    kill -TERM "$pid"
    ends_with 4
    grep -q "the VM may be paused; mplcr-guardian (process [0-9]*) goes on trying" "$T/fake.said"
    [[ -n $(guardians "$pid") ]]
    kill -CONT "$qemu"
    all_gone
    as_before "$facts"
    grep -q "mplcr-guardian: mplcr-trigger gave up waiting; the VM is as it was before" "$T/fake.said"
}

@test "killed while QEMU does not answer: the guardian waits, and lets the VM run when it can" {
    halted_qemu
    kill -KILL "$pid"
    said "$T/fake.said" "mplcr-guardian: QEMU (process"
    kill -CONT "$qemu"
    undone 137 died
}

@test "the socket is taken by another client in the pause: the tool comes back to it" {
    boot
    facts=$(vm_facts)
    between "cont=close"
    SOCKET=$T/fake.qmp trigger 3 --engine stop
    all_gone
    as_before "$facts"
}

@test "QEMU is gone when its process is, and nobody waits for it" {
    halted_qemu
    kill -KILL "$pid" "$qemu"
    ends_with 137
    wait_all_gone
}

# --- writing --------------------------------------------------------------------------------------------------------

# full_pipe: descriptor 8 is a pipe that nobody reads and that takes no more.
full_pipe() {
    mkfifo "$T/fake.pipe"
    exec 8<>"$T/fake.pipe"
    head -c 65536 /dev/zero >&8
}

@test "nobody reads its messages: the pause ends all the same, and SIGTERM ends the tool" {
    boot
    full_pipe
    between
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop --name x1 --progress=always \
        --at-freeze 'seq 20000' 2>&8 3>&- &
    pid=$!
    sent cont
    vm_wait_count vm +8 # the tool waits for a reader of what the command printed
    kill -TERM "$pid"
    ends_with 3
    exec 8>&-
    all_gone
    vm_assert_counting vm 4
    nothing_left
}

@test "nothing is written in the pause; what the command printed is shown after it" {
    boot
    trigger 0 --engine stop --name x1 --progress=always --at-freeze "wc -c <'$T/.tool/err' >'$T/fake.before'; echo in the pause"
    says 'at-freeze: in the pause'
    vm_assert_counting vm 4
    # the file has grown by nothing between the stop and the command
    [[ $(<"$T/fake.before") -le $(grep -ob 'at-freeze' "$T/.tool/err" | head -n 1 | cut -d : -f 1) ]]
}
