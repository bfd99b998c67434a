#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
#
# The oracle of the suite, tests/guest, is tested here: it raises the alarm when memory or disks are wrong, and it does
# not when they are right.

load helpers

# Three disks on three kinds of controller, in the guest's order: IDE, virtio-blk, virtio-scsi.
all_disks() {
    # shellcheck disable=SC2054  # the commas are QEMU's
    disks=(-machine pc -drive "file=$T/a.img,format=$1,if=ide"
        -drive "file=$T/b.img,format=$1,if=none,id=b" -device virtio-blk-pci,drive=b
        -device virtio-scsi-pci -drive "file=$T/c.img,format=$1,if=none,id=c" -device scsi-hd,drive=c)
}

make_disks() {
    local name
    for name in a b c; do make_disk "$T/$name.img" "$1" 16M; done
}

# Waits for the guest's alarm, which must be $2; the guest must stand still after it.
assert_alarm() {
    local file=$T/$1.serial
    vm_wait_line "$file" "^$2"
    sleep 0.2
    assert_regex "$(tail -n 1 "$file")" "^$2"
}

# Changes one byte of the guest's page 5 where a file has it: by its magic, then its number (struct page).
damage_page() {
    local offset
    offset=$(LC_ALL=C grep -obaP -m 1 'CLPM\x05\x00\x00\x00' "$1" | sed -n '1s/:.*//p')
    printf '\xff' | dd of="$1" bs=1 seek=$((offset + 2000)) conv=notrunc status=none
}

# --- no false alarms ------------------------------------------------------------------------------------------------

@test "honest: boots with no disk and counts" {
    vm_start vm
    assert_file_contains "$T/vm.serial" '^READY ws=16777216 disks=0$'
    vm_assert_counting vm
}

@test "honest: stop, save, restore, with IDE, virtio-blk and virtio-scsi disks" {
    make_disks qcow2
    all_disks qcow2
    vm_start vm "${disks[@]}"
    assert_file_contains "$T/vm.serial" 'disks=3$'
    vm_wait_count vm 40
    vm_save "$T/vm.qmp" "$T/state"
    vm_kill vm
    vm_load again "$T/state" "${disks[@]}"
    vm_assert_counting again
    [ "$(vm_count again)" -gt "$(vm_count vm)" ]
}

@test "honest: five saves and restores in a row, on q35, with AHCI and virtio-blk disks" {
    # shellcheck disable=SC2054  # the commas are QEMU's
    local i args=(-machine q35 -drive "file=$T/a.img,format=raw" -drive "file=$T/b.img,format=raw,if=virtio")
    make_disks raw
    vm_start vm0 "${args[@]}"
    assert_file_contains "$T/vm0.serial" 'disks=2$'
    for i in {1..5}; do
        vm_wait_count "vm$((i - 1))" +1
        vm_save "$T/vm$((i - 1)).qmp" "$T/state"
        vm_kill "vm$((i - 1))"
        vm_load "vm$i" "$T/state" "${args[@]}"
    done
    vm_assert_counting vm5
}

@test "honest: stop and cont, and a save that is thrown away" {
    make_disks raw
    all_disks raw
    vm_start vm "${disks[@]}"
    for _ in {1..10}; do
        "$QMP" "$T/vm.qmp" stop >/dev/null
        sleep 0.05
        "$QMP" "$T/vm.qmp" cont >/dev/null
    done
    vm_save "$T/vm.qmp" /dev/null
    "$QMP" "$T/vm.qmp" cont >/dev/null
    vm_assert_counting vm
}

@test "honest: a second boot on the disks of an earlier one" {
    make_disks raw
    all_disks raw
    vm_start vm "${disks[@]}"
    vm_wait_count vm 10
    vm_kill vm
    vm_start again "${disks[@]}"
    vm_assert_counting again
}

@test "honest: background snapshot by hand, then restored" {
    require userfaultfd "background snapshots need it"
    local i args=(-machine pc -m 512M)
    make_disk "$T/a.img" qcow2 16M
    GUEST_WORDS='ws=64M rate=40M check=256M' vm_start vm "${args[@]}" -drive "file=$T/a.img,format=qcow2,if=virtio,id=drive0"
    vm_wait_count vm 30
    "$QMP" "$T/vm.qmp" migrate-set-capabilities 'capabilities=[{"capability": "background-snapshot", "state": true}]'
    "$QMP" "$T/vm.qmp" stop
    "$QMP" "$T/vm.qmp" blockdev-snapshot-sync device=drive0 snapshot-file="$T/a.ovl" format=qcow2
    "$QMP" "$T/vm.qmp" migrate uri="exec:cat > '$T/state'"
    # Armed: QEMU up to 8.2 runs by itself then; from 9.0 on, pages are being counted.
    for ((i = 0; i < 500; i++)); do
        if vm_running "$T/vm.qmp"; then break; fi
        "$QMP" "$T/vm.qmp" query-migrate | jq -e '.ram // {} | (.normal // 0) + (.duplicate // 0) > 0' >/dev/null && break
    done
    vm_running "$T/vm.qmp" || [ "$(qemu_major)" -lt 9 ] || "$QMP" "$T/vm.qmp" cont
    vm_wait_migration "$T/vm.qmp"
    vm_assert_counting vm
    vm_kill vm
    vm_load again "$T/state" "${args[@]}" -drive "file=$T/a.img,format=qcow2,if=virtio,id=drive0,snapshot=on"
    vm_assert_counting again
}

