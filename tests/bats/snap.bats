#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# qemu: none
#
# mplcr-snap on files and real filesystems; what it does to running VMs is in snap-live.bats.

load helpers
load filesystems

setup() { scratch_begin; }

teardown() {
    cd /
    end_holder
    fs_end
    scratch_end
}

snap() {
    local expected=$1
    shift
    run_tool "$expected" "$BIN/mplcr-snap" "$@"
}

# says TEXT: it stands in the tool's messages.
says() {
    [[ $stderr == *"$1"* ]] || fail "$(printf 'the message lacks: %s\n--- stderr:\n%s' "$1" "$stderr")"
}

# files DIR: all names in it, one a line, sorted.
files() { find "$1" -mindepth 1 -printf '%P\n' | sort; }

# some FILE [KIB]: with content of its own.
some() {
    mkdir -p -- "${1%/*}"
    { echo "$1"; head -c "$((${2:-64} * 1024))" /dev/urandom; } >"$1"
}

same() { cmp -- "$1" "$2" || fail "$1 and $2 differ"; }

# is_shared FILE: it shares extents with another (a flag of FIEMAP).
is_shared() { filefrag -v -- "$1" | grep -q shared; }

# hold FILE FORMAT: as a running VM, keeps the image open for writing, until end_holder.
hold() {
    coproc HOLDER { exec qemu-io -f "$2" -- "$1" 2>&1 3>&-; }
    echo "write -q -P 7 0 4k" >&"${HOLDER[1]}"
    echo "help" >&"${HOLDER[1]}"
    read -r -N 8 -u "${HOLDER[0]}" _ # it answers: it has the file open
}

end_holder() {
    [[ -n ${HOLDER_PID:-} ]] || return 0
    kill_and_wait "$HOLDER_PID"
}

@test "probe: what btrfs, XFS and ext4 can do, in lines, JSON and exit statuses" {
    local type
    for type in btrfs xfs ext4; do fs_mount $type "$T/$type"; done
    snap 0 probe "$T/btrfs"
    assert_output $'type btrfs\nreflink yes\nsubvolume yes\nsubvolume-root yes\npunch-hole yes'
    mkdir "$T/btrfs/plain"
    snap 0 probe --json "$T/btrfs/plain"
    [[ $(jq -r '[.schema, .type, .reflink, .subvolume, .subvolume_root] | @csv' <<<"$output") == '"mplcr.snap.probe/1","btrfs",true,true,false' ]]
    snap 0 probe "$T/xfs"
    assert_output $'type xfs\nreflink yes\nsubvolume no\nsubvolume-root no\npunch-hole yes'
    snap 0 probe "$T/ext4"
    assert_line 'reflink no'
    snap 0 probe --need reflink --need punch-hole "$T/xfs"
    snap 1 probe --need reflink "$T/ext4"
    snap 1 probe --need reflink --need subvolume "$T/xfs"
    [[ $(files "$T/btrfs") == plain && -z $(files "$T/xfs") ]] || fail "it leaves something behind"
    snap 3 probe "$T/nosuch"
    snap 2 probe --need speed "$T"
    snap 2 probe
}

@test "reflink: identical, sharing, apart from then on; any names; modes and times kept" {
    local type name d
    local names=(plain.img 'with space' $'new\nline' '-n' '--to' 'co:lon,comma' $'\xff\xfe')
    for type in btrfs xfs; do
        d=$T/$type
        fs_mount $type "$d"
        mkdir "$d/src"
        for name in "${names[@]}"; do some "$d/src/$name" 300; done
        chmod 640 "$d/src/plain.img"
        touch -d '2018-01-28 00:57:12.123456789' "$d/src/plain.img"
        chmod 444 "$d/src/with space"
        truncate -s 32M "$d/src/sparse"
        names+=(sparse)
        cd "$d/src"
        printf '%s\0' "${names[@]}" >"$T/names"
        run_tool_stdin 0 "$BIN/mplcr-snap" reflink -0 --to ../set - <"$T/names"
        tr '\0' '\n' <"$T/.tool/out" | cmp - <(printf "$d/set/%s\n" "${names[@]}")
        for name in "${names[@]}"; do same "$d/src/$name" "$d/set/$name"; done
        is_shared "$d/set/plain.img" || fail "no data are shared on $type"
        [[ $(stat -c '%a %y' "$d/set/plain.img") == $(stat -c '%a %y' "$d/src/plain.img") && $(stat -c %a "$d/set/with space") == 444 ]]
        [[ $(stat -c %a "$d/set") == 700 && $(stat -c %b "$d/set/sparse") == 0 ]]
        # neither side shows what is written to the other
        cp plain.img "$T/before"
        printf 'source' | dd of=plain.img conv=notrunc status=none
        same "$d/set/plain.img" "$T/before"
        cp plain.img "$T/after"
        printf 'copies' | dd of="$d/set/plain.img" conv=notrunc seek=100 status=none
        same plain.img "$T/after"
        # beside the sources; a second time they are there already, and stay
        snap 0 reflink --suffix .layer2 -- "${names[@]}"
        for name in "${names[@]}"; do same "$name" "$name.layer2"; done
        snap 3 reflink --suffix .layer2 plain.img
        says "'plain.img.layer2' exists"
        cd /
        names=("${names[@]:0:7}")
    done
}

