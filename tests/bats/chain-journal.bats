#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# qemu: 7
#
# The journals of mplcr-chain: what one that came from elsewhere makes the verbs do (nothing), and what an interrupted run
# leaves to the next one, which believes the images alone.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load filesystems
load chain
load trigger

setup() {
    scratch_begin
    mkdir "$T/home" "$T/v"
    echo precious >"$T/home/file"
    echo mine >"$T/v/mine"
}

teardown() { fs_end; scratch_end; }

# layers DIR: base <- mid <- top in it, with data of each; $seen: what the guest sees in top.
layers() {
    mkdir -p "$1"
    (
        cd "$1" || exit
        qemu-img create -q -f qcow2 base.qcow2 4M
        qemu-io -c 'write -q -P 1 0 1M' base.qcow2
        qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 mid.qcow2
        qemu-io -c 'write -q -P 2 1M 1M' mid.qcow2
        qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 top.qcow2
        qemu-io -c 'write -q -P 3 2M 1M' top.qcow2
    )
    seen=$(sees "$1/top.qcow2")
}

sees() { qemu-img convert -f qcow2 -O raw "$1" "$T/.raw" && sha256sum <"$T/.raw"; }

all_files() { find "$T/home" "$T/v" \( -type f -o -type l \) -printf '%P %l ' -exec cat {} \; | sha256sum; }

# The verb that reads each journal, in $T/v.
declare -gA verb=(
    [top.qcow2.shorten]="shorten --keep 2 top.qcow2"
    [.mplcr-prune]="prune --keep 1 ."
    [.mplcr-relocate]="relocate --to . ../other/top.qcow2"
)

# refused JOURNAL: the verb shows and refuses it, and does nothing.
refused() {
    local before
    before=$(all_files)
    cd "$T/v"
    # shellcheck disable=SC2086  # words
    run_tool 3 mplcr-chain ${verb[$1]}
    assert_equal "$(all_files)" "$before"
    [[ $stderr == *"$1' is no journal to be obeyed, and nothing was done"*'hint: '*'look at it, and remove it'* ]] || fail "$stderr"
}

@test "a journal from an unpacked archive is shown and refused by each verb" {
    local name
    layers "$T/v"
    layers "$T/other"
    for name in "${!verb[@]}"; do
        # as this format was, and as it is
        cat >"$T/v/$name" <<EOF
{"schema": "mplcr.chain.journal/1", "check_needed": false, "directory": "$T/home", "checkpoints": [],
 "renames": [{"from": "$T/home/file", "to": "$T/v/new"}], "removals": []}
EOF
        chmod 600 "$T/v/$name"
        refused "$name"
        [[ $stderr == *"directory: \"$T/home\""* ]] || fail "not shown: $stderr"
        cat >"$T/v/$name" <<EOF
{"schema": "mplcr.chain.journal/2", "host": "$(cat /etc/machine-id)", "uid": $(id -u), "name": "$name",
 "places": [{"dir": "$T/v", "device": $(stat -c %d "$T/v"), "inode": $(stat -c %i "$T/v")}], "renames": [],
 "checkpoints": [], "tops": [], "removals": [{"place": 0, "name": "mine", "device": $(stat -c %d "$T/v/mine"),
 "inode": $(stat -c %i "$T/v/mine"), "size": 5, "ctime_ns": $(stat -c %.Z "$T/v/mine" | tr -d .)}], "scratch": []}
EOF
        refused "$name"
        [[ $stderr == *'not signed'*  && $stderr == *'removals: [{"place":0,"name":"mine"'* ]] || fail "not shown: $stderr"
        sed -i 's/^{/{"mac": "00",/' "$T/v/$name"
        refused "$name"
        rm "$T/v/$name"
    done
}

@test "nor one that is a link, a pipe, or no journal at all" {
    local name
    layers "$T/v"
    layers "$T/other"
    for name in "${!verb[@]}"; do
        printf '\e[31m\xc2\x9bred' >"$T/v/$name"
        refused "$name"
        [[ $stderr != *$'\e'* ]] || fail 'unescaped'
        ln -sf "$T/home/file" "$T/v/$name"
        refused "$name"
        rm "$T/v/$name"
        mkfifo "$T/v/$name"
        cd "$T/v"
        # shellcheck disable=SC2086  # words
        run_tool 3 mplcr-chain ${verb[$name]}
        rm "$T/v/$name"
    done
}

