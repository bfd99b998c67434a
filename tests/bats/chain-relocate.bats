# SPDX-License-Identifier: MIT
# qemu: 10
#
# mplcr-chain relocate: images and checkpoints go elsewhere as a whole, every name still leads where it should, and the
# guest's data are what they were.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load filesystems

teardown() {
    fs_end
    scratch_end
}

# chain: $T/old/top <- mid <- base relative to each other, on a template elsewhere by its absolute path.
chain() {
    mkdir -p "$T/old/low" "$T/templates"
    make_disk "$T/templates/site.qcow2" qcow2 4M
    qemu-io -c 'write -q -P 1 0 1M' "$T/templates/site.qcow2"
    cd "$T/old"
    qemu-img create -q -f qcow2 -F qcow2 -b "$T/templates/site.qcow2" low/base.qcow2
    qemu-io -c 'write -q -P 2 512k 1M' low/base.qcow2
    qemu-img create -q -f qcow2 -F qcow2 -b low/base.qcow2 mid.qcow2
    qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 top.qcow2
    qemu-io -c 'write -q -P 3 2M 64k' top.qcow2
    seen=$(seen top.qcow2)
    cd "$T"
}

# seen IMAGE: the sum of what a guest reads from it.
seen() { qemu-img convert -O raw -U "$1" "$T/seen.img" && md5sum <"$T/seen.img"; }

names() { qemu-img info -U --backing-chain --output json "$1" | jq -r '[.[].filename] | join(" ")'; }

all() { (cd "$1" && find . -type f -exec md5sum {} + -printf '%p %T@ %m\n' | sort); }

@test "a chain is copied, also from another filesystem, and nothing leads back" {
    chain
    fs_mount ext4 "$T/e" 64M
    before=$(all "$T/old")
    run_tool 0 mplcr-chain relocate --trust-paths --copy --to "$T/e/new" "$T/old/top.qcow2"
    assert_output "$T/e/new/top.qcow2"
    assert_equal "$(all "$T/old")" "$before"
    mv "$T/old" "$T/hidden"
    mv "$T/templates" "$T/hidden2"
    assert_equal "$(seen "$T/e/new/top.qcow2")" "$seen"
    assert_equal "$(cd "$T/e/new" && find . -type f ! -path '*/.mplcr-claims/*' | sort | tr '\n' ' ')" './low/base.qcow2 ./mid.qcow2 ./site.qcow2 ./top.qcow2 '
    # Names are relative now, so it can go anywhere.
    mv "$T/e/new" "$T/e/newer"
    assert_equal "$(seen "$T/e/newer/top.qcow2")" "$seen"
    # Holes stay holes.
    (($(du -s -k "$T/e/newer" | cut -f 1) < 4500))
}

@test "a chain is moved, and nothing is left" {
    chain
    run_tool 0 mplcr-chain relocate --trust-paths --to "$T/new" --json "$T/old/top.qcow2"
    assert_equal "$(jq -c '[.schema, .copied, (.files | length), [.files[] | select(.rewritten) | .to | split("/")[-1]]]' <<<"$output")" \
        '["mplcr.chain.relocate/1",false,4,["base.qcow2"]]'
    assert_equal "$(seen "$T/new/top.qcow2")" "$seen"
    assert_equal "$(find "$T/old" "$T/templates" -type f)" ''
    assert_equal "$(find "$T/new" -name '.*' ! -name .mplcr-claims)" ''
}

