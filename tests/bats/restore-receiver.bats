#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 7
#
# mplcr-restore --receiver: a checkpoint whose state was sent into a paused QEMU goes on there. A stock QEMU with
# -incoming tcp: and -S is such a receiver; what the patched QEMU sent there, `cat` sends here.

load helpers
load restore

# receiver_start PORT [QEMU ARGUMENT…]: a QEMU `rx` that waits for a state, and then stays paused.
receiver_start() {
    local port=$1
    shift
    vm_start rx "$@" -S -incoming "tcp:127.0.0.1:$port"
}

# The same on the images that vm1 had open when the checkpoint came.
receiver_on_images() {
    receiver_start "$1" -drive "file=$T/a.qcow2,format=qcow2,if=virtio" -drive "file=$T/b.img,format=raw,if=virtio"
}

# And on overlays of its own.
receiver_on_overlays() {
    qemu-img create -q -u -f qcow2 -F qcow2 -b a.qcow2 "$T/ra.ovl" 64M
    qemu-img create -q -u -f qcow2 -F raw -b b.img "$T/rb.ovl" 64M
    (cd "$T" && receiver_start "$1" -drive file=ra.ovl,format=qcow2,if=virtio -drive file=rb.ovl,format=qcow2,if=virtio)
}

# receiver_feed: sends the state.
receiver_feed() {
    cat "$T/x1.stream/state.vmstate" >"/dev/tcp/127.0.0.1/$1"
    until [[ $(vm_status "$T/rx.qmp") != inmigrate ]]; do sleep 0.01; done
}

