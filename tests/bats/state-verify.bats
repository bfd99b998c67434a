#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 7
#
# mplcr-state verify: what is whole, and what is not.

load helpers
load restore
load state

# finds CODE PATH…: verify finds that, and the answer is no.
finds() {
    run_tool 1 mplcr-state verify "${@:2}"
    grep -q "^$1 [^:]*: ." <<<"$output" || fail "$(printf 'no %s of: %s\n%s' "$1" "${*:2}" "$output")"
}

@test "verify: checkpoints of each layout and files are sound; many at once, from standard input, as JSON" {
    saved_vm
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x2 --quiet --layout stream --compress zstd
    vm_save "$T/vm1.qmp" "$T/plain"
    run_tool 0 mplcr-state verify "$T/x1.ckpt" "$T/x2.ckpt" "$T/plain"
    [[ -z $output && $stderr == *'3 saved VMs, sound: 0 faults'* ]]
    run_tool_stdin 0 mplcr-state verify --json -0 - < <(printf '%s\0' "$T/x1.ckpt" "$T/plain")
    assert_equal "$(jq -c '[.schema, .sound, .states, .findings]' <<<"$output")" '["mplcr.state.verify/1",true,2,[]]'
    run_tool 2 mplcr-state verify
}

@test "verify: each kind of damage has its code, that of mplcr-chain verify; the sound ones beside it stay so" {
    saved_vm
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x2 --quiet --layout stream --engine stop
    checkpoint x1
    cp -r "$T/x1.ckpt" "$T/ok.ckpt"
    # one byte of memory: its sum, and without sums nothing
    printf 'x' | dd of="$T/x1.ckpt/ram/pc.ram" bs=1 seek=4096000 conv=notrunc status=none
    finds E-STATE-SUM "$T/ok.ckpt" "$T/x1.ckpt"
    assert_equal "${#lines[@]}" 1
    run_tool 0 mplcr-state verify --no-sums "$T/x1.ckpt"
    truncate -s 4096 "$T/x1.ckpt/ram/pc.ram"
    finds E-STATE-SIZE "$T/x1.ckpt"
    rm "$T/x1.ckpt/ram/pc.ram"
    finds E-STATE-MISSING "$T/x1.ckpt"
    ln -s "$T/ok.ckpt/ram/pc.ram" "$T/x1.ckpt/ram/pc.ram"
    finds E-STATE-MISSING "$T/x1.ckpt"
    # a manifest that tells of other memory than the stream, whose sums hold
    sed -i 's/"name": "pc.bios"/"name": "pc.other"/' "$T/ok.ckpt/checkpoint.json"
    finds E-STATE-STREAM "$T/ok.ckpt"
    echo '{' >"$T/ok.ckpt/checkpoint.json"
    finds E-CHECKPOINT "$T/ok.ckpt"
    mv "$T/ok.ckpt" "$T/ok.ckpt.partial"
    finds E-PARTIAL "$T/ok.ckpt.partial"
    head -c 10000000 "$T/x2.ckpt/state.vmstate" >"$T/cut"
    finds E-STATE-STREAM "$T/cut"
    finds E-MISSING "$T/nothing"
    mkfifo "$T/fifo"
    finds E-NOT-REGULAR "$T/fifo"
    run_tool 0 mplcr-state verify "$T/x2.ckpt"
}