@test "refused: what others need where it is, and names that are taken" {
    chain
    qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 "$T/old/other.qcow2"
    before=$(all "$T")
    run_tool 3 mplcr-chain relocate --trust-paths --to "$T/new" "$T/old/top.qcow2"
    [[ $stderr == *"mid.qcow2' must stay where it is: "*"it is the backing file of '"*"other.qcow2'"*'hint: --copy'* ]]
    run_tool 3 mplcr-chain relocate --trust-paths --to "$T/old" "$T/old/top.qcow2"
    [[ $stderr == *'is already there'* ]]
    mkdir -p "$T/new"
    echo mine >"$T/new/mid.qcow2"
    run_tool 3 mplcr-chain relocate --trust-paths --copy --to "$T/new" "$T/old/top.qcow2"
    [[ $stderr == *"new/mid.qcow2' exists already"* ]]
    rm -r "$T/new"
    run_tool 2 mplcr-chain relocate "$T/old/top.qcow2"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/old/none.qcow2"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/old"
    assert_not_exist "$T/new"
    assert_equal "$(all "$T" | grep -v '[.]tool')" "$(grep -v '[.]tool' <<<"$before")"
    run_tool 0 mplcr-chain relocate --trust-paths --copy --to "$T/new" "$T/old/top.qcow2"
    assert_equal "$(seen "$T/new/top.qcow2")" "$seen"
}

@test "an external data file and seals go with it" {
    mkdir "$T/old"
    cd "$T/old"
    qemu-img create -q -f qcow2 -o "data_file=$T/old/data.img" base.qcow2 4M
    qemu-io -c 'write -q -P 1 0 1M' base.qcow2
    qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 top.qcow2
    seen=$(seen top.qcow2)
    run_tool 0 mplcr-chain relocate --to "$T/new" "$T/old/top.qcow2"
    assert_equal "$(ls "$T/old")" ''
    assert_equal "$(seen "$T/new/top.qcow2")" "$seen"
    [[ $(qemu-img info "$T/new/base.qcow2") == *"data file: $T/new/data.img"* ]]
    touch "$T/new/top.qcow2.seal"
    run_tool 3 mplcr-chain relocate --to "$T/newer" "$T/new/top.qcow2"
    [[ $stderr == *'remove the seal'* ]]
}

@test "killed at any step, one of both sets is complete, and a second run does the rest" {
    require strace "kills at certain system calls"
    chain
    mv "$T/old" "$T/safe-old"
    mv "$T/templates" "$T/safe-templates"
    for call in renameat renameat2 unlinkat; do
        for ((n = 1; n < 30; n++)); do
            rm -rf "$T/old" "$T/templates" "$T/new"
            cp -a "$T/safe-old" "$T/old"
            cp -a "$T/safe-templates" "$T/templates"
            ended=0
            ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
                mplcr-chain relocate --trust-paths --to "$T/new" "$T/old/top.qcow2" >/dev/null 2>&1 || ended=$?
            [[ $ended != 0 ]] || break
            if [[ $(seen "$T/old/top.qcow2" 2>/dev/null) != "$seen" ]]; then
                assert_equal "$(seen "$T/new/top.qcow2")" "$seen"
            fi
            # Where all was done but the end of the tool, there is nothing to do.
            [[ ! -e $T/old/top.qcow2 && ! -e $T/new/.mplcr-relocate ]] ||
                run_tool 0 mplcr-chain relocate --trust-paths --to "$T/new" "$T/old/top.qcow2"
            assert_equal "$(seen "$T/new/top.qcow2")" "$seen"
            assert_equal "$(find "$T/old" "$T/templates" -type f; find "$T/new" -name '.*' ! -name .mplcr-claims)" ''
        done
        ((n > 1)) || fail "never killed at $call"
        [[ $call != unlinkat ]] || ((n > 4)) || fail "killed at only $n places of $call"
    done
}

@test "a copy that was killed is finished by the same command, and not begun again" {
    require strace "kills at certain system calls"
    chain
    cd "$T"
    run_tool 0 mplcr-chain relocate --trust-paths --copy --to "$T/first" "$T/old/top.qcow2" # makes the key
    ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:signal=KILL:when=2 \
        mplcr-chain relocate --trust-paths --copy --to "$T/new" "$T/old/top.qcow2" >/dev/null 2>&1 && fail "not killed"
    [[ -f $T/new/.mplcr-relocate ]] || fail "killed elsewhere"
    run_tool 0 mplcr-chain relocate --trust-paths --copy --to "$T/new" "$T/old/top.qcow2"
    assert_output "$T/new/top.qcow2"
    assert_equal "$(seen "$T/new/top.qcow2")" "$seen"
    assert_equal "$(seen "$T/old/top.qcow2")" "$seen"
}