# --- wrong memory ---------------------------------------------------------------------------------------------------

@test "caught: a page that changes by itself" {
    GUEST_WORDS='ws=16M fault=page:20' vm_start vm
    assert_alarm vm 'CORRUPT page=2048 .*content=wrong'
}

@test "caught: a page that is whole but old" {
    GUEST_WORDS='ws=16M rate=20M fault=stale:20' vm_start vm
    assert_alarm vm 'CORRUPT page=.* generation=2, found .* generation=1 .*checksum=right'
}

@test "caught: one byte of one page of the saved state" {
    vm_start vm
    vm_wait_count vm 20
    vm_save "$T/vm.qmp" "$T/state"
    vm_kill vm
    damage_page "$T/state"
    vm_load again "$T/state"
    assert_alarm again 'CORRUPT page=5 '
}

@test "caught: one byte of a page that the guest never rewrites" {
    GUEST_WORDS='ws=0 fill=32M' vm_start vm
    vm_wait_count vm 20
    vm_save "$T/vm.qmp" "$T/state"
    vm_kill vm
    damage_page "$T/state"
    vm_load again "$T/state"
    assert_alarm again 'CORRUPT page=5 '
}

# --- disks that do not belong to the memory -------------------------------------------------------------------------

@test "caught: a write that the disk lost" {
    make_disks raw
    all_disks raw
    GUEST_WORDS='ws=1M fault=lost:50' vm_start vm "${disks[@]}"
    assert_alarm vm 'MISALIGNED disk=2 slot=18 expected=50 found=18 '
}

@test "caught: one disk of three is older than memory" {
    make_disks raw
    all_disks raw
    vm_start vm "${disks[@]}"
    vm_wait_count vm 40
    "$QMP" "$T/vm.qmp" stop
    cp "$T/b.img" "$T/b.old"
    "$QMP" "$T/vm.qmp" cont
    vm_wait_count vm +2
    vm_save "$T/vm.qmp" "$T/state"
    vm_kill vm
    mv "$T/b.old" "$T/b.img"
    vm_load again "$T/state" "${disks[@]}"
    assert_alarm again 'MISALIGNED disk=1 '
}

@test "caught: one disk of three is newer than memory" {
    make_disks raw
    all_disks raw
    vm_start vm "${disks[@]}"
    vm_wait_count vm 40
    vm_save "$T/vm.qmp" "$T/state"
    cp "$T/a.img" "$T/a.then"
    cp "$T/b.img" "$T/b.then"
    "$QMP" "$T/vm.qmp" cont
    vm_wait_count vm +2
    vm_kill vm
    mv "$T/a.then" "$T/a.img"
    mv "$T/b.then" "$T/b.img"
    vm_load again "$T/state" "${disks[@]}"
    assert_alarm again 'MISALIGNED disk=2 '
}

@test "caught: two disks that changed places" {
    make_disks raw
    all_disks raw
    vm_start vm "${disks[@]}"
    vm_wait_count vm 40
    vm_save "$T/vm.qmp" "$T/state"
    vm_kill vm
    mv "$T/a.img" "$T/x.img"
    mv "$T/b.img" "$T/a.img"
    mv "$T/x.img" "$T/b.img"
    vm_load again "$T/state" "${disks[@]}"
    # whichever of the two the guest looks at next after the instant that was saved
    assert_alarm again 'MISALIGNED disk=(0 .* of disk 1|1 .* of disk 0)$'
}

@test "caught: a disk of another run of the same VM" {
    make_disk "$T/a.img" raw 16M
    local args=(-drive "file=$T/a.img,format=raw,if=virtio")
    vm_start vm "${args[@]}"
    vm_wait_count vm 40
    vm_save "$T/vm.qmp" "$T/state"
    vm_kill vm
    vm_start other "${args[@]}"
    vm_wait_count other 40
    vm_kill other
    vm_load again "$T/state" "${args[@]}"
    assert_alarm again 'MISALIGNED disk=0 .*other run'
}

@test "caught: a word that the guest does not know" {
    GUEST_WORDS='ws=1M rat=20M' run vm_start vm
    assert_failure
    assert_output --partial "ERROR bad word 'rat=20M'"
}
