#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: both
#
# mplcr-state pack and unpack: a checkpoint that needs nothing but itself, as a directory and as a stream.

load helpers
load restore
load state
load filesystems

teardown() {
    fs_end
    scratch_end
}

# running: vm1, with a chain of two layers of the same file name, and a raw disk. packable: x1 of it, and the VM is gone.
running() {
    mkdir -p "$T/vm/low"
    make_disk "$T/vm/low/root.qcow2" qcow2 64M
    qemu-img create -q -f qcow2 -F qcow2 -b low/root.qcow2 "$T/vm/root.qcow2"
    make_disk "$T/vm/b.img" raw 64M
    vm_start vm1 -m 64M -drive "file=$T/vm/root.qcow2,format=qcow2,if=virtio" -drive "file=$T/vm/b.img,format=raw,if=virtio"
    vm_wait_count vm1 10
}

packable() {
    running
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T/vm" --name x1 --quiet
    vm_kill vm1
}

# alone: the original is away.
alone() { mv "$T/vm" "$T/away"; }

# goes_on NAME CHECKPOINT [OPTION…]: it is whole, and a VM of it goes on clean.
goes_on() {
    local name=$1 checkpoint=$2
    shift 2
    run_tool 0 mplcr-chain verify --sums "$checkpoint"
    assert_output ''
    run_tool 0 mplcr-state verify "$checkpoint"
    restore "$name" --name "$name" "$@" "$checkpoint"
    vm_assert_counting "$serial" 25
    vm_kill "$name"
}

