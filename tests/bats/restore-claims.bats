# SPDX-License-Identifier: MIT
# qemu: 10
#
# A VM restored into another directory keeps its images: what changes those where they are refuses while it is there.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load restore
load filesystems

teardown() {
    fs_end
    scratch_end
}

# The checkpoint x2 in $T/v, of a VM that had x1, and a VM that was restored from it into $T/else and stopped.
stopped_clone() {
    mkdir -p "$T/v"
    make_disk "$T/v/a.qcow2" qcow2 16M
    vm_start vm1 -m 64M -drive "file=$T/v/a.qcow2,format=qcow2,if=virtio"
    for name in x1 x2; do
        vm_wait_count vm1 +2
        run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T/v" --name "$name" --quiet "$@"
    done
    vm_kill vm1
    restore clone --dir "$T/else" "$T/v/x2.ckpt"
    overlay=$(jq -r '.disks[0].overlay' <<<"$run")
    vm_wait_count "$serial" +2
    vm_kill clone
    qemu-img convert -O raw "$overlay" "$T/before"
}

# The clone is what it was.
intact() {
    qemu-img convert -O raw "$overlay" "$T/after"
    cmp "$T/before" "$T/after"
    run_tool 0 mplcr-chain verify "$overlay"
}

@test "prune, shorten and remove leave the images of a stopped clone elsewhere" {
    stopped_clone
    run_tool 0 mplcr-chain prune --keep 0 "$T/v"
    [[ $stderr == *"a_x1.ovl' stays: '$overlay' needs it"* ]]
    intact
    run_tool 3 mplcr-chain shorten --keep 2 "$T/v/a_x2.ovl"
    [[ $stderr == *"$overlay"* ]]
    run_tool 3 mplcr-snap remove "$T/v/a_x2.ovl" "$T/v/a_x1.ovl"
    [[ $stderr == *"$overlay"* ]]
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/v/a_x2.ovl"
    [[ $stderr == *"$overlay"* ]]
    intact
    # it starts again
    vm_start again -m 64M -drive "file=$overlay,format=qcow2,if=virtio"
    vm_kill again
    rm -r "$T/else"
    run_tool 0 mplcr-chain prune --keep 0 "$T/v"
    assert_file_not_exist "$T/v/.mplcr-claims"
    run_tool 0 mplcr-chain shorten --keep 2 "$T/v/a_x2.ovl"
    assert_file_not_exist "$T/v/a_x1.ovl"
}

@test "a checkpoint with cloned disks stays while a clone of it elsewhere does" {
    fs_mount btrfs "$T/v" 512M
    stopped_clone --disks reflink
    run_tool 0 mplcr-chain prune --keep 0 "$T/v"
    [[ $output == *"x2.ckpt: kept"*"$overlay"* ]]
    assert_equal "$(find "$T/v/x2.ckpt" -name .mplcr-claims)" ''
    intact
}

@test "a restore that fails leaves no claim" {
    stopped_clone
    rm -r "$T/else"
    rm -rf "$T/v/.mplcr-claims"
    device=$(jq -r '.disks[0].device' "$T/v/x2.ckpt/checkpoint.json")
    run_tool 3 mplcr-restore --dir "$T/else" --eager "$T/v/x2.ckpt" -- \
        "$QEMU" -drive "file={disk:$device}" -no-such-option
    assert_file_not_exist "$T/v/.mplcr-claims"
}

@test "checkpoints, overlays and restored VMs in four directories hold what they are on" {
    mkdir "$T/v" "$T/b" "$T/d"
    make_disk "$T/v/a.qcow2" qcow2 16M
    vm_start vm1 -m 64M -drive "file=$T/v/a.qcow2,format=qcow2,if=virtio"
    vm_wait_count vm1 +2
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T/b" --name x1 --quiet
    vm_kill vm1
    run_tool 0 mplcr-chain verify "$T/b/x1.ckpt" "$T/b/a_x1.ovl"
    # adopted, its manifest is another file
    rm -r "$T/v/.mplcr-claims" "$T/b/a_x1.ovl"
    sed -i '/"mac":/s/": *"./": "x/' "$T/b/x1.ckpt/checkpoint.json"
    run_tool 0 mplcr-restore --adopt --quiet "$T/b/x1.ckpt"
    run_tool 0 mplcr-chain verify "$T/b/x1.ckpt"
    restore clone --dir "$T/c" "$T/b/x1.ckpt"
    vm_wait_count "$serial" +2
    run_tool 0 mplcr-trigger --socket "$dir/vm1.qmp" --dir "$T/d" --name y1 --quiet
    vm_kill clone
    run_tool 0 mplcr-chain verify "$T/d/y1.ckpt" "$T"/d/*.ovl
    rm "$T"/d/*.ovl
    overlay=$(jq -r '.disks[0].overlay' <<<"$run")
    run_tool 0 mplcr-chain tree --json "$T/v"
    assert_equal "$(jq -r '.images[].claims[] | select(.gone | not) | .user' <<<"$output" | sort)" \
        "$T/b/x1.ckpt/checkpoint.json"$'\n'"$overlay"$'\n'"$T/d/y1.ckpt/checkpoint.json"
    run_tool 3 mplcr-snap remove --force "$T/v/a.qcow2"
    run_tool 3 mplcr-snap remove --force "$overlay"
    [[ $stderr == *"$T/d/y1.ckpt"* ]]
    rm -r "$T/b" "$T/c" "$T/d"
    run_tool 0 mplcr-snap remove --force "$T/v/a.qcow2"
    assert_file_not_exist "$T/v/.mplcr-claims"
}
