#!/usr/bin/env bats
# qemu: 7
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# What mplcr-trigger does when something is wrong: a clear message, the right exit status, the VM as before, nothing left
# behind.  The peers that misbehave are tests/tools/fake-qmp.c, alone or between the tool and a real VM.

load helpers
load trigger

# refused STATUS TEXT [RULE…]: alone, the peer that follows the rules is answered with TEXT.
refused() {
    local expected=$1 text=$2
    shift 2
    fake "$@"
    run_tool "$expected" "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --dir "$T" --dry-run --timeout 3
    says "mplcr-trigger: $text"
    nothing_left
}

# undone STATUS TEXT [OPTION…] -- RULE…: a checkpoint through the peer that follows the rules fails so, and the VM is as
# it was.
undone() {
    local expected=$1 text=$2 facts options=()
    shift 2
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    facts=$(vm_facts)
    between "$@"
    run_tool "$expected" "$BIN/mplcr-trigger" --socket "$T/fake.qmp" "${options[@]}"
    says "mplcr-trigger: $text"
    wait_all_gone
    kill_and_wait "$(<"$T/fake.pid")"
    rm "$T/fake.qmp" "$T/fake.pid"
    as_before "$facts"
}

# --- no QMP there ---------------------------------------------------------------------------------------------------

@test "no such socket, and other things that are no socket" {
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/nosuch"
    assert_equal "$stderr" "mplcr-trigger: cannot connect to '$T/nosuch': No such file or directory
hint: start QEMU with -qmp unix:PATH,server=on,wait=off"
    touch "$T/file"
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/file"
    says "mplcr-trigger: cannot connect to '$T/file': Connection refused"
    says "hint: nobody listens there: has the VM ended, or is this not a QMP socket?"
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/$(printf 'n%.0s' {1..120})"
    says "mplcr-trigger: socket path is longer than 107 bytes: "
    says "hint: go to its directory and name it relative to that"
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/bad"$'\e[2J\n'
    says "mplcr-trigger: cannot connect to '$T/bad\\x1b[2J\\x0a': No such file or directory"
}

@test "the socket of a monitor, of something else, of nothing that speaks" {
    refused 3 "no QMP at '$T/fake.qmp': '" 'greeting=text:QEMU 7.2.0 monitor - type help for more information'
    refused 3 "no QMP at '$T/fake.qmp': QMP peer sent what is not a JSON object: 'SSH-2.0-OpenSSH_9.2" \
        $'greeting=text:SSH-2.0-OpenSSH_9.2\r\n'
    refused 3 "no QMP at '$T/fake.qmp': the first message is not a QMP greeting" $'greeting=text:{"hello": 1}\n'
    refused 3 "no QMP at '$T/fake.qmp': QMP peer sent what is not a JSON object: '[1, 2]'" $'greeting=text:[1, 2]\n'
    refused 3 "no QMP at '$T/fake.qmp': QMP peer sent what is not a JSON object: '\\x1b[2J'" $'greeting=text:\e[2J\n'
    refused 3 "no QMP at '$T/fake.qmp': QMP connection closed" greeting=close
    refused 3 "no QMP at '$T/fake.qmp': QMP connection closed in the middle of a message" greeting=half-close
    says "hint: is it a monitor (HMP) or another program's socket?"
}

@test "a real human monitor is told from QMP" {
    GUEST_WORDS='ws=8M' vm_start vm -m 64M -monitor "unix:$T/hmp,server=on,wait=off"
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/hmp" --dir "$T"
    says "mplcr-trigger: no QMP at '$T/hmp': "
    says "hint: is it a monitor (HMP) or another program's socket? QMP is -qmp unix:PATH,server=on,wait=off"
}

# connected SOCKET: until somebody is.
connected() {
    local i
    for ((i = 0; i < 3000; i++)); do
        # the connected end has the name that the listener was bound to (fake-qmp renames it), and is in state 3
        if grep -qE "^\S+ \S+ \S+ \S+ \S+ 03 +[0-9]+ $1[^/]*\$" /proc/net/unix; then return; fi
        sleep 0.01
    done
    fail "nobody is connected to $1"
}

