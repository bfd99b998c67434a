#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trigger --at-freeze: the user's command runs in the pause, on what is frozen there, and decides with its exit
# status. (The patched QEMU has its own way of that: mplcr.bats.)

load helpers
load trigger

engines() {
    echo background stop
    [ "$(qemu_major)" -lt 9 ] || echo precopy
}

# command_file <TEXT: makes it the shell script $T/fake.command.
command_file() {
    { echo 'set -e' && cat; } >"$T/fake.command"
}

# in_command [OPTION…]: a checkpoint in the background, $pid, whose command runs until it is ended.
in_command() {
    local i
    rm -f "$T/fake.started"
    "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --at-freeze "echo >'$T/fake.started'; tail -f '$T/vm.log'" --at-freeze-timeout 60 \
        "$@" >"$T/fake.said" 2>&1 </dev/null 3>&- &
    pid=$!
    for ((i = 0; i < 500; i++)); do
        [[ ! -e $T/fake.started ]] || return 0
        sleep 0.02
    done
    fail "the command does not run: $(<"$T/fake.said")"
}

# No command of the test runs any more.
command_gone() {
    local i
    for ((i = 0; i < 100; i++)); do
        pgrep -f "^tail -f $T/" >/dev/null || return 0
        sleep 0.02
    done
    fail "the command's children are still there"
}

# refused TEXT COMMAND [OPTION…]: the checkpoint fails with this text, and the VM runs.
refused() {
    local text=$1 command=$2
    shift 2
    trigger 3 --at-freeze "$command" "$@"
    says "$text"
    vm_running "$T/vm.qmp"
    nothing_left
}

# --- what it gets and finds -----------------------------------------------------------------------------------------

@test "it gets exactly the frozen images, whole, while the guest is paused" {
    local engine frozen file
    make_disk "$T/ro.img" raw 16M
    make_disk "$T/out.qcow2" qcow2 16M
    boot -qmp "unix:$T/second.qmp,server=on,wait=off" -device virtio-scsi-pci \
        -drive "file=$T/ro.img,format=raw,if=none,id=fixed,readonly=on" -device scsi-cd,drive=fixed \
        -drive "file=$T/out.qcow2,format=qcow2,if=none,id=out" -device scsi-hd,drive=out
    command_file <<'END'
"$QMP" "$T/second.qmp" query-status >fake.status
tail -n 1 vm.serial >fake.count1
sleep 0.3
tail -n 1 vm.serial >fake.count2
cat >fake.list
echo "$MPLCR_AT_FREEZE" >fake.mark
mkdir fake.copy
while read -r image; do cp "$image" fake.copy; done <fake.list
END
    frozen=$(printf '%s\n' "$T/a.qcow2" "$T/b.img")
    cd "$T" # the command's directory is ours
    for engine in $(engines); do
        trigger 0 --engine "$engine" --leave-out out --name "$engine" --at-freeze 'sh ./fake.command'
        assert_equal "$(<fake.list)" "$frozen"
        assert_equal "$(jq .running fake.status)" false
        assert_equal "$(<fake.mark)" 1
        assert_equal "$(<fake.count2)" "$(<fake.count1)"
        for file in $frozen; do
            cmp "$file" "fake.copy/${file##*/}"
        done
        assert_equal "$(jq '.pause_ms > 300' "$engine.ckpt/checkpoint.json")" true
        vm_assert_counting vm 4
        rm -r fake.copy
        frozen=$(printf '%s\n' "$T/a_$engine.ovl" "$T/b_$engine.ovl")
    done
}

@test "with --disks none, copies that it makes fit to the memory" {
    local engine least=() most=()
    command_file <<'END'
mkdir "$1"
while read -r image; do cp --reflink=auto "$image" "$1"; done
ls "$1"
END
    boot
    for engine in $(engines); do
        least+=("$(vm_count vm)")
        trigger 0 --engine "$engine" --disks none --name "$engine" --at-freeze "sh '$T/fake.command' '$T/copy-$engine'"
        says "at-freeze: a.qcow2"
        most+=("$(vm_count vm)")
        vm_assert_counting vm 4
    done
    assert_equal "$(find "$T" -name '*.ovl')" ''
    vm_kill vm
    for engine in $(engines); do
        load_checkpoint "$engine" "$T/$engine.ckpt" -m 128M \
            -drive "file=$T/copy-$engine/a.qcow2,format=qcow2,if=virtio,id=drive0" \
            -drive "file=$T/copy-$engine/b.img,format=raw,if=ide,id=drive1"
        goes_on_from "$engine" "${least[0]}" "${most[0]}"
        vm_kill "$engine"
        least=("${least[@]:1}") most=("${most[@]:1}")
    done
}