@test "reflink: into a directory that exists, one file named twice, links; what cannot be is refused" {
    local d=$T/x
    fs_mount xfs "$d"
    some "$d/a/one" && some "$d/b/one" && some "$d/a/two" && mkdir "$d/to" "$d/dir" && mkfifo "$d/fifo"
    ln -s a/two "$d/link"
    snap 0 reflink --to "$d/to/" "$d/a/one" "$d/a/../a/one" "$d/link"
    [[ $(files "$d/to") == $'link\none' && -f $d/to/link && ! -L $d/to/link ]]
    same "$d/to/link" "$d/a/two"
    snap 2 reflink --to "$d/new" "$d/a/one" "$d/b/one"
    says 'would get the same name'
    snap 3 reflink --to "$d/to" "$d/a/two" "$d/a/one"
    says 'exists'
    [[ $(files "$d/to") == $'link\none' && ! -e $d/new ]]
    for bad in "$d/nosuch" "$d/dir" "$d/fifo"; do snap 3 reflink --to "$d/new" "$d/a/one" "$bad"; done
    snap 3 reflink --to "$d/a/one" "$d/a/two"
    snap 3 reflink --to "$d/nosuch/deep" "$d/a/two"
    mkdir "$d/new.partial"
    snap 3 reflink --to "$d/new" "$d/a/one"
    says 'left over'
    rmdir "$d/new.partial"
    for bad in '' '--to' '--suffix' '--to a --suffix b' '--suffix a/b' '--reflink=yes --to a'; do
        # shellcheck disable=SC2086  # words
        snap 2 reflink $bad
    done
    snap 2 reflink --to "$d/new"
    snap 2 reflink --suffix .x - </dev/null
    [[ ! -e $d/new ]]
}

@test "reflink: where data cannot be shared, always says why and leaves nothing; auto and never copy, with holes" {
    fs_mount ext4 "$T/e" && fs_mount btrfs "$T/b"
    some "$T/e/f" && some "$T/b/f" && some "$T/b/g" && mkdir "$T/e/to"
    truncate -s 100M "$T/e/f"
    snap 3 reflink --to "$T/e/to" "$T/e/f"
    says ext4 && says 'no reflinks' && says 'hint: '
    snap 3 reflink --to "$T/b/new" "$T/b/g" "$T/e/f"
    says 'different filesystems' && says btrfs && says ext4 && says 'hint: '
    [[ -z $(files "$T/e/to") && ! -e $T/b/new && ! -e $T/b/new.partial ]]
    snap 0 reflink --reflink auto --to "$T/e/to" "$T/e/f"
    says 'copied in full instead' && says ext4
    same "$T/e/f" "$T/e/to/f"
    (($(stat -c %b "$T/e/to/f") <= 256)) || fail "holes are not kept"
    snap 0 reflink --reflink=never --progress always --json --to "$T/b/apart" "$T/b/f"
    [[ $(jq -r '[.schema, .directory, .files[0].shared, .files[0].bytes] | @csv' <<<"$output") == "\"mplcr.snap.reflink/1\",\"$T/b/apart\",false,$(stat -c %s "$T/b/f")" ]]
    says 'copying  100%'
    same "$T/b/f" "$T/b/apart/f"
    ! is_shared "$T/b/apart/f" || fail "never shares"
    # chattr +C
    touch "$T/b/nocow" && chattr +C "$T/b/nocow" && head -c 70000 /dev/urandom >>"$T/b/nocow"
    snap 3 reflink --to "$T/b/new" "$T/b/f" "$T/b/nocow"
    says 'chattr +C' && says btrfs && says "'$T/b/nocow'"
    [[ ! -e $T/b/new && ! -e $T/b/new.partial ]]
    snap 0 reflink --reflink=auto --to "$T/b/new" "$T/b/f" "$T/b/nocow"
    same "$T/b/nocow" "$T/b/new/nocow"
    is_shared "$T/b/new/f"
    mkdir "$T/b/too" && chattr +C "$T/b/too" # as the hint says
    snap 0 reflink --to "$T/b/too" "$T/b/nocow"
    is_shared "$T/b/too/nocow"
}

