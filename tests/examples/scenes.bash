# SPDX-License-Identifier: MIT
#
# The scenes of the examples: what is there when the first example of a scene begins.  Each starts from an empty /srv
# and /run and with no process but the runner's.
#
#     images      /srv/vm1: root.qcow2, on template.qcow2, and data.raw; no VM
#     vm1         the VM of them, its QMP socket /run/vm1.qmp, in /srv/vm1, a btrfs subvolume
#     x1          and its checkpoint x1; the VM runs on
#     x3          and x2, x3; x1 was restored and runs, too
#     broken      chain, and: x1 of a VM whose base was changed since, stranger.qcow2 on /etc/shadow; no VM
#     chain       /srv/vm1: base.qcow2 <- snap_x1.ovl <- snap_x2.ovl, of no VM
#     layers      /srv/vm1: the images ub1604-mplcr-qcow2.img and, on it, ub1604-mplcr-qcow2.ovl; and ub1604.img, ub1604.ovl
#     set         and copies of the last two with the suffix .layer2
#     overlays    vm1, its disks on two overlays each, made by mplcr-snap
#     patched     vm1 on the MPLCR-patched QEMU; clone.sh
#     receiver    and a second one, which waits for its state at 127.0.0.1:4444: /run/rx.qmp
#     migration   vm1, with a second QMP socket /run/spare.qmp, and a migration of it that begins in a second
#     traces      checkpoints x1, x2 and a log of QEMU, of which there is no more than what mplcr-trace reads
#     source      a copy of this project, built, as its directory; /usr/local is empty
#
# shellcheck shell=bash disable=SC2154  # T, PROJECT, QMP …: run

# begin_scene NAME
begin_scene() {
    declare -F "scene_$1" >/dev/null || { echo "no scene '$1'" >&2; return 1; }
    end_scene
    # each in a new subvolume, since one that holds read-only snapshots is not easily emptied
    scenes=$((${scenes:-0} + 1))
    btrfs subvolume create "$T/world/srv/$scenes" >/dev/null
    mount --bind "$T/world/srv/$scenes" /srv
    btrfs subvolume create /srv/vm1 >/dev/null
    mkdir -p /srv/backup /srv/archive /srv/fast /run/lock
    echo /srv/vm1 >"$T/world/cwd"
    cd /srv/vm1 || return
    "scene_$1"
}

# end_scene: no process, no file is left of it.  (This is process 1 of its namespace, which kill -1 spares.)
end_scene() {
    local i
    cd / || return
    kill -KILL -1 2>/dev/null
    for ((i = 0; i < 500; i++)); do
        wait
        [[ $(echo /proc/[0-9]*) != *' '* ]] && break
        sleep 0.01
    done
    ! mountpoint -q /usr/local || umount /usr/local
    ! mountpoint -q /srv || umount /srv
    find /run -mindepth 1 -delete
}

# counting NAME: the guest of /run/NAME.qmp has begun to count.
counting() {
    local i
    for ((i = 0; i < 3000; i++)); do
        ! grep -qs '^COUNT 5$' "/run/$1.serial" || return 0
        sleep 0.02
    done
    echo "the guest of $1 does not count: $(cat "/run/$1.log" "/run/$1.serial" 2>&1 | tail -n 3)" >&2
    return 1
}

scene_images() {
    qemu-img create -q -f qcow2 template.qcow2 64M
    qemu-img create -q -f qcow2 -F qcow2 -b template.qcow2 root.qcow2
    qemu-img create -q -f raw data.raw 64M
    truncate -s 64K vm1_VARS.fd
}

# vm1_start [QEMU ARGUMENT…]
vm1_start() {
    qemu-system-x86_64 -m 128M -drive file=root.qcow2,format=qcow2,if=virtio -drive file=data.raw,format=raw,if=virtio \
        -qmp unix:/run/vm1.qmp,server=on,wait=off "$@" </dev/null >/run/vm1.log 2>&1 &
    disown
    counting vm1
}

scene_vm1() {
    scene_images
    vm1_start
}