# checkpoint_of_vm: x1 of a VM in $T/vm with two disks, one on a template elsewhere.
checkpoint_of_vm() {
    mkdir -p "$T/vm" "$T/templates"
    make_disk "$T/templates/site.qcow2" qcow2 16M
    qemu-img create -q -f qcow2 -F qcow2 -b "$T/templates/site.qcow2" "$T/vm/a.qcow2"
    make_disk "$T/vm/b.img" raw 16M
    vm_start vm1 -m 64M -drive "file=$T/vm/a.qcow2,format=qcow2,if=virtio" -drive "file=$T/vm/b.img,format=raw,if=virtio"
    vm_wait_count vm1 +2
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T/vm" --name x1 --quiet
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T/vm" --name x2 --quiet
    vm_wait_count vm1 +2
}

# goes_on CHECKPOINT: it is sound, and restores.
goes_on() {
    run_tool 0 mplcr-chain verify --sums "$1"
    run_tool 0 mplcr-restore --verify --json --dir "$T" "$1"
    vm_adopt restored "$(jq -r .pid <<<"$output")"
    vm_assert_counting "$(jq -r .dir <<<"$output")/vm1.serial" 4
}

@test "a checkpoint goes elsewhere, is sound there, and restores" {
    checkpoint_of_vm
    # While the VM runs, only a copy can be taken; of what is frozen.
    run_tool 3 mplcr-chain relocate --trust-paths --to "$T/new" "$T/vm/x1.ckpt"
    run_tool 3 mplcr-chain relocate --trust-paths --copy --to "$T/new" "$T/vm/a_x2.ovl"
    [[ $stderr == *"is in use: the VM of process"*"writes to it"* ]]
    run_tool 0 mplcr-chain relocate --trust-paths --copy --to "$T/new" "$T/vm/x2.ckpt"
    assert_output "$T/new/x2.ckpt"
    vm_assert_counting vm1 4
    vm_kill vm1
    # Others need it where it is: the first checkpoint the images of the second.
    run_tool 3 mplcr-chain relocate --trust-paths --to "$T/newer" "$T/vm/x2.ckpt"
    [[ $stderr == *"checkpoint 'x1' needs it"* ]]
    run_tool 0 mplcr-chain prune --keep 1 --quiet "$T/vm"
    run_tool 0 mplcr-chain relocate --trust-paths --to "$T/newer" "$T/vm/x2.ckpt"
    assert_equal "$(find "$T/vm" "$T/templates" -type f)" ''
    assert_equal "$(names "$T/newer/a_x2.ovl")" "$T/newer/a_x2.ovl $T/newer/a_x1.ovl $T/newer/a.qcow2 $T/newer/site.qcow2"
    goes_on "$T/newer/x2.ckpt"
    run_tool 3 mplcr-chain relocate --trust-paths --to "$T/newest" "$T/newer/x2.ckpt"
    [[ $stderr == *'must stay where it is: the VM of process'* ]]
    vm_kill restored
    goes_on "$T/new/x2.ckpt"
}

@test "a checkpoint whose images were changed is not made sound by moving it" {
    checkpoint_of_vm
    vm_kill vm1
    touch "$T/templates/site.qcow2"
    run_tool 3 mplcr-chain relocate --trust-paths --copy --to "$T/new" "$T/vm/x1.ckpt"
    [[ $stderr == *'was changed since checkpoint'* ]]
    assert_not_exist "$T/new"
}

@test "on btrfs a copy shares its data" {
    fs_mount btrfs "$T/b"
    mkdir "$T/b/old"
    make_disk "$T/b/old/a.qcow2" qcow2 64M
    qemu-io -c 'write -q -P 1 0 32M' "$T/b/old/a.qcow2"
    sync -f "$T/b"
    before=$(df --output=used -B1 "$T/b" | tail -n 1)
    run_tool 0 mplcr-chain relocate --copy --to "$T/b/new" "$T/b/old/a.qcow2"
    sync -f "$T/b"
    (($(df --output=used -B1 "$T/b" | tail -n 1) - before < 8000000))
    cmp "$T/b/old/a.qcow2" "$T/b/new/a.qcow2"
}
