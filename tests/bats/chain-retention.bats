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

KEEP=${KEEP:-5}

# two_disks: the VM "vm", whose guest checks its memory and two disks all the time, in $V, which has nothing else.
two_disks() {
    V=$T/v
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

# restores CKPT: it does, and its guest finds its memory and disks whole.
restores() {
    run_tool 0 mplcr-restore --json --dir "$T" "$V/$1.ckpt"
    vm_adopt restored "$(jq -r .pid <<<"$output")"
    vm_assert_counting "$(jq -r .dir <<<"$output")/vm.serial" 12
    vm_kill restored
}

@test "checkpoints without end: what is kept is sound and restores, and nothing else stays" {
    local i most n used=0 later rounds=${ROUNDS:-9}
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
        if ((i % ${EACH:-9} == 0)); then
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
    run_tool 0 mplcr-chain verify --sums "$V/x4.ckpt"
    assert_equal "$output" ''
    prune 0 --keep 1
    assert_equal "$(layers 0 | wc -w)" 4
    in_chains
    restores x4
}
