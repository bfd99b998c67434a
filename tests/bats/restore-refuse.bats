#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 7
#
# What mplcr-restore refuses, in which words, and that nothing is left of it.

load helpers
load restore

# stand_in NAME VERSION MACHINE ELSE: a program that passes for QEMU, and does ELSE when it is to run a VM.
stand_in() {
    printf '#!/bin/sh\ncase $1 in\n--version) echo "QEMU emulator version %s (x)" ;;\n-machine) echo "%s" ;;\n*) %s ;;\nesac\n' \
        "$2" "$3" "$4" >"$T/$1"
    chmod +x "$T/$1"
}

# edit SED_SCRIPT: x1.ckpt gets the manifest $T/good.json, changed. (Not with jq, which makes floats of large integers.)
edit() { sed "$1" "$T/good.json" >"$T/x1.ckpt/checkpoint.json"; }

# says WORD…: each is somewhere in the message.
says() {
    local word
    for word; do
        [[ $stderr == *"$word"* ]] || fail "no '$word' in: $stderr"
    done
}

@test "a frozen image that was written to since" {
    two_disks_checkpoint
    printf x | dd of="$T/a.qcow2" bs=1 seek=1000000 conv=notrunc status=none
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says "$T/a.qcow2" 'was changed since' hint:
    assert_nothing_left
    run_tool 0 mplcr-restore --force --paused --json "$T/x1.ckpt"
    vm_adopt c1 "$(jq -r .pid <<<"$output")"
    says warning:
}

@test "an image that is missing" {
    two_disks_checkpoint
    mv "$T/b.img" "$T/c.img"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says "$T/b.img" 'No such file'
    run_tool 3 mplcr-restore --force "$T/x1.ckpt"
    assert_nothing_left
}

@test "memory files that are cut, missing, changed" {
    two_disks_checkpoint
    cp -a "$T/x1.ckpt" "$T/y.ckpt"
    truncate -s -4096 "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says "ram/pc.ram' is damaged"
    rm "$T/x1.ckpt/ram/pc.ram"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says 'not complete'
    cp "$T/y.ckpt/ram/pc.ram" "$T/x1.ckpt/ram/pc.ram"
    printf x | dd of="$T/x1.ckpt/ram/pc.ram" bs=1 seek=70000000 conv=notrunc status=none
    run_tool 3 mplcr-restore --verify "$T/x1.ckpt"
    says 'its sum is'
    run_tool 0 mplcr-restore --verify --json "$T/y.ckpt"
    vm_adopt c1 "$(jq -r .pid <<<"$output")"
}

@test "manifests that are cut, missing, edited, newer, unfinished" {
    two_disks_checkpoint
    cp "$T/x1.ckpt/checkpoint.json" "$T/good.json"
    truncate -s 100 "$T/x1.ckpt/checkpoint.json"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says 'is not a checkpoint manifest'
    rm "$T/x1.ckpt/checkpoint.json"
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says 'no checkpoint.json'
    edit '0,/"virtual_size": [0-9]*/s//"virtual_size": 1048576/'
    run_tool 3 mplcr-restore --trust "$T/x1.ckpt"
    says 'the manifest says 1048576'
    edit 's:"ram/pc.ram":"../../etc/passwd":'
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says 'files[1].name'
    edit 's:"mplcr.trigger.checkpoint/1":"mplcr.trigger.checkpoint/9":'
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says newer
    cp "$T/good.json" "$T/x1.ckpt/checkpoint.json"
    mv "$T/x1.ckpt" "$T/x1.ckpt.partial"
    run_tool 3 mplcr-restore "$T/x1.ckpt.partial"
    says 'not finished'
    run_tool 3 mplcr-restore "$T/a.qcow2"
    says 'NAME.ckpt'
    assert_nothing_left
}

@test "a state that QEMU cannot load: its own words" {
    local size
    two_disks_checkpoint
    size=$(stat -c %s "$T/x1.ckpt/devices.vmstate")
    head -c 3000 /dev/zero | dd of="$T/x1.ckpt/devices.vmstate" bs=1 seek=$((size / 2)) conv=notrunc status=none
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    says 'QEMU ended with status'
    assert_nothing_left
    run_tool 3 mplcr-restore --verify "$T/x1.ckpt"
    says 'its sum is'
}