@test "another client sits on the socket: a bounded wait, then it is said, and the VM is left alone" {
    boot
    local facts
    facts=$(vm_facts)
    "$QMP" -t 600 "$T/vm.qmp" wait NEVER >/dev/null 2>&1 3>&- &
    echo $! >"$T/client.pid"
    connected "$T/vm.qmp"
    trigger 3
    says "mplcr-trigger: no greeting from '$T/vm.qmp' within 5000 ms: another client uses it, or QEMU does not respond"
    says "hint: one client at a time can use a QMP socket: close the other, or give the VM a second one"
    kill_and_wait "$(<"$T/client.pid")"
    rm "$T/client.pid"
    as_before "$facts"
}

@test "SIGTERM while it waits for another client ends it at once" {
    fake greeting=mute
    local status=0
    "$BIN/mplcr-trigger" --socket "$T/fake.qmp" 2>"$T/said" 3>&- &
    connected "$T/fake.qmp"
    kill -TERM $!
    wait $! || status=$?
    assert_equal "$status $(head -n 1 "$T/said")" "3 mplcr-trigger: interrupted"
}

# --- a peer that goes wrong later -----------------------------------------------------------------------------------

@test "a peer that sends garbage, half a line, too much, a wrong answer, or nothing" {
    refused 3 "QMP peer sent what is not a JSON object: '\\x01\\x02 garbage }{'" query-status=garbage
    refused 3 "QMP peer answered 'query-status' with a wrong id" query-status=wrong-id
    refused 3 "QMP peer answered 'query-status' with a wrong id" query-status=no-id
    refused 3 "QMP peer answered 'query-migrate' with a wrong id" query-status=twice
    refused 3 "QMP connection closed in the middle of a message" query-status=half-close
    refused 3 "QMP connection closed" query-status=close
    refused 3 "QEMU refused 'query-status': no \\x1b[31mway" $'query-status=error:no \e[31mway'
    refused 3 "QEMU does not tell the run state of its VM" 'query-status=return:{"running": 7}'
    refused 3 "QEMU does not report its machine type" 'qom-get=return:[1]'
    refused 0 "" query-status=event
}

@test "a line of 100 MB ends the connection, and takes no memory" {
    fake query-status=huge
    # 16 MiB is the limit of a line; the sanitizers need room of their own
    run_tool 3 bash -c "[[ -n '${SANITIZE:-}' ]] || ulimit -v 150000; exec \"\$@\"" - "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --dir "$T"
    says "mplcr-trigger: QMP peer sent a line of more than 16777216 bytes"
}

@test "a peer that stays silent, or stops in the middle of a line: given up at the time limit" {
    fake query-status=mute
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --dir "$T"
    says "mplcr-trigger: QEMU did not answer 'query-status' in time"
    fake greeting=half-hang
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --dir "$T"
    says "no whole line within 5000 ms"
    nothing_left
}

# --- a VM behind a peer that goes wrong -----------------------------------------------------------------------------

@test "QEMU refuses the transaction, the migration, or to let the VM run: all is undone" {
    boot
    undone 3 "cannot freeze the disks: QEMU refused 'transaction': no" --engine background -- transaction=error:no
    undone 3 "QEMU refused 'migrate': no" --engine background -- migrate=error:no
    undone 3 "QEMU refused 'getfd': no" -- getfd=error:no
    undone 3 "QEMU refused 'cont': no" --engine stop -- cont=error:no
    # refused once, done once, and twice for each of the two overlays that are taken back
    assert_equal "$(grep -c '^cont$' "$T/fake.commands")" 6
}

@test "the overlay is not what QEMU writes to afterwards: noticed, and undone" {
    boot
    undone 3 "disk 'drive0' writes to 'other' and not to its overlay '$T/a_x1.ovl'" -- \
        'query-block:2=return:[{"device": "drive0", "inserted": {"node-name": "x", "file": "other"}}]'
}

