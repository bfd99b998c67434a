#!/usr/bin/env bats
# qemu: 7
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trigger and the VMs that people really start, and its options about disks, names and places: what is the same
# on every QEMU.

load helpers
load trigger

field() { jq -r "$1" <<<"$json"; }

# start_vm [QEMU ARGUMENT…]: the VM "vm" of a test that brings its own disks.
start_vm() {
    GUEST_WORDS='ws=8M' vm_start vm -m 128M "$@"
    vm_wait_count vm 3
}

# taken [OPTION…]: a checkpoint is taken, the VM runs on; $json is the manifest.
taken() {
    trigger 0 --json "$@"
    json=$output
    vm_assert_counting vm 8
}

# restores [QEMU ARGUMENT…]: x1 does.
restores() {
    local most
    most=$(vm_count vm)
    vm_kill vm
    load_checkpoint again "$T/x1.ckpt" -m 128M "$@"
    goes_on_from again 1 "$most"
}

# --- how disks are attached -----------------------------------------------------------------------------------------

@test "-blockdev: disks are known by their node names" {
    make_disk "$T/a.qcow2" qcow2 16M
    make_disk "$T/b.img" raw 16M
    start_vm -blockdev "driver=file,filename=$T/a.qcow2,node-name=afile" -blockdev "driver=qcow2,file=afile,node-name=system" \
        -device virtio-blk-pci,drive=system,id=d0 \
        -blockdev "driver=raw,node-name=data,file.driver=file,file.filename=$T/b.img" -device ide-hd,drive=data,bus=ide.0
    taken
    assert_equal "$(field '.disks[] | "\(.device) \(.frozen) \(.active)"' | sort)" \
        "data $T/b.img $T/b_x1.ovl"$'\n'"system $T/a.qcow2 $T/a_x1.ovl"
    # the second time the names are still the user's
    taken
    assert_equal "$(field '.disks[] | "\(.device) \(.frozen) \(.active)"' | sort)" \
        "data $T/b_x1.ovl $T/b_x2.ovl"$'\n'"system $T/a_x1.ovl $T/a_x2.ovl"
    assert_equal "$(field .parent)" x1
    restores -drive 'file={system},format=qcow2,if=virtio' -drive 'file={data},format=qcow2,if=ide'
}

@test "IDE, virtio-blk and virtio-scsi, without ids: all three in one instant" {
    local name
    for name in a b c; do make_disk "$T/$name.img" raw 16M; done
    start_vm -drive "file=$T/a.img,format=raw,if=ide" -drive "file=$T/b.img,format=raw,if=virtio" \
        -device virtio-scsi-pci -drive "file=$T/c.img,format=raw,if=none" -device scsi-hd,drive=none0
    taken
    assert_equal "$(field '.disks[].device' | sort | xargs)" "ide0-hd0 none0 virtio0"
    restores -drive 'file={ide0-hd0},format=qcow2,if=ide' -drive 'file={virtio0},format=qcow2,if=virtio' \
        -device virtio-scsi-pci -drive 'file={none0},format=qcow2,if=none' -device scsi-hd,drive=none0
}

@test "q35" {
    make_disk "$T/a.qcow2" qcow2 16M
    start_vm -machine q35 -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0"
    taken
    assert_regex "$(field .qemu.machine)" '^pc-q35-'
    restores -machine q35 -drive 'file={drive0},format=qcow2,if=virtio,id=drive0'
}

@test "a VM without disks needs --dir" {
    start_vm
    trigger 2
    says "the VM has no disk beside whose image the checkpoint could be put"
    says "hint: say where with --dir"
    taken --dir "$T"
    assert_equal "$(field '.disks | length')" 0
    restores
}

@test "a read-only disk, an empty CD drive and a CD: recorded, not frozen" {
    make_disk "$T/a.qcow2" qcow2 16M
    make_disk "$T/ro.img" raw 1M
    make_disk "$T/cd.iso" raw 1M
    start_vm -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0" \
        -device virtio-scsi-pci -drive "file=$T/ro.img,format=raw,if=none,id=fixed,readonly=on" -device scsi-cd,drive=fixed \
        -drive if=none,id=empty,media=cdrom -device ide-cd,drive=empty \
        -drive "file=$T/cd.iso,format=raw,if=none,id=full,media=cdrom" -device ide-cd,drive=full
    taken
    assert_equal "$(field '.disks[] | select(.read_only | not) | .device' | xargs)" drive0
    assert_equal "$(field '.disks[] | select(.read_only) | "\(.device) \(.frozen) \(.active)"' | sort)" \
        "fixed $T/ro.img $T/ro.img"$'\n'"full $T/cd.iso $T/cd.iso"
    assert_equal "$(field '.disks[] | "\(.device) \(.method)"' | sort | xargs)" "drive0 overlay fixed none full none"
    assert_equal "$(find "$T" -name '*.ovl')" "$T/a_x1.ovl"
    trigger 2 --device fixed --device drive0
    says "--device: disk 'fixed' is read-only, there is nothing to freeze"
    taken --disks none
    assert_equal "$(field '[.left_out[], .disks[].method] | join(" ")')" "drive0 none none"
}