scene_x1() {
    scene_vm1
    mplcr-trigger --quiet -s /run/vm1.qmp >/run/trigger.log
}

scene_x3() {
    scene_x1
    mplcr-trigger --quiet -s /run/vm1.qmp >/run/trigger.log
    mplcr-trigger --quiet -s /run/vm1.qmp >/run/trigger.log
    mplcr-restore --quiet x1.ckpt >/run/x1.log
}

scene_broken() {
    scene_x1
    kill -KILL -1
    scene_chain
    touch template.qcow2
    qemu-img create -q -u -f qcow2 -F raw -b /etc/shadow stranger.qcow2 1M
}

scene_chain() {
    qemu-img create -q -f qcow2 base.qcow2 64M
    qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 snap_x1.ovl
    qemu-img create -q -f qcow2 -F qcow2 -b snap_x1.ovl snap_x2.ovl
}

scene_layers() {
    qemu-img create -q -f qcow2 ub1604.img 64M
    qemu-img create -q -f qcow2 -F qcow2 -b ub1604.img ub1604.ovl
    qemu-img create -q -f qcow2 ub1604-mplcr-qcow2.img 64M
    qemu-img create -q -f qcow2 -F qcow2 -b ub1604-mplcr-qcow2.img ub1604-mplcr-qcow2.ovl
}

scene_set() {
    scene_layers
    mplcr-snap reflink --quiet --suffix .layer2 ub1604.img ub1604.ovl >/run/snap.log
}

scene_overlays() {
    scene_vm1
    mplcr-snap overlay --quiet --socket /run/vm1.qmp >/run/snap.log
    mplcr-snap overlay --quiet --socket /run/vm1.qmp >/run/snap.log
}

# patched_start NAME ROOT DATA DATA_FORMAT [QEMU ARGUMENT…]: two disks on IDE, which that QEMU knows by name.
patched_start() {
    EXAMPLE_QEMU=$EXAMPLES/bin/qemu-mplcr qemu-system-x86_64 -m 64M -append 'ws=8M rate=4M check=16M' \
        -drive "file=$2,format=qcow2,if=ide" -drive "file=$3,format=$4,if=ide" \
        -qmp "unix:/run/$1.qmp,server=on,wait=off" "${@:5}" </dev/null >"/run/$1.log" 2>&1 &
    disown
}

scene_patched() {
    scene_images
    printf '#!/bin/sh\nxargs cp --reflink=always -t /srv/backup\n' >clone.sh
    chmod +x clone.sh
    patched_start vm1 root.qcow2 data.raw raw
    counting vm1
}

scene_receiver() {
    scene_patched
    qemu-img create -q -f qcow2 -F qcow2 -b root.qcow2 rx_root.ovl 64M
    qemu-img create -q -u -f qcow2 -F raw -b data.raw rx_data.ovl 64M
    patched_start rx rx_root.ovl rx_data.ovl qcow2 -incoming cptcp:127.0.0.1:4444
    until [[ -S /run/rx.qmp ]]; do sleep 0.02; done
    "$QMP" /run/rx.qmp query-status >/dev/null
}

scene_migration() {
    scene_images
    vm1_start -qmp unix:/run/spare.qmp,server=on,wait=off
    (sleep 1 && "$QMP" /run/vm1.qmp migrate "uri=exec:cat >/dev/null" >/dev/null) &
    disown
}

scene_traces() {
    cp -r "$PROJECT"/tests/fixtures/precopy.ckpt x1.ckpt
    cp -r "$PROJECT"/tests/fixtures/background.ckpt x2.ckpt
    cp "$PROJECT"/tests/fixtures/qemu-10.0-precopy.log qemu.log
    cp "$PROJECT"/tests/fixtures/mplcr-run.log mplm.log
}

scene_source() {
    mkdir /srv/mplcr
    (cd "$PROJECT" && tar -c --exclude=.git --exclude=build/qemu10 --exclude=build/linux .) | tar -x -C /srv/mplcr
    rm -rf "$T/world/local" && mkdir "$T/world/local"
    mount --bind "$T/world/local" /usr/local
    echo /srv/mplcr >"$T/world/cwd"
}