@test "an answer that never comes, after the disks were frozen: undone on the same connection" {
    boot
    undone 3 "QEMU did not answer 'migrate' in time" --engine stop --timeout 2 -- migrate=lose
    undone 3 "cannot freeze the disks: QEMU did not answer 'transaction' in time" --engine background --timeout 2 -- transaction=lose
}

@test "garbage and wrong ids in the middle: undone on the same connection" {
    boot
    undone 3 "cannot freeze the disks: QMP peer sent what is not a JSON object: '\\x01\\x02 garbage }{'" -- transaction=garbage
    undone 3 "cannot freeze the disks: QMP peer answered 'transaction' with a wrong id" -- transaction=wrong-id
}

@test "the connection is closed while the VM is paused: made anew, and all is undone" {
    boot
    undone 3 "QMP connection closed" --engine stop -- migrate=close
    undone 3 "cannot freeze the disks: QMP connection closed" --engine background -- transaction=half-close
}

@test "QEMU cannot be reached any more while its VM uses the overlays: nothing is removed, and the message says what to do" {
    boot
    # shellcheck disable=SC2016  # the PPID of the shell that fake-qmp runs: itself
    between 'migrate=run:kill $PPID'
    run_tool 4 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine stop
    says "QMP connection closed: QEMU ended, or another tool closed it; and QEMU does not answer any more, and '$T/a_x1.ovl' is in use: the VM of process"
    says "hint: where that is the VM, send 'cont' to its QMP socket"
    rm "$T/fake.pid"
    [ -f "$T/a_x1.ovl" ]
    [ -f "$T/b_x1.ovl" ]
    [ -z "$(find "$T" -name '*.ckpt*')" ]
    qmp vm cont >/dev/null
    vm_assert_counting vm 8
}

# --- space and rights -----------------------------------------------------------------------------------------------

@test "too little space for the state, and for an overlay: refused before the pause" {
    require root "small filesystems have to be mounted"
    boot
    local facts
    mkdir "$T/small"
    mount -t tmpfs -o size=8M none "$T/small"
    facts=$(vm_facts)
    trigger 3 --dir "$T/small"
    says "mplcr-trigger: not enough space for the state in '$T/small': up to "
    says " needed, 8.0 MiB free: No space left on device"
    says "hint: free some, or choose another directory with --dir"
    mount -t tmpfs -o remount,size=512K none "$T/small"
    trigger 3 --device "drive0=$T/small/over" --device drive1
    says "mplcr-trigger: not enough space for an overlay in '$T/small': up to 1.0 MiB needed, 512.0 KiB free"
    as_before "$facts"
    umount "$T/small"
}

# The disk passes the check, and is filled by somebody else while the state is written.
@test "the disk gets full while the state is written: undone, also where the guest could not write to its overlays" {
    require root "small filesystems have to be mounted"
    # Not IDE: where a PIO write fails, QEMU's drive is not busy any more though the write is yet to be tried again, and a
    # guest that polls it (this one does) takes it for done.
    BUS=virtio boot
    local engine fill="migrate=run:fallocate -l 598M $T/small/fake.filler"
    mkdir "$T/small"
    mount -t tmpfs -o size=600M none "$T/small"
    for engine in background stop; do
        undone 3 "cannot write 'ram/pc.ram': No space left on device" --engine "$engine" --dir "$T/small" \
            --device "drive0=$T/over0" --device "drive1=$T/over1" -- "$fill"
        rm "$T/small/fake.filler"
    done
    # The guest stops with an I/O error as soon as it writes; taking the overlays back makes it go on.
    undone 3 "cannot write 'ram/pc.ram': No space left on device" --engine background --dir "$T/small" -- "$fill"
    rm "$T/small/fake.filler"
    umount "$T/small"
}

# qemu_img COMMANDS…: what runs in place of qemu-img.
qemu_img() {
    mkdir -p "$T/fake.bin"
    printf '#!/bin/sh\n%s\n' "$1" >"$T/fake.bin/qemu-img"
    chmod +x "$T/fake.bin/qemu-img"
    PATH=$T/fake.bin:$PATH
}

