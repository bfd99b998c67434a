#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# Memory that begins as a clone of an earlier checkpoint's: what is written is what changed, the guest is whole after a
# restore, with the parent and without it, and no parent, whatever it holds, makes a checkpoint wrong.

load helpers
load trigger
load restore
load filesystems

setup() { scratch_begin; }
teardown() {
    fs_end
    scratch_end
}

# vm_on DIR: vm1 with 64 MiB of content that stays and 8 MiB that change, and a disk in DIR; counting.
vm_on() {
    make_disk "$1/a.qcow2" qcow2 16M
    GUEST_WORDS='ws=8M rate=8M fill=64M' vm_start vm1 -m 128M -drive "file=$1/a.qcow2,format=qcow2,if=virtio"
    vm_wait_count vm1 3
}

take() {
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --quiet "$@"
    ckpt=$output
}

of() { jq -c "$2" "$1/checkpoint.json"; }

# incremental CKPT PARENT: it began with that parent's memory, and most of it is the same.
incremental() {
    of "$1" .incremental
    of "$1" "[.incremental | .parent == \"$2\", .pages_same > 16384, .pages_changed > 0, .pages_changed < 8192,
        .pages_same + .pages_changed + .pages_zeroed == 32768] | all" | grep -qx true
}

# used DIR: bytes of its filesystem in use.
used() {
    sync -f "$1"
    df --output=used --block-size=1 "$1" | tail -n 1
}

# restored NAME CKPT: the guest goes on, whole; then it is ended.
restored() {
    restore "$1" --dir "$T/runs" "$2"
    ln -sf "$serial" "$T/$1.serial"
    vm_wait_count "$1" 1
    vm_assert_counting "$1" 24
    vm_kill "$1"
}

three_in_a_row() {
    local before
    fs_mount "$1" "$T/m" 1G
    vm_on "$T/m"
    take
    assert_equal "$(of "$T/m/x1.ckpt" '[.parent, .incremental]')" '[null,null]'
    vm_wait_count vm1 +3
    before=$(used "$T/m")
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --json
    says "x2: memory since 'x1.ckpt': "
    [[ $(jq .incremental.pages_changed <<<"$output") -gt 0 ]]
    (($(used "$T/m") - before < 48 << 20)) || fail "$(($(used "$T/m") - before)) bytes more"
    take --disks reflink
    mkdir "$T"/m/other{1..20}.ckpt # newer ones, which are not looked into
    take --dry-run
    [[ $output == *"parent $T/m/x3.ckpt"* ]]
    rmdir "$T"/m/other*.ckpt
    take
    assert_equal "$(for x in x2 x3 x4; do of "$T/m/$x.ckpt" .parent; done | xargs)" 'x1 x2 x3'
    incremental "$T/m/x2.ckpt" "$T/m/x1.ckpt"
    incremental "$T/m/x3.ckpt" "$T/m/x2.ckpt"
    incremental "$T/m/x4.ckpt" "$T/m/x3.ckpt"
    vm_assert_counting vm1 4
    vm_kill vm1
    # without the parents
    rm -rf "$T/m/x1.ckpt" "$T/m/x3.ckpt"
    seal
    run_tool 0 mplcr-chain verify --sums "$T/m/x2.ckpt" "$T/m/x4.ckpt"
    restored r2 "$T/m/x2.ckpt"
    restored r4 "$T/m/x4.ckpt"
    run_tool 0 mplcr-chain tree "$T/m"
    sealed
}

@test "btrfs: each begins with the one before, and is whole without it" { three_in_a_row btrfs; }

@test "XFS: each begins with the one before, and is whole without it" { three_in_a_row xfs; }

@test "a restored VM begins with the checkpoint that it was restored from, lazily or not; then with its own" {
    local way
    fs_mount xfs "$T/m" 1G
    vm_on "$T/m"
    take
    vm_kill vm1
    seal
    for way in lazy eager; do
        restore "$way" "--$way" "$T/m/x1.ckpt"
        ln -sf "$serial" "$T/$way.serial"
        ln -sf "$(jq -r .qmp <<<"$run")" "$T/vm1.qmp"
        vm_wait_count "$way" +3
        take
        incremental "$ckpt" "$T/m/x1.ckpt"
        assert_equal "$(of "$ckpt" .parent)" '"x1"'
        take
        incremental "$ckpt" "${ckpt%x2.ckpt}x1.ckpt"
        # elsewhere, and the one before it is gone
        rm -rf "$ckpt"
        mkdir -p "$T/m/other"
        take --dir "$T/m/other"
        incremental "$ckpt" "$dir/x1.ckpt"
        vm_kill "$way"
        restored "r-$way" "$ckpt"
        rm -rf "$T/m/other"
    done
    sealed
}

