#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# Who else is there: a second mplcr-trigger on the VM, through the same QMP socket or another one, another tool of ours,
# prune in the directory, a second restore, somebody else's block job or migration. All works, or is refused in words; the
# VM runs on, nothing is half made, and what is somebody else's stays as it is.

load helpers
load trigger

# A VM with a second QMP socket, and one for this test.
boot_two() {
    boot -qmp "unix:$T/two.qmp,server=on,wait=off" -qmp "unix:$T/other.qmp,server=on,wait=off"
}

other() { "$QMP" "$T/other.qmp" "$@"; }

# job_gone DEVICE: its job is cancelled.
job_gone() {
    other block-job-cancel device="$1" force=true >/dev/null
    while [[ $(other query-block-jobs) != '[]' ]]; do sleep 0.02; done
}

# together COMMAND… [, COMMAND…]…: all at once. Their exit statuses in $statuses; what they say in $T/said.1, ….
together() {
    local command=() pids=() word
    rm -f "$T"/said.*
    for word in "$@" ,; do
        if [[ $word != , ]]; then
            command+=("$word")
            continue
        fi
        timeout --kill-after=5 60 "${command[@]}" </dev/null >"$T/out.$((${#pids[@]} + 1))" 2>"$T/said.$((${#pids[@]} + 1))" 3>&- &
        pids+=($!)
        command=()
    done
    statuses=()
    for word in "${pids[@]}"; do
        status=0
        wait "$word" || status=$?
        statuses+=("$status")
    done
}

said() { head -n 20 "$T"/said.* "$T"/out.*; }

# each_is STATUS…: every one of $statuses is one of these.
each_is() {
    for status in "${statuses[@]}"; do
        [[ " $* " == *" $status "* ]] || fail "exit statuses ${statuses[*]}: $(said)"
    done
}

count_of() { printf '%s\n' "${statuses[@]}" | grep -cx "$1" || true; }

checkpoints() { find "$T" -maxdepth 1 -name '*.ckpt' | wc -l; }

