#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 7
#
# mplcr-state and libvirt, where one runs.

load helpers
load state

@test "cat --virsh: libvirt restores it" {
    local xml="$T/domain.xml" name=mplcr-state-$$
    require root 'libvirt runs as root'
    require virsh 'libvirt is not installed'
    timeout 30 virsh -q -c qemu:///system version >/dev/null 2>&1 || skip 'no libvirtd runs here'
    chmod 755 "$T"
    make_disk "$T/a.qcow2" qcow2 64M
    chmod 666 "$T/a.qcow2"
    cat >"$xml" <<END
<domain type="qemu"><name>$name</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
<os><type arch="x86_64" machine="pc">hvm</type><kernel>$GUEST</kernel><cmdline>ws=16M rate=8M</cmdline></os>
<devices><emulator>$(command -v qemu-system-x86_64)</emulator>
<disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="$T/a.qcow2"/><target dev="vda" bus="virtio"/></disk>
<serial type="file"><source path="$T/vm1.serial" append="on"/><target port="0"/></serial><memballoon model="none"/></devices></domain>
END
    virsh -q -c qemu:///system create "$xml"
    vm_wait_count vm1 10
    virsh -q -c qemu:///system dumpxml "$name" >"$xml"
    virsh -q -c qemu:///system save "$name" "$T/save"
    run_tool 0 mplcr-state info --json "$T/save"
    assert_equal "$(jq -r .kind <<<"$output")" libvirt
    mplcr-state cat --virsh "$xml" "$T/save" >"$T/again"
    virsh -q -c qemu:///system restore "$T/again"
    vm_assert_counting vm1 || { virsh -q -c qemu:///system destroy "$name"; false; }
    virsh -q -c qemu:///system destroy "$name"
}
