#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-restore: a VM from a checkpoint, as often as wanted, on VMs of all the kinds that people start.

load helpers
load restore

@test "two clones at once, lazily, go on from where the VM was; the checkpoint stays as it is" {
    local count first
    two_disks
    count=$(vm_count vm1)
    checkpoint x1
    restore c1 "$T/x1.ckpt"
    first=$serial
    assert_equal "$(jq -r '.schema, .mode, .running, .name' <<<"$run" | xargs)" 'mplcr.restore.run/1 lazy true run-1'
    assert_equal "$(jq -r '.disks | length' <<<"$run")" 2
    assert_equal "$(jq -r '.disks[0].frozen' <<<"$run")" "$T/a.qcow2"
    restore c2 "$T/x1.ckpt/"
    assert_equal "$(jq -r .name <<<"$run")" run-2
    vm_assert_counting "$first"
    vm_assert_counting "$serial"
    (($(vm_count "$first") > count))
    assert_equal "$(stat -c %a "$dir" "$dir/qemu.log" "$(jq -r '.disks[0].overlay' <<<"$run")" | xargs)" '700 600 600'
    sealed
}

@test "four restores at the same moment get four directories" {
    local i pids=()
    two_disks_checkpoint
    for i in 1 2 3 4; do
        mplcr-restore --quiet --json "$T/x1.ckpt" >"$T/r$i.json" 3>&- &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i"; done
    for i in 1 2 3 4; do vm_adopt "c$i" "$(jq -r .pid "$T/r$i.json")"; done
    assert_equal "$(jq -r .name "$T"/r?.json | sort | xargs)" 'run-1 run-2 run-3 run-4'
    for i in 1 2 3 4; do vm_wait_count "$(jq -r .dir "$T/r$i.json")/vm1.serial" +5; done
    sealed
}

@test "beside the running VM that it comes from" {
    two_disks
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet
    restore c1 "$T/x1.ckpt"
    vm_assert_counting "$serial"
    vm_assert_counting vm1
    vm_running "$T/vm1.qmp"
    assert_equal "$(jq -r '[.moved[].to | sub(".*/"; "")] | sort | join(" ")' <<<"$run")" 'vm1.qmp vm1.serial'
}

@test "eagerly; the human report" {
    two_disks_checkpoint
    run_tool 0 mplcr-restore --eager "$T/x1.ckpt"
    vm_adopt c1 "$(sed -n 's/^pid //p' <<<"$output")"
    assert_line "qmp $T/x1.run-1/qmp.sock"
    assert_line "disk virtio0 $T/x1.run-1/virtio0.ovl"
    [[ $stderr == *eagerly* ]]
    vm_assert_counting "$T/x1.run-1/vm1.serial"
    run ! grep -q memory-backend-file "/proc/$(<"$T/c1.pid")/cmdline"
}

@test "a state without QEMU's description, eagerly: recorded and own command line, pages and stream" {
    local own i
    make_disk "$T/a.qcow2" qcow2 64M
    vm_start vm1 -machine pc,suppress-vmdesc=true -drive "file=$T/a.qcow2,format=qcow2,if=virtio"
    vm_wait_count vm1 10
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet
    checkpoint x2 --layout stream
    assert_equal "$(jq .described "$T/x1.ckpt/checkpoint.json" "$T/x2.ckpt/checkpoint.json" | xargs)" 'false false'
    own=("$QEMU" -nodefaults -display none -m 256M -kernel "$GUEST" -append 'ws=16M rate=8M'
        -drive 'file={disk:virtio0},format=qcow2,if=virtio')
    restore c1 --eager "$T/x1.ckpt"
    vm_assert_counting "$serial"
    restore c2 "$T/x2.ckpt"
    vm_assert_counting "$serial"
    # nor does it matter what the new VM's machine has, or whether the old one's command line was known
    sed -i '/"command_line": \[/,/\],$/c "command_line": null,' "$T/x1.ckpt/checkpoint.json"
    for i in on off; do
        restore "own-$i" --eager "$T/x1.ckpt" -- "${own[@]}" -machine "pc,suppress-vmdesc=$i" -serial "file:$T/own-$i.serial"
        vm_assert_counting "$T/own-$i.serial"
    done
    # as an older version wrote it
    sed -i '/"described":/d; /"saved_paused":/d' "$T/x1.ckpt/checkpoint.json"
    restore c3 --eager --trust "$T/x1.ckpt" -- "${own[@]}" -serial "file:$T/c3.serial"
    vm_assert_counting "$T/c3.serial"
}

@test "--print lets the guest run where the saved state says paused" {
    two_disks
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet --engine stop
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x2 --quiet --engine precopy --accept-unsafe-precopy
    "$QMP" "$T/vm1.qmp" stop >/dev/null
    checkpoint x3 --engine precopy --accept-unsafe-precopy
    assert_equal "$(jq .saved_paused "$T"/x?.ckpt/checkpoint.json | xargs)" 'true false true'
    run_tool 0 mplcr-restore --print "$T/x1.ckpt"
    assert_line --partial '"execute":"cont"'
    run_tool 0 mplcr-restore --print "$T/x2.ckpt"
    refute_line --partial '"execute":"cont"'
    sed -i '/"saved_paused":/d' "$T/x2.ckpt/checkpoint.json"
    run_tool 0 mplcr-restore --print --trust "$T/x2.ckpt"
    assert_line --partial '"execute":"cont"'
}