# interrupted CALL:N COMMAND…: it is killed at the Nth such system call.
interrupted() {
    local at=$1 status=0
    shift
    ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace="${at%:*}" -e inject="${at%:*}:signal=KILL:when=${at#*:}" \
        "$@" >/dev/null 2>&1 || status=$?
    [[ $status == 137 ]] || fail "not killed at $at: $status"
}

@test "a genuine journal is of its own place: copied, it is refused, and in place it is done" {
    require strace "kills at certain system calls"
    layers "$T/v"
    cd "$T/v"
    interrupted renameat:2 mplcr-chain shorten --keep 2 top.qcow2
    [[ -f top.qcow2.shorten && -f top.qcow2.shorten.partial ]]
    mkdir "$T/copy"
    cp -a "$T/v/." "$T/copy/"
    run_tool 3 mplcr-chain shorten --keep 2 "$T/copy/top.qcow2"
    [[ $stderr == *'is not the directory that it was written for'* ]]
    [[ -f $T/copy/mid.qcow2 ]]
    assert_equal "$(sees "$T/copy/top.qcow2")" "$seen"
    cp top.qcow2 another.qcow2
    cp -a top.qcow2.shorten another.qcow2.shorten
    run_tool 3 mplcr-chain shorten --keep 2 another.qcow2
    [[ $stderr == *"it was written for 'top.qcow2.shorten'"* ]]
    rm another.qcow2*
    MPLCR_KEY=$T/other-key run_tool 3 mplcr-chain shorten --keep 2 top.qcow2
    run_tool 0 mplcr-chain shorten --keep 2 top.qcow2
    assert_equal "$(ls)" $'base.qcow2\nmine\ntop.qcow2'
    assert_equal "$(sees top.qcow2)" "$seen"
}

@test "a journal is obeyed on another mount of its filesystem, whatever number its device has" {
    local type d other
    mkdir "$T/other"
    require strace "kills at certain system calls"
    require loop "filesystems on loop devices"
    for type in ext4 xfs btrfs; do
        d=$T/$type
        fs_mount $type "$d"
        layers "$d/v"
        interrupted renameat:2 mplcr-chain shorten --keep 2 "$d/v/top.qcow2"
        [[ -f $d/v/top.qcow2.shorten && -f $d/v/top.qcow2.shorten.partial ]]
        before=$(stat -c %d "$d")
        # another device, and what takes the number that btrfs had
        other=$(losetup --find --show "$d.image")
        unmount "$d"
        mount -t tmpfs none "$T/other"
        mount "$other" "$d"
        [[ $type == btrfs || $(stat -c %d "$d") != "$before" ]] || fail "it has the same number again"
        run_tool 0 mplcr-chain shorten --keep 2 "$d/v/top.qcow2"
        assert_equal "$(ls "$d/v")" $'base.qcow2\ntop.qcow2'
        assert_equal "$(sees "$d/v/top.qcow2")" "$seen"
        unmount "$d"
        unmount "$T/other"
        losetup --detach "$other"
    done
}

@test "what came since the interruption is not touched" {
    require strace "kills at certain system calls"
    layers "$T/safe"
    for what in overlay linked replaced; do
        rm -rf "$T/v"
        mkdir "$T/v"
        cp -a "$T/safe/." "$T/v/"
        cd "$T/v"
        interrupted unlinkat:2 mplcr-chain shorten --keep 2 top.qcow2
        [[ -f top.qcow2.shorten && -f mid.qcow2 ]] || fail "killed too late: $(ls)"
        case $what in
        overlay) qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 mine.qcow2 ;;
        linked) mv mid.qcow2 real.qcow2 && ln -s real.qcow2 mid.qcow2 ;;
        replaced) cp mid.qcow2 new && mv new mid.qcow2 ;;
        esac
        run_tool 0 mplcr-chain shorten --keep 2 top.qcow2
        [[ -e mid.qcow2 ]] || fail "$what: gone"
        [[ $stderr == *"mid.qcow2' stays: "* ]] || fail "$what: $stderr"
        assert_equal "$(sees top.qcow2)" "$seen"
    done
}

