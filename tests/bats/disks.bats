#!/usr/bin/env bats
# qemu: both
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# mplcr-trigger --disks reflink, subvolume, auto, and --include, on real filesystems: memory and disks are of one
# instant, the VM goes on with the images that it had, and restored VMs leave everything untouched.

load helpers
load trigger
load restore
load filesystems

setup() { scratch_begin; }
teardown() {
    fs_end
    scratch_end
}

engines() {
    echo background stop
    [ "$(qemu_major)" -lt 9 ] || echo precopy
}

# four_disks DIR: vm1, counting, with a qcow2 on a base, a raw one, a qcow2 with its data in a second file, and a raw one
# with the file name of the first raw one.
four_disks() {
    mkdir -p "$1/sub"
    make_disk "$1/base.qcow2" qcow2 16M
    qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 "$1/a.qcow2"
    make_disk "$1/b.img" raw 16M
    qemu-img create -q -f qcow2 -o "data_file=$1/c.data" "$1/c.qcow2" 16M
    make_disk "$1/sub/b.img" raw 16M
    vm_start vm1 -m 128M -drive "file=$1/a.qcow2,format=qcow2,if=virtio" -drive "file=$1/b.img,format=raw,if=ide" \
        -drive "file=$1/c.qcow2,format=qcow2,if=virtio" -drive "file=$1/sub/b.img,format=raw,if=ide"
    vm_wait_count vm1 5
}

take() {
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --quiet "$@"
}

# nodes: which images the VM has, and on which these stand.
nodes() { qmp vm1 query-block | jq -c '.[] | select(.inserted) | .inserted | [.file, .backing_file]'; }

# of MANIFEST FILTER
of() { jq -c "$2" "$1/checkpoint.json"; }

# restored NAME LEAST MOST CKPT: it starts again and counts on from between the two, all disks and memory whole; then it
# is ended.
restored() {
    restore "$1" --dir "$T/runs" "$4"
    ln -sf "$serial" "$T/$1.serial"
    goes_on_from "$1" "$2" "$3"
    vm_kill "$1"
}

# What is copied in the pause is what was frozen.
keep='mkdir "$T/kept"; i=0; while read -r image; do i=$((i + 1)); cp --reflink=auto "$image" "$T/kept/$i"; done'

