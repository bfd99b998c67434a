#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# Clones and snapshots that cannot be, or that fail half-way: the VM goes on as it was, and nothing is left.

load helpers
load trigger
load filesystems

setup() { scratch_begin; }
teardown() {
    fs_end
    scratch_end
}

# three_disks DIR: the VM "vm", counting. The last image in $PIECES pieces more, so many that even to share them takes
# space.
three_disks() {
    local i
    qemu-img create -q -f qcow2 -o preallocation=full "$1/a.qcow2" 16M
    qemu-img create -q -f raw -o preallocation=full "$1/b.img" 16M
    make_disk "$1/c.img" raw 256M
    dd if=/dev/zero of="$1/c.img" bs=1M count=32 conv=notrunc status=none
    for ((i = 0; i < ${PIECES:-0}; i++)); do echo "write -q $((65536 + i * 8))k 4k"; done | qemu-io -f raw "$1/c.img" >/dev/null
    GUEST_WORDS='ws=8M rate=8M' vm_start vm -m 64M -drive "file=$1/a.qcow2,format=qcow2,if=virtio" \
        -drive "file=$1/b.img,format=raw,if=ide" -drive "file=$1/c.img,format=raw,if=virtio"
    vm_wait_count vm 5
    facts=$(vm_facts)
}

# refused STATUS TEXT OPTION…: so, with this text, and nothing has changed.
refused() {
    local expected=$1 text=$2
    shift 2
    trigger "$expected" "$@"
    says "$text"
    STEPS=4 as_before "$facts"
}

@test "known before the pause: chattr +C, another filesystem, images in two places, no subvolume" {
    local facts
    fs_mount btrfs "$T/m" 256M
    fs_mount ext4 "$T/e" 64M
    mkdir "$T/m/plain" "$T/m/nocow"
    chattr +C "$T/m/nocow"
    btrfs -q subvolume create "$T/m/other"
    make_disk "$T/m/plain/a.img" raw 16M
    make_disk "$T/m/nocow/b.img" raw 16M
    make_disk "$T/m/other/c.img" raw 16M
    make_disk "$T/e/d.img" raw 16M
    GUEST_WORDS='ws=8M rate=8M' vm_start vm -m 64M -drive "file=$T/m/plain/a.img,format=raw,if=virtio" \
        -drive "file=$T/m/nocow/b.img,format=raw,if=virtio" -drive "file=$T/m/other/c.img,format=raw,if=virtio" \
        -drive "file=$T/e/d.img,format=raw,if=virtio"
    vm_wait_count vm 5
    facts=$(vm_facts)
    local only=(--disks reflink --leave-out virtio0 --device)
    refused 3 "is not copied on write (chattr +C)" "${only[@]}" virtio1 --leave-out virtio2 --leave-out virtio3
    refused 3 "different filesystems" "${only[@]}" virtio3 --leave-out virtio1 --leave-out virtio2
    refused 3 "different filesystems" "${only[@]}" virtio2 --leave-out virtio1 --leave-out virtio3 --dir "$T/e"
    only[1]=subvolume
    refused 3 "is not on btrfs" "${only[@]}" virtio3 --leave-out virtio1 --leave-out virtio2
    refused 3 "is not in the subvolume of the other images" "${only[@]}" virtio1 --device virtio2 --leave-out virtio3
    refused 3 "different filesystems" "${only[@]}" virtio2 --leave-out virtio1 --leave-out virtio3 --dir "$T/e"
    # a snapshot has the file for which there is no clone
    trigger 0 "${only[@]}" virtio1 --leave-out virtio2 --leave-out virtio3
    cmp -n 1048576 "$T/m/nocow/b.img" "$T/m/plain/x1.ckpt/disks/nocow/b.img" || [[ -s $T/m/plain/x1.ckpt/disks/nocow/b.img ]]
}

@test "an encrypted image whose header would have to be rewritten" {
    local facts
    fs_mount btrfs "$T/m" 256M
    make_disk "$T/m/base.qcow2" qcow2 16M
    make_encrypted "$T/m/a.qcow2" 16M -F qcow2 -b base.qcow2
    GUEST_WORDS='ws=8M rate=8M' vm_start vm -m 64M -object secret,id=k,data=key \
        -drive "file=$T/m/a.qcow2,format=qcow2,encrypt.key-secret=k,if=virtio"
    vm_wait_count vm 5
    facts=$(vm_facts)
    refused 3 "is encrypted and names its backing file 'base.qcow2' by a relative name" --disks reflink
    refused 3 "hint: detach it, or say --leave-out virtio0" --disks subvolume
}

@test "usage: what does not go together, and files that cannot be included" {
    local facts
    fs_mount btrfs "$T/m" 256M
    three_disks "$T/m"
    refused 2 "names an overlay, which goes with --disks overlay only" --disks reflink --device "virtio0=$T/m/x.ovl"
    refused 2 "is not overlay, reflink, subvolume, auto or none" --disks clone
    refused 2 "is not a regular file" --include "$T/m"
    refused 2 "is given twice" --include "$T/vm.serial" --include "$T/./vm.serial"
    refused 2 "is the image of disk 'virtio0', which is frozen anyway" --include "$T/m/a.qcow2"
    refused 3 "cannot include '$T/none'" --include "$T/none"
    refused 3 "cannot open '$T/none'" --include-from "$T/none"
}