# receiver_checkpoint PORT [OPTION…]: the checkpoint x1 of vm1, as if it had been sent to that port.
receiver_checkpoint() {
    local port=$1
    shift
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name x1 --quiet --layout stream "$@"
    mv "$T/x1.ckpt" "$T/x1.stream"
    mkdir "$T/x1.ckpt"
    cp "$T/x1.stream/trace.jsonl" "$T/x1.ckpt"
    # (Not with jq, which makes floats of large integers.)
    sed -zE "s/\"layout\": \"stream\"/\"layout\": \"receiver\"/
        s/(\"receiver\": )null/\1{\"uri\": \"tcp:127.0.0.1:$port\"}/
        s/(\"ram_blocks\": )\[[^]]*\]/\1[]/; s/\{[^{}]*\"name\": \"state.vmstate\"[^{}]*\},//" \
        "$T/x1.stream/checkpoint.json" >"$T/x1.ckpt/checkpoint.json"
}

# A checkpoint, and a receiver that has the frozen images themselves and has loaded nothing; vm1 is gone.
awaited() {
    port=$(free_port)
    two_disks
    receiver_checkpoint "$port"
    vm_kill vm1
    seal
    receiver_on_images "$port"
}

# The same, and it has loaded the state.
received() {
    awaited
    receiver_feed "$port"
}

# says WORD…: each is somewhere in the message.
says() {
    local word
    for word; do
        [[ $stderr == *"$word"* ]] || fail "no '$word' in: $stderr"
    done
}

# The receiver stands where it stood, and nothing was made.
assert_untouched() {
    assert_equal "$(vm_status "$T/rx.qmp")" paused
    assert_equal "$("$QMP" "$T/rx.qmp" query-block | jq -r '.[].inserted.file' | xargs)" "${1-$T/a.qcow2 $T/b.img}"
    assert_equal "$(find "$T" -maxdepth 1 -name '*.run-*')" ''
}

@test "on the frozen images: fresh overlays are put on in the receiver, and the guest goes on" {
    received
    run_tool 0 mplcr-restore --json --receiver "$T/rx.qmp" "$T/x1.ckpt"
    assert_equal "$(jq -r '.schema, .mode, .running, .pid, .qmp, .name' <<<"$output" | xargs)" \
        "mplcr.restore.run/1 receiver true $(<"$T/rx.pid") $T/rx.qmp run-1"
    assert_equal "$(jq -c '.disks[] | [.device, .overlay, .frozen]' <<<"$output" | xargs)" \
        "[virtio0,$T/x1.run-1/virtio0.ovl,$T/a.qcow2] [virtio1,$T/x1.run-1/virtio1.ovl,$T/b.img]"
    vm_assert_counting rx
    sealed
    run_tool 3 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says "its run state is 'running'"
    vm_running "$T/rx.qmp"
}

@test "on overlays of its own, beside the VM that it comes from: nothing is made" {
    local port
    port=$(free_port)
    two_disks
    receiver_on_overlays "$port"
    receiver_checkpoint "$port"
    receiver_feed "$port"
    run_tool 0 mplcr-restore --paused --receiver "$T/rx.qmp" "$T/x1.ckpt"
    assert_equal "$output" "pid $(<"$T/rx.pid")
qmp $T/rx.qmp
disk virtio0 $T/ra.ovl
disk virtio1 $T/rb.ovl"
    says 'is ready' 'in its receiver'
    assert_untouched 'ra.ovl rb.ovl'
    run_tool 0 mplcr-restore --json --receiver "$T/rx.qmp" "$T/x1.ckpt"
    assert_equal "$(jq -c '.name, .dir, .log, .moved' <<<"$output" | xargs)" 'null null null []'
    vm_assert_counting rx
    vm_assert_counting vm1
}

@test "--paused, then again: it goes on from the overlays that it has" {
    received
    run_tool 0 mplcr-restore --paused --json --dir "$T/far" --name second --receiver "$T/rx.qmp" "$T/x1.ckpt"
    assert_equal "$(jq -r '.running, .dir' <<<"$output" | xargs)" "false $T/far/x1.second"
    assert_equal "$(vm_status "$T/rx.qmp")" paused
    run_tool 0 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    [[ $output == *"disk virtio0 $T/far/x1.second/virtio0.ovl"* ]]
    vm_assert_counting rx
    sealed
}

@test "the layout and the option belong together" {
    port=$(free_port)
    two_disks
    receiver_checkpoint "$port"
    run_tool 2 mplcr-restore "$T/x1.ckpt"
    says "tcp:127.0.0.1:$port" 'hint: mplcr-restore --receiver SOCKET'
    run_tool 2 mplcr-restore --receiver "$T/vm1.qmp" "$T/x1.stream"
    says "layout 'stream'"
    for option in --lazy --eager --foreground --print "--socket=$T/s"; do
        run_tool 2 mplcr-restore "$option" --receiver "$T/vm1.qmp" "$T/x1.ckpt"
        says '--receiver and' 'exclude each other'
    done
    run_tool 2 mplcr-restore --receiver "$T/vm1.qmp" "$T/x1.ckpt" -- qemu
    run_tool 3 mplcr-restore --receiver "$T/none" "$T/x1.ckpt"
    says "$T/none"
    run_tool 3 mplcr-restore --receiver "$T/vm1.qmp" "$T/x1.ckpt"
    says "its run state is 'running'"
    "$QMP" "$T/vm1.qmp" stop >/dev/null
    run_tool 3 mplcr-restore --receiver "$T/vm1.qmp" "$T/x1.ckpt"
    says 'which the VM went on to write'
    assert_equal "$(vm_status "$T/vm1.qmp")" paused
}

@test "a receiver that has loaded nothing is waited for, and not for ever" {
    awaited
    run_tool 3 mplcr-restore --timeout 0.3 --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says 'not loaded in time'
    mplcr-restore --quiet --receiver "$T/rx.qmp" "$T/x1.ckpt" >/dev/null 3>&- &
    sleep 0.2
    cat "$T/x1.stream/state.vmstate" >"/dev/tcp/127.0.0.1/$port"
    wait $!
    vm_assert_counting rx
    sealed
}

@test "a receiver whose QEMU has ended, or never was one" {
    received
    run_tool 3 mplcr-restore --receiver "$T/rx.serial" "$T/x1.ckpt"
    kill_and_wait "$(<"$T/rx.pid")"
    run_tool 3 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says 'is lost'
    rm -f "$T/rx.qmp" "$T/rx.pid"
    vm_start rx -S -drive "file=$T/a.qcow2,format=qcow2,if=virtio" -incoming defer
    run_tool 3 mplcr-restore --timeout 0.2 --receiver "$T/rx.qmp" "$T/x1.ckpt"
    assert_equal "$(vm_status "$T/rx.qmp")" inmigrate
}

@test "the wrong receiver: another port, machine or image; it stays as it is" {
    received
    cp "$T/x1.ckpt/checkpoint.json" "$T/good.json"
    edit() { sed -i "$1" "$T/x1.ckpt/checkpoint.json"; }
    edit "s/127.0.0.1:$port/127.0.0.1:1/"
    run_tool 3 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says "was sent to 'tcp:127.0.0.1:1'" "-incoming tcp:127.0.0.1:$port" '--force'
    edit "s/127.0.0.1:1\"/127.0.0.1:$port\"/; s/\"machine\": \"pc/&x/"
    run_tool 3 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says "receiver's machine is 'pc-"
    edit 's/"machine": "pcx/"machine": "pc/; s/"virtual_size": 67108864/"virtual_size": 67108352/'
    run_tool 3 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says '67108864 bytes' '67108352'
    edit 's/"virtual_size": 67108352/"virtual_size": 67108864/; s/virtio1/virtio0/g; 0,/virtio0/s//virtio1/'
    run_tool 3 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says "does not have the frozen image '$T/"
    cp "$T/good.json" "$T/x1.ckpt/checkpoint.json"
    assert_untouched
    sealed
}

@test "a disk that would write to a frozen image is seen, whatever it is called" {
    local port locks=,file.locking=off
    [[ $(qemu_major) -gt 2 ]] || locks='' # 2.9 locks nothing
    port=$(free_port)
    two_disks
    receiver_checkpoint "$port" --leave-out virtio1
    vm_kill vm1
    ln "$T/a.qcow2" "$T/link"
    qemu-img create -q -u -f qcow2 -F qcow2 -b a.qcow2 "$T/ra.ovl" 64M
    receiver_start "$port" -drive "file=$T/ra.ovl,format=qcow2,if=virtio" \
        -drive "file=$T/link,format=qcow2,if=virtio$locks"
    receiver_feed "$port"
    run_tool 3 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    says "'virtio1' was left out" "disk 'virtio1' would write to the frozen image '$T/link'"
    assert_untouched "$T/ra.ovl $T/link"
}

# fake ACTION: "$T/fake" is the receiver's monitor through a peer that misbehaves. fake_end: it is gone.
fake() {
    "$BUILD/tests/tools/fake-qmp" -u "$T/rx.qmp" "$T/fake" "$@" 3>&- &
    echo $! >"$T/fake.pid"
    until [[ -S $T/fake ]]; do sleep 0.01; done
}
fake_end() {
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f "$T/fake" "$T/fake.pid"
}

@test "QEMU refuses the overlays, or to run, or ends: what is said, and what stays" {
    received
    fake transaction=error
    run_tool 3 mplcr-restore --receiver "$T/fake" "$T/x1.ckpt"
    says 'cannot put overlays'
    fake_end
    assert_untouched
    fake cont=error
    run_tool 4 mplcr-restore --receiver "$T/fake" "$T/x1.ckpt"
    says "has the overlays in '$T/x1.run-1'" 'the same command'
    fake_end
    assert_equal "$(vm_status "$T/rx.qmp")" paused
    sealed
    run_tool 0 mplcr-restore --receiver "$T/rx.qmp" "$T/x1.ckpt"
    vm_assert_counting rx
    sealed
}

@test "QEMU ends in the middle" {
    received
    fake transaction=kill-qemu
    run_tool 4 mplcr-restore --receiver "$T/fake" "$T/x1.ckpt"
    says "may use the overlays in '$T/x1.run-1'"
    sealed
}
