#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# qemu: 7
#
# The names that checkpoints get: of two that are made at the same time, and where the filesystem cannot tell in one step
# that a name is free (renameat2 with RENAME_NOREPLACE: NFS).
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load trigger

# vms: two VMs, a and b, whose images have the same name in two directories.
vms() {
    local name
    for name in a b; do
        mkdir "$T/$name"
        make_disk "$T/$name/disk.qcow2" qcow2 8M
        GUEST_WORDS='ws=4M rate=1M' vm_start $name -m 64M -drive "file=$T/$name/disk.qcow2,format=qcow2,if=virtio"
    done
    mkdir "$T/out"
}

# together [OPTION…]: a checkpoint of each, started at the same time. $statuses, and what they say in $T/a.said, $T/b.said.
together() {
    local name pids=()
    statuses=''
    for name in a b; do
        "$BIN/mplcr-trigger" --socket "$T/$name.qmp" --dir "$T/out" "$@" >"$T/$name.said" 2>&1 3>&- &
        pids+=($!)
    done
    for name in 0 1; do
        status=0
        wait "${pids[name]}" || status=$?
        statuses+=$status
    done
}

straced=(env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:error=EINVAL)

@test "two checkpoints in one directory at the same time get two names" {
    local round
    vms
    for round in 1 2 3 4 5 6; do
        together
        [[ $statuses == 00 ]] || fail "round $round: $statuses: $(cat "$T/a.said" "$T/b.said")"
        assert_equal "$(find "$T/out" -maxdepth 1 -name '*.ckpt' | wc -l)" $((2 * round))
        assert_equal "$(find "$T/out" -name '*.partial')" ''
    done
    # each overlay is of its own VM
    assert_equal "$(cd "$T/out" && ls -- *.ovl | wc -l)" 12
    for name in a b; do
        vm_assert_counting $name 4
        assert_equal "$(qemu-img info -U --backing-chain --output json \
            "$(qmp $name query-block | jq -r '.[0].inserted.file')" | jq -r '.[-1].filename')" "$T/$name/disk.qcow2"
    done
}

@test "with one --name for both, one gets it, and the other is told" {
    local round loser
    vms
    for round in 1 2 3; do
        together --name "n$round"
        [[ $statuses == 03 || $statuses == 30 ]] || fail "round $round: $statuses: $(cat "$T/a.said" "$T/b.said")"
        loser=a
        [[ $statuses == 30 ]] || loser=b
        grep -q "/n$round\.ckpt\(\.partial\)\?' exists\|_n$round.ovl' exists" "$T/$loser.said" || fail "$(cat "$T/$loser.said")"
        [[ -f $T/out/n$round.ckpt/checkpoint.json ]]
        vm_assert_counting $loser 4
    done
    assert_equal "$(find "$T" -name '*.partial')" ''
}

@test "a filesystem without RENAME_NOREPLACE: checkpoints are finished all the same, and nothing is replaced" {
    require strace "lets system calls fail"
    boot
    run_tool 0 "${straced[@]}" "$BIN/mplcr-trigger" --socket "$T/vm.qmp"
    assert_equal "$output" "$T/x1.ckpt"
    mkdir "$T/mine.ckpt"
    echo precious >"$T/mine.ckpt/file"
    run_tool 3 "${straced[@]}" "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --name mine
    assert_equal "$(<"$T/mine.ckpt/file")" precious
    make_disk "$T/sealed.img" raw 1M
    run_tool 0 "${straced[@]}" "$BIN/mplcr-chain" seal "$T/sealed.img"
    run_tool 3 "${straced[@]}" "$BIN/mplcr-chain" seal "$T/sealed.img"
    assert_equal "$(stat -c %h "$T/sealed.img.seal")" 1
    vm_assert_counting vm 4
}

@test "where a directory cannot be renamed at all, that is found out before the pause" {
    local facts
    require strace "lets system calls fail"
    boot
    facts=$(vm_facts)
    between
    run_tool 3 env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e trace=rename,renameat,renameat2 \
        -e inject=rename,renameat,renameat2:error=EPERM "$BIN/mplcr-trigger" --socket "$T/fake.qmp"
    says 'cannot rename a directory on this filesystem'
    ! grep -q '"stop"\|"migrate"\|transaction' "$T/fake.commands" || fail 'the VM was touched'
    as_before "$facts"
}