@test "relocate: an overlay on the old place, made after the interruption, keeps its backing file" {
    local name mine
    require strace "kills at certain system calls"
    for name in base mid top; do
        rm -rf "$T/v" "$T/new"
        layers "$T/v"
        interrupted unlinkat:3 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
        [[ -f $T/v/$name.qcow2 && -f $T/new/$name.qcow2 && -f $T/new/.mplcr-relocate ]] || fail "killed elsewhere"
        qemu-img create -q -f qcow2 -F qcow2 -b "$name.qcow2" "$T/v/mine.qcow2"
        mine=$(sees "$T/v/mine.qcow2")
        mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2" >"$T/said.log" 2>&1 || true
        grep -q "v/$name.qcow2' stays: .*backing file of '.*v/mine.qcow2'" "$T/said.log" || fail "$(cat "$T/said.log")"
        assert_equal "$(sees "$T/v/mine.qcow2")" "$mine"
        assert_equal "$(sees "$T/new/top.qcow2")" "$seen"
    done
}

@test "relocate: the old set stays where the new one is not whole" {
    require strace "kills at certain system calls"
    layers "$T/v"
    interrupted unlinkat:3 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    mv "$T/new/base.qcow2" "$T/away"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    assert_equal "$(sees "$T/v/top.qcow2")" "$seen"
    mv "$T/away" "$T/new/base.qcow2"
    run_tool 0 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    assert_equal "$(find "$T/v" -name '*.qcow2')" ''
    assert_equal "$(sees "$T/new/top.qcow2")" "$seen"
}

@test "relocate: only a directory that it made itself is removed" {
    require strace "kills at certain system calls"
    layers "$T/v"
    mkdir -p "$T/new/.mplcr-relocate.partial"
    echo precious >"$T/new/.mplcr-relocate.partial/file"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    [[ $stderr == *'did not make this one'* && -f $T/new/.mplcr-relocate.partial/file ]] || fail "$stderr"
    rm -r "$T/new"
    # killed when all is staged; then it is another directory, and a link
    interrupted unlinkat:2 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    mv "$T/new/.mplcr-relocate.partial" "$T/own"
    cp -a "$T/home" "$T/new/.mplcr-relocate.partial"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    assert_equal "$(<"$T/new/.mplcr-relocate.partial/file")" precious
    rm -r "$T/new/.mplcr-relocate.partial"
    ln -s "$T/home" "$T/new/.mplcr-relocate.partial"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    assert_equal "$(<"$T/home/file")" precious
    # its own goes, but what is mounted in it, or a link leads to, does not
    rm "$T/new/.mplcr-relocate.partial"
    mv "$T/own" "$T/new/.mplcr-relocate.partial"
    ln -s "$T/home" "$T/new/.mplcr-relocate.partial/link"
    if [[ $(id -u) == 0 ]]; then
        mkdir "$T/new/.mplcr-relocate.partial/sub"
        mount --bind "$T/home" "$T/new/.mplcr-relocate.partial/sub"
        mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2" >"$T/said.log" 2>&1 && fail 'a mount was removed'
        umount "$T/new/.mplcr-relocate.partial/sub"
    fi
    run_tool 0 mplcr-chain relocate --to "$T/new" "$T/v/top.qcow2"
    assert_equal "$(<"$T/home/file")" precious
    assert_not_exist "$T/new/.mplcr-relocate.partial"
    assert_equal "$(sees "$T/new/top.qcow2")" "$seen"
}

@test "a directory that was replaced by a link to another meanwhile is not followed" {
    require strace "kills at certain system calls"
    layers "$T/v"
    mkdir "$T/top"
    rm "$T/v/top.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b "$T/v/mid.qcow2" "$T/top/top.qcow2"
    interrupted unlinkat:2 mplcr-chain shorten --trust-paths --keep 2 "$T/top/top.qcow2"
    [[ -f $T/v/mid.qcow2 ]]
    mv "$T/v" "$T/moved"
    cp -a "$T/moved" "$T/copy"
    for what in link directory; do
        if [[ $what == link ]]; then ln -s "$T/copy" "$T/v"; else cp -a "$T/copy" "$T/v"; fi
        run_tool 3 mplcr-chain shorten --trust-paths --keep 2 "$T/top/top.qcow2"
        [[ $stderr == *"'$T/v'"* && -f $T/copy/mid.qcow2 && -f $T/v/mid.qcow2 ]] || fail "$what: $stderr"
        rm -r "$T/v"
    done
    mv "$T/moved" "$T/v"
    run_tool 0 mplcr-chain shorten --trust-paths --keep 2 "$T/top/top.qcow2"
    assert_not_exist "$T/v/mid.qcow2"
}