# nothing_half: whole checkpoints, of which there are so many; no overlay but theirs; settings as in $settings; the VM runs.
nothing_half() {
    local ckpt
    assert_equal "$(checkpoints)" "$1"
    assert_equal "$(find "$T" -name '*.partial*')" ''
    for ckpt in "$T"/*.ckpt; do
        [[ ! -d $ckpt ]] || run_tool 0 "$BIN/mplcr-chain" verify "$ckpt"
    done
    assert_equal "$(find "$T" -maxdepth 1 -name '*.ovl' | wc -l)" "$(jq -rs 'map(.disks[] | select(.active | endswith(".ovl"))) | length' \
        "$T"/*.ckpt/checkpoint.json /dev/null)"
    [[ $(settings) == "$settings" ]] || fail "settings: $(diff <(echo "$settings") <(settings))"
    vm_running "$T/vm.qmp" || fail "the VM is left in the state $(vm_status "$T/vm.qmp"): $(said)"
    vm_assert_counting vm 4
}

settings() {
    qmp vm query-migrate-capabilities
    qmp vm query-migrate-parameters
    qmp vm query-block-jobs
}

taken_in_turn() {
    local n=0 round
    for round in 1 2; do
        together "$@"
        each_is 0 3
        [[ $(count_of 0) -ge 1 ]] || fail "nobody got through: $(said)"
        n=$((n + $(count_of 0)))
        nothing_half $n
    done
}

# --- on one VM ------------------------------------------------------------------------------------------------------

@test "two checkpoints of one VM at once, through one QMP socket" {
    local settings
    boot_two
    settings=$(settings)
    taken_in_turn mplcr-trigger --socket "$T/vm.qmp" --engine stop , mplcr-trigger --socket "$T/vm.qmp" --engine background
}

@test "two checkpoints of one VM at once, through two QMP sockets: in turn, also where one is slow" {
    local settings i
    boot_two
    settings=$(settings)
    taken_in_turn mplcr-trigger --socket "$T/vm.qmp" --engine stop , mplcr-trigger --socket "$T/two.qmp" --engine background
    taken=$(checkpoints)
    # the first one keeps the VM paused for longer than the second one waits
    mplcr-trigger --socket "$T/vm.qmp" --engine stop --name slow --at-freeze-timeout 60 --at-freeze "touch '$T/frozen'; until [ -e '$T/go' ]; do sleep 0.02; done" \
        >"$T/slow.said" 2>&1 3>&- &
    i=$!
    until [[ -e $T/frozen ]]; do sleep 0.02; done
    run_tool 3 mplcr-trigger --socket "$T/two.qmp" --engine stop
    says "another tool has been changing the VM of process $(<"$T/vm.pid") for 5000 ms, through another QMP socket"
    run_tool 3 mplcr-snap overlay --socket "$T/two.qmp"
    says "another tool has been changing the VM"
    touch "$T/go"
    wait $i
    nothing_half $((taken + 1))
}

@test "a guardian at its work has the turn: the next one waits for it" {
    local settings pid
    boot_two
    settings=$(settings)
    mplcr-trigger --socket "$T/vm.qmp" --engine stop --at-freeze "echo \$\$ >'$T/frozen.pid'; exec sleep 60" >"$T/said.1" 2>&1 3>&- &
    pid=$!
    until [[ -s $T/frozen.pid ]]; do sleep 0.02; done
    kill -KILL $pid
    wait $pid || true
    run_tool 0 mplcr-trigger --socket "$T/two.qmp" --engine stop
    wait_all_gone
    nothing_half 1
}

# --- in one directory -----------------------------------------------------------------------------------------------

@test "a checkpoint beside prune, in one directory" {
    local settings round
    boot_two
    settings=$(settings)
    trigger 0
    for round in 1 2 3; do
        together mplcr-trigger --socket "$T/vm.qmp" --engine stop , mplcr-chain prune --keep 1 "$T"
        each_is 0 3
        [[ ${statuses[0]} == 0 ]] || fail "exit statuses ${statuses[*]}: $(said)"
        assert_equal "$(find "$T" -name '*.partial*')" ''
        for ckpt in "$T"/*.ckpt; do
            run_tool 0 mplcr-chain verify "$ckpt"
        done
        vm_assert_counting vm 2
    done
    # and merged by the VM itself meanwhile: one of them has the turn
    together mplcr-trigger --socket "$T/vm.qmp" --engine stop , mplcr-chain prune --keep 1 --socket "$T/two.qmp" "$T"
    each_is 0 3 4
    [[ ${statuses[0]} != 4 ]] || fail "the checkpoint: $(said)"
    # the chain got longer between its look at it and its turn
    [[ ${statuses[1]} != 4 ]] || grep -q "the checkpoints are dropped, but .* is not merged" "$T/said.2"
    run_tool 0 mplcr-chain verify "$(qmp vm query-block | jq -r '.[0].inserted.file')"
    assert_equal "$(settings)" "$settings"
    vm_assert_counting vm 4
}

@test "two restores of one checkpoint at once: by one name and by two" {
    local name i
    boot
    trigger 0 --name x1
    vm_kill vm
    together mplcr-restore --json --name same "$T/x1.ckpt" , mplcr-restore --json --name same "$T/x1.ckpt" , \
        mplcr-restore --json --name own "$T/x1.ckpt"
    assert_equal "$(printf '%s\n' "${statuses[@]}" | sort | xargs)" '0 0 3'
    assert_equal "${statuses[2]}" 0
    grep -q "a run of that name is there" "$T"/said.[12]
    for i in 1 2 3; do
        [[ ! -s $T/out.$i ]] || vm_adopt "r$i" "$(jq -r .pid "$T/out.$i")"
    done
    for name in same own; do
        vm_wait_count "$T/x1.$name/vm.serial" +5
    done
    assert_equal "$(find "$T" -maxdepth 1 -name 'x1.*' | sort | xargs)" "$T/x1.ckpt $T/x1.own $T/x1.same"
}

# --- what others do in the VM ---------------------------------------------------------------------------------------

@test "somebody's block job and migration are refused, and go on" {
    boot_two
    trigger 0 --name x1
    other block-commit device=drive0 top="$T/a_x1.ovl" speed=1 >/dev/null
    trigger 3
    says "a block job (drive0) runs on this VM"
    assert_equal "$(other query-block-jobs | jq -r '.[].type')" commit
    job_gone drive0

    other migrate "uri=exec:echo \$\$ >'$T/foreign.pid'; exec sleep 100" >/dev/null
    until [[ -s $T/foreign.pid ]]; do sleep 0.02; done
    trigger 3
    says "a migration of this VM is under way"
    assert_equal "$(other query-migrate | jq -r .status)" active
    other migrate_cancel >/dev/null
    assert_equal "$(checkpoints)" 1
    assert_equal "$(find "$T" -name '*.partial*')" ''
    vm_assert_counting vm 4
}

@test "somebody's block job that begins after the survey: refused by QEMU, or the checkpoint stands; the job goes on" {
    local mirror="$QMP $T/other.qmp drive-mirror device=drive1 target=$T/mirror format=raw sync=full speed=1000" facts
    boot_two
    facts=$(qmp vm query-block | jq -r '.[].inserted.file')
    # before the disks are frozen
    between transaction="run:$mirror"
    SOCKET=$T/fake.qmp trigger 3 --engine stop
    says "QEMU refused 'transaction'"
    assert_equal "$(other query-block-jobs | jq -r '.[].type')" mirror
    assert_equal "$(qmp vm query-block | jq -r '.[].inserted.file')" "$facts"
    assert_equal "$(find "$T" -name '*.ckpt*' -o -name '*.ovl')" ''
    vm_assert_counting vm 2
    job_gone drive1
    rm -f "$T/mirror"
    # after it
    between migrate="run:$mirror"
    SOCKET=$T/fake.qmp trigger 0 --engine stop --name x1
    assert_equal "$(other query-block-jobs | jq -r '.[].type')" mirror
    run_tool 0 mplcr-chain verify "$T/x1.ckpt"
    vm_assert_counting vm 2
}
