# SPDX-License-Identifier: MIT
# qemu: none
#
# mplcr-chain shorten without a VM: layers are merged, upwards and downwards, and the guest's data stay what they were,
# also where it is killed at any step.  With a VM: chain-live.bats.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load filesystems

teardown() {
    fs_end
    scratch_end
}

# chain DIR: base <- a <- b <- top, in each of which the guest wrote something, zeros too; raw.img has what it sees.
chain() {
    local below=base i=0 name
    mkdir -p "$1"
    (
        cd -- "$1" || exit
        make_disk base.qcow2 qcow2 8M
        qemu-io -c 'write -q -P 1 0 4M' base.qcow2
        for name in a b top; do
            i=$((i + 1))
            qemu-img create -q -f qcow2 -F qcow2 -b "$below.qcow2" "$name.qcow2"
            qemu-io -c "write -q -P $((i + 1)) ${i}M 512k" -c "write -q -z $((i * 1024 + 768))k 128k" \
                -c "write -q -P 9 $((4 + i))M 64k" "$name.qcow2"
            below=$name
        done
        qemu-img convert -f qcow2 -O raw top.qcow2 raw.img
    )
}

same_data() { qemu-img compare -q -f qcow2 -F raw "$1/top.qcow2" "${2:-$1}/raw.img"; }

# names IMAGE: the names of its chain in one line.
names() { qemu-img info --backing-chain --output json "$1" | jq -r '[.[].filename | split("/")[-1]] | join(" ")'; }

sums() { find "$1" -type f -exec md5sum {} + | sort -k 2; }

@test "--keep merges upwards: the lower images stay as they are" {
    chain "$T/c"
    before=$(md5sum <"$T/c/base.qcow2")
    run_tool 0 mplcr-chain shorten --keep 2 --json "$T/c/top.qcow2"
    assert_equal "$(jq -c '[.schema, .images_before, (.chain | length), (.removed | length), .freed_bytes > 0]' <<<"$output")" \
        '["mplcr.chain.shorten/1",4,2,2,true]'
    assert_equal "$(names "$T/c/top.qcow2")" 'top.qcow2 base.qcow2'
    same_data "$T/c"
    assert_equal "$(md5sum <"$T/c/base.qcow2")" "$before"
    assert_equal "$(ls "$T/c")" $'base.qcow2\nraw.img\ntop.qcow2'
    # Again: there is nothing to do.
    run_tool 0 mplcr-chain shorten --keep 2 "$T/c/top.qcow2"
    [[ $stderr == *'nothing to merge'* ]]
    # And once more, to none but itself; the base stays for others.
    run_tool 0 mplcr-chain shorten --keep 1 "$T/c/top.qcow2"
    assert_equal "$(names "$T/c/top.qcow2")" top.qcow2
    [[ $stderr == *"base.qcow2' stays"* ]]
    same_data "$T/c"
    assert_file_exist "$T/c/base.qcow2"
}

@test "--keep 3 merges only what is above, and --leave leaves the files" {
    chain "$T/c"
    run_tool 0 mplcr-chain shorten --keep 3 --leave "$T/c/top.qcow2"
    assert_equal "$(names "$T/c/top.qcow2")" 'top.qcow2 a.qcow2 base.qcow2'
    same_data "$T/c"
    assert_file_exist "$T/c/b.qcow2"
}

@test "--into merges downwards, also into a raw base and one that is smaller" {
    chain "$T/c"
    run_tool 0 mplcr-chain shorten --into "$T/c/a.qcow2" "$T/c/top.qcow2"
    assert_equal "$(names "$T/c/top.qcow2")" 'top.qcow2 a.qcow2 base.qcow2'
    same_data "$T/c"
    assert_equal "$(ls "$T/c")" $'a.qcow2\nbase.qcow2\nraw.img\ntop.qcow2'

    mkdir "$T/r"
    make_disk "$T/r/base.img" raw 1M
    qemu-io -f raw -c 'write -q -P 1 0 1M' "$T/r/base.img"
    qemu-img create -q -f qcow2 -F raw -b base.img "$T/r/a.qcow2" 2M
    qemu-io -c 'write -q -P 2 512k 1M' "$T/r/a.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b a.qcow2 "$T/r/top.qcow2" 3M
    qemu-img convert -O raw "$T/r/top.qcow2" "$T/r/raw.img"
    run_tool 0 mplcr-chain shorten --into "$T/r/base.img" "$T/r/top.qcow2"
    assert_equal "$(names "$T/r/top.qcow2")" 'top.qcow2 base.img'
    same_data "$T/r"
    run_tool 0 mplcr-chain verify "$T/r/top.qcow2"
}