@test "reflink: all or none, when the third file fails, the space runs out, a signal comes, or a source changes" {
    local d=$T/x i pid
    fs_mount xfs "$d"
    some "$d/1" && some "$d/2" && some "$d/4"
    mkdir "$d/to" && touch "$d/4.s"
    snap 3 reflink --to "$d/to" "$d/1" "$d/2" "$d/nosuch" "$d/4"
    snap 3 reflink --suffix .s "$d/1" "$d/2" "$d/4"
    touch "$d/4.s2.partial" # found only when two are made already
    snap 3 reflink --suffix .s2 "$d/1" "$d/2" "$d/4"
    says 'left over'
    rm "$d/4.s" "$d/4.s2.partial"
    [[ $(files "$d") == $'1\n2\n4\nto' ]] || fail "it left: $(files "$d")"

    # no space in the middle: on a filesystem of 24 MiB, the third of four
    fs_mount ext4 "$T/small" 24M
    for i in a b c; do some "$d/big$i" 9000; done
    snap 3 reflink --reflink=auto --to "$T/small/set" "$d"/big? "$d/1"
    says 'No space left on device'
    [[ $(files "$T/small") == lost+found ]]
    fs_mount btrfs "$T/tiny" 128M
    some "$T/tiny/a" 30000
    snap 3 reflink --reflink=never --to "$T/tiny/set" "$T/tiny/a" "$d"/big? "$d/1"
    [[ $(files "$T/tiny") == a ]]

    # a copy that takes its time, and what happens meanwhile
    head -c 400M /dev/zero >"$T/large"
    for what in INT TERM change; do
        "$BIN/mplcr-snap" reflink --reflink=never --to "$T/slow" "$d/1" "$T/large" 2>"$T/said" 3>&- &
        pid=$!
        until [[ -e $T/slow.partial/large || ! -d /proc/$pid ]]; do :; done
        if [[ $what == change ]]; then touch "$d/1"; else kill -$what $pid; fi
        status=0
        wait $pid || status=$?
        [[ $status -eq 3 && ! -e $T/slow && ! -e $T/slow.partial ]] || fail "$what: status $status, $(cat "$T/said")"
    done
    grep -q "'$d/1' was changed while the set was copied" "$T/said"

    # killed, it leaves nothing that looks like a set, and says so the next time
    "$BIN/mplcr-snap" reflink --reflink=never --to "$T/slow" "$d/1" "$T/large" 3>&- &
    until [[ -e $T/slow.partial/large ]]; do :; done
    kill_and_wait $!
    [[ ! -e $T/slow ]]
    snap 3 reflink --reflink=never --to "$T/slow" "$d/1"
    says 'left over'
}

# crash DIR: the filesystem as it is when the power fails now: what its device holds, and nothing from memory.
crash() {
    cp --sparse=always -- "$1.image" "$1.crashed"
    umount -- "$1"
    mount -o loop "$1.crashed" "$1"
}

@test "reflink: when it has ended, a power failure takes nothing of the set away" {
    local type d where n i
    for type in btrfs xfs; do
        d=$T/$type
        mkdir "$T/sources"
        for ((i = 0; i < 20; i++)); do some "$T/sources/$i" 20; done
        # few files and many, clones and full copies; what is named beside its source has to be found too
        for n in 3 20; do
            for where in "--to $d/new" "--to $d/old" '--suffix .s' "--reflink=never --to $d/new"; do
                fs_mount $type "$d"
                cp -r "$T/sources" "$d/src" && mkdir "$d/old" && sync -f "$d"
                head -c 20M /dev/urandom >"$d/busy" # what others write need not be there
                # shellcheck disable=SC2046,SC2086  # words
                snap 0 reflink $where $(seq -f "$d/src/%g" 0 $((n - 1)))
                crash "$d"
                while read -r i; do same "$i" "$T/sources/$(basename "$i" .s)"; done <<<"$output"
                [[ $(wc -l <<<"$output") == "$n" && -z $(find "$d" -name '*.partial') ]]
                snap 0 list "$d"
                assert_line --partial "$n of $n files"
                umount "$d"
                rm "$d.image" "$d.crashed"
            done
        done
        rm -r "$T/sources"
    done
}

