#!/usr/bin/env bats
# qemu: 10
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# At the bounds, and with less than usual: numbers and sizes at and over their limits, 64 MiB of address space, an ordinary
# user, and any umask. What cannot be done is refused in words, and the VM runs on.

load helpers
load trigger

# --- bounds ---------------------------------------------------------------------------------------------------------

# many N: the VM "vm" with so many disks.
many() {
    local i disks=()
    for ((i = 0; i < $1; i++)); do
        truncate -s 1M "$T/d$i.img"
        disks+=(-drive "file=$T/d$i.img,format=raw,if=none,id=d$i")
    done
    GUEST_WORDS='ws=4M rate=4M' vm_start vm -m 32M "${disks[@]}"
}

@test "64 disks are frozen at one instant, under a name of 100 characters; 65 are refused" {
    local name
    many 65
    trigger 3
    says "mplcr-trigger: the VM has 65 disks to freeze, more than 64"
    assert_equal "$(find "$T" -name '*.ckpt*' -o -name '*.ovl')" ''
    name=$(printf 'n%.0s' {1..100})
    trigger 0 --leave-out d64 --name "$name"
    assert_equal "$(jq '[.disks[] | select(.active | endswith(".ovl"))] | length' "$T/$name.ckpt/checkpoint.json")" 64
    run_tool 0 mplcr-chain verify "$T/$name.ckpt"
    vm_assert_counting vm 4
}

# nested N: JSON of so many brackets.
nested() { printf "%$1s" '' | tr ' ' '['; printf "%$1s" '' | tr ' ' ']'; }

@test "JSON that is nested too deeply is no JSON: of QEMU, in a manifest, a seal, a claim, a journal, a recorded checkpoint" {
    local depth
    boot
    for depth in 2000 3000; do
        between "query-version=text:{\"return\": {\"package\": \"\", \"x\": $(nested $depth)}, \"id\": 2}"$'\n'
        if [[ $depth == 2000 ]]; then
            SOCKET=$T/fake.qmp trigger 0 --name x1
        else
            SOCKET=$T/fake.qmp trigger 3
            says "QMP peer sent what is not a JSON object"
        fi
    done
    vm_assert_counting vm 4
    vm_kill vm
    { nested 100000; echo; } >"$T/deep"
    cp "$T/deep" "$T/a_x1.ovl.seal"
    run_tool 1 mplcr-chain verify "$T/a_x1.ovl"
    assert_output --partial "E-SEAL $T/a_x1.ovl: '$T/a_x1.ovl.seal' is not a seal: it is not JSON"
    rm "$T/a_x1.ovl.seal"
    cp "$T/deep" "$T/a_x1.ovl.shorten"
    run_tool 3 mplcr-chain shorten --keep 1 "$T/a_x1.ovl"
    rm "$T/a_x1.ovl.shorten"
    mkdir "$T/.mplcr-claims"
    cp "$T/deep" "$T/.mplcr-claims/0123456789abcdef"
    run_tool 0 mplcr-chain tree "$T"
    mkdir -m 700 "$T/x2.ckpt.partial"
    cp "$T/deep" "$T/x2.ckpt.partial/undo.jsonl"
    run_tool 1 mplcr-trigger recover "$T"
    assert_output --partial "unknown"
    cp "$T/deep" "$T/x1.ckpt/checkpoint.json"
    run_tool 1 mplcr-chain verify "$T/x1.ckpt"
    assert_output --partial E-CHECKPOINT
    run_tool 3 mplcr-restore "$T/x1.ckpt"
    run_tool 3 mplcr-state info "$T/x1.ckpt"
}

# --- 64 MiB of address space ----------------------------------------------------------------------------------------

# little STATUS COMMAND…: with that limit.
little() {
    local expected=$1
    shift
    run_tool "$expected" bash -c 'ulimit -S -v 65536; exec "$@"' - "$@"
}