@test "--paused, --name, --dir, --socket" {
    two_disks_checkpoint
    restore c1 --paused --name clone --dir "$T/elsewhere" --socket "$T/own.qmp" "$T/x1.ckpt"
    assert_equal "$dir" "$T/elsewhere/x1.clone"
    assert_equal "$(jq -r .running <<<"$run")" false
    assert_equal "$(vm_status "$T/own.qmp")" paused
    assert_equal "$("$QMP" "$T/own.qmp" query-name | jq -r .name)" clone
    "$QMP" "$T/own.qmp" cont >/dev/null
    vm_assert_counting "$serial"
    run_tool 3 mplcr-restore --name clone --dir "$T/elsewhere" "$T/x1.ckpt"
    [[ $stderr == *'choose another --name'* ]]
    run_tool 3 mplcr-restore --socket "$T/own.qmp" "$T/x1.ckpt"
    [[ $stderr == *'is already there'* ]]
    assert_equal "$(processes_of_test)" "$(<"$T/c1.pid")"
}

@test "--foreground stays, passes signals on and ends with QEMU's status" {
    local tool
    two_disks_checkpoint
    mplcr-restore --foreground --json "$T/x1.ckpt" >"$T/out" 2>"$T/err" </dev/null 3>&- &
    tool=$!
    until [[ -s $T/out ]]; do sleep 0.01; done
    vm_wait_count "$T/x1.run-1/vm1.serial" +5
    vm_adopt c1 "$(jq -r .pid "$T/out")"
    kill -0 "$tool"
    kill -TERM "$tool"
    wait "$tool"
    [[ ! -e /proc/$(<"$T/c1.pid") ]]
}

@test "--print makes nothing; what it prints works" {
    two_disks_checkpoint
    run_tool 0 mplcr-restore --print "$T/x1.ckpt"
    [[ ! -e $T/x1.run-1 && $output == *'exec:cat'* ]]
    run_printed
    run_tool 2 mplcr-restore --print --eager "$T/x1.ckpt"
    sealed
}

@test "--print for a compressed stream" {
    two_disks_checkpoint --layout stream --compress zstd
    run_tool 0 mplcr-restore --print "$T/x1.ckpt"
    [[ ! -e $T/x1.run-1 && $output == *'zstd -dc'* ]]
    run_printed
    sealed
}

@test "layout stream, plain and compressed; --lazy is refused for it" {
    two_disks
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet --layout stream
    checkpoint x2 --layout stream --compress zstd:3
    restore c1 "$T/x1.ckpt"
    vm_assert_counting "$serial"
    assert_equal "$(jq -r .mode <<<"$run")" eager
    restore c2 "$T/x2.ckpt"
    vm_assert_counting "$serial"
    run_tool 2 mplcr-restore --lazy "$T/x1.ckpt"
    [[ $stderr == *"layout 'stream'"* ]]
    sealed
}

@test "a command line of one's own, with placeholders" {
    local base
    two_disks_checkpoint
    base=("$QEMU" -nodefaults -display none -m 256M -kernel "$GUEST" -append 'ws=32M rate=8M')
    restore c1 "$T/x1.ckpt" -- "${base[@]}" -drive 'file={disk:virtio0},format=qcow2,if=virtio,cache=writeback' \
        -drive 'file={disk:virtio1},if=virtio' -serial "file:$T/own.serial"
    vm_assert_counting "$T/own.serial"
    grep -q memory-backend-file "/proc/$(<"$T/c1.pid")/cmdline"
    restore c2 "$T/x1.ckpt" -- "${base[@]}" -drive 'file={disk:virtio0},format=qcow2,if=virtio' \
        -drive 'file={disk:virtio1},format=qcow2,if=virtio' -serial "file:$T/own2.serial" \
        -object "memory-backend-file,id=pc.ram,size=256M,mem-path={ram},share=off" -machine memory-backend=pc.ram
    vm_assert_counting "$T/own2.serial"
    run_tool 2 mplcr-restore "$T/x1.ckpt" -- "$QEMU" -hda '{disk:sda}'
    [[ $stderr == *"no disk 'sda'"* && $stderr == *virtio0* ]]
    sealed
}

@test "a command line that opens a frozen image is refused before the guest runs" {
    two_disks_checkpoint
    run_tool 3 mplcr-restore "$T/x1.ckpt" -- "$QEMU" -nodefaults -display none -m 256M -kernel "$GUEST" \
        -drive "file=$T/a.qcow2,format=qcow2,if=virtio" -drive 'file={disk:virtio1},format=qcow2,if=virtio'
    [[ $stderr == *"opens the frozen image"* && $stderr == *'{disk:virtio0}'* ]]
    assert_nothing_left
    sealed
}