@test "layers of different sizes, cluster sizes and directories" {
    mkdir -p "$T/c/low"
    make_disk "$T/c/low/base.qcow2" qcow2 4M
    qemu-io -c 'write -q -P 1 0 4M' "$T/c/low/base.qcow2"
    qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2 -b low/base.qcow2 "$T/c/a.qcow2" 2M
    qemu-io -c 'write -q -P 2 100k 9k' "$T/c/a.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b a.qcow2 "$T/c/top.qcow2" 6M
    qemu-img convert -O raw "$T/c/top.qcow2" "$T/c/raw.img"
    before=$(sums "$T/c")
    # What the small one hides would be seen again.
    run_tool 3 mplcr-chain shorten --into "$T/c/low/base.qcow2" "$T/c/top.qcow2"
    [[ $stderr == *'is smaller than'*'hint: --keep 2'* ]]
    assert_equal "$(sums "$T/c")" "$before"
    run_tool 0 mplcr-chain shorten --keep 2 "$T/c/top.qcow2"
    assert_equal "$(qemu-img info --output json "$T/c/top.qcow2" | jq -r '."backing-filename"')" low/base.qcow2
    same_data "$T/c"
}

@test "what something else needs is not touched" {
    chain "$T/c"
    qemu-img create -q -f qcow2 -F qcow2 -b a.qcow2 "$T/c/other.qcow2"
    before=$(sums "$T/c")
    run_tool 3 mplcr-chain shorten --keep 2 "$T/c/top.qcow2"
    [[ $stderr == *"a.qcow2' must stay as it is: "*"it is the backing file of '"*"other.qcow2'"* ]]
    run_tool 3 mplcr-chain shorten --into "$T/c/base.qcow2" "$T/c/top.qcow2"
    run_tool 3 mplcr-chain shorten --into "$T/c/a.qcow2" "$T/c/top.qcow2"
    # The top itself, too.
    run_tool 3 mplcr-chain shorten --keep 1 "$T/c/a.qcow2"
    assert_equal "$(sums "$T/c")" "$before"
    # Upwards, and leaving the files, it is not touched.
    run_tool 0 mplcr-chain shorten --keep 2 --leave "$T/c/top.qcow2"
    same_data "$T/c"
    assert_equal "$(sums "$T/c" | grep -v top)" "$(grep -v top <<<"$before")"
}

@test "refused: what would be lost, or must not change" {
    chain "$T/c"
    cd "$T/c"
    before=$(sums .)
    run_tool 2 mplcr-chain shorten top.qcow2
    [[ $stderr == *'--keep or --into is missing'* ]]
    run_tool 2 mplcr-chain shorten --keep 0 top.qcow2
    run_tool 2 mplcr-chain shorten --keep 2 --into base.qcow2 top.qcow2
    run_tool 3 mplcr-chain shorten --into raw.img top.qcow2
    run_tool 3 mplcr-chain shorten --into top.qcow2 top.qcow2
    run_tool 3 mplcr-chain shorten --keep 1 missing.qcow2
    ln b.qcow2 again.qcow2
    run_tool 3 mplcr-chain shorten --keep 2 top.qcow2
    [[ $stderr == *'hard link'* ]]
    rm again.qcow2
    touch b.qcow2.seal
    run_tool 3 mplcr-chain shorten --keep 2 top.qcow2
    [[ $stderr == *"b.qcow2' is sealed"* ]]
    rm b.qcow2.seal
    chmod a-w top.qcow2
    run_tool 3 mplcr-chain shorten --keep 2 top.qcow2
    [[ $stderr == *'write-protected'* ]]
    chmod u+w top.qcow2
    ln -s top.qcow2 link.qcow2
    run_tool 3 mplcr-chain shorten --keep 2 link.qcow2
    rm link.qcow2
    assert_equal "$(sums .)" "$before"
    qemu-img snapshot -c s1 b.qcow2
    run_tool 3 mplcr-chain shorten --keep 2 top.qcow2
    [[ $stderr == *'internal snapshots'* ]]
    mv a.qcow2 gone.qcow2
    run_tool 3 mplcr-chain shorten --keep 2 top.qcow2
}