@test "64 MiB of address space: checkpoints, chains, overlays and states work; what needs more is refused" {
    [[ -z ${SANITIZE:-} ]] || skip "a sanitizer needs more"
    local layout file
    boot
    for layout in pages stream; do
        little 0 mplcr-trigger --socket "$T/vm.qmp" --name "$layout" --layout "$layout"
        run_tool 0 mplcr-chain verify --sums "$T/$layout.ckpt"
    done
    little 0 mplcr-trigger --socket "$T/vm.qmp" --name zstd --layout stream --compress zstd --engine stop
    little 3 mplcr-trigger --socket "$T/vm.qmp" --name more --layout stream --compress zstd:19 --engine stop
    says "cannot compress: "
    assert_equal "$(find "$T" -name '*more*')" ''
    little 0 mplcr-snap overlay --socket "$T/vm.qmp" --name live
    vm_assert_counting vm 4
    vm_kill vm
    little 0 mplcr-chain verify --sums "$T"/*.ckpt
    little 0 mplcr-chain tree "$T"
    little 0 mplcr-state verify "$T"/*.ckpt
    little 0 mplcr-state info "$T/zstd.ckpt"
    little 0 bash -c "mplcr-state cat '$T/zstd.ckpt' >'$T/state'"
    little 0 mplcr-state diff --quiet "$T/state" "$T/zstd.ckpt"
    little 0 mplcr-trace summary "$T/pages.ckpt/trace.jsonl"
    rm -r "$T"/*.ckpt
    little 3 mplcr-chain shorten --keep 2 "$T/a_live.ovl"
    says "qemu-img rebase failed: " # it needs more
    run_tool 0 mplcr-chain verify "$T/a_live.ovl"
    little 0 mplcr-snap overlay "$T/a_live.ovl" "$T/more.ovl"
}

@test "64 MiB of address space: QEMU that cannot start in it is told of, and nothing is left" {
    [[ -z ${SANITIZE:-} ]] || skip "a sanitizer needs more"
    boot
    trigger 0 --name x1
    vm_kill vm
    little 3 mplcr-restore "$T/x1.ckpt"
    assert_equal "$(find "$T" -maxdepth 1 -name '*.run-*')" ''
}

# --- an ordinary user -----------------------------------------------------------------------------------------------

# as_user COMMAND…: as one who is nobody.
user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
as_user() {
    local expected=$1
    shift
    run_tool "$expected" "${user[@]}" env MPLCR_KEY="$T/.user/key" "$@"
}

@test "an ordinary user, QEMU and images being the user's own: all works but what needs more, which says so" {
    local engine engines=(stop auto) file
    require root "to be another user"
    "${user[@]}" test -x "$BIN/mplcr-trigger" -a -r "$GUEST" -a -x "$(command -v "$QEMU")" || skip "another user cannot run the tools"
    printf '#!/bin/sh\nexec %s %q "$@"\n' "${user[*]}" "$(realpath -- "$(command -v "$QEMU")")" >"$T/qemu"
    chmod 755 "$T/qemu"
    mkdir "$T/.user"
    make_disk "$T/a.qcow2" qcow2 16M
    make_disk "$T/b.img" raw 16M
    chown -R 65534:65534 "$T"
    QEMU=$T/qemu GUEST_WORDS='ws=16M rate=8M' vm_start vm -m 128M \
        -drive "file=$T/a.qcow2,format=qcow2,if=virtio,id=drive0" -drive "file=$T/b.img,format=raw,if=ide,id=drive1"
    vm_wait_count vm 5
    if [[ $(qemu_major) -ge 9 ]]; then engines+=(precopy); fi
    for engine in "${engines[@]}"; do
        as_user 0 mplcr-trigger --socket "$T/vm.qmp" --name "$engine" --engine "$engine"
    done
    if "${user[@]}" test -w /dev/userfaultfd || [[ $(</proc/sys/vm/unprivileged_userfaultfd) == 1 ]]; then
        as_user 0 mplcr-trigger --socket "$T/vm.qmp" --name background --engine background
    else
        as_user 3 mplcr-trigger --socket "$T/vm.qmp" --name background --engine background
        says "no background snapshot of this VM: "
        says "hint: it needs root, vm.unprivileged_userfaultfd=1 or access to /dev/userfaultfd"
    fi
    as_user 0 mplcr-snap overlay --socket "$T/vm.qmp" --name live
    as_user 0 mplcr-trigger recover "$T"
    vm_assert_counting vm 4
    vm_kill vm
    as_user 0 mplcr-chain verify --sums "$T"/*.ckpt "$T/a_live.ovl"
    as_user 0 mplcr-chain tree "$T"
    as_user 0 mplcr-chain seal "$T/a.qcow2"
    as_user 0 mplcr-state verify "$T"/*.ckpt
    as_user 0 mplcr-restore --json "$T/stop.ckpt"
    vm_adopt again "$(jq -r .pid <<<"$output")"
    vm_assert_counting "$(jq -r .dir <<<"$output")/vm.serial" 4
    kill_and_wait "$(<"$T/again.pid")"
    rm -r "$T/again.pid" "$T"/*.run-1 "$T"/*.ckpt
    as_user 3 mplcr-chain shorten --keep 2 "$T/a_live.ovl"
    says --assume-unused
    as_user 0 mplcr-chain shorten --assume-unused --keep 2 "$T/a_live.ovl"
    # nothing is root's
    assert_equal "$(find "$T" -mindepth 1 ! -user 65534 ! -path "$T/.tool*" ! -name '*.pid' ! -name '*.log' ! -name '.key' ! -name .time)" ''
}

# --- any umask ------------------------------------------------------------------------------------------------------

# made_with UMASK: all kinds of files and directories that the tools make, below $T/d.
made_with() {
    local dir=$T/d
    mkdir -m 700 "$dir" "$dir/elsewhere"
    make_disk "$dir/a.qcow2" qcow2 16M
    make_disk "$dir/b.img" raw 16M
    GUEST_WORDS='ws=8M rate=8M' vm_start vm -m 64M -drive "file=$dir/a.qcow2,format=qcow2,if=virtio,id=drive0" \
        -drive "file=$dir/b.img,format=raw,if=virtio,id=drive1"
    vm_wait_count vm 3
    touch "$dir/base.qcow2" && make_disk "$dir/base.qcow2" qcow2 1M && chmod 640 "$dir/base.qcow2"
    find "$dir" | sort >"$T/before"
    (
        umask "$1"
        run_tool 0 mplcr-trigger --socket "$T/vm.qmp" --name x1 --include "$GUEST"
        run_tool 0 mplcr-trigger --socket "$T/vm.qmp" --name x2 --layout stream --compress zstd --dir "$dir/elsewhere"
        run_tool 0 mplcr-snap overlay --socket "$T/vm.qmp" --name live
        run_tool 0 mplcr-snap overlay "$dir/base.qcow2" "$dir/base.ovl"
        run_tool 0 mplcr-snap reflink --reflink auto --suffix .copy "$dir/base.qcow2"
        run_tool 0 mplcr-chain seal "$dir/base.qcow2"
        run_tool 0 mplcr-restore --json "$dir/x1.ckpt"
        jq -r .pid <<<"$output" >"$T/again.pid"
    )
    vm_assert_counting vm 2
    vm_kill vm
    vm_kill again
    # directories of sockets and logs of QEMU's are in it, too
    comm -13 "$T/before" <(find "$dir" | sort)
}

@test "whatever the umask is: files have mode 0600 and directories 0700, or what the manual says" {
    local mask file mode wanted
    for mask in 0000 0077 0027; do
        while read -r file; do
            mode=$(stat -c %a "$file")
            wanted=600
            [[ ! -d $file ]] || wanted=700
            case $file in
            *.ckpt/include/*.elf) wanted=400 ;;        # mplcr-checkpoint(5)
            */base.qcow2.copy) wanted=640 ;;      # mplcr-snap(1): that of its source
            */base.qcow2.seal) wanted=640 ;;      # who may read the image may read its seal
            esac
            [[ -S $file || $mode == "$wanted" ]] || fail "umask $mask: ${file#"$T"/} has mode $mode, not $wanted"
        done < <(made_with $mask)
        rm -rf "$T/d" "$T/vm.serial" "$T/before"
    done
}