@test "the whole tree moved, where headers name backing files by absolute paths" {
    mkdir "$T/old"
    make_disk "$T/old/base.img" raw 64M
    qemu-img create -q -f qcow2 -b "$T/old/base.img" -F raw "$T/old/a.qcow2"
    vm_start vm1 -drive "file=$T/old/a.qcow2,format=qcow2,if=virtio"
    vm_wait_count vm1 5
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --name x1 --quiet
    vm_wait_count vm1 +5
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --name x2 --quiet
    vm_kill vm1
    mv "$T/old" "$T/new, place"
    seal
    restore c1 "$T/new, place/x2.ckpt"
    vm_assert_counting "$serial"
    assert_equal "$(jq -r '.disks[0].frozen' <<<"$run")" "$T/new, place/a_x1.ovl"
    # The overlay stands by itself: whoever opens it finds the whole chain.
    kill_and_wait "$(<"$T/c1.pid")"
    run_tool 0 qemu-io -r -f qcow2 -c 'read 0 8M' "$(jq -r '.disks[0].overlay' <<<"$run")"
    sealed
}

@test "spaces, commas and quotes in paths" {
    local odd="$T/it's, a \"folder\""
    mkdir "$odd"
    make_disk "$odd/a, b.qcow2" qcow2 64M
    vm_start vm1 -drive "file=${odd//,/,,}/a,, b.qcow2,format=qcow2,if=virtio"
    vm_wait_count vm1 5
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$odd" --name x1 --quiet
    vm_kill vm1
    seal
    restore c1 "$odd/x1.ckpt"
    vm_assert_counting "$serial"
    restore c2 --eager "$odd/x1.ckpt"
    vm_assert_counting "$serial"
    sealed
}

@test "-blockdev with node names on q35; virtio-scsi; a read-only disk; an empty and a full CD drive" {
    make_disk "$T/a.qcow2" qcow2 64M
    make_disk "$T/b.img" raw 64M
    make_disk "$T/ro.img" raw 4M
    make_disk "$T/cd.img" raw 4M
    vm_start vm1 -M q35 -blockdev "driver=file,node-name=f0,filename=$T/a.qcow2" \
        -blockdev driver=qcow2,node-name=d0,file=f0 -device virtio-blk-pci,drive=d0 -device virtio-scsi-pci \
        -blockdev '{"driver":"raw","node-name":"d1","file":{"driver":"file","filename":"'"$T/b.img"'"}}' \
        -device scsi-hd,drive=d1 \
        -drive "file=$T/ro.img,format=raw,if=none,id=ro,readonly=on" -device scsi-hd,drive=ro,scsi-id=3 \
        -drive if=none,id=cd0,media=cdrom -device ide-cd,drive=cd0,bus=ide.1 \
        -drive "file=$T/cd.img,format=raw,if=none,id=cd1,media=cdrom" -device ide-cd,drive=cd1,bus=ide.2
    vm_wait_count vm1 5
    checkpoint x1
    restore c1 "$T/x1.ckpt"
    vm_assert_counting "$serial"
    restore c2 --eager "$T/x1.ckpt"
    vm_assert_counting "$serial"
    sealed
}

@test "IDE, a writable pflash, memory-backend-ram" {
    cp "$(find /usr/share/seabios "$CACHE/qemu10" -name bios-256k.bin 2>/dev/null | head -n 1)" "$T/bios.bin"
    make_disk "$T/a.img" raw 64M
    make_disk "$T/flash.img" raw 1M
    vm_start vm1 -M pc,memory-backend=pc.ram -object memory-backend-ram,id=pc.ram,size=256M \
        -drive "if=pflash,format=raw,readonly=on,file=$T/bios.bin" \
        -drive "if=pflash,format=raw,unit=1,file=$T/flash.img" -drive "file=$T/a.img,format=raw,if=ide"
    vm_wait_count vm1 5
    checkpoint x1
    restore c1 "$T/x1.ckpt"
    vm_assert_counting "$serial"
    sealed
}

@test "a restored VM is checkpointed and restored again, three times" {
    local i
    two_disks_checkpoint
    for i in 1 2 3; do
        restore "c$i" "$T/x$i.ckpt"
        vm_wait_count "$serial" +5
        run_tool 0 mplcr-trigger --socket "$(jq -r .qmp <<<"$run")" --dir "$T" --name "x$((i + 1))" --quiet
        kill_and_wait "$(<"$T/c$i.pid")"
    done
    restore c4 "$T/x4.ckpt"
    vm_assert_counting "$serial"
    # Each generation has the recorded monitor and ours, not one more.
    assert_equal "$(tr '\0' '\n' <"/proc/$(<"$T/c4.pid")/cmdline" | grep -c '^-qmp$')" 2
    restore c5 --eager "$T/x4.ckpt"
    vm_assert_counting "$serial"
    sealed
}