@test "--parent, --no-parent; where nothing can be shared it is whole by itself, and refused with --parent" {
    local facts
    mkdir "$T/m"
    vm_on "$T/m"
    take
    take
    assert_equal "$(of "$T/m/x2.ckpt" '[.parent, .incremental]')" '["x1",null]'
    facts=$(vm_facts vm1)
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --parent "$T/m/x1.ckpt"
    says "the memory cannot begin with that of checkpoint '$T/m/x1.ckpt'"
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --parent "$T/m"
    says "--parent: "
    run_tool 2 mplcr-trigger --socket "$T/vm1.qmp" --parent "$T/m/x1.ckpt" --no-parent
    run_tool 2 mplcr-trigger --socket "$T/vm1.qmp" --parent "$T/m/x1.ckpt" --layout stream
    run_tool 2 mplcr-trigger --socket "$T/vm1.qmp" --parent "$T/m/x1.ckpt" --uri tcp:127.0.0.1:9
    as_before "$facts" vm1
    fs_mount btrfs "$T/b" 1G
    take --dir "$T/b"
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --parent "$T/m/x1.ckpt" --dir "$T/b" # another filesystem
    says "Invalid cross-device link"
    take --no-parent --dir "$T/b"
    assert_equal "$(of "$ckpt" '[.parent, .incremental]')" '["x1",null]'
    take --layout stream --dir "$T/b"
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --parent "$ckpt"
    says "has layout 'stream'"
    take --dir "$T/b" # the one before has no pages
    assert_equal "$(of "$ckpt" '[.parent, .incremental]')" '["x3",null]'
    take --dir "$T/b" --parent "$T/b/x1.ckpt"
    incremental "$ckpt" "$T/b/x1.ckpt"
    assert_equal "$(of "$ckpt" .parent)" '"x1"'
}

# A guest that is held, and what its memory is. (QEMU before 9.0 lets it run for a moment after each checkpoint.)
held() {
    fs_mount btrfs "$T/m" 1G
    vm_on "$T/m"
    take --name p
    vm_wait_count vm1 +2
    qmp vm1 stop >/dev/null
    take --name whole --no-parent
}

# right CKPT: its memory and its sums are right.
right() {
    [ "$(qemu_major)" -lt 9 ] || cmp "$1/ram/pc.ram" "$T/m/whole.ckpt/ram/pc.ram"
    run_tool 0 mplcr-chain verify --sums "$1"
}

@test "hostile parents: lies, other sizes, links, a foreign manifest, one that goes meanwhile" {
    held
    cp -r --reflink=auto "$T/m/p.ckpt" "$T/m/lies.ckpt"
    head -c 50M /dev/urandom | dd of="$T/m/lies.ckpt/ram/pc.ram" bs=1M seek=75 conv=notrunc status=none
    take --name c1 --parent "$T/m/lies.ckpt"
    right "$T/m/c1.ckpt"
    [[ $(of "$T/m/c1.ckpt" .incremental.pages_zeroed) -gt 0 ]]
    truncate -s 1000000 "$T/m/lies.ckpt/ram/pc.ram"
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --name c2 --parent "$T/m/lies.ckpt"
    says "the memory was saved whole: no RAM block has the size that it has in '$T/m/lies.ckpt'"
    right "$T/m/c2.ckpt"
    truncate -s 200M "$T/m/lies.ckpt/ram/pc.ram"
    take --name c3 --parent "$T/m/lies.ckpt"
    right "$T/m/c3.ckpt"
    rm "$T/m/lies.ckpt/ram/pc.ram"
    ln -s "$T/m/p.ckpt/ram/pc.ram" "$T/m/lies.ckpt/ram/pc.ram"
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --name c4 --parent "$T/m/lies.ckpt"
    says "Too many levels of symbolic links"
    rm "$T/m/lies.ckpt/ram/pc.ram"
    mkfifo "$T/m/lies.ckpt/ram/pc.ram"
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --name c4 --parent "$T/m/lies.ckpt"
    rm "$T/m/lies.ckpt/ram/pc.ram"
    cp --reflink=auto "$T/m/p.ckpt/ram/pc.ram" "$T/m/lies.ckpt/ram/pc.ram"
    jq '.mac = "00" | .name = "other"' "$T/m/p.ckpt/checkpoint.json" >"$T/m/lies.ckpt/checkpoint.json"
    take --name c4 --parent "$T/m/lies.ckpt" --at-freeze "rm -rf $T/m/lies.ckpt"
    right "$T/m/c4.ckpt"
    assert_equal "$(of "$T/m/c4.ckpt" '[.parent, .incremental.parent]')" "[\"other\",\"$T/m/lies.ckpt\"]"
    # what was found by itself has other contents than its manifest says
    echo x | dd of="$T/m/c4.ckpt/ram/pc.ram" bs=1M seek=40 conv=notrunc status=none
    take --name c5
    assert_equal "$(of "$T/m/c5.ckpt" .incremental.parent)" "\"$T/m/c4.ckpt\""
    [ "$(qemu_major)" -lt 9 ] || assert_equal "$(of "$T/m/c5.ckpt" .incremental.pages_changed)" 1
    right "$T/m/c5.ckpt"
    vm_kill vm1
    restored r5 "$T/m/c5.ckpt"
}

@test "no space, and SIGKILL, in the middle: nothing half, and the VM as it was" {
    local facts ckpt
    fs_mount xfs "$T/m" 512M
    vm_on "$T" # elsewhere: QEMU pauses a VM whose own writes find no space
    take --dir "$T/m"
    facts=$(vm_facts vm1)
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T/m" -e stop --at-freeze \
        "dd if=/dev/zero of='$T/m/full' bs=64k 2>/dev/null; dd if=/dev/zero of='$T/m/full2' bs=4k 2>/dev/null; sync -f '$T/m'; true" \
        --at-freeze-timeout 50
    says "No space left on device"
    rm -f "$T/m/full" "$T/m/full2"
    as_before "$facts" vm1
    mplcr-trigger --socket "$T/vm1.qmp" --dir "$T/m" -e stop --at-freeze 'kill -KILL $PPID' </dev/null >"$T/said.log" 2>&1 3>&- || true
    wait_all_gone
    as_before "$facts" vm1
    take --dir "$T/m"
    incremental "$ckpt" "$T/m/x1.ckpt"
    vm_kill vm1
    rm -rf "$T/m/x1.ckpt"
    restored r2 "$ckpt"
}