@test "the third clone fails in the pause" {
    local facts
    fs_mount btrfs "$T/m" 256M
    three_disks "$T/m"
    # a file may have 200 MiB: enough for all but the last image
    run_tool 3 bash -c "ulimit -f 204800; trap '' XFSZ; exec '$BIN/mplcr-trigger' --socket '$T/vm.qmp' --disks reflink"
    says "cannot clone '$T/m/c.img' to '$T/m/x1.ckpt.partial/disks/c.img' (btrfs): "
    as_before "$facts"
    trigger 0 --disks reflink
    vm_assert_counting vm 4
}

# filled DIR: a command that leaves no block free there. emptied DIR: and what takes that back.
filled() { echo "{ dd if=/dev/zero of='$1/fill' bs=1M; dd if=/dev/zero of='$1/fill2' bs=4k; sync -f '$1'; } 2>/dev/null"; }
emptied() { rm "$1/fill" "$1/fill2"; }

@test "no space in the pause, for a clone and for a copied file" {
    local facts
    fs_mount xfs "$T/m" 400M
    PIECES=8000 three_disks "$T/m"
    # a guest that runs would find no space for its own writes
    qmp vm stop >/dev/null
    facts=$(vm_facts)
    between "migrate-set-parameters=run:$(filled "$T/m")"
    SOCKET=$T/fake.qmp trigger 3 --disks reflink --engine stop
    says "cannot clone '$T/m/"
    says " (xfs): No space left on device"
    emptied "$T/m"
    as_before "$facts"
    qmp vm cont >/dev/null
    vm_assert_counting vm
    vm_kill vm
    rm -f "$T/vm.serial"
    fs_mount ext4 "$T/e" 200M
    head -c 8M /dev/urandom >"$T/m/vars.fd"
    three_disks "$T/m"
    between "stop=run:$(filled "$T/e")"
    SOCKET=$T/fake.qmp trigger 3 --engine stop --dir "$T/e" --disks overlay --include "$T/m/vars.fd"
    says "No space left on device"
    emptied "$T/e"
    as_before "$facts"
}

@test "killed at each step: reflink, subvolume" {
    local facts mode at
    fs_mount btrfs "$T/m" 512M
    btrfs -q subvolume create "$T/m/vm"
    three_disks "$T/m/vm"
    for mode in reflink subvolume; do
        # the last is after the clones were made and before they are complete in themselves
        for at in getfd=kill stop=kill-sent migrate=kill-sent migrate=kill-answered query-block:2=kill-sent; do
            between "$at"
            "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop --disks $mode --name x1 >"$T/fake.said" 2>&1 3>&- || true
            wait_all_gone
            kill_and_wait "$(<"$T/fake.pid")"
            rm -f -- "$T/fake.pid" "$T/fake.qmp"
            echo "killed at $at, $mode"
            STEPS=4 as_before "$facts"
        done
        # in the pause itself, with everything cloned
        "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --disks $mode --name x1 --include "$T/vm.serial" \
            --at-freeze "find '$T/m/vm' -path '*partial*' -name '*.img' >'$T/fake.found'; kill -9 \$PPID" >"$T/fake.said" 2>&1 3>&- || true
        wait_all_gone
        assert_equal "$(wc -l <"$T/fake.found")" 2
        STEPS=4 as_before "$facts"
        # and by its user
        run_tool 3 timeout --preserve-status -s INT 1 "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --disks $mode --name x1 --at-freeze "sleep 20" --at-freeze-timeout 30
        STEPS=4 as_before "$facts"
    done
    assert_equal "$(btrfs subvolume list "$T/m" | wc -l)" 1
    trigger 0 --disks subvolume
    vm_assert_counting vm 4
}

@test "known before the pause: a raw image by a relative name, and QEMU elsewhere (-daemonize)" {
    local facts
    make_disk "$T/a.img" raw 16M
    make_disk "$T/b.qcow2" qcow2 16M
    (cd "$T" && run_tool 0 "$QEMU" -nodefaults -display none -kernel "$GUEST" -append 'ws=1M rate=1M' -m 64M -daemonize \
        -pidfile "$T/vm.pid" -drive file=a.img,format=raw,if=virtio -drive file=b.qcow2,format=qcow2,if=virtio \
        -serial "file:$T/vm.serial" -qmp "unix:$T/vm.qmp,server=on,wait=off")
    vm_wait_count vm 5
    facts=$(vm_facts)
    refused 3 "has changed its directory to '/' since, as with -daemonize" --disks overlay
    refused 3 "Start the VM with absolute names" --disks overlay --dry-run
    trigger 0 --disks overlay --leave-out virtio0
    vm_assert_counting vm 4
}

@test "QEMU dies in the pause" {
    local mode
    fs_mount btrfs "$T/m" 512M
    for mode in reflink subvolume; do
        three_disks "$T/m"
        between migrate=kill-qemu
        SOCKET=$T/fake.qmp trigger 3 --disks $mode --engine stop
        assert_equal "$(find "$T/m" -name '*.ckpt*')" ''
        assert_equal "$(btrfs subvolume list "$T/m")" ''
        rm -f "$T/vm.serial" "$T/vm.qmp"
    done
}