@test "a directory: copied by tar, rsync or cp, it verifies and restores where it lies, the original gone" {
    local i
    packable
    run_tool 0 mplcr-state pack "$T/vm/x1.ckpt" "$T/p1.ckpt"
    assert_output "$T/p1.ckpt"
    assert_equal "$(cd "$T/p1.ckpt/disks" && echo *)" '2-root.qcow2 b.img root.qcow2'
    assert_equal "$(cd "$T" && echo ./*.partial)" './*.partial'
    alone
    # its images name each other by names that lead nowhere else
    assert_equal "$(qemu-img info --output json "$T/p1.ckpt/disks/root.qcow2" | jq -r '."backing-filename"')" 2-root.qcow2
    qemu-img check -q "$T/p1.ckpt/disks/root.qcow2"
    mkdir "$T/a" "$T/b"
    tar -C "$T" -cS p1.ckpt | tar -C "$T/a" -x
    cp -r "$T/p1.ckpt" "$T/b/other" # with other times, and another name
    for i in "$T"/b/other/disks/*; do touch -d "@$RANDOM" "$i"; done
    seal
    goes_on r1 "$T/a/p1.ckpt"
    goes_on r2 "$T/b/other"
    sealed
    # a write that keeps the times is found by the sums, and one that does not by any look
    printf x | dd of="$T/a/p1.ckpt/disks/b.img" bs=1 seek=9M conv=notrunc status=none
    touch -r "$T/p1.ckpt/disks/b.img" "$T/a/p1.ckpt/disks/b.img"
    run_tool 1 mplcr-state verify "$T/a/p1.ckpt"
    assert_line --partial E-STATE-SUM
    touch "$T/a/p1.ckpt/disks/b.img"
    run_tool 3 mplcr-restore "$T/a/p1.ckpt"
    [[ $stderr == *'its content differs'* ]]
    # foreign where the key is another
    MPLCR_KEY=$T/.other run_tool 3 mplcr-restore "$T/p1.ckpt"
    [[ $stderr == *E-FOREIGN* ]]
}

@test "a stream: through a pipe, by tar; what is there is refused; in a read-only place, with --dir" {
    require root 'mounts'
    packable
    mplcr-state pack --stream "$T/vm/x1.ckpt" >"$T/s"
    zstd -dc "$T/s" | tar -t >"$T/names"
    assert_equal "$(head -n 2 "$T/names" | xargs)" 'x1.ckpt/pack.json x1.ckpt/checkpoint.json'
    alone
    run_tool_stdin 0 mplcr-state unpack - "$T/new" <"$T/s"
    assert_output "$T/new"
    mkdir "$T/in"
    run_tool 0 mplcr-state unpack "$T/s" "$T/in"
    assert_output "$T/in/x1.ckpt"
    diff -r "$T/new" "$T/in/x1.ckpt"
    (($(du -k "$T/new/ram/pc.ram" | cut -f 1) < 60000)) # holes stay holes
    run_tool 3 mplcr-state unpack "$T/s" "$T/in"
    [[ $stderr == *exists* ]]
    run_tool 3 mplcr-state unpack "$T/s" "$T/in/x1.ckpt"
    [[ $stderr == *exists* ]]
    # plain tools make the same of it
    mkdir "$T/tar"
    zstd -dc "$T/s" | tar -C "$T/tar" -xS
    diff -r -x pack.json "$T/new" "$T/tar/x1.ckpt"
    # packed once more, it is the same; also the other way round
    mplcr-state pack --stream --level 1 "$T/in/x1.ckpt" | mplcr-state unpack - "$T/again.ckpt"
    diff -r "$T/new" "$T/again.ckpt"
    mount --bind -o ro "$T/in" "$T/in"
    mount -o remount,bind,ro "$T/in"
    goes_on r1 "$T/in/x1.ckpt" --eager --dir "$T/runs"
    umount "$T/in"
    goes_on r2 "$T/tar/x1.ckpt"
}

@test "an interrupted unpack is gone on with; cut and damaged streams, no space" {
    local size
    packable
    mplcr-state pack --stream "$T/vm/x1.ckpt" >"$T/s"
    size=$(stat -c %s "$T/s")
    head -c $((size - 20)) "$T/s" >"$T/cut"
    run_tool 4 mplcr-state unpack "$T/cut" "$T/x.ckpt"
    [[ $stderr == *'cut'*'x.ckpt.partial'* && ! -e $T/x.ckpt ]]
    printf junk >"$T/x.ckpt.partial/disks/root.qcow2"
    printf junk >"$T/x.ckpt.partial/junk"
    # only the manifest: nothing that is worth keeping
    head -c 5000 "$T/s" >"$T/short"
    run_tool 3 mplcr-state unpack "$T/short" "$T/y.ckpt"
    assert_equal "$(echo "$T"/y.ckpt*)" "$T/y.ckpt*"
    run_tool 0 mplcr-state unpack "$T/s" "$T/x.ckpt"
    [[ $stderr == *"is gone on with"* && ! -e $T/x.ckpt.partial && ! -e $T/x.ckpt/junk && ! -e $T/x.ckpt/pack.json ]]
    # one byte is wrong
    cp "$T/s" "$T/bad"
    printf '\xa5\x5a' | dd of="$T/bad" bs=1 seek=$((size / 2)) conv=notrunc status=none
    if mplcr-state unpack "$T/bad" "$T/z.ckpt"; then fail "damage is not found"; fi
    assert_file_not_exist "$T/z.ckpt"
    # what somebody else has begun is not ours
    mkdir "$T/v.ckpt.partial" && touch "$T/v.ckpt.partial/theirs"
    run_tool 3 mplcr-state unpack "$T/s" "$T/v.ckpt"
    [[ $stderr == *'did not make it'* && -e $T/v.ckpt.partial/theirs ]]
    run_tool 2 mplcr-state unpack
    run_tool 2 mplcr-state pack "$T/vm/x1.ckpt"
    require root 'mounts a small filesystem'
    mkdir "$T/small"
    mount -t tmpfs -o size=2M none "$T/small"
    run_tool 3 mplcr-state unpack "$T/s" "$T/small"
    [[ $stderr == *'not enough space'* && -z $(ls "$T/small") ]]
    run_tool 3 mplcr-state pack "$T/vm/x1.ckpt" "$T/small/x1.ckpt"
    assert_equal "$(ls "$T/small")" ''
    umount "$T/small"
    alone
    goes_on r1 "$T/x.ckpt"
}

@test "killed at any moment, pack and unpack leave nothing that is taken for a checkpoint, and are gone on with" {
    local i pid ms
    packable
    mplcr-state pack --stream "$T/vm/x1.ckpt" >"$T/s"
    for ms in 5 15 40 80; do
        for i in "pack $T/vm/x1.ckpt $T/k.ckpt" "unpack $T/s $T/u.ckpt"; do
            # shellcheck disable=SC2086
            mplcr-state $i >/dev/null 2>&1 3>&- &
            pid=$!
            sleep "0.0$(printf %02d $ms)"
            kill_and_wait "$pid"
        done
        for i in k u; do
            [[ ! -e $T/$i.ckpt ]] || run_tool 0 mplcr-state verify "$T/$i.ckpt"
            rm -rf "$T/$i.ckpt"
        done
    done
    run_tool 0 mplcr-state pack "$T/vm/x1.ckpt" "$T/k.ckpt"
    run_tool 0 mplcr-state unpack "$T/s" "$T/u.ckpt"
    run_tool 0 mplcr-state verify "$T/k.ckpt" "$T/u.ckpt"
    assert_equal "$(echo "$T"/*.partial)" "$T/*.partial"
}

# hostile NAME JQ [MEMBER CONTENT]…: $T/NAME, a stream with that list (of files f.json and what JQ makes of it).
hostile() {
    local name=$1 list=$2 i
    shift 2
    rm -rf "$T/h" && mkdir -p "$T/h/x.ckpt"
    jq -n --arg sum "$(printf '{}' | xxhsum -H2 | cut -d ' ' -f 1)" \
        "{schema: \"mplcr.state.pack/1\", files: ([{name: \"checkpoint.json\", size: 2, stored: 2, xxh3: \$sum}] + $list)}" >"$T/h/x.ckpt/pack.json"
    printf '{}' >"$T/h/x.ckpt/checkpoint.json"
    (cd "$T/h" && tar --format=posix -c x.ckpt/pack.json x.ckpt/checkpoint.json "$@") | zstd -q >"$T/$name"
}

@test "hostile streams are refused, and leave nothing" {
    local i f='size: 1, stored: 1, xxh3: ("0" * 32)'
    for i in '../evil' '/evil' '.hidden' 'a/.hidden' 'a/b/c' 'pack.json' 'undo.jsonl' 'checkpoint.json' 'checkpoint.json/x' '' 'a//b'; do
        hostile s "[{name: \"$i\", $f}]"
        run_tool 3 mplcr-state unpack "$T/s" "$T/x.ckpt"
        assert_equal "$(echo "$T"/x.ckpt*)" "$T/x.ckpt*"
    done
    for i in 'size: 1e18' 'size: -1' 'size: 1, stored: 2' 'size: 1, stored: 1, xxh3: "no"'; do
        hostile s "[{name: \"a\", $f, $i}]"
        run_tool 3 mplcr-state unpack "$T/s" "$T/x.ckpt"
    done
    hostile s '[]'
    run_tool 3 mplcr-state unpack "$T/s" "$T/x.ckpt" # the manifest is none
    ln -s /etc/passwd "$T/h/x.ckpt/link"
    (cd "$T/h" && tar -c --format=posix x.ckpt/link x.ckpt/pack.json) | zstd -q >"$T/s"
    run_tool 3 mplcr-state unpack "$T/s" "$T/x.ckpt"
    [[ $stderr == *'not a regular file'* ]]
    for i in /x.ckpt ../x.ckpt . x; do
        (cd "$T/h" && tar -P -c --format=posix --transform "s,^x.ckpt,$i,S" x.ckpt/pack.json) | zstd -q >"$T/s"
        run_tool 3 mplcr-state unpack "$T/s" "$T"
    done
    head -c 1000000 /dev/zero | zstd -q >"$T/s"
    run_tool 3 mplcr-state unpack "$T/s" "$T/x.ckpt"
    run_tool 3 mplcr-state unpack "$T/h/x.ckpt/pack.json" "$T/x.ckpt"
    assert_equal "$(echo "$T"/x.ckpt*)" "$T/x.ckpt*"
}

@test "the units for systemd are sound, and do what they say" {
    require systemd-analyze 'checks units'
    local i line
    running
    mkdir "$T/units"
    for i in "$project"/contrib/systemd/mplcr-checkpoint@.*; do
        sed "s,^ExecStart=,&$BIN/," "$i" >"$T/units/${i##*/}"
    done
    run_tool 0 systemd-analyze verify --man=no "$T/units/mplcr-checkpoint@vm1.service" "$T/units/mplcr-checkpoint@vm1.timer"
    assert_equal "$stderr" ''
    # its commands, three times
    for i in 1 2 3; do
        while read -r line; do
            line=${line//'${SOCKET}'/$T/vm1.qmp}
            line=${line//'${DIR}'/$T/vm}
            # shellcheck disable=SC2086  # as systemd splits it
            run_tool 0 ${line//'${KEEP}'/2}
        done < <(sed -n 's/^ExecStart=//p' "$T/units/mplcr-checkpoint@.service")
    done
    assert_equal "$(cd "$T/vm" && echo ./*.ckpt)" './x2.ckpt ./x3.ckpt'
    vm_assert_counting vm1
    vm_kill vm1
}
