# SPDX-License-Identifier: MIT
# qemu: none
#
# One file, or one directory, by several names: hard links, bind mounts, symbolic links; and trees on several filesystems.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load filesystems
load chain

setup() { scratch_begin; }
teardown() {
    fs_end
    scratch_end
}

# layers: base <- mid <- top in $T/d
layers() {
    mkdir -p "$T/d"
    base d/base.qcow2
    overlay d/mid.qcow2 base.qcow2 qcow2
    overlay d/top.qcow2 mid.qcow2 qcow2
}

# bind DIR WHERE
bind() {
    require root 'bind mounts'
    mkdir -p "$2"
    mount --bind "$1" "$2"
}

whole() { run_tool 0 mplcr-chain walk "$1"; }

@test "remove of a hard link asks who needs the file by its other name" {
    layers
    ln "$T/d/mid.qcow2" "$T/d/zz.qcow2"
    ln "$T/d/base.qcow2" "$T/d/aa.qcow2"
    run_tool 3 mplcr-snap remove "$T/d/zz.qcow2"
    [[ $stderr == *"it is the backing file of '$T/d/top.qcow2'"* ]]
    run_tool 3 mplcr-snap remove --force "$T/d/aa.qcow2"
    run_tool 3 mplcr-snap remove --force "$T/d/base.qcow2"
    # what goes by one of its names only needs its backing file all the same
    rm "$T/d/top.qcow2" "$T/d/aa.qcow2"
    run_tool 3 mplcr-snap remove --force "$T/d/mid.qcow2" "$T/d/base.qcow2"
    whole "$T/d/zz.qcow2"
    run_tool 0 mplcr-snap remove "$T/d/mid.qcow2"
    run_tool 0 mplcr-snap remove --force "$T/d/zz.qcow2" "$T/d/base.qcow2"
}

@test "shorten: a layer with a hard link, which another chain uses, stays" {
    layers
    mkdir "$T/e"
    ln "$T/d/mid.qcow2" "$T/e/mid.qcow2"
    ln "$T/d/base.qcow2" "$T/e/base.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 "$T/e/other.qcow2"
    run_tool 3 mplcr-chain shorten --keep 2 "$T/d/top.qcow2"
    [[ $stderr == *'has another hard link'* ]]
    run_tool 3 mplcr-chain shorten --into base.qcow2 "$T/d/top.qcow2"
    run_tool 0 mplcr-chain shorten --leave --keep 2 "$T/d/top.qcow2"
    whole "$T/d/top.qcow2"
    whole "$T/e/other.qcow2"
}

@test "relocate: an image of which another name stays keeps its backing file" {
    layers
    ln "$T/d/mid.qcow2" "$T/d/zz.qcow2"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/d/top.qcow2"
    [[ $stderr == *"'$T/d/base.qcow2' must stay where it is: it is the backing file of '$T/d/mid.qcow2'"* ]]
    whole "$T/d/zz.qcow2"
    run_tool 0 mplcr-chain relocate --copy --to "$T/new" "$T/d/top.qcow2"
    whole "$T/new/top.qcow2"
}

@test "relocate into the set itself, by way of bind mounts and links, is refused" {
    make_checkpoint
    mkdir "$T/x1.ckpt/sub"
    bind "$T/x1.ckpt" "$T/b1"
    bind "$T/x1.ckpt/sub" "$T/b2"
    ln -s "$T/x1.ckpt" "$T/link"
    local to
    for to in "$T/b1" "$T/b1/sub" "$T/b2" "$T/b2/new" "$T/link/sub" "$T/x1.ckpt/sub"; do
        run_tool 3 mplcr-chain relocate --to "$to" "$T/x1.ckpt"
        [[ $stderr == *'is inside of the set to be moved'* ]]
        run_tool 3 mplcr-chain relocate --copy --to "$to" "$T/x1.ckpt"
    done
    unmount "$T/b1"
    unmount "$T/b2"
    rm -r "$T/x1.ckpt/sub"
    run_tool 0 mplcr-chain verify "$T/x1.ckpt"
}

@test "relocate to the same directory by another name is refused" {
    layers
    bind "$T/d" "$T/b"
    ln -s d "$T/link"
    local to
    for to in "$T/d" "$T/b" "$T/link"; do
        run_tool 3 mplcr-chain relocate --to "$to" "$T/d/top.qcow2"
        [[ $(ls -A "$T/d") == $'base.qcow2\nmid.qcow2\ntop.qcow2' ]] || ls -A "$T/d"
    done
    unmount "$T/b"
    whole "$T/d/top.qcow2"
}

