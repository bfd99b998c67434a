#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-restore --count: many VMs of one checkpoint.

load helpers
load restore

# adopt JSON-LINES: the VMs in them, so that they end with the test; and the guest of each goes on clean.
adopt() {
    local name pid dir
    while IFS=$'\t' read -r name pid dir; do
        vm_adopt "$name" "$pid"
        vm_wait_count "$dir/vm1.serial" +5
        vm_assert_counting "$dir/vm1.serial"
    done < <(jq -r '[.name, .pid, .dir] | @tsv' <<<"$1")
}

@test "five VMs: each with its own directory, disks and sockets, and all run clean; then three more by a name" {
    two_disks_checkpoint
    run_tool 0 mplcr-restore --json --count 5 "$T/x1.ckpt"
    assert_equal "$(jq -rs 'map(.name) | sort | join(" ")' <<<"$output")" 'run-1 run-2 run-3 run-4 run-5'
    assert_equal "$(jq -rs '[map(.pid), map(.qmp), map(.disks[].overlay), map(.moved[].to)] | map(unique | length) | join(" ")' \
        <<<"$output")" '5 5 10 10'
    assert_equal "$(jq -rs 'map(.running_ms > 0 and .running) | all' <<<"$output")" true
    [[ $stderr == *"5 VMs run from checkpoint 'x1', lazily"* ]]
    # the overlays, which were made once and copied, are what qemu-img makes
    qemu-img info -U --output=json "$(jq -rs '.[0].disks[0].overlay' <<<"$output")" >"$T/info"
    assert_equal "$(jq -r '."backing-filename", ."backing-filename-format", ."virtual-size"' "$T/info" | xargs)" \
        "$T/a.qcow2 qcow2 67108864"
    adopt "$output"
    run_tool 0 mplcr-restore --quiet --count 3 --name vm "$T/x1.ckpt"
    assert_equal "$(cut -d' ' -f1,2,4,5 <<<"$output" | sort | xargs)" \
        "vm-1 pid qmp $T/x1.vm-1/qmp.sock vm-2 pid qmp $T/x1.vm-2/qmp.sock vm-3 pid qmp $T/x1.vm-3/qmp.sock"
    while read -r name _ pid _; do vm_adopt "$name" "$pid"; done <<<"$output"
    sealed
}

@test "one that cannot be started: the others run, or none" {
    two_disks_checkpoint
    mkdir "$T/x1.vm-2"
    run_tool 3 mplcr-restore --count 4 --name vm --all-or-none "$T/x1.ckpt"
    [[ -z $output && $stderr == *"vm-2: cannot make directory"*"1 of 4 VMs could not be started, so none runs"* ]]
    assert_equal "$(find "$T" -name 'x1.vm-*')" "$T/x1.vm-2"
    assert_equal "$(processes_of_test)" ''
    run_tool 4 mplcr-restore --json --count 4 --name vm "$T/x1.ckpt"
    [[ $stderr == *"1 of 4 VMs could not be started; the others run"* ]]
    assert_equal "$(jq -rs 'map(.name) | sort | join(" ")' <<<"$output")" 'vm-1 vm-3 vm-4'
    adopt "$output"
    sealed
}

@test "ended, or killed, before all run: with --all-or-none nothing is left" {
    local signal pid
    two_disks_checkpoint
    for signal in TERM KILL; do
        mplcr-restore --quiet --count 200 --all-or-none "$T/x1.ckpt" >"$T/out" 2>"$T/err" 3>&- &
        pid=$!
        until [[ -e $T/x1.run-3/qmp.sock ]]; do sleep 0.01; done
        kill -s "$signal" "$pid"
        wait "$pid" || :
        until [[ -z $(processes_of_test) ]]; do sleep 0.05; done
        assert_nothing_left
        [[ ! -s $T/out ]]
    done
    sealed
}

@test "what is of one VM only is refused" {
    two_disks_checkpoint
    for option in --foreground --print --adopt "--socket $T/q" "--receiver $T/q"; do
        # shellcheck disable=SC2086  # an option and its value
        run_tool 2 mplcr-restore --count 2 $option "$T/x1.ckpt"
        [[ $stderr == "mplcr-restore: --count and ${option%% *} exclude each other"* ]]
    done
    run_tool 2 mplcr-restore --all-or-none "$T/x1.ckpt"
    run_tool 2 mplcr-restore --count 0 "$T/x1.ckpt"
    assert_nothing_left
}