@test "names of unfinished files are no reason to remove what something needs" {
    layers "$T/v"
    cd "$T/v"
    cp base.qcow2 top.qcow2.shorten.partial
    qemu-img create -q -f qcow2 -F qcow2 -b top.qcow2.shorten.partial user.qcow2
    run_tool 3 mplcr-chain shorten --keep 2 top.qcow2
    [[ $stderr == *"was not finished, but"*"it is the backing file of '"*"user.qcow2'"* && -f top.qcow2.shorten.partial ]] || fail "$stderr"
    mv top.qcow2.shorten.partial x.prune.partial
    qemu-img rebase -u -f qcow2 -F qcow2 -b x.prune.partial user.qcow2
    mkdir x.ckpt.removed.partial
    cp base.qcow2 x.ckpt.removed.partial/base.qcow2
    qemu-img create -q -f qcow2 -F qcow2 -b x.ckpt.removed.partial/base.qcow2 user2.qcow2
    run_tool 0 mplcr-chain prune --keep 1 .
    sees user.qcow2
    sees user2.qcow2
}

# --- under a running VM ---------------------------------------------------------------------------------------------

# vm_on_layers: a VM that wrote something into each of base <- mid in $T/v and top in $T/elsewhere.
vm_on_layers() {
    local i device
    mkdir -p "$T/elsewhere"
    make_disk "$T/v/base.qcow2" qcow2 16M
    GUEST_WORDS='ws=4M rate=1M' vm_start vm -m 64M -drive "file=$T/v/base.qcow2,format=qcow2,if=virtio"
    device=$("$QMP" "$T/vm.qmp" query-block | jq -r '.[0].device')
    for i in v/mid elsewhere/top; do
        vm_wait_count vm +4
        "$QMP" "$T/vm.qmp" blockdev-snapshot-sync "device=$device" "snapshot-file=$T/$i.qcow2" format=qcow2 >/dev/null
    done
    vm_wait_count vm +4
    top=$T/elsewhere/top.qcow2
}

@test "live: killed while the VM merges, which then ends: no layer goes that was not merged" {
    local at way status
    for at in block-stream block-job-finalize block-commit; do
        rm -rf "$T/v" "$T/elsewhere"
        mkdir "$T/v"
        vm_on_layers
        way=(--keep 2)
        [[ $at != block-commit ]] || way=(--into "$T/v/base.qcow2")
        between "$at=kill-sent"
        status=0
        mplcr-chain shorten --trust-paths "${way[@]}" --socket "$T/fake.qmp" "$top" >"$T/said.log" 2>&1 3>&- || status=$?
        [[ $status == 137 ]] || fail "not killed at $at: $(cat "$T/said.log")"
        guard_gone
        kill_and_wait "$(<"$T/fake.pid")"
        vm_assert_counting vm 4
        vm_kill vm
        [[ -f $top.shorten ]]
        seen=$(sees "$top")

        # neither without the top, nor with it
        mv "$top" "$T/away"
        run_tool 3 mplcr-chain shorten --trust-paths "${way[@]}" "$top"
        [[ -f $T/v/mid.qcow2 ]]
        mv "$T/away" "$top"
        mkdir "$T/safe"
        mv "$T/v/base.qcow2" "$T/safe"
        run_tool 3 mplcr-chain shorten --trust-paths "${way[@]}" "$top"
        [[ -f $T/v/mid.qcow2 ]] || fail 'removed without its base'
        mv "$T/safe/base.qcow2" "$T/v"
        rmdir "$T/safe"

        run_tool 0 mplcr-chain shorten --trust-paths "${way[@]}" "$top"
        assert_equal "$(sees "$top")" "$seen"
        run_tool 0 mplcr-chain verify --trust-paths "$top"
        assert_equal "$(find "$T/elsewhere" "$T/v" -type f ! -path '*/.mplcr-claims/*' | sort)" "$top"$'\n'"$T/v/base.qcow2"
    done
}

@test "live: killed with its guardian, and the job is left behind in the VM" {
    local pid
    vm_on_layers
    between block-job-finalize=mute
    mplcr-chain shorten --trust-paths --keep 2 --socket "$T/fake.qmp" "$top" >"$T/said.log" 2>&1 3>&- &
    until grep -q block-job-finalize "$T/fake.commands"; do sleep 0.01; done
    for pid in $(pgrep -f "mplcr-chain shorten.*$T/") $(guardians); do kill -KILL "$pid"; done
    guard_gone
    kill_and_wait "$(<"$T/fake.pid")"
    [[ -f $top.shorten ]]
    # while the VM runs, and when it has ended
    run_tool 3 mplcr-chain shorten --trust-paths --keep 2 "$top"
    [[ -f $T/v/mid.qcow2 ]]
    vm_kill vm
    seen=$(sees "$top")
    run_tool 0 mplcr-chain shorten --trust-paths --keep 2 "$top"
    assert_equal "$(sees "$top")" "$seen"
    run_tool 0 mplcr-chain verify --trust-paths "$top"
}