@test "pflash: firmware that the guest can write is a disk too" {
    local bios=/usr/share/seabios/bios-256k.bin
    [ -f "$bios" ] || skip "no $bios to make a flash of"
    cp "$bios" "$T/flash.img"
    make_disk "$T/a.qcow2" qcow2 16M
    start_vm -drive "if=pflash,format=raw,file=$T/flash.img" -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0"
    taken
    assert_equal "$(field '.disks[] | "\(.device) \(.active)"' | sort)" "drive0 $T/a_x1.ovl"$'\n'"pflash0 $T/flash_x1.ovl"
    restores -drive 'if=pflash,format=qcow2,file={pflash0}' -drive 'file={drive0},format=qcow2,if=virtio,id=drive0'
}

@test "memory-backend-ram: its block has a file of its own" {
    make_disk "$T/a.qcow2" qcow2 16M
    start_vm -object memory-backend-ram,id=mem0,size=128M -machine memory-backend=mem0 \
        -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0"
    taken
    assert_equal "$(field '.files[] | select(.block) | "\(.block) \(.name)"')" "mem0 ram/mem0"
    assert_equal "$(stat -c %s "$T/x1.ckpt/ram/mem0")" $((128 << 20))
}

# --- paths ----------------------------------------------------------------------------------------------------------

@test "paths with spaces, quotes, commas, equals signs and backslashes" {
    local dir="$T/a \"dir\", it's=odd\\"
    mkdir "$dir"
    make_disk "$dir/disk, one.qcow2" qcow2 16M
    start_vm -drive "file=${dir//,/,,}/disk,, one.qcow2,format=qcow2,if=virtio,id=drive0"
    taken
    assert_equal "$(field '.disks[] | "\(.frozen)|\(.active)"')" "$dir/disk, one.qcow2|$dir/disk, one_x1.ovl"
    assert_equal "$(field .checkpoint)" "$dir/x1.ckpt"
    jq -e --arg path "${dir//,/,,}/disk,, one.qcow2" '.qemu.command_line | any(contains($path))' <<<"$json" >/dev/null
    taken
    assert_equal "$(qmp vm query-block | jq -r '.[0].inserted.file')" "$dir/disk, one_x2.ovl"
}

@test "an image that was named relative to QEMU's directory" {
    mkdir "$T/here"
    cd "$T/here"
    make_disk base.img raw 16M
    qemu-img create -q -f qcow2 -F raw -b base.img top.qcow2
    start_vm -drive file=top.qcow2,format=qcow2,if=virtio,id=drive0
    cd /
    taken
    assert_equal "$(field '.disks[0].chain[].path' | xargs)" "$T/here/top.qcow2 $T/here/base.img"
    assert_equal "$(field .checkpoint)" "$T/here/x1.ckpt"
    taken
    assert_equal "$(field '.disks[0].chain[].path' | xargs)" "$T/here/top_x1.ovl $T/here/top.qcow2 $T/here/base.img"
    mkdir "$T/elsewhere"
    taken --dir "$T/elsewhere"
    assert_equal "$(field '.disks[0].active')" "$T/elsewhere/top_x1.ovl"
    qemu-img info -U --backing-chain "$T/elsewhere/top_x1.ovl" >/dev/null
}

@test "two disks of the same name in two directories" {
    mkdir "$T/one" "$T/two"
    make_disk "$T/one/disk.img" raw 16M
    make_disk "$T/two/disk.img" raw 16M
    start_vm -drive "file=$T/one/disk.img,format=raw,if=virtio,id=first" -drive "file=$T/two/disk.img,format=raw,if=virtio,id=second"
    taken
    assert_equal "$(field '.disks[].active' | xargs)" "$T/one/disk_x1.ovl $T/one/disk-second_x1.ovl"
}

