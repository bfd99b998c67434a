# SPDX-License-Identifier: MIT
# qemu: both
#
# Checkpoints of a VM that never stops, with prune --socket after each: the running VM merges what no kept checkpoint
# needs, and what is kept is sound and restores before, during and after, whatever is killed meanwhile.
#
#     ROUNDS=200 EACH=10 make check T=tests/bats/chain-retention.bats F=kept
#
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load trigger
load filesystems

teardown() {
    fs_end
    scratch_end
}

KEEP=${KEEP:-5}

# two_disks [DIR]: the VM "vm", whose guest checks its memory and two disks all the time, in $V, which has nothing else.
two_disks() {
    V=${1:-$T/v}
    mkdir "$V"
    make_disk "$V/a.qcow2" qcow2 16M
    make_disk "$V/b.qcow2" qcow2 16M
    vm_start vm -m 64M -drive "file=$V/a.qcow2,format=qcow2,if=virtio" -drive "file=$V/b.qcow2,format=qcow2,if=virtio"
}

# checkpoint N [OPTION…]: one more, xN.
checkpoint() {
    local n=$1
    shift
    vm_wait_count vm +1
    trigger 0 --dir "$V" --name "x$n" --quiet "$@"
}

prune() {
    local expected=$1
    shift
    run_tool "$expected" mplcr-chain prune --socket "$T/vm.qmp" "$@" "$V"
}

# layers DISK: the images of its chain, as the VM has it.
layers() {
    "$QMP" "$T/vm.qmp" query-block |
        jq -r ".[$1].inserted.image | [recurse(.\"backing-image\" // empty) | .filename | split(\"/\")[-1]] | join(\" \")"
}

# in_chains: the images that are there are those of the two chains, and no more.
in_chains() {
    assert_equal "$(cd "$V" && printf '%s\n' *.qcow2 *.ovl | sort)" "$(printf '%s\n' $(layers 0) $(layers 1) | sort)"
}

# all_sound: each checkpoint that is there.
all_sound() { run_tool 0 mplcr-chain verify --quiet "$@" "$V"/x*.ckpt; }

# is_sound: and no manifest speaks of a merge any more.
is_sound() {
    all_sound --sums
    [[ $output != *N-MERGING* ]] || fail "$output"
}

# restores CKPT: it does, and its guest finds its memory and disks whole. The overlays of that run, which need it, go.
restores() {
    local run
    run_tool 0 mplcr-restore --json --dir "$T" "$V/$1.ckpt"
    vm_adopt restored "$(jq -r .pid <<<"$output")"
    run=$(jq -r .dir <<<"$output")
    vm_assert_counting "$run/vm.serial" 12
    vm_kill restored
    rm -r "$run"
}

@test "checkpoints without end: what is kept is sound and restores, and nothing else stays" {
    local i most n used=0 later rounds=${ROUNDS:-8}
    two_disks
    for ((i = 1; i <= rounds; i++)); do
        checkpoint "$i"
        prune 0 --keep "$KEEP" --json
        assert_equal "$(jq -c .left <<<"$output")" '[]'
        for n in 0 1; do
            most=$(layers $n | wc -w)
            ((most <= KEEP + 3)) || fail "disk $n has $most layers after checkpoint $i: $(layers $n)"
        done
        in_chains
        all_sound
        if ((i == KEEP + 3)); then used=$(du -s -B1 "$V" | cut -f 1); fi
        if ((i % ${EACH:-8} == 0)); then
            restores "x$((i - KEEP + 1))"
            restores "x$i"
        fi
    done
    later=$(du -s -B1 "$V" | cut -f 1)
    ((later < used + used / 4)) || fail "it has grown from $used to $later"
    assert_equal "$(find "$V" -name '.mplcr-prune*' -o -name '*.new')" ''
    vm_assert_counting vm 12
    all_sound --sums --deep
    vm_kill vm
    all_sound
    restores "x$rounds"
}

# slow: VM and layers as above, with so much in them that a throttled merge has a middle; x1 … x4, of which the
# newest is to be kept.
slow() {
    local i
    two_disks
    for ((i = 1; i <= 4; i++)); do checkpoint "$i"; done
}

# merging: prune is at work in the background, as $pid, and has begun to write.
merging() {
    mplcr-chain prune --keep 1 --progress=always --socket "$T/vm.qmp" --max-bandwidth 64K "$V" >"$T/said.log" 2>&1 3>&- &
    pid=$!
    until grep -q 'merging: [1-9]' "$T/said.log"; do
        kill -0 "$pid" 2>/dev/null || fail "it does not merge: $(cat "$T/said.log")"
        sleep 0.01
    done
}

@test "while the VM merges, what is kept is sound and restores; interrupted, all is as it was" {
    slow
    before=$(layers 0)
    merging
    run_tool 0 mplcr-chain verify --sums "$V/x4.ckpt"
    [[ $output == *N-MERGING* ]]
    restores x4
    kill -INT "$pid"
    status=0
    wait "$pid" || status=$?
    assert_equal "$status" 4
    assert_equal "$(layers 0)" "$before"
    assert_equal "$("$QMP" "$T/vm.qmp" query-block-jobs)" '[]'
    is_sound
    prune 0 --keep 1
    assert_equal "$(layers 0 | wc -w)" 4
    in_chains
    restores x4
}