@test "remove, overlay: a power failure brings nothing back, and leaves no half of one" {
    local d=$T/x
    fs_mount xfs "$d"
    some "$d/a.img"
    snap 0 reflink --suffix .s "$d/a.img"
    snap 0 remove --set "$d/a.img.s"
    crash "$d"
    [[ ! -e $d/a.img.s ]] || fail "what was removed is there again"
    # whoever looks while it is made sees none by its name
    mkdir "$T/bin"
    # shellcheck disable=SC2016  # for the script
    printf '#!/bin/sh\n[ "$1" != create ] || kill -KILL $PPID\n' >"$T/bin/qemu-img"
    chmod +x "$T/bin/qemu-img"
    PATH=$T/bin:$PATH "$BIN/mplcr-snap" overlay -F raw "$d/a.img" "$d/a.ovl" 2>/dev/null 3>&- && fail "not killed"
    [[ ! -e $d/a.ovl ]] || fail "half an overlay"
    snap 3 overlay -F raw "$d/a.img" "$d/a.ovl"
    says 'left over'
    rm "$d/a.ovl.partial"
    snap 0 overlay -F raw "$d/a.img" "$d/a.ovl"
    snap 3 overlay -F raw "$d/a.img" "$d/a.ovl"
    says 'never replaces'
}

@test "reflink: 1,000 files" {
    local d=$T/b i
    fs_mount btrfs "$d"
    mkdir "$d/src"
    for ((i = 0; i < 1000; i++)); do echo "$i is in it" >"$d/src/$i"; done
    find "$d/src" -type f -print0 >"$T/names"
    ulimit -n 256 # fewer descriptors than files
    run_tool_stdin 0 "$BIN/mplcr-snap" reflink -0 --to "$d/set" - <"$T/names"
    diff -r "$d/src" "$d/set"
    run_tool_stdin 0 "$BIN/mplcr-snap" reflink -0 --suffix .x - <"$T/names"
    [[ $(files "$d/src" | wc -l) == 2000 ]]
    for ((i = 0; i < 1000; i += 97)); do same "$d/src/$i" "$d/src/$i.x"; done
    snap 0 list "$d"
    assert_line --partial "set         set/: 1000 of 1000 files"
    assert_line --partial "and 999 more: 1000 of 1000 files"
    snap 0 remove --set "$d/src/5.x"
    [[ $(files "$d/src" | wc -l) == 1000 ]]
    # none, also where one in the middle or the last of them fails, wherever they go
    touch "$d/nocow" && chattr +C "$d/nocow" && echo x >>"$d/nocow"
    mkdir "$d/to"
    for i in 500 1000; do
        { head -z -n "$i" "$T/names" && printf '%s\0' "$d/nocow" && tail -z -n +$((i + 1)) "$T/names"; } >"$T/one-fails"
        for where in "--to $d/to" "--to $d/new" '--suffix .y'; do
            # shellcheck disable=SC2086  # words
            run_tool_stdin 3 "$BIN/mplcr-snap" reflink -0 $where - <"$T/one-fails"
            [[ $stderr == *"'$d/nocow'"*'chattr +C'* ]] || fail "$stderr"
            [[ $(files "$d/src" | wc -l) == 1000 && -z $(files "$d/to") && $(cd "$d" && echo *) == 'nocow set src to' ]]
        done
    done
    snap 0 reflink --to "$d/to" "$d"/src/1?
    touch "$d/to/500"
    run_tool_stdin 3 "$BIN/mplcr-snap" reflink -0 --to "$d/to" - <"$T/names"
    [[ $stderr == *exists* && $(files "$d/to" | wc -l) == 11 ]]
}

