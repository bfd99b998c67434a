# SPDX-License-Identifier: MIT
# qemu: 10
#
# mplcr-chain prune on the checkpoints of real VMs: what the policy and nothing else keeps goes, overlays are merged, and
# what stays restores and is sound.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load filesystems

teardown() {
    fs_end
    scratch_end
}

# checkpoints N [DIR]: x1 … xN of the VM vm1, in DIR ($T/v), which has images and checkpoints, nothing else.
checkpoints() {
    local i
    V=${2:-$T/v}
    mkdir -p "$V"
    make_disk "$V/a.qcow2" qcow2 16M
    vm_start vm1 -m 64M -drive "file=$V/a.qcow2,format=qcow2,if=virtio"
    for ((i = 1; i <= $1; i++)); do
        vm_wait_count vm1 +2
        run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$V" --name "x$i" --quiet
    done
    vm_wait_count vm1 +2
}

# files: what is in $V.
files() { find "$V" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' '; }

# seen IMAGE: the sum of what a guest reads from it.
seen() { qemu-img convert -O raw -U "$1" "$T/seen.img" && md5sum <"$T/seen.img"; }

# as_old DAYS NAME…: these checkpoints were made so long ago.
as_old() {
    local when name
    when=$(date -u -d "-$1 days" +%Y-%m-%dT%H:%M:%S.000Z)
    shift
    for name; do
        sed -i "s/\"created\": \"[^\"]*\"/\"created\": \"$when\"/" "$V/$name.ckpt/checkpoint.json"
    done
}

# goes_on NAME: the checkpoint is sound, and restores.
goes_on() {
    run_tool 0 mplcr-chain verify --sums --trust-paths "$V/$1.ckpt"
    run_tool 0 mplcr-restore --verify --json --dir "$T" "$V/$1.ckpt"
    vm_adopt restored "$(jq -r .pid <<<"$output")"
    vm_assert_counting "$(jq -r .dir <<<"$output")/vm1.serial" 4
}

@test "old checkpoints go, their overlays are merged, and the rest restores" {
    checkpoints 4
    vm_kill vm1
    frozen=$(seen "$V/a_x3.ovl")
    active=$(seen "$V/a_x4.ovl")
    # By age, and both together: what either keeps stays.
    as_old 30 x1
    as_old 10 x2
    as_old 8 x3
    run_tool 0 mplcr-chain prune --keep-within 9d --keep 3 --dry-run "$V"
    [[ $output == *"x3.ckpt: kept, it is one of the newest 3"*"x2.ckpt: kept"*"x1.ckpt: would be dropped"* ]]
    run_tool 0 mplcr-chain prune --keep-within 2w --dry-run "$V"
    [[ $output == *"x2.ckpt: kept, it is not older than 2w"*"x1.ckpt: would be dropped"* ]]
    # Nothing happens in a dry run.
    before=$(find "$V" -type f -exec md5sum {} + | sort)
    run_tool 0 mplcr-chain prune --keep 1 --dry-run --json "$V"
    assert_equal "$(jq -c '[.schema, .dry_run, [.dropped[].name], [.kept[].name], (.merged[0].images | length)]' <<<"$output")" \
        '["mplcr.chain.prune/1",true,["x3","x2","x1"],["x4"],2]'
    would=$(jq .freed_bytes <<<"$output")
    assert_equal "$(find "$V" -type f -exec md5sum {} + | sort)" "$before"

    used=$(du -s -B1 "$V" | cut -f 1)
    run_tool 0 mplcr-chain prune --keep 1 --json "$V"
    assert_equal "$(files)" 'a.qcow2 a_x3.ovl a_x4.ovl x4.ckpt '
    freed=$(jq .freed_bytes <<<"$output")
    ((would >= freed && freed > 40000000))
    left=$(du -s -B1 "$V" | cut -f 1)
    ((used - left - freed < 200000 && freed - used + left < 200000)) || fail "says $freed, but it is $((used - left))"
    assert_equal "$(seen "$V/a_x3.ovl")" "$frozen"
    assert_equal "$(seen "$V/a_x4.ovl")" "$active"
    goes_on x4

    # The VM that was restored needs it now.
    run_tool 0 mplcr-chain prune --keep 0 "$V"
    [[ $output == *"x4.ckpt: kept, the VM of process $(<"$T/restored.pid") runs on its memory"* ]]
    vm_kill restored
    run_tool 0 mplcr-chain prune --keep 0 "$V"
    [[ $output == *'x4.ckpt: dropped'*'MiB freed' ]]
    assert_equal "$(seen "$V/a_x4.ovl")" "$active"
    # Nothing is left to say.
    run_tool 0 mplcr-chain prune --keep 0 --json "$V"
    assert_equal "$(jq .freed_bytes <<<"$output")" 0
}