# killed COMMAND…: it is, by what the test has prepared; what is kept is sound there and then, and restores, and after the
# next run there is nothing left of it.
killed() {
    local status=0
    ASAN_OPTIONS=detect_leaks=0:$ASAN_OPTIONS "$@" >"$T/said.log" 2>&1 3>&- || status=$?
    [[ $status == 137 ]] || fail "not killed, but $status: $(cat "$T/said.log")"
    guard_gone
    [[ ! -f $T/fake.pid ]] || kill_and_wait "$(<"$T/fake.pid")"
    vm_running "$T/vm.qmp" || fail 'the VM is paused'
    all_sound
    restores "x$last"
    all_sound
    prune 0 --keep 1
    is_sound
    assert_equal "$(layers 0 | wc -w) $(layers 1 | wc -w)" '4 4'
    in_chains
    assert_equal "$(find "$V" -name '.mplcr-prune*' -o -name '*.new' -o -name '*.shorten')" ''
}

@test "killed at any step, what is kept is sound and restores, and the next run does the rest" {
    local at last=4
    require strace "kills at certain system calls"
    slow
    prune 0 --keep 1
    for at in block-commit block-job-finalize; do
        checkpoint $((++last))
        between "$at=kill-sent"
        killed mplcr-chain prune --keep 1 --socket "$T/fake.qmp" "$V"
        rm "$T/fake.pid"
    done
    # The manifest is marked, renewed, and marked for the other disk; the journal of that is stored.
    for at in rename:1 rename:2 rename:3 renameat:3; do
        checkpoint $((++last))
        killed strace -qq -o "$T/strace.log" -e trace="${at%:*}" -e inject="${at%:*}:signal=KILL:when=${at#*:}" \
            mplcr-chain prune --keep 1 --socket "$T/vm.qmp" "$V"
        [[ $at != rename:* ]] || grep -q checkpoint.json "$T/strace.log" || fail "$(cat "$T/strace.log")"
    done
    vm_assert_counting vm 12
}

# bats test_tags=qemu9
@test "QEMU killed while it merges, and the tool with it: what is kept is sound and restores" {
    local status=0
    slow
    merging
    kill_and_wait "$(<"$T/vm.pid")"
    kill -KILL "$pid"
    wait "$pid" || status=$?
    guard_gone
    all_sound
    [[ $output == *N-MERGING* ]]
    restores x4
    run_tool 0 mplcr-chain prune --keep 1 "$V"
    is_sound
    assert_equal "$(cd "$V" && echo *.ovl)" 'a_x3.ovl a_x4.ovl b_x3.ovl b_x4.ovl'
    restores x4
}

# bats test_tags=qemu9
@test "mplcr-trigger --keep does it in one call, for its VM alone" {
    local i
    two_disks
    # A checkpoint of another VM lies there, too.
    make_disk "$V/c.qcow2" qcow2 4M
    vm_start other -m 64M -drive "file=$V/c.qcow2,format=qcow2,if=virtio"
    run_tool 0 mplcr-trigger --socket "$T/other.qmp" --dir "$V" --name other --quiet
    vm_kill other
    for ((i = 1; i <= 4; i++)); do
        checkpoint "$i" --keep 2 --keep-within 0s --json
        assert_equal "$(jq -r .name <<<"$output")" "x$i"
    done
    assert_equal "$(cd "$V" && echo *.ckpt)" 'other.ckpt x3.ckpt x4.ckpt'
    assert_equal "$(layers 0 | wc -w)" 5
    all_sound
    # What fails then is said, and the checkpoint is complete.
    mkdir "$T/bin"
    cp "$BIN/mplcr-trigger" "$T/bin"
    vm_wait_count vm +1
    run_tool 4 env PATH=/usr/bin:/bin "$T/bin/mplcr-trigger" --socket "$T/vm.qmp" --dir "$V" --name x5 --keep 2
    says "x5.ckpt' is complete, but mplcr-chain prune could not be run"
    [[ $output == "$V/x5.ckpt" ]]
    checkpoint 6 --keep-within 1h
    assert_equal "$(cd "$V" && echo *.ckpt)" 'other.ckpt x3.ckpt x4.ckpt x5.ckpt x6.ckpt'
    run_tool 2 mplcr-trigger --socket "$T/vm.qmp" --keep 0
    vm_assert_counting vm 12
}

# bats test_tags=qemu9
@test "with reflinks no chain grows, and --keep removes what is older" {
    local i
    fs_mount btrfs "$T/f"
    two_disks "$T/f/v"
    for ((i = 1; i <= 3; i++)); do checkpoint "$i" --keep 1 --disks reflink; done
    assert_equal "$(cd "$V" && echo *)" 'a.qcow2 b.qcow2 x3.ckpt'
    assert_equal "$(layers 0) $(layers 1)" 'a.qcow2 b.qcow2'
    all_sound
    restores x3
    vm_kill vm
}