@test "space is checked first, on ext4" {
    fs_mount ext4 "$T/small" 24M
    chain "$T/small/c"
    rm "$T/small/c/raw.img"
    fallocate -l "$(($(df --output=avail -B1 "$T/small" | tail -n 1) - 1048576))" "$T/small/full"
    before=$(sums "$T/small/c")
    run_tool 3 mplcr-chain shorten --keep 1 "$T/small/c/top.qcow2"
    [[ $stderr == *'not enough space'* ]]
    assert_equal "$(sums "$T/small/c")" "$before"
    rm "$T/small/full"
    run_tool 0 mplcr-chain shorten --keep 1 "$T/small/c/top.qcow2"
}

# killed CALL OPTION…: killed at the first CALL, the second, … until it comes through; each time the chain is sound, and
# the same command then does the rest.
killed() {
    local call=$1 n ended
    shift
    for ((n = 1; n < 40; n++)); do
        rm -rf "$T/k"
        cp -a "$T/c" "$T/k"
        ended=0
        ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
            mplcr-chain shorten "$@" "$T/k/top.qcow2" >/dev/null 2>&1 || ended=$?
        run_tool 0 mplcr-chain verify "$T/k/top.qcow2"
        same_data "$T/k"
        [[ $ended != 0 ]] || break
        run_tool 0 mplcr-chain shorten "$@" "$T/k/top.qcow2"
        assert_equal "$(names "$T/k/top.qcow2")" 'top.qcow2 base.qcow2'
        same_data "$T/k"
        assert_equal "$(ls "$T/k")" $'base.qcow2\nraw.img\ntop.qcow2'
    done
    ((n > 1)) || fail "never killed at $call"
}

@test "killed at any step, the chain is sound, and a second run does the rest" {
    require strace "kills at certain system calls"
    chain "$T/c"
    for call in renameat unlinkat; do
        killed "$call" --keep 2
    done
    mkdir "$T/bin"
    for when in before after; do
        # shellcheck disable=SC2016  # for the script
        printf '#!/bin/sh\nPATH=${PATH#*:}\n%s\nqemu-img "$@" || exit\n%s\n' \
            "$([[ $when != before ]] || echo 'kill -KILL $PPID; sleep 1')" "$([[ $when != after ]] || echo 'kill -KILL $PPID; sleep 1')" >"$T/bin/qemu-img"
        chmod +x "$T/bin/qemu-img"
        for way in '--keep 2' '--into base.qcow2'; do
            rm -rf "$T/k"
            cp -a "$T/c" "$T/k"
            cd "$T/k"
            # shellcheck disable=SC2086  # two words
            PATH=$T/bin:$PATH mplcr-chain shorten $way top.qcow2 >/dev/null 2>&1 && fail "not killed"
            run_tool 0 mplcr-chain verify top.qcow2
            same_data .
            # shellcheck disable=SC2086  # two words
            run_tool 0 mplcr-chain shorten $way top.qcow2
            assert_equal "$(names top.qcow2)" 'top.qcow2 base.qcow2'
            same_data .
            assert_equal "$(ls)" $'base.qcow2\nraw.img\ntop.qcow2'
        done
    done
}

@test "downwards too: killed at any step" {
    require strace "kills at certain system calls"
    chain "$T/c"
    for call in renameat unlinkat; do
        killed "$call" --into "$T/k/base.qcow2"
    done
}

@test "interrupted, it leaves all as it was" {
    chain "$T/c"
    mkdir "$T/bin"
    # shellcheck disable=SC2016  # for the script
    printf '#!/bin/sh\nkill -INT $PPID\nexec sleep 30\n' >"$T/bin/qemu-img"
    chmod +x "$T/bin/qemu-img"
    before=$(sums "$T/c")
    PATH=$T/bin:$PATH run_tool 3 mplcr-chain shorten --keep 2 "$T/c/top.qcow2"
    [[ $stderr == *interrupted* ]]
    assert_equal "$(sums "$T/c")" "$before"
}

@test "a VM's image is left alone" {
    chain "$T/c"
    before=$(sums "$T/c")
    "$QEMU" -nodefaults -display none -S -drive "file=$T/c/top.qcow2,format=qcow2,if=virtio" \
        -qmp "unix:$T/vm.qmp,server=on,wait=off" </dev/null >"$T/vm.log" 2>&1 3>&- &
    echo $! >"$T/vm.pid"
    vm_wait_monitor vm
    run_tool 3 mplcr-chain shorten --keep 2 "$T/c/top.qcow2"
    [[ $stderr == *"the VM of process $(<"$T/vm.pid") writes to it"*'hint: stop the VM'*--socket* ]]
    run_tool 3 mplcr-chain shorten --into "$T/c/base.qcow2" "$T/c/top.qcow2"
    vm_kill vm
    assert_equal "$(sums "$T/c")" "$before"
}