# --- which disks ----------------------------------------------------------------------------------------------------

@test "--device: a writable disk that would be left out is refused, unless it is said" {
    boot
    local facts
    facts=$(vm_facts)
    trigger 3 --device drive0
    says "mplcr-trigger: writable disk 'drive1' would be left out: its content would not belong to the checkpoint"
    says "hint: name it with --device too, or say --leave-out drive1"
    trigger 2 --device nosuch
    says "mplcr-trigger: --device: the VM has no disk 'nosuch'"
    says "hint: its disks are: drive0 drive1"
    trigger 2 --leave-out nosuch
    says "mplcr-trigger: --leave-out: the VM has no disk 'nosuch'"
    STEPS=3 as_before "$facts"
    taken --device drive0 --leave-out drive1
    says "warning: disk 'drive1' was left out: its content does not belong to the checkpoint"
    assert_equal "$(field '.disks[] | "\(.device) \(.active)"')" "drive0 $T/a_x1.ovl"
    assert_equal "$(field '.left_out | join(" ")')" drive1
}

@test "--device DEV=FILE: the overlay goes there, and never over another file" {
    boot
    mkdir "$T/far away"
    taken --device "drive0=$T/far away/over.qcow2" --device drive1
    assert_equal "$(field '.disks[].active' | xargs -d '\n')" "$T/far away/over.qcow2 $T/b_x1.ovl"
    assert_equal "$(stat -c %a "$T/far away/over.qcow2")" 600
    local facts
    facts=$(vm_facts)
    echo precious >"$T/file"
    trigger 3 --device "drive0=$T/file" --device drive1
    says "mplcr-trigger: '$T/file' exists"
    says "hint: an overlay is never written over another file"
    assert_equal "$(<"$T/file")" precious
    trigger 2 --device "drive0=$T/new" --device "drive1=$T/new"
    says "two disks would get the same overlay '$T/new'"
    trigger 3 --device "drive0=$T/nosuch/new" --device drive1
    says "cannot use the directory of the overlay '$T/nosuch/new': No such file or directory"
    rm "$T/file"
    STEPS=3 as_before "$facts"
}

@test "--disks none: only memory; the disks are the user's business" {
    boot
    local active
    active=$(qmp vm query-block)
    taken --disks none
    [ -z "$(find "$T" -name '*.ovl')" ]
    assert_equal "$(qmp vm query-block | jq '[.[].inserted.file]')" "$(jq '[.[].inserted.file]' <<<"$active")"
    assert_equal "$(field '.left_out | join(" ")')" "drive0 drive1"
}

@test "a disk that cannot be frozen is named and refused, unless it is left out" {
    require loop "a device to pass through"
    make_disk "$T/a.qcow2" qcow2 16M
    truncate -s 16M "$T/dev.img"
    local loop
    loop=$(losetup --find --show "$T/dev.img")
    start_vm -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0" -drive "file=$loop,format=raw,if=virtio,id=through"
    trigger 3
    says "mplcr-trigger: disk 'through' cannot be frozen: '$loop' is a device passed through, not an image file"
    says "hint: detach it, or say --leave-out through"
    nothing_left
    trigger 0 --leave-out through
    says "warning: disk 'through' was left out"
    vm_assert_counting vm 8
    vm_kill vm
    losetup --detach "$loop"
}

@test "a disk over the network cannot be frozen" {
    make_disk "$T/a.qcow2" qcow2 16M
    make_disk "$T/net.img" raw 16M
    qemu-nbd --fork --persistent --format=raw --pid-file="$T/nbd.pid" --socket="$T/nbd.sock" "$T/net.img" 3>&-
    start_vm -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0" \
        -drive "file=nbd+unix:///?socket=$T/nbd.sock,format=raw,if=virtio,id=net"
    trigger 3
    says "mplcr-trigger: disk 'net' cannot be frozen: "
    nothing_left
    vm_kill vm
}

# --- names ----------------------------------------------------------------------------------------------------------

@test "--name: letters, digits and ._-; anything else is refused" {
    boot
    local name
    for name in '' . .. .hidden -dash a/b 'a b' $'a\nb' "$(printf 'n%.0s' {1..101})"; do
        trigger 2 --name="$name" --dir "$T"
        says "--name: '"
        says "' is not a name: letters, digits, '.', '_' and '-', at most 100 of them, not beginning with '.' or '-'"
    done
    nothing_left
    taken --name 'Nightly_2026-01.02'
    assert_equal "$(field '.checkpoint, .disks[0].active' | xargs)" "$T/Nightly_2026-01.02.ckpt $T/a_Nightly_2026-01.02.ovl"
    taken --name "$(printf 'n%.0s' {1..100})"
}