@test "live: prune killed while the VM merges" {
    local n
    make_disk "$T/v/a.qcow2" qcow2 16M
    GUEST_WORDS='ws=4M rate=1M' vm_start vm -m 64M -drive "file=$T/v/a.qcow2,format=qcow2,if=virtio"
    for n in 1 2 3; do
        vm_wait_count vm +4
        run_tool 0 mplcr-trigger --socket "$T/vm.qmp" --dir "$T/v" --quiet
    done
    vm_wait_count vm +4
    between block-stream=kill-sent
    mplcr-chain prune --keep 0 --socket "$T/fake.qmp" "$T/v" >"$T/said.log" 2>&1 3>&- && fail 'not killed'
    guard_gone
    kill_and_wait "$(<"$T/fake.pid")"
    vm_assert_counting vm 4
    vm_kill vm
    seen=$(sees "$T/v/a_x3.ovl")
    run_tool 0 mplcr-chain prune --keep 0 "$T/v"
    assert_equal "$(sees "$T/v/a_x3.ovl")" "$seen"
    run_tool 0 mplcr-chain shorten --keep 2 "$T/v/a_x3.ovl"
    assert_equal "$(sees "$T/v/a_x3.ovl")" "$seen"
    run_tool 0 mplcr-chain verify "$T/v/a_x3.ovl"
    assert_equal "$(find "$T/v" -name '*.shorten*' -o -name '.mplcr*')" ''
}

@test "prune: what is needed again since the interruption stays" {
    local n what dir=$T/v
    require strace "kills at certain system calls"
    make_disk "$dir/a.qcow2" qcow2 16M
    GUEST_WORDS='ws=4M rate=1M' vm_start vm -m 64M -drive "file=$dir/a.qcow2,format=qcow2,if=virtio"
    for n in 1 2 3; do
        vm_wait_count vm +4
        run_tool 0 mplcr-trigger --socket "$T/vm.qmp" --dir "$dir" --quiet
    done
    vm_kill vm
    cp -a "$dir" "$T/safe"
    for what in overlay memory both; do
        rm -rf "$dir"
        cp -a "$T/safe" "$dir"
        seen=$(sees "$dir/a_x3.ovl")

        # all is renamed, and no checkpoint gone yet
        for ((n = 2; n < 12; n++)); do
            rm -rf "$dir"
            cp -a "$T/safe" "$dir"
            interrupted "renameat:$n" mplcr-chain prune --keep 1 "$dir"
            [[ $(qemu-img info "$dir/a_x2.ovl") != *'backing file: '*a.qcow2* || ! -d $dir/x2.ckpt ]] || break
        done
        [[ -d $dir/x1.ckpt && -d $dir/x2.ckpt && -f $dir/a_x1.ovl && -f $dir/.mplcr-prune ]] || fail "killed elsewhere: $(ls "$dir")"
        if [[ $what != memory ]]; then
            qemu-img create -q -f qcow2 -F qcow2 -b "$dir/a_x1.ovl" "$dir/mine.ovl"
            mine=$(sees "$dir/mine.ovl")
        fi
        if [[ $what != overlay ]]; then
            sleep 60 <"$dir/x1.ckpt/ram/pc.ram" 3>&- &
            sleeper=$!
        fi
        mplcr-chain prune --keep 1 "$dir" >"$T/said.log" 2>&1 3>&- || fail "$(cat "$T/said.log")"
        if [[ $what != memory ]]; then
            assert_equal "$(sees "$dir/mine.ovl")" "$mine"
            grep -q "a_x1.ovl' stays: .*backing file of '.*mine.ovl'" "$T/said.log" || fail "$(cat "$T/said.log")"
        fi
        if [[ $what != overlay ]]; then
            kill_and_wait "$sleeper"
            [[ -f $dir/x1.ckpt/ram/pc.ram && -f $dir/a.qcow2 ]] || fail "x1 is gone: $(cat "$T/said.log")"
        fi
        assert_equal "$(sees "$dir/a_x3.ovl")" "$seen"
        run_tool 0 mplcr-chain verify --trust-paths "$dir/x3.ckpt"
    done
}