@test "another QEMU: none, something else, an older one, one without the machine type" {
    two_disks_checkpoint
    stand_in old 5.2.0 x 'exit 1'
    stand_in odd 77.2.0 q36 'exit 1'
    run_tool 3 mplcr-restore "$T/x1.ckpt" -- "$T/none" -hda x
    says 'cannot find QEMU'
    run_tool 3 mplcr-restore "$T/x1.ckpt" -- /bin/true
    says 'is it QEMU?'
    run_tool 3 mplcr-restore "$T/x1.ckpt" -- "$T/old" -hda x
    says older --force
    run_tool 3 mplcr-restore "$T/x1.ckpt" -- "$T/odd" -hda x
    says 'machine type'
    run_tool 3 mplcr-restore --force "$T/x1.ckpt" -- "$T/odd" -hda '{disk:virtio0}'
    says warning: 'ended with status 1'
    assert_nothing_left
}

@test "QEMU that cannot start: its words, and a hint" {
    two_disks_checkpoint
    run_tool 3 mplcr-restore "$T/x1.ckpt" -- "$QEMU" -nonsense
    says nonsense
    cp "$T/x1.ckpt/checkpoint.json" "$T/good.json"
    edit 's:"-nodefaults":&, "-chardev", "socket,id=c,host=127.0.0.1,port=1,server=off":'
    run_tool 3 mplcr-restore --trust "$T/x1.ckpt"
    says 'Connection refused'
    assert_nothing_left
}

@test "an overlay that cannot be made" {
    two_disks_checkpoint
    mkdir "$T/path"
    printf '#!/bin/sh\necho "qemu-img: no space" >&2\nexit 1\n' >"$T/path/qemu-img"
    chmod +x "$T/path/qemu-img"
    PATH=$T/path:$PATH run_tool 3 mplcr-restore "$T/x1.ckpt"
    says 'no space'
    assert_nothing_left
}

@test "SIGINT and SIGTERM in the middle, and a monitor that never greets" {
    local signal tool i status
    two_disks_checkpoint
    stand_in mute 98.0.0 "$(jq -r .qemu.machine "$T/x1.ckpt/checkpoint.json")" 'exec sleep 100'
    for signal in INT TERM; do
        env --default-signal=INT mplcr-restore "$T/x1.ckpt" -- "$T/mute" -hda '{disk:virtio0}' \
            2>"$T/err" </dev/null 3>&- &
        tool=$!
        for ((i = 0; i < 500; i++)); do
            [[ ! -e $T/x1.run-1/qemu.log ]] || break
            sleep 0.01
        done
        kill -"$signal" "$tool"
        status=0
        wait "$tool" || status=$?
        assert_equal "$status" 3
        grep -q interrupted "$T/err"
        assert_nothing_left
    done
    run_tool 3 mplcr-restore --timeout 0.5 "$T/x1.ckpt" -- "$T/mute" -hda '{disk:virtio0}'
    says 'in time'
    assert_nothing_left
    sealed
}

@test "a directory that cannot be used, a socket path that is too long" {
    local long
    two_disks_checkpoint
    run_tool 3 mplcr-restore --dir /proc/nowhere "$T/x1.ckpt"
    long=$T/$(printf '%0100d' 0)
    mkdir "$long"
    run_tool 3 mplcr-restore --dir "$long" "$T/x1.ckpt"
    says 107 --dir
    assert_equal "$(ls -A "$long")" ''
    assert_nothing_left
}

@test "usage" {
    run_tool 2 mplcr-restore
    run_tool 2 mplcr-restore --lazy --eager x
    run_tool 2 mplcr-restore --timeout 0 x
    run_tool 2 mplcr-restore --name a/b x
    run_tool 2 mplcr-restore a b
    run_tool 2 mplcr-restore a --
    run_tool 2 mplcr-restore --nonsense
    run_tool 0 mplcr-restore --help
    [[ $output == *--foreground* ]]
    run_tool 0 mplcr-restore --version
}