@test "names that are taken are passed over: x1 by a checkpoint, x2 by half of one, x3 by an overlay" {
    boot
    mkdir "$T/x1.ckpt" "$T/x2.ckpt.partial"
    ln -s nowhere "$T/a_x3.ovl"
    trigger 0
    assert_equal "$output" "$T/x4.ckpt"
    assert_equal "$(readlink "$T/a_x3.ovl")" nowhere
}

@test "the names come out in the middle of a pipeline" {
    boot
    assert_equal "$("$BIN/mplcr-trigger" --socket "$T/vm.qmp" --quiet --json | jq -r '.disks[].frozen' | xargs -d '\n' -n 1 basename | xargs)" \
        "a.qcow2 b.img"
}

@test "an answer that cannot be written: the checkpoint stands, and the status says so" {
    boot
    local name=x0 option
    for option in --json --quiet; do
        name=x$((${name#x} + 1))
        status=0
        "$BIN/mplcr-trigger" --socket "$T/vm.qmp" "$option" >/dev/full 2>"$T/said" || status=$?
        assert_equal "$status" 4
        assert_equal "$(tail -n 1 "$T/said")" \
            "mplcr-trigger: the checkpoint '$T/$name.ckpt' is complete: cannot write to standard output: No space left on device"
        [ -f "$T/$name.ckpt/checkpoint.json" ]
    done
    vm_assert_counting vm 8
}

# --- places ---------------------------------------------------------------------------------------------------------

@test "--dir: state and overlays go there" {
    boot
    mkdir "$T/store"
    (cd "$T" && taken --dir store)
    json=$(cat "$T/store/x1.ckpt/checkpoint.json")
    assert_equal "$(field '.checkpoint, .disks[].active' | xargs)" "$T/store/x1.ckpt $T/store/a_x1.ovl $T/store/b_x1.ovl"
    trigger 3 --dir "$T/nosuch"
    says "mplcr-trigger: cannot use the directory '$T/nosuch': No such file or directory"
    trigger 3 --dir "$T/a.qcow2"
    says "$T/a.qcow2"
}

@test "command lines that make no sense are refused with status 2 before anything" {
    local said
    reject() {
        said=$1
        shift
        run_tool 2 "$BIN/mplcr-trigger" "$@"
        assert_equal "$output" ""
        says "mplcr-trigger: $said"
    }
    reject "which VM? --socket is missing"
    reject "unexpected argument" --socket s x
    reject "--engine: 'fast' is not auto, background, precopy, mplcr or stop" -s s --engine fast
    reject "--layout: 'x' is not pages or stream" -s s --layout x
    reject "--compress goes with --layout stream" -s s --compress zstd
    reject "--compress: 'gzip' is not zstd or zstd:LEVEL" -s s --layout stream --compress gzip
    reject "--compress: the level is 1 to 19" -s s --layout stream --compress zstd:0
    reject "--compress: '20' is too large, at most 19" -s s --layout stream --compress zstd:20
    reject "--disks: 'x' is not overlay, reflink, subvolume, auto or none" -s s --disks x
    reject "--device: '=x' is not DEV or DEV=FILE" -s s --device =x
    reject "--device does not go with --disks none" -s s --device a --disks none
    reject "--max-bandwidth: '1X' is not a size: digits, then K, M, G, T or nothing" -s s --max-bandwidth 1X
    reject "--max-pause: '-1' is not a number" -s s --max-pause=-1
    reject "--timeout: '1.' is not a time in seconds" -s s --timeout 1.
    reject "unknown option '--nosuch'" -s s --nosuch
    reject "option '--socket' needs a value" --socket
    run_tool 0 "$BIN/mplcr-trigger" --help
    assert_equal "$stderr" ""
    run_tool 0 "$BIN/mplcr-trigger" --version
    assert_regex "$output" '^mplcr-trigger [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "--progress=always draws a line, --quiet says nothing" {
    boot
    trigger 0 --progress always
    assert_regex "$stderr" 'x1: saving, VM running +[0-9]+%  [0-9]+ MB/s  [0-9.]+ s left'
    trigger 0 --quiet
    assert_equal "$stderr" ""
}