@test "what it prints is shown as notes, and standard output is the checkpoint's path alone" {
    boot
    trigger 0 --name x1 --at-freeze 'echo one; echo; echo two >&2; printf "a\033b"'
    assert_equal "$output" "$T/x1.ckpt"
    assert_equal "$(grep at-freeze <<<"$stderr")" "$(printf 'mplcr-trigger: at-freeze: %s\n' one two 'a\x1bb')"
    trigger 0 --quiet --name x2 --at-freeze 'echo one'
    assert_equal "$stderr" ''
    # much is taken, and cut
    trigger 0 --name x3 --at-freeze 'yes 0123456789 | head -c 8000000'
    (($(grep -c at-freeze <<<"$stderr") > 1000 && ${#stderr} < 4000000))
    # neither run nor needed to plan
    trigger 0 --name x4 --dry-run --at-freeze "echo >'$T/fake.ran'"
    [ ! -e "$T/fake.ran" ]
    vm_assert_counting vm 12
}

# --- what fails -----------------------------------------------------------------------------------------------------

@test "its failure fails the checkpoint, says why, and the VM is as it was" {
    local engine facts
    boot
    facts=$(vm_facts)
    for engine in $(engines); do
        refused "the command of --at-freeze failed: no room for it;" "echo no room for it; echo and more >&2; exit 3" --engine "$engine"
        says "and more"
        STEPS=4 as_before "$facts"
    done
    refused "the command of --at-freeze failed: it gave no reason" false
    refused "not found" no-such-command
    refused "the command of --at-freeze failed" 'kill -9 $$'
    refused "no room for it" "echo no room for it; exit 1" --disks none
    refused "0123456789" 'yes 0123456789 | head -c 8000000; exit 1'
    as_before "$facts"
    # and the next is taken
    trigger 0 --at-freeze true
    vm_assert_counting vm 8
}

@test "its time is up, or --timeout: it is ended with its children, and the VM is as it was" {
    local facts engine
    boot
    facts=$(vm_facts)
    for engine in $(engines); do
        refused "the command of --at-freeze did not end in time" "tail -f '$T/vm.log' & tail -f '$T/vm.log'" --at-freeze-timeout 0.3 \
            --engine "$engine"
        command_gone
        STEPS=4 as_before "$facts"
    done
    # what it leaves running with its output holds the pause
    refused "did not end in time" "tail -f '$T/vm.log' &" --at-freeze-timeout 0.3
    command_gone
    # nor does it get more time by closing its output
    refused "did not end in time" "exec >/dev/null 2>&1; exec tail -f '$T/vm.log'" --at-freeze-timeout 0.3
    command_gone
    refused "the pause would be longer than 50 ms" 'sleep 0.2' --engine stop --max-pause 50
    refused "did not end in time" "tail -f '$T/vm.log'" --timeout 1 --at-freeze-timeout 60
    command_gone
    as_before "$facts"
    # and with its output given away, a child outlives the pause
    trigger 0 --at-freeze "tail -f '$T/vm.log' >/dev/null 2>&1 &" --at-freeze-timeout 30
    vm_adopt child "$(pgrep -f "^tail -f $T/")"
    vm_assert_counting vm 4
}

@test "SIGTERM or SIGINT while it runs: it is ended with its children, and the VM is as it was" {
    local facts signal status pid
    boot
    facts=$(vm_facts)
    for signal in TERM INT; do
        in_command
        kill "-$signal" "$pid"
        status=0
        wait "$pid" || status=$?
        assert_equal "$status" 3
        assert_equal "$(grep -c interrupted "$T/fake.said")" 1
        command_gone
        STEPS=4 as_before "$facts"
    done
}

@test "SIGKILL of mplcr-trigger while it runs: the guardian lets the VM run as before" {
    local facts engine pid
    boot
    facts=$(vm_facts)
    for engine in $(engines); do
        in_command --engine "$engine"
        kill_and_wait "$pid"
        wait_all_gone
        assert_equal "$(grep guardian "$T/fake.said")" "mplcr-guardian: mplcr-trigger died; the VM is as it was before"
        command_gone
        STEPS=4 as_before "$facts"
    done
}