@test "the disk of an overlay gets full before it is made, qemu-img fails, or is not there: undone" {
    require root "small filesystems have to be mounted"
    boot
    mkdir "$T/small"
    mount -t tmpfs -o size=2M none "$T/small"
    local facts path=$PATH options=(--device drive0 --device "drive1=$T/small/over")
    qemu_img "fallocate -l 1980K $T/small/fake.filler; exec $(type -P qemu-img) \"\$@\""
    facts=$(vm_facts)
    trigger 3 "${options[@]}"
    says "mplcr-trigger: cannot create the overlay '$T/small/over': "
    says "No space left on device"
    rm "$T/small/fake.filler"
    STEPS=3 as_before "$facts"
    qemu_img 'echo "qemu-img: no mood today" >&2; exit 1'
    trigger 3 "${options[@]}"
    says "mplcr-trigger: cannot create the overlay '$T/a_x1.ovl': qemu-img create failed: qemu-img: no mood today"
    rm "$T/fake.bin/qemu-img"
    PATH=$path
    run_tool 3 env PATH="$T/fake.bin" "$BIN/mplcr-trigger" --socket "$T/vm.qmp"
    says "mplcr-trigger: cannot create the overlay '$T/a_x1.ovl': qemu-img create failed: No such file or directory"
    says "hint: is qemu-img installed? (package qemu-utils)"
    as_before "$facts"
    umount "$T/small"
}

@test "a read-only directory" {
    require root "a read-only filesystem has to be mounted"
    boot
    local facts
    mkdir "$T/ro"
    mount -t tmpfs -o ro none "$T/ro"
    facts=$(vm_facts)
    trigger 3 --dir "$T/ro"
    assert_equal "$stderr" "mplcr-trigger: cannot write the state into '$T/ro': Read-only file system
hint: choose another directory with --dir"
    trigger 3 --device "drive0=$T/ro/over" --device drive1
    says "mplcr-trigger: cannot write an overlay into '$T/ro': Read-only file system"
    as_before "$facts"
    umount "$T/ro"
}

@test "a directory that the user may not write to" {
    require root "to be another user for a moment"
    setpriv --reuid nobody --clear-groups test -x "$BIN/mplcr-trigger" || skip "user nobody cannot run the tool"
    boot
    chmod 755 "$T"
    chmod 666 "$T/vm.qmp"
    local facts
    facts=$(vm_facts)
    run_tool 3 setpriv --reuid nobody --regid nogroup --clear-groups "$BIN/mplcr-trigger" --socket "$T/vm.qmp" --dir "$T"
    says "mplcr-trigger: cannot write the state into '$T': Permission denied"
    as_before "$facts"
}

@test "a name that exists, a checkpoint that is half made, an overlay that exists" {
    boot
    local facts
    mkdir "$T/x7.ckpt" "$T/x8.ckpt.partial"
    echo precious >"$T/b_x9.ovl"
    facts=$(vm_facts)
    trigger 3 --name x7
    assert_equal "$stderr" "mplcr-trigger: '$T/x7.ckpt' exists
hint: choose another --name, or none: then the next free one is taken"
    trigger 3 --name x8
    says "mplcr-trigger: '$T/x8.ckpt.partial' exists"
    says "hint: it was left over by a checkpoint that died, or one is under way: remove it if not"
    trigger 3 --name x9
    says "mplcr-trigger: '$T/b_x9.ovl' exists"
    assert_equal "$(<"$T/b_x9.ovl")" precious
    as_before "$facts"
}