@test "prune counts a checkpoint once, by whatever names it is there" {
    make_checkpoint
    mkdir "$T/aa"
    bind "$T" "$T/aa"
    assert_equal "$(mplcr-chain tree --json "$T" | jq '.checkpoints | length')" 1
    run_tool 0 mplcr-chain prune --keep 1 --dry-run "$T"
    [[ $(grep -c 'x1.ckpt' <<<"$output") -eq 1 ]]
    unmount "$T/aa"
    mkdir "$T/tree"
    mv "$T"/made.* "$T"/x1.* "$T/tree"
    sed -i "s:$T/:$T/tree/:g" "$T/tree/x1.ckpt/checkpoint.json"
    bind "$T/tree/x1.ckpt" "$T/tree/aa"
    run_tool 0 mplcr-chain prune --keep 1 --dry-run "$T/tree"
    [[ $(grep -c 'kept' <<<"$output") -eq 1 ]]
    ln -s tree "$T/link"
    run_tool 2 mplcr-chain prune --keep 1 "$T/tree" "$T/link"
}

@test "what something is mounted on, or in, stays: said before anything is changed" {
    layers
    bind "$T/d" "$T/d" # so that the mounts below go with it
    echo x >"$T/x"
    cp "$T/d/mid.qcow2" "$T/copy"
    mount --bind "$T/copy" "$T/d/mid.qcow2"
    run_tool 3 mplcr-chain shorten --keep 2 "$T/d/top.qcow2"
    [[ $stderr == *"'$T/d/mid.qcow2' is a mount point"* ]]
    run_tool 3 mplcr-chain shorten --into base.qcow2 "$T/d/top.qcow2"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/d/top.qcow2"
    [[ $stderr == *'is a mount point'* ]]
    run_tool 3 mplcr-snap remove "$T/d/top.qcow2" "$T/d/mid.qcow2"
    [[ $stderr == *'is a mount point'* ]]
    [[ $(ls -A "$T/d") == $'base.qcow2\nmid.qcow2\ntop.qcow2' ]]
    whole "$T/d/top.qcow2"
    unmount "$T/d/mid.qcow2"
    unmount "$T/d"
    make_checkpoint
    rm "$T/x1.ovl"
    mkdir "$T/x1.ckpt/sub" "$T/other"
    mount --bind "$T/other" "$T/x1.ckpt/sub"
    run_tool 3 mplcr-snap remove "$T/x1.ckpt"
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/x1.ckpt"
    [[ $stderr == *"'$T/x1.ckpt/sub' is a mount point"* ]]
    run_tool 0 mplcr-chain prune --keep 0 "$T"
    [[ $output == *"x1.ckpt: kept, '$T/x1.ckpt/sub' is a mount point"* ]]
    assert_file_exist "$T/x1.ckpt/ram/pc.ram"
    unmount "$T/x1.ckpt/sub"
}

@test "images on two filesystems: moved whole, or refused where a new place is on another mount" {
    layers
    fs_mount ext4 "$T/e" 64M
    mkdir "$T/d/sub" "$T/e/sub"
    mv "$T/d/base.qcow2" "$T/d/sub"
    qemu-img rebase -u -F qcow2 -b sub/base.qcow2 "$T/d/mid.qcow2"
    bind "$T/d/sub" "$T/e/sub"
    run_tool 3 mplcr-chain relocate --to "$T/e" "$T/d/top.qcow2"
    unmount "$T/e/sub"
    mkdir "$T/far"
    bind "$T/far" "$T/e/sub"
    run_tool 3 mplcr-chain relocate --to "$T/e" "$T/d/top.qcow2"
    [[ $stderr == *"'$T/e/sub/base.qcow2' would be on another mount than '$T/e'"* ]]
    run_tool 3 mplcr-chain relocate --copy --to "$T/e" "$T/d/top.qcow2"
    whole "$T/d/top.qcow2"
    unmount "$T/e/sub"
    [[ -z $(ls -A "$T/far") ]]
    run_tool 0 mplcr-chain relocate --to "$T/e" "$T/d/top.qcow2"
    whole "$T/e/top.qcow2"
    # the base stays on the other one, and a layer between goes
    mv "$T/e/sub/base.qcow2" "$T/d"
    qemu-img rebase -u -F qcow2 -b "$T/d/base.qcow2" "$T/e/mid.qcow2"
    run_tool 0 mplcr-chain shorten --trust-paths --keep 2 "$T/e/top.qcow2"
    whole "$T/e/top.qcow2"
    [[ ! -e $T/e/mid.qcow2 ]]
    # within one filesystem, between two mounts of it
    qemu-img create -q -f qcow2 "$T/d/x.qcow2" 1M
    bind "$T/d" "$T/b"
    run_tool 0 mplcr-chain relocate --to "$T/b/new" "$T/d/x.qcow2"
    assert_file_exist "$T/d/new/x.qcow2"
    [[ ! -e $T/d/x.qcow2 ]]
}

@test "remove of a checkpoint by its name in a bind mount removes that checkpoint" {
    make_checkpoint
    mkdir "$T/tree"
    mv "$T"/x1.ckpt "$T/tree"
    bind "$T/tree" "$T/b"
    run_tool 0 mplcr-snap remove --in "$T/tree" "$T/b/x1.ckpt" "$T/tree/x1.ckpt"
    [[ ! -e $T/tree/x1.ckpt ]]
    unmount "$T/b"
}