@test "reflink: every engine, four disks, one instant; clones are the images of the freeze, and the chain does not grow" {
    local engine before n=0 i json
    local -A least most
    fs_mount btrfs "$T/m" 1G
    four_disks "$T/m"
    before=$(nodes)
    for engine in $(engines) stop; do
        rm -rf "$T/kept"
        n=$((n + 1))
        least[$n]=$(vm_count vm1)
        take -e "$engine" --disks reflink --at-freeze "$keep"
        most[$n]=$(vm_count vm1)
        assert_equal "$(nodes)" "$before"
    done
    json=$T/m/x$n.ckpt
    assert_equal "$(find "$T/m" -name '*.ovl')" ''
    assert_equal "$(of "$json" '[.parent, .disks[0].method, .disks[0].active]')" "[\"x$((n - 1))\",\"reflink\",\"$T/m/a.qcow2\"]"
    assert_equal "$(of "$json" '[.disks[].frozen]')" \
        "$(jq -cn --arg d "$json/disks" '["a.qcow2", "b.img", "c.qcow2", "ide0-hd1-b.img"] | map("\($d)/\(.)")')"
    assert_equal "$(of "$json" '[.disks[0].chain[1].path, .disks[0].chain[0].relative, .disks[2].chain[0].data_file.path]')" \
        "[\"$T/m/base.qcow2\",\"x$n.ckpt/disks/a.qcow2\",\"$json/disks/c.data\"]"
    # by themselves, and as they were, though the VM has written since
    vm_assert_counting vm1 10
    cp "$T/kept/1" "$T/m/kept.a"
    qemu-img compare -q "$json/disks/a.qcow2" "$T/m/kept.a"
    cmp "$json/disks/b.img" "$T/kept/2"
    cmp "$json/disks/ide0-hd1-b.img" "$T/kept/4"
    ! cmp -s "$T/m/b.img" "$T/kept/2"
    for i in "$json"/disks/*.qcow2; do qemu-img check -q "$i"; done
    assert_equal "$(stat -c %a "$json/disks/b.img")" 400
    qemu-img info --output=json "$json/disks/a.qcow2" | jq -e '."backing-filename" == "../../base.qcow2"' >/dev/null
    vm_kill vm1
    seal
    for ((i = 1; i <= n; i++)); do restored "r$i" "${least[$i]}" "${most[$i]}" "$T/m/x$i.ckpt"; done
    restored again "${least[1]}" "${most[1]}" "$T/m/x1.ckpt"
    sealed
    # the tree in another place, and the first one gone
    cp -a "$T/m" "$T/moved"
    unmount "$T/m"
    restored moved "${least[2]}" "${most[2]}" "$T/moved/x2.ckpt"
}

@test "reflink on XFS: three in a row, on an overlay and before one; raw disks alone need no qcow2" {
    local least most
    fs_mount xfs "$T/m"
    make_disk "$T/m/a.img" raw 16M
    make_disk "$T/m/b.img" raw 16M
    vm_start vm1 -m 128M -drive "file=$T/m/a.img,format=raw,if=virtio" -drive "file=$T/m/b.img,format=raw,if=ide"
    vm_wait_count vm1 5
    least=$(vm_count vm1)
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --disks auto
    says "disks reflink: "
    most=$(vm_count vm1)
    assert_equal "$(find "$T/m" -name '*.qcow2' -o -name '*.ovl')" ''
    take --disks overlay
    take --disks reflink
    assert_equal "$(for x in x1 x2 x3; do of "$T/m/$x.ckpt" '[.parent, .disks[1].method, .disks[1].active]'; done | xargs)" \
        "[null,reflink,$T/m/b.img] [x1,overlay,$T/m/b_x2.ovl] [x2,reflink,$T/m/b_x2.ovl]"
    take --disks overlay --device "virtio0" --device ide0-hd0
    assert_equal "$(of "$T/m/x4.ckpt" '[.parent, .disks[0].active]')" "[\"x3\",\"$T/m/a_x4.ovl\"]"
    vm_assert_counting vm1 4
    vm_kill vm1
    seal
    restored r1 "$least" "$most" "$T/m/x1.ckpt"
    restored r3 "$most" 100000 "$T/m/x3.ckpt"
    sealed
}

@test "ext4 has no reflinks: refused with the reason; auto takes overlays and says so; included files are copied" {
    local facts
    fs_mount ext4 "$T/m"
    make_disk "$T/m/a.qcow2" qcow2 16M
    make_disk "$T/m/b.img" raw 16M
    echo vars >"$T/m/vars.fd"
    vm_start vm1 -m 128M -drive "file=$T/m/a.qcow2,format=qcow2,if=virtio" -drive "file=$T/m/b.img,format=raw,if=ide"
    vm_wait_count vm1 5
    facts=$(vm_facts vm1)
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --disks reflink
    says "this filesystem has no reflinks"
    says "hint: "
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --disks subvolume
    says "is not on btrfs"
    truncate -s 65M "$T/m/large"
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp" --include "$T/m/large"
    says "would have to be copied"
    rm "$T/m/large"
    as_before "$facts" vm1
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --disks auto --include "$T/m/vars.fd"
    says "disks overlay: "
    says "no reflinks"
    says "'$T/m/vars.fd' is copied in the pause"
    assert_equal "$(of "$T/m/x1.ckpt" '[.disks[].method]')" '["overlay","overlay"]'
    assert_equal "$(<"$T/m/x1.ckpt/include/vars.fd")" vars
    vm_kill vm1
    restored r1 1 100000 "$T/m/x1.ckpt"
}

@test "subvolume: one snapshot of all images, in the same subvolume; restored twice, and from a copy" {
    local least most before
    fs_mount btrfs "$T/m" 1G
    btrfs -q subvolume create "$T/m/vm"
    four_disks "$T/m/vm"
    before=$(nodes)
    least=$(vm_count vm1)
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --disks subvolume --dry-run
    [[ $output == *"subvolume ide0-hd1 $T/m/vm/x1.ckpt/disks/sub/b.img"* ]]
    take --disks subvolume --at-freeze "$keep"
    most=$(vm_count vm1)
    take --disks subvolume -e stop
    assert_equal "$(nodes)" "$before"
    assert_equal "$(find "$T/m" -name '*.partial')" ''
    assert_equal "$(of "$T/m/vm/x2.ckpt" '[.parent, .disks[3].method, .disks[3].frozen]')" \
        "[\"x1\",\"subvolume\",\"$T/m/vm/x2.ckpt/disks/sub/b.img\"]"
    btrfs property get -ts "$T/m/vm/x1.ckpt/disks" ro | grep -q true
    cmp "$T/m/vm/x1.ckpt/disks/sub/b.img" "$T/kept/4"
    vm_assert_counting vm1 4
    vm_kill vm1
    seal
    restored r1 "$least" "$most" "$T/m/vm/x1.ckpt"
    restored again "$least" "$most" "$T/m/vm/x1.ckpt"
    restored r2 "$most" 100000 "$T/m/vm/x2.ckpt"
    sealed
    cp -a "$T/m/vm" "$T/moved"
    unmount "$T/m"
    restored moved "$least" "$most" "$T/moved/x1.ckpt"
}

@test "--include: files of the same instant, cloned; each restored VM gets its own, wherever its command line names them" {
    local json
    fs_mount btrfs "$T/m"
    make_disk "$T/m/a.qcow2" qcow2 16M
    make_disk "$T/m/my vars,1.fd" raw 16M
    mkdir "$T/m/tpm" "$T/m/b" && echo tpm >"$T/m/tpm/state" && echo other >"$T/m/b/state"
    vm_start vm1 -m 128M -drive "file=$T/m/a.qcow2,format=qcow2,if=virtio" \
        -drive "file=$T/m/my vars,,1.fd,format=raw,if=none,id=vars" -device ide-hd,drive=vars \
        -fw_cfg "name=opt/x,file=$T/m/tpm/state"
    vm_wait_count vm1 5
    printf '%s\n' "$T/m/tpm/state" "$T/m/b/state" >"$T/list"
    take --disks reflink --leave-out vars --include "$T/m/my vars,1.fd" --include-from "$T/list"
    json=$T/m/x1.ckpt
    assert_equal "$(of "$json" '[.included[].file], .left_out, .included[1].relative')" \
        $'["include/my vars,1.fd","include/state","include/2-state"]\n[]\n"tpm/state"'
    echo after >"$T/m/tpm/state"
    vm_kill vm1
    seal
    restore r1 "$json"
    vm_assert_counting "$serial"
    tr '\0' '\n' <"/proc/$(jq .pid <<<"$run")/cmdline" >"$T/words"
    grep -qxF "file=$dir/include/my vars,,1.fd,format=raw,if=none,id=vars" "$T/words"
    grep -qxF "name=opt/x,file=$dir/include/state" "$T/words"
    assert_equal "$(<"$dir/include/state")" tpm
    assert_equal "$(jq -c '.included[2]' <<<"$run")" "{\"path\":\"$T/m/b/state\",\"file\":\"$dir/include/2-state\"}"
    echo mine >"$dir/include/state"
    vm_kill r1
    sealed
    # by hand, and in the printed commands
    run_tool 0 mplcr-restore --print "$json" -- "$QEMU" -nodefaults -bios "{include:$T/m/tpm/state}" -drive "file={disk:virtio0}"
    [[ $output == *"-bios $T/m/x1.run-2/include/state "* && $output == *"install -m 600 $json/include/state "* ]]
    run_tool 2 mplcr-restore --print "$json" -- "$QEMU" -bios "{include:/none}"
    says "does not include '/none'"
    # damage
    chmod u+w "$json/include/state"
    echo TPM >"$json/include/state"
    run_tool 3 mplcr-restore --verify --print "$json"
    says "include/state' is damaged"
    rm -f "$json/include/state"
    run_tool 3 mplcr-restore --print "$json"
    says "not complete"
}

@test "an encrypted image: refused for overlays, cloned by reflinks; a restore refuses it, or gets the key by hand" {
    fs_mount btrfs "$T/m"
    make_encrypted "$T/m/a.qcow2" 16M
    vm_start vm1 -m 128M -object secret,id=k,data=key \
        -drive "file=$T/m/a.qcow2,format=qcow2,encrypt.key-secret=k,if=virtio"
    vm_wait_count vm1 5
    run_tool 3 mplcr-trigger --socket "$T/vm1.qmp"
    says "is encrypted, and an overlay would hold its data in clear"
    take --disks auto
    assert_equal "$(of "$T/m/x1.ckpt" '[.disks[].method]')" '["reflink"]'
    vm_kill vm1
    seal
    run_tool 3 mplcr-restore "$T/m/x1.ckpt"
    says "encrypt"
    says "{disk:virtio0}"
    run_tool 0 mplcr-restore --json "$T/m/x1.ckpt" -- "$QEMU" -nodefaults -display none -m 128M -kernel "$GUEST" \
        -append 'ws=16M rate=8M' -object secret,id=k,data=key -serial "file:$T/again.serial" \
        -drive 'file={disk:virtio0},format=qcow2,backing.encrypt.key-secret=k,if=virtio'
    vm_adopt again "$(jq -r .pid <<<"$output")"
    vm_assert_counting again
    sealed
}