@test "under a running VM only checkpoints go; it merges itself what only it needs" {
    checkpoints 3
    run_tool 0 mplcr-chain prune --keep 1 "$V"
    [[ $stderr == *"a_x1.ovl' stays: a running VM has it open"* ]]
    assert_equal "$(files)" 'a.qcow2 a_x1.ovl a_x2.ovl a_x3.ovl x3.ckpt '
    vm_assert_counting vm1 4
    run_tool 0 mplcr-chain prune --keep 0 --socket "$T/vm1.qmp" "$V"
    assert_equal "$(files)" 'a.qcow2 a_x1.ovl a_x3.ovl '
    assert_equal "$("$QMP" "$T/vm1.qmp" query-block | jq -r '[.[0].inserted.image | recurse(."backing-image" // empty) | .filename | split("/")[-1]] | join(" ")')" \
        'a_x3.ovl a_x1.ovl a.qcow2'
    vm_assert_counting vm1 12
    # What was left under the running VM is merged when it runs no more, by the next checkpoint's pruning.
}

@test "what was left under a running VM is merged when it is off" {
    checkpoints 3
    run_tool 0 mplcr-chain prune --keep 1 --quiet "$V"
    vm_kill vm1
    frozen=$(seen "$V/a_x2.ovl")
    run_tool 0 mplcr-chain prune --keep-within 1h "$V"
    [[ $output == *"a_x1.ovl: merged into a_x2.ovl"* ]]
    assert_equal "$(files)" 'a.qcow2 a_x2.ovl a_x3.ovl x3.ckpt '
    assert_equal "$(seen "$V/a_x2.ovl")" "$frozen"
    goes_on x3
}

@test "overlays that are backing files stay, and broken checkpoints" {
    checkpoints 3
    vm_kill vm1
    qemu-img create -q -f qcow2 -F qcow2 -b a_x1.ovl "$V/mine.qcow2"
    mine=$(seen "$V/mine.qcow2")
    echo '{' >"$V/x1.ckpt/checkpoint.json"
    run_tool 0 mplcr-chain prune --keep 1 "$V"
    [[ $output == *'x1.ckpt: kept, it cannot be read'* ]]
    assert_equal "$(files)" 'a.qcow2 a_x1.ovl a_x2.ovl a_x3.ovl mine.qcow2 x1.ckpt x3.ckpt '
    assert_equal "$(seen "$V/mine.qcow2")" "$mine"
    goes_on x3
    run_tool 2 mplcr-chain prune "$V"
    run_tool 2 mplcr-chain prune --keep-within 7 "$V"
    run_tool 2 mplcr-chain prune --keep 1
    run_tool 3 mplcr-chain prune --keep 1 "$T/none"
}

@test "killed at any step, what stays is whole after the next run" {
    require strace "kills at certain system calls"
    checkpoints 4
    vm_kill vm1
    frozen=$(seen "$V/a_x3.ovl")
    cp -a "$V" "$T/safe"
    for at in renameat:1 renameat:2 renameat:3 renameat:4 unlinkat:4 unlinkat:8 rmdir:2; do
        rm -rf "$V"
        cp -a "$T/safe" "$V"
        killed=0
        ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace="${at%:*}" \
            -e inject="${at%:*}:signal=KILL:when=${at#*:}" mplcr-chain prune --keep 1 "$V" >/dev/null 2>&1 || killed=$?
        [[ $killed != 0 ]] || fail "not killed at $at"
        assert_equal "$(seen "$V/a_x3.ovl")" "$frozen"
        run_tool 0 mplcr-chain prune --keep 1 "$V"
        assert_equal "$(files)" 'a.qcow2 a_x3.ovl a_x4.ovl x4.ckpt '
        assert_equal "$(seen "$V/a_x3.ovl")" "$frozen"
        run_tool 0 mplcr-chain verify --sums --trust-paths "$V/x4.ckpt"
    done
    assert_equal "$(find "$V" -name '.*' -o -name '*.new' -o -name '*.partial')" ''
    goes_on x4
}

@test "on btrfs, with a snapshot in the checkpoint and memory that is shared" {
    fs_mount btrfs "$T/b"
    checkpoints 2 "$T/b/v"
    vm_kill vm1
    btrfs -q subvolume create "$T/b/sub"
    btrfs -q subvolume snapshot -r "$T/b/sub" "$V/x1.ckpt/disks"
    cp --reflink=always "$V/x1.ckpt/ram/pc.ram" "$T/b/shared"
    run_tool 0 mplcr-chain prune --keep 1 --json "$V"
    # The memory is stored for the clone, too: nothing of it is freed.
    (($(jq .freed_bytes <<<"$output") < 4000000)) || fail "$output"
    assert_equal "$(files)" 'a.qcow2 a_x1.ovl a_x2.ovl x2.ckpt '
    assert_equal "$(btrfs subvolume list "$T/b" | wc -l)" 1
    goes_on x2
    vm_kill restored
}