@test "reflink: a file that a running VM writes to only with --live-ok, or in the pause of a checkpoint" {
    local d=$T/x
    fs_mount xfs "$d"
    make_disk "$d/a.qcow2" qcow2 1M && some "$d/b"
    hold "$d/a.qcow2" qcow2
    snap 3 reflink --suffix .s "$d/b" "$d/a.qcow2"
    says "'$d/a.qcow2' is in use: process $HOLDER_PID (qemu-io) writes to it" && says '--live-ok'
    snap 3 reflink --chain --suffix .s "$d/a.qcow2"
    snap 3 overlay "$d/a.qcow2" "$d/new.ovl"
    says "process $HOLDER_PID" && says '--socket'
    [[ $(files "$d") == $'a.qcow2\nb' ]]
    snap 0 reflink --live-ok --suffix .s "$d/b" "$d/a.qcow2"
    MPLCR_AT_FREEZE=1 snap 0 reflink --suffix .f "$d/a.qcow2"
    same "$d/a.qcow2" "$d/a.qcow2.s"
    same "$d/a.qcow2" "$d/a.qcow2.f"
    snap 0 overlay --force "$d/a.qcow2" "$d/new.ovl"
    snap 3 remove "$d/a.qcow2.s"
    snap 3 remove --force "$d/a.qcow2"
    says 'cannot be removed'
}

# chain DIR: base.raw <- mid.img <- a.ovl and b.ovl, mid.img with an external data file.
make_chain() {
    mkdir -p "$1/sub"
    some "$1/base.raw" 1024 && truncate -s 1M "$1/base.raw"
    qemu-img create -q -f qcow2 -o "data_file=$1/mid.data" -F raw -b base.raw "$1/mid.img"
    qemu-io -f qcow2 -c 'write -q -P 5 64k 64k' "$1/mid.img"
    qemu-img create -q -f qcow2 -F qcow2 -b ../mid.img "$1/sub/a.ovl"
    qemu-img create -q -f qcow2 -F qcow2 -b "$1/mid.img" "$1/sub/b,x:y.ovl"
    qemu-io -f qcow2 -c 'write -q -P 6 256k 64k' "$1/sub/a.ovl"
}

