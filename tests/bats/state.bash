# SPDX-License-Identifier: MIT
#
# What the tests of mplcr-state share, after `load helpers`.
# shellcheck shell=bash disable=SC2154  # T, QMP, output …: helpers.bash

# saved_vm [QEMU ARGUMENT…]: the VM vm1 with one disk, counting.
saved_vm() {
    make_disk "$T/a.qcow2" qcow2 64M
    vm_start vm1 -m 128M -drive "file=$T/a.qcow2,format=qcow2,if=virtio" "$@"
    vm_wait_count vm1 10
}

# libvirt_head FILE COMPRESSION RUNNING: the header of a file of `virsh save`, with a domain.
libvirt_head() {
    local xml='<domain type="qemu"><name>vm1</name></domain>'
    {
        printf 'LibvirtQemudSave'
        u32le 2 $((${#xml} + 1)) "$3" "$2" 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
        printf '%s\0' "$xml"
    } >"$1"
}

# u32le N…: numbers, little-endian.
u32le() {
    local n
    for n; do
        # shellcheck disable=SC2059  # the format is the bytes
        printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24)))"
    done
}
