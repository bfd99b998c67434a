#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
#
# A second oracle: a real Linux that appends records to a file on ext4 and says ACK n once fsync has returned.  What was
# acknowledged before the checkpoint must be on the frozen disk, and the file system must be whole.

load helpers

setup() {
    scratch_begin
    require linux "tests/setup/linux.sh fetches the Linux guest"
    require tool:mplcr-trigger "the checkpoint is taken with it"
    require tool:mplcr-restore "the checkpoint is started with it"
    require e2fsck "it judges the file system"
    require debugfs "it reads the records without mounting"
}

# A disk with an empty ext4 file system, in qcow2.
make_ext4() {
    truncate -s 64M "$T/plain.img"
    mkfs.ext4 -q -F "$T/plain.img"
    qemu-img convert -O qcow2 "$T/plain.img" "$1"
    rm -f -- "$T/plain.img"
}

linux_start() {
    vm_launch linux "$QEMU" -nodefaults -display none -no-reboot -machine q35 -m 256M \
        -kernel "$LINUX_DIR/vmlinuz" -initrd "$LINUX_DIR/initrd" -append "$(<"$LINUX_DIR/append")" \
        -drive "file=$T/disk.qcow2,format=qcow2,if=virtio" \
        -serial "file:$T/linux.serial" -qmp "unix:$T/linux.qmp,server=on,wait=off"
}

# The last acknowledged record in a serial log; the console ends its lines with CR LF.
last_ack() {
    tr -d '\0\r' <"$1" | sed -n 's/^ACK \([0-9]\+\)$/\1/p' | tail -n 1
}

wait_ack() {
    local end=$((SECONDS + 60))
    until (($(last_ack "$1") + 0 >= $2)); do
        if vm_alarm "$1"; then fail "the guest says: $(vm_alarm "$1")"; fi
        ((SECONDS < end)) || fail "no ACK $2 in 60 seconds, last: $(last_ack "$1")"
        sleep 0.05
    done
}

# assert_disk IMAGE RECORDS
#
# The frozen image is what a power failure leaves: the journal is replayed on a copy, after which the file system must
# be clean and the file hold at least these records, numbered without a gap.
assert_disk() {
    qemu-img convert -O raw -- "$1" "$T/copy.img"
    # 0: clean, 1: the journal was replayed.  Anything else is damage.
    local status=0
    e2fsck -fp "$T/copy.img" || status=$?
    [ "$status" -le 1 ]
    run_tool 0 e2fsck -fn "$T/copy.img"
    debugfs -R "dump /records $T/records" "$T/copy.img" 2>/dev/null
    awk '$1 != "record" || $2 + 0 != NR { print "line " NR ": " $0; exit 1 }' "$T/records"
    [ "$(wc -l <"$T/records")" -ge "$2" ]
    rm -f -- "$T/copy.img"
}

@test "Linux: checkpoint while it writes; nothing acknowledged is lost, and it goes on, restored three times" {
    local i before pid frozen checkpoint overlay qmp saved
    make_ext4 "$T/disk.qcow2"
    linux_start
    wait_ack "$T/linux.serial" 20

    saved=$(last_ack "$T/linux.serial")
    run_tool 0 mplcr-trigger --socket "$T/linux.qmp" --json
    checkpoint=$(jq -r .checkpoint <<<"$output")
    frozen=$(jq -r '.disks[0].frozen' <<<"$output")
    assert_dir_exists "$checkpoint"
    wait_ack "$T/linux.serial" $((saved + 20))
    vm_running "$T/linux.qmp"
    vm_kill linux

    assert_disk "$frozen" "$saved"

    # The restored guest writes its console to a file of its own, where the first number follows the last one that it
    # had said when it was frozen.
    mkdir "$T/run"
    run_tool 0 mplcr-restore --dir "$T/run/again" --json "$checkpoint" -- \
        "$QEMU" -nodefaults -display none -no-reboot -machine q35 -m 256M \
        -kernel "$LINUX_DIR/vmlinuz" -initrd "$LINUX_DIR/initrd" -append "$(<"$LINUX_DIR/append")" \
        -drive 'file={disk:virtio0},format=qcow2,if=virtio' -serial "file:$T/again.serial"
    pid=$(jq -r .pid <<<"$output")
    vm_adopt again "$pid"
    overlay=$(jq -r '.disks[0].overlay' <<<"$output")
    [ "$(jq -r '.disks[0].frozen' <<<"$output")" = "$frozen" ]
    wait_ack "$T/again.serial" $((saved + 30))

    # The frozen image as before, and the restored guest's own disk whole as well.
    assert_disk "$frozen" "$saved"
    before=$(last_ack "$T/again.serial")
    vm_kill again
    assert_disk "$overlay" "$before"

    # And twice at once as the manifest says that it was started.
    for i in 1 2; do
        run_tool 0 mplcr-restore --dir "$T/again$i" --json "$checkpoint"
        vm_adopt "again$i" "$(jq -r .pid <<<"$output")"
        qmp=$(jq -r .qmp <<<"$output")
        jq -r '.disks[0].overlay' <<<"$output" >"$T/overlay$i"
        vm_running "$qmp"
    done
    for i in 1 2; do wait_ack "$(echo "$T/again$i"/*/*.serial)" $((saved + 10)); done
    for i in 1 2; do
        vm_kill "again$i"
        assert_disk "$(<"$T/overlay$i")" $((saved + 10))
    done
}