@test "reflink --chain: the copied set is complete by itself, a base of two is there once, sources are untouched" {
    local d=$T/b sum
    fs_mount btrfs "$d"
    make_chain "$d"
    qemu-img convert -f qcow2 -O raw "$d/sub/a.ovl" "$T/a.shown"
    qemu-img convert -O raw "driver=qcow2,file.filename=$d/sub/b,,x:y.ovl" --image-opts "$T/b.shown"
    sum=$(cd "$d" && find . -type f -exec sha256sum {} + | sort)
    cd "$d/sub" # relative names, and one that is a protocol to qemu-img
    snap 0 reflink --chain --trust-paths --to ../set a.ovl 'b,x:y.ovl'
    cd /
    [[ $(files "$d/set") == $'a.ovl\nb,x:y.ovl\nbase.raw\nmid.data\nmid.img' ]]
    same "$d/base.raw" "$d/set/base.raw"
    is_shared "$d/set/base.raw"
    snap 0 reflink --chain --trust-paths --suffix .layer2 "$d/sub/a.ovl"
    [[ $(cd "$d" && find . -type f ! -path './set/*' ! -name '*.layer2' -exec sha256sum {} + | sort) == "$sum" ]] || fail "a source was changed"
    mkdir "$d/away" && mv "$d"/*.raw "$d"/*.img "$d"/*.data "$d/sub/a.ovl" "$d/sub/b,x:y.ovl" "$d/away"
    qemu-img compare -q -f qcow2 -F raw "$d/set/a.ovl" "$T/a.shown"
    qemu-img compare -q --image-opts "driver=qcow2,file.filename=$d/set/b,,x:y.ovl" "driver=raw,file.filename=$T/b.shown"
    qemu-img compare -q -f qcow2 -F raw "$d/sub/a.ovl.layer2" "$T/a.shown"
    [[ $(qemu-img info --output=json "$d/set/a.ovl" | jq -r '."backing-filename", ."backing-filename-format"') == $'mid.img\nqcow2' ]]
    [[ $(qemu-img info --output=json "$d/sub/a.ovl.layer2" | jq -r '."backing-filename"') == ../mid.img.layer2 ]]
    # as a whole, the set can be moved; what names a data file is absolute
    mv "$d/set" "$d/moved" && mkdir "$d/set" && mv "$d/moved/mid.data" "$d/set/"
    qemu-img compare -q -f qcow2 -F raw "$d/moved/a.ovl" "$T/a.shown"
    [[ $(stat -c %Y "$d/away/a.ovl") == $(stat -c %Y "$d/moved/a.ovl") ]]
}

@test "reflink: what mplcr-chain walks" {
    local d=$T/b
    fs_mount btrfs "$d"
    cd "$d"
    make_disk 'vm base.img' qcow2 1M
    qemu-img create -q -f qcow2 -F qcow2 -b 'vm base.img' snap_x2.ovl
    mplcr-chain walk -0 snap_x2.ovl | run_tool_stdin 0 "$BIN/mplcr-snap" reflink -0 --suffix .layer2 -
    [[ $(files .) == $'snap_x2.ovl\nsnap_x2.ovl.layer2\nvm base.img\nvm base.img.layer2' ]]
    mplcr-chain walk snap_x2.ovl | run_tool_stdin 0 "$BIN/mplcr-snap" reflink --to backup -
    [[ $(files backup) == $'snap_x2.ovl\nvm base.img' ]]
    qemu-img check -q -f qcow2 backup/snap_x2.ovl
}

@test "reflink --chain: a broken chain, a cycle and two bases of one name are refused; json: names" {
    local d=$T/x
    fs_mount xfs "$d"
    mkdir "$d/1" "$d/2" "$d/1/sub"
    make_disk "$d/1/base.qcow2" qcow2 1M && make_disk "$d/2/base.qcow2" qcow2 1M
    qemu-img create -q -f qcow2 -F qcow2 -b "$d/1/base.qcow2" "$d/a.ovl"
    qemu-img create -q -f qcow2 -F qcow2 -b "$d/2/base.qcow2" "$d/b.ovl"
    snap 2 reflink --chain --to "$d/set" "$d/a.ovl" "$d/b.ovl"
    says 'would get the same name'
    qemu-img create -q -f qcow2 -u -F qcow2 -b nosuch.qcow2 "$d/broken.ovl" 1M
    snap 3 reflink --chain --to "$d/set" "$d/broken.ovl"
    says nosuch.qcow2 && says --chain
    qemu-img create -q -f qcow2 -u -F qcow2 -b cycle.ovl "$d/cycle.ovl" 1M
    snap 3 reflink --chain --to "$d/set" "$d/cycle.ovl"
    [[ ! -e $d/set && ! -e $d/set.partial ]]
    qemu-img create -q -f qcow2 -u -F qcow2 -b "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"$d/1/base.qcow2\"}}" "$d/json.ovl" 1M
    snap 0 reflink --chain --to "$d/set" "$d/json.ovl"
    [[ $(qemu-img info --output=json "$d/set/json.ovl" | jq -r '."backing-filename"') == base.qcow2 ]]
    qemu-img create -q -f qcow2 -u -F raw -b "json:{\"driver\":\"raw\",\"offset\":512,\"file\":{\"driver\":\"file\",\"filename\":\"$d/1/base.qcow2\"}}" "$d/offset.ovl" 64k
    snap 3 reflink --chain --to "$d/set2" "$d/offset.ovl"
    says 'options'
}

# backing IMAGE: what its header says of its backing file.
backing() { qemu-img info -U --output=json -f qcow2 "$1" | jq -r '"\(."backing-filename") \(."backing-filename-format")"'; }

@test "overlay: the backing format is always recorded, and what a guest can have written is not believed" {
    cd "$T"
    make_disk vm.img qcow2 1M && make_disk vm.raw raw 1M && make_disk disk raw 1M
    snap 0 overlay vm.img snap_x1.ovl
    assert_output "$T/snap_x1.ovl"
    says 'backing format qcow2, by the content'
    [[ $(backing snap_x1.ovl) == 'vm.img qcow2' && $(stat -c %a snap_x1.ovl) == 600 ]]
    snap 0 overlay snap_x1.ovl snap_x2.ovl
    [[ $(backing snap_x2.ovl) == 'snap_x1.ovl qcow2' ]]
    snap 0 overlay --quiet vm.raw r.ovl
    [[ $(backing r.ovl) == 'vm.raw raw' && -z $stderr ]]
    snap 0 overlay --json disk d.ovl
    [[ $(jq -r '[.schema, .overlay, .backing, .backing_name, .backing_format, .probed, .virtual_bytes] | @csv' <<<"$output") == "\"mplcr.snap.overlay/1\",\"$T/d.ovl\",\"$T/disk\",\"disk\",\"raw\",true,1048576" ]]
    # a guest that owns a raw disk can give it any header
    qemu-img create -q -f qcow2 -u -F raw -b /etc/passwd evil 1M
    dd if=evil of=vm.raw conv=notrunc status=none && dd if=evil of=guest.img status=none
    snap 3 overlay vm.raw e.ovl
    says 'must be given' && says '--backing-format'
    snap 3 overlay guest.img e.ovl
    snap 0 overlay --backing-format raw guest.img e.ovl
    [[ $(backing e.ovl) == 'guest.img raw' ]] && says 'qcow2 header'
    qemu-img create -q -f qcow2 -F qcow2 -b vm.img over.img
    snap 3 overlay over.img o.ovl
    snap 0 overlay -F qcow2 over.img o.ovl
    [[ $(backing o.ovl) == 'over.img qcow2' ]]
    qemu-img create -q -f vmdk v.vmdk 1M
    snap 3 overlay v.vmdk v.ovl
    snap 0 overlay -F vmdk v.vmdk v.ovl
    [[ $(backing v.ovl) == 'v.vmdk vmdk' && $(qemu-img info --output=json v.ovl | jq '."virtual-size"') == 1048576 ]]
    qemu-img create -q -f qcow2 --object secret,id=s,data=secret -o encrypt.format=aes,encrypt.key-secret=s c.qcow2 1M
    snap 3 overlay c.qcow2 n.ovl
    says encrypted
    make_disk not.qcow2 raw 1M
    snap 3 overlay not.qcow2 n.ovl
    snap 3 overlay -F qcow2 disk n.ovl
    snap 2 overlay -F floppy disk n.ovl
    [[ ! -e n.ovl ]]
}

@test "overlay: relative in one tree, else absolute; names of any kind; never over another file" {
    cd "$T"
    mkdir -p images/base images/run other
    make_disk images/base/vm.img qcow2 1M
    ln -s images/base/vm.img link.img
    snap 0 overlay images/base/vm.img images/run/a.ovl
    [[ $(backing images/run/a.ovl) == '../base/vm.img qcow2' ]]
    mv images moved && qemu-img info --backing-chain moved/run/a.ovl >/dev/null && mv moved images
    snap 0 overlay link.img images/base/b.ovl
    [[ $(backing images/base/b.ovl) == 'vm.img qcow2' ]]
    snap 0 overlay --absolute images/base/vm.img images/base/c.ovl
    [[ $(backing images/base/c.ovl) == "$T/images/base/vm.img qcow2" ]]
    fs_mount ext4 "$T/other" 64M
    snap 0 overlay images/base/vm.img other/d.ovl
    [[ $(backing other/d.ovl) == "$T/images/base/vm.img qcow2" ]]
    cd images/base
    for name in 'with space' 'nbd:10809' 'a,b=c' $'new\nline' -n; do
        make_disk "$PWD/$name" qcow2 1M
        snap 0 overlay -- "$name" "$name.ovl"
        qemu-io -f qcow2 -c 'read -q 0 4k' "$PWD/$name.ovl"
        snap 3 overlay -- "$name" "$name.ovl"
        says exists || says 'File exists'
    done
    ln -s nowhere dangling.ovl
    snap 3 overlay --force vm.img dangling.ovl
    snap 3 overlay vm.img nosuch/x.ovl
    snap 3 overlay nosuch.img x.ovl
    snap 3 overlay . x.ovl
    rm vm.img
    snap 3 overlay ../run/a.ovl x.ovl
    says vm.img
    [[ ! -e x.ovl ]]
    snap 2 overlay vm.img
    snap 2 overlay --name x vm.img x.ovl
    snap 2 overlay --socket s vm.img x.ovl
    snap 2 overlay --socket s --force
}

@test "subvolume: the whole directory at once, and what is none is refused with how to make one" {
    local d=$T/b
    fs_mount btrfs "$d" && fs_mount ext4 "$T/e" 64M
    btrfs -q subvolume create "$d/images" && mkdir "$d/plain"
    some "$d/images/a" && make_disk "$d/images/v.qcow2" qcow2 1M
    snap 0 subvolume "$d/images" "$d/snap1"
    assert_output "$d/snap1"
    diff -r "$d/images" "$d/snap1"
    snap 0 subvolume --json --read-only "$d/images" "$d/snap 2"
    [[ $(jq -r '[.schema, .snapshot, .read_only] | @csv' <<<"$output") == "\"mplcr.snap.subvolume/1\",\"$d/snap 2\",true" ]]
    run touch "$d/snap 2/a"
    assert_failure
    echo more >>"$d/images/a"
    run cmp -s "$d/images/a" "$d/snap1/a"
    assert_failure
    snap 3 subvolume "$d/images" "$d/snap1"
    says exists || says 'File exists'
    for bad in "$d/plain" "$T/e" "$d/nosuch"; do
        snap 3 subvolume "$bad" "$d/snap3"
    done
    snap 3 subvolume "$d/plain" "$d/snap3"
    says 'btrfs subvolume create'
    snap 3 subvolume "$d/images" "$T/e/snap"
    says filesystem
    hold "$d/images/v.qcow2" qcow2
    snap 3 subvolume "$d/images" "$d/snap3"
    says "process $HOLDER_PID" && says --live-ok
    [[ ! -e $d/snap3 ]]
    snap 0 subvolume --live-ok "$d/images" "$d/snap3"
    MPLCR_AT_FREEZE=1 snap 0 subvolume -r "$d/images" "$d/snap4"
    btrfs -q subvolume create "$d/snap1/nested"
    snap 0 subvolume "$d/snap1" "$d/snap5"
    says nested
    snap 0 list "$d"
    assert_line 'snapshot    snap 2: read-only'
    assert_line 'snapshot    snap1: writable'
    snap 3 remove "$d/snap3"
    says '--force'
    snap 0 remove "$d/snap4" "$d/snap 2/"
    snap 0 remove --force "$d/snap3"
    [[ $(cd "$d" && echo *) == 'images plain snap1 snap5' ]]
}

@test "list and remove: sets, overlays, checkpoints; nothing in use goes" {
    local d=$T/b c
    fs_mount btrfs "$d"
    cd "$d"
    make_disk vm.img qcow2 1M
    snap 0 overlay vm.img snap_x1.ovl
    snap 0 overlay snap_x1.ovl snap_x2.ovl
    snap 0 reflink --chain --to copy snap_x2.ovl
    snap 0 reflink --suffix .layer2 vm.img snap_x1.ovl
    snap 0 list
    assert_line --regexp '^set         copy/: 3 of 3 files, .*, made 20'
    assert_line --regexp '^set         (vm.img|snap_x1.ovl).layer2 and 1 more: 2 of 2 files'
    assert_line "overlay     snap_x1.ovl: on vm.img; it is the backing file of '$d/snap_x2.ovl'"
    assert_line 'overlay     snap_x2.ovl: on snap_x1.ovl'
    snap 0 list --json "$d"
    [[ $(jq -r '[.schema, (.sets | length), .sets[0].made_files, (.overlays | length), (.checkpoints | length)] | @csv' <<<"$output") == '"mplcr.snap.list/1",2,3,2,0' ]]
    # what is needed stays, and nothing else goes then
    snap 3 remove snap_x2.ovl snap_x1.ovl vm.img
    says 'neither an overlay nor a copy'
    snap 3 remove snap_x1.ovl
    says "it is the backing file of '$d/snap_x2.ovl'"
    snap 3 remove snap_x1.ovl.layer2
    says '--set'
    qemu-img create -q -f qcow2 -F qcow2 -b "$d/copy/snap_x2.ovl" run.ovl
    snap 3 remove copy
    says "it is the backing file of '$d/run.ovl'"
    mkdir "$T/else" && mv run.ovl "$T/else/"
    snap 3 remove --in "$T/else" copy
    rm "$T/else/run.ovl"
    hold "$d/snap_x2.ovl" qcow2
    snap 3 remove snap_x2.ovl
    end_holder
    [[ $(files "$d" | wc -l) == 9 ]] || fail "$(files "$d")"
    snap 0 remove --dry-run --json snap_x2.ovl snap_x1.ovl copy
    [[ $(jq -r '[.schema, .dry_run, (.removed[] | .kind)] | @csv' <<<"$output") == '"mplcr.snap.remove/1",true,"file","file","set"' ]]
    touch copy/mine
    snap 3 remove copy
    says "has 4 files"
    rm copy/mine
    printf '%s\0' snap_x1.ovl copy | run_tool_stdin 0 "$BIN/mplcr-snap" remove -0 - snap_x2.ovl
    snap 0 remove --set vm.img.layer2
    [[ $(files "$d") == vm.img ]]
    # checkpoints
    for c in "$BATS_TEST_DIRNAME/../fixtures/"*.ckpt; do cp -r "$c" .; done
    snap 0 list
    assert_line --partial 'checkpoint  precopy.ckpt: '
    snap 0 remove precopy.ckpt/
    [[ ! -e precopy.ckpt && -e background.ckpt ]]
    mkdir plain && ln -s vm.img link
    for bad in plain link nosuch "$d/nosuch/x"; do snap 3 remove "$bad"; done
    snap 2 remove
    snap 0 remove --force vm.img
    snap 3 list nosuch
}
