#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: 7
#
# mplcr-state and libvirt: with a driver of its own in each virsh (qemu:///embed), which keeps all it has below $T and
# needs no daemon. By `make check-libvirt`: that driver of libvirt 9.0 crashes now and then.

load ../bats/helpers
load ../bats/state

setup() {
    scratch_begin
    mkdir -p "$T/v/etc" "$T/bin"
    # The only emulator that it finds, so the only one that it probes.
    ln -s -- "$(command -v "$QEMU")" "$T/bin/qemu-system-x86_64"
    # As whoever runs the test, with what the test has.
    cat >"$T/v/etc/qemu.conf" <<'END'
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
END
}

# libvirt also makes directories of its own in /run; for users, in $XDG_RUNTIME_DIR.
virsh_here() {
    local own=(env)
    # shellcheck disable=SC2016  # expanded by that shell
    [[ $EUID -ne 0 ]] || own=(unshare --mount sh -c 'mount -t tmpfs none /run && exec "$@"' sh env)
    timeout 60 "${own[@]}" "PATH=$T/bin" "XDG_RUNTIME_DIR=$T/v" "$(command -v virsh)" -q -c "qemu:///embed?root=$T/v" "$@"
}

@test "cat --virsh: libvirt restores it" {
    local xml="$T/domain.xml"
    require virsh 'libvirt is not installed'
    make_disk "$T/a.qcow2" qcow2 64M
    cat >"$xml" <<END
<domain type="qemu"><name>vm1</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
<os><type arch="x86_64" machine="pc">hvm</type><kernel>$GUEST</kernel><cmdline>ws=16M rate=8M</cmdline></os>
<devices><disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="$T/a.qcow2"/><target dev="vda" bus="virtio"/></disk>
<serial type="file"><source path="$T/vm1.serial" append="on"/><target port="0"/></serial><memballoon model="none"/></devices></domain>
END
    virsh_here create "$xml"
    vm_adopt vm1 "$(<"$T/v/run/qemu/vm1.pid")"
    vm_wait_count vm1 10
    virsh_here dumpxml vm1 >"$xml"
    virsh_here save vm1 "$T/save"
    run_tool 0 mplcr-state info --json "$T/save"
    assert_equal "$(jq -r .kind <<<"$output")" libvirt
    mplcr-state cat --virsh "$xml" "$T/save" >"$T/again"
    virsh_here restore "$T/again"
    vm_adopt vm1 "$(<"$T/v/run/qemu/vm1.pid")"
    vm_assert_counting vm1
}