@test "the name is taken by somebody else while the state is written: theirs stays, ours is undone" {
    boot
    local facts
    between "migrate=run:mkdir $T/x1.ckpt; echo theirs >$T/x1.ckpt/theirs"
    facts=$(vm_facts)
    run_tool 3 "$BIN/mplcr-trigger" --socket "$T/fake.qmp"
    says "cannot rename '$T/x1.ckpt.partial' to '$T/x1.ckpt': File exists"
    assert_equal "$(<"$T/x1.ckpt/theirs")" theirs
    rm -r "$T/x1.ckpt"
    kill_and_wait "$(<"$T/fake.pid")"
    as_before "$facts"
}

# --- a VM that is not fit -------------------------------------------------------------------------------------------

@test "a migration is under way, or was left so: refused with what to do" {
    GUEST_WORDS='ws=8M' boot
    qmp vm migrate-set-parameters max-bandwidth=1000000 >/dev/null
    qmp vm migrate "uri=exec:cat >/dev/null" >/dev/null
    vm_wait_migration "$T/vm.qmp" active
    trigger 3
    says "mplcr-trigger: a migration of this VM is under way ('active')"
    says "hint: wait until it has ended, or end it with migrate_cancel"
    qmp vm migrate_cancel >/dev/null
    vm_wait_migration "$T/vm.qmp" cancelled
    qmp vm migrate-set-parameters max-bandwidth=1000000000 >/dev/null
    vm_save "$T/vm.qmp" /dev/null
    trigger 3
    says "mplcr-trigger: the VM is in the state 'postmigrate': only a running or paused VM can be checkpointed"
    says "hint: an earlier migration left it so: 'cont' resumes it"
    qmp vm cont >/dev/null
    trigger 0
    vm_assert_counting vm 8
}

@test "a device that QEMU cannot migrate, a block job under way: refused with QEMU's words" {
    mkdir "$T/fat"
    boot -device qemu-xhci -drive "file=fat:rw:$T/fat,format=raw,if=none,id=fat" -device usb-storage,drive=fat
    trigger 3
    says "mplcr-trigger: QEMU cannot save this VM: The "
    says "hint: remove what blocks it"
    vm_kill vm
    rm "$T/a.qcow2" "$T/b.img"
    boot
    qmp vm drive-mirror device=drive1 target="$T/mirror" format=raw sync=full speed=1000 >/dev/null
    trigger 3
    says "mplcr-trigger: a block job (drive1) runs on this VM"
    says "hint: wait until it has ended: query-block-jobs"
    nothing_left
}

# --- the end in the middle ------------------------------------------------------------------------------------------

@test "SIGINT and SIGTERM in the middle: undone, status 3" {
    boot
    undone 3 "interrupted" --engine background -- query-migrate:3=int
    undone 3 "interrupted" --engine stop -- migrate=term
    undone 3 "cannot freeze the disks: interrupted" --engine stop -- transaction=int
    undone 3 "interrupted" -- query-block:2=term
}

@test "QEMU is killed in the middle: a clear message, and no half checkpoint" {
    local rule
    for rule in getfd transaction migrate; do
        boot
        between "$rule=kill-qemu"
        run_tool 3 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine background
        says "mplcr-trigger: "
        assert_regex "$stderr" 'QMP connection closed|cannot read from the QMP socket|cannot write to the QMP socket'
        nothing_left
        kill_and_wait "$(<"$T/fake.pid")"
        vm_kill vm
        rm -f "$T/a.qcow2" "$T/b.img" "$T/vm.serial"
    done
}

@test "QEMU is killed after the guest wrote to the overlays: they stay, and the message says so" {
    boot
    between "query-block:2=run:sleep 0.3; kill -KILL $(<"$T/vm.pid")"
    run_tool 4 "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --engine background
    says "QEMU is gone, and '$T/"
    says "holds what the guest wrote since the freeze"
    says "hint: start the VM from the overlays, or commit each with: qemu-img commit $T/"
    [ -z "$(find "$T" -name '*.ckpt*')" ]
    # Whole, if it is there; a QEMU that is killed may leave clusters that nobody uses (3).
    status=0
    [ ! -e "$T/a_x1.ovl" ] || qemu-img check -q "$T/a_x1.ovl" || status=$?
    [[ $status == [03] ]]
}
