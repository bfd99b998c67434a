#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# qemu: none
#
# Claims: an overlay in one directory keeps what it is on in another from being merged, moved or removed there.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load chain
load filesystems

teardown() {
    fs_end
    scratch_end
}

# tree: base.img and mid.ovl in $T/v, and clone.ovl on mid.ovl in $T/else.
tree() {
    mkdir "$T/v" "$T/else"
    base v/base.img raw
    overlay v/mid.ovl base.img raw
    overlay v/top.ovl mid.ovl qcow2
    run_tool 0 mplcr-snap overlay "$T/v/mid.ovl" "$T/else/clone.ovl"
}

# claims DIR: how many there are.
claims() { find "$T/$1/.mplcr-claims" -name '*.json' 2>/dev/null | wc -l; }

# claim DIR: the file of the only one.
claim() { find "$T/$1/.mplcr-claims" -name '*.json'; }

# refused: what would take the middle image away is refused, and the clone is named.
refused() {
    local sums
    sums=$(md5sum "$T"/v/*.* "$T/else/clone.ovl")
    chain 3 shorten --keep 2 v/top.ovl
    [[ $stderr == *"$T/else/clone.ovl"* ]]
    chain 3 shorten --into v/base.img v/top.ovl
    [[ $stderr == *"$T/else/clone.ovl"* ]]
    run_tool 3 mplcr-snap remove "$T/v/top.ovl" "$T/v/mid.ovl"
    [[ $stderr == *"$T/else/clone.ovl"* ]]
    chain 3 relocate --to new v/top.ovl
    [[ $stderr == *"$T/else/clone.ovl"* ]]
    assert_equal "$(md5sum "$T"/v/*.* "$T/else/clone.ovl")" "$sums"
}

@test "an overlay elsewhere leaves a claim, which every verb respects until it is gone" {
    tree
    assert_equal "$(claims v) $(claims else)" '1 0'
    refused
    chain 0 tree --json v
    assert_equal "$(jq -c '.images[] | select(.claims != [])
        | [.path, [.claims[] | [.user, .by, .authentic, .gone]]]' <<<"$output")" \
        "[\"$T/v/mid.ovl\",[[\"$T/else/clone.ovl\",\"mplcr-snap\",true,false]]]"
    assert_equal "$(jq -r '.images[] | select(.outside) | .path' <<<"$output")" "$T/else/clone.ovl"
    sound else/clone.ovl

    rm "$T/else/clone.ovl"
    alone N-CLAIM-GONE v/top.ovl
    chain 0 shorten --keep 2 v/top.ovl
    assert_file_not_exist "$T/v/mid.ovl"
    assert_file_not_exist "$T/v/.mplcr-claims"
}

@test "below the directory of its base an overlay leaves none" {
    mkdir -p "$T/v/run"
    base v/base.img raw
    run_tool 0 mplcr-snap overlay "$T/v/base.img" "$T/v/a.ovl"
    run_tool 0 mplcr-snap overlay "$T/v/base.img" "$T/v/run/b.ovl"
    assert_file_not_exist "$T/v/.mplcr-claims"
}

@test "who removes the user takes its claim along" {
    tree
    run_tool 0 mplcr-snap remove "$T/else/clone.ovl"
    assert_file_not_exist "$T/v/.mplcr-claims"
}

@test "a user that was merged, or got another backing file, claims no more" {
    tree
    base v/other.img raw
    (cd "$T" && qemu-img rebase -u -F raw -b "$T/v/other.img" else/clone.ovl)
    finds N-CLAIM-GONE v/top.ovl
    (cd "$T" && qemu-img rebase -u -F qcow2 -b "$T/v/mid.ovl" else/clone.ovl)
    chain 3 shorten --keep 2 v/top.ovl
    chain 0 shorten --leave --keep 1 else/clone.ovl
    assert_file_not_exist "$T/v/.mplcr-claims"
    chain 0 shorten --keep 2 v/top.ovl
}

@test "what shorten puts on a base elsewhere claims that" {
    mkdir "$T/lib" "$T/v"
    base lib/base.img raw
    run_tool 0 mplcr-snap overlay "$T/lib/base.img" "$T/v/mid.ovl"
    overlay v/top.ovl mid.ovl qcow2
    chain 0 shorten --keep 2 v/top.ovl
    assert_equal "$(claims lib)" 1
    assert_equal "$(jq -r .user "$(claim lib)")" "$T/v/top.ovl"
    run_tool 3 mplcr-snap remove --force "$T/lib/base.img"
    sound v/top.ovl
}

@test "claims follow a set that moves" {
    mkdir -p "$T/v/images" "$T/v/run"
    base v/images/base.img raw
    run_tool 0 mplcr-snap overlay "$T/v/images/base.img" "$T/v/run/a.ovl"
    assert_equal "$(claims v/images)" 1
    chain 0 relocate --to new v/run/a.ovl
    assert_file_not_exist "$T/v/images/.mplcr-claims"
    sound new/a.ovl
}

@test "a moved directory keeps its claims" {
    tree
    mv "$T/v" "$T/w"
    chain 3 shorten --keep 2 w/top.ovl
    [[ $stderr == *"$T/else/clone.ovl"* ]]
}

@test "a user that moves within its filesystem is followed" {
    [[ $EUID -eq 0 ]] || skip "needs root: open_by_handle_at(2)"
    tree
    mv "$T/else" "$T/moved"
    chain 3 shorten --keep 2 v/top.ovl
    [[ $stderr == *"$T/moved/clone.ovl"* ]]
    mv "$T/moved/clone.ovl" "$T/other-name"
    chain 3 shorten --keep 2 v/top.ovl
    [[ $stderr == *"$T/other-name"* ]]
    rm "$T/other-name"
    chain 0 shorten --keep 2 v/top.ovl
    assert_file_not_exist "$T/v/.mplcr-claims"
}

@test "a user whose filesystem is not mounted is not gone" {
    mkdir "$T/v"
    base v/base.img raw
    fs_mount ext4 "$T/m" 64M
    run_tool 0 mplcr-snap overlay "$T/v/base.img" "$T/m/clone.ovl"
    unmount "$T/m"
    run_tool 3 mplcr-snap remove --force "$T/v/base.img"
    [[ $stderr == *"$T/m/clone.ovl"* ]]
    sound v/base.img
}

@test "a copy of an overlay claims, too; claims in a copy of the directory do not" {
    tree
    run_tool 0 mplcr-snap reflink --reflink never --to "$T/copies" "$T/else/clone.ovl"
    assert_equal "$(claims v)" 2
    rm "$T/else/clone.ovl"
    chain 3 shorten --keep 2 v/top.ovl
    [[ $stderr == *"$T/copies/clone.ovl"* ]]
    cp -a "$T/v" "$T/w"
    chain 0 shorten --keep 2 w/top.ovl
    assert_file_not_exist "$T/w/.mplcr-claims"
    run_tool 0 mplcr-chain verify "$T/copies/clone.ovl"
    # by its relative name there is nothing
    overlay v/relative.ovl base.img raw
    run_tool 0 mplcr-snap reflink --reflink never --quiet --to "$T/copies" "$T/v/relative.ovl"
    assert_equal "$stderr" ""
}

@test "a claim vouches for these two files, and for no others" {
    tree
    sound else/clone.ovl
    # another overlay of the same name is another file
    cp "$T/else/clone.ovl" "$T/else/other.ovl"
    finds E-UNTRUSTED-PATH else/other.ovl
    mv "$T/else/other.ovl" "$T/else/clone.ovl"
    finds E-UNTRUSTED-PATH else/clone.ovl
    # and a claim that somebody changed vouches for nothing
    sed -i "s/\"user_inode\": [0-9]*/\"user_inode\": $(stat -c %i "$T/else/clone.ovl")/" "$(claim v)"
    finds E-UNTRUSTED-PATH else/clone.ovl
}

@test "a claim holds and vouches on another mount of its filesystem, whatever number its device has" {
    local type d other
    mkdir "$T/other"
    require loop "filesystems on loop devices"
    for type in ext4 xfs btrfs; do
        d=$T/$type
        fs_mount $type "$d"
        mkdir "$d/v" "$d/else"
        base "$type/v/base.img" raw
        overlay "$type/v/mid.ovl" base.img raw
        overlay "$type/v/top.ovl" mid.ovl qcow2
        run_tool 0 mplcr-snap overlay "$d/v/mid.ovl" "$d/else/clone.ovl"
        other=$(losetup --find --show "$d.image")
        unmount "$d"
        mount -t tmpfs none "$T/other"
        mount "$other" "$d"
        sound "$type/else/clone.ovl"
        mv "$d/v/mid.ovl" "$d/v/renamed.ovl"
        qemu-img rebase -u -f qcow2 -b renamed.ovl -F qcow2 "$d/v/top.ovl"
        chain 3 shorten --keep 2 "$type/v/top.ovl"
        [[ $stderr == *"$d/else/clone.ovl"* ]]
        unmount "$d"
        unmount "$T/other"
        losetup --detach "$other"
    done
}

@test "--also finds users that left no claim" {
    tree
    sound --also else v/top.ovl
    rm "$(claim v)"
    alone W-NO-CLAIM --also else v/top.ovl
    [[ $output == *"'$T/else/clone.ovl' needs it"* ]]
    chain 1 verify --strict --also else v/top.ovl
    chain 3 verify --also nowhere v/top.ovl
}

# --- claims of others -----------------------------------------------------------------------------------------------

# foreign USER [BASE]: a claim that nobody here signed.
foreign() {
    mkdir -p "$T/v/.mplcr-claims"
    printf '{"schema":"mplcr.claim/1","by":"x","base":"%s","user":"%s","host":"%s"}' "${2:-mid.ovl}" "$1" \
        "$(cat /etc/machine-id 2>/dev/null)" >"$T/v/.mplcr-claims/$((++n)).json"
}

@test "a claim of a stranger only protects: nothing is opened, removed or trusted for it" {
    local n=0
    mkdir "$T/v" "$T/else"
    base v/base.img raw
    overlay v/mid.ovl base.img raw
    overlay v/top.ovl mid.ovl qcow2
    mkfifo "$T/else/fifo"
    foreign "$T/else/fifo"
    foreign /etc/shadow
    chain 3 shorten --keep 2 v/top.ovl
    [[ $stderr == *"says the claim '$T/v/.mplcr-claims/"* ]]
    chain 0 tree --json v
    assert_equal "$(jq -c '[.images[] | select(.outside)]' <<<"$output")" '[]'
    assert_equal "$(claims v)" 2
    # an overlay that the stranger wrote is not trusted for it
    overlay else/evil.ovl "$T/v/mid.ovl" qcow2
    foreign "$T/else/evil.ovl"
    finds E-UNTRUSTED-PATH else/evil.ovl
}

@test "claims that are none are told of, and change nothing" {
    mkdir -p "$T/v/.mplcr-claims/dir.json"
    base v/base.img raw
    overlay v/mid.ovl base.img raw
    overlay v/top.ovl mid.ovl qcow2
    (
        cd "$T/v/.mplcr-claims"
        mkfifo fifo.json
        ln -s /etc/shadow link.json
        truncate -s 1G huge.json
        : >empty.json
        echo '{' >cut.json
        echo '{"schema":"mplcr.claim/1","base":"../../etc/shadow","user":"/etc/passwd","host":""}' >out.json
        printf '{"schema":"mplcr.claim/1","base":"mid.ovl","user":"relative","host":""}' >relative.json
    )
    chain 0 shorten --keep 2 v/top.ovl
    [[ $stderr == *'8 claims could not be read'* ]]
    assert_equal "$(find "$T/v/.mplcr-claims" -mindepth 1 | wc -l)" 8
}

@test "a claims directory that is a link is not followed" {
    mkdir "$T/v" "$T/else" "$T/target"
    ln -s "$T/target" "$T/v/.mplcr-claims"
    base v/base.img raw
    run_tool 0 mplcr-snap overlay "$T/v/base.img" "$T/else/a.ovl"
    [[ $stderr == *"cannot note with '$T/v/base.img'"* ]]
    assert_equal "$(ls -A "$T/target")" ''
    chain 0 tree v
    [[ $stderr == *'claims could not be read'* ]]
}

@test "names in claims command no terminal" {
    local n=0
    mkdir "$T/v"
    base v/base.img raw
    overlay v/mid.ovl base.img raw
    overlay v/top.ovl mid.ovl qcow2
    : >"$T/"$'a\e[2Jb'
    foreign "$T/a\\u001b[2Jb"
    chain 3 shorten --keep 2 v/top.ovl
    [[ $stderr != *$'\e'* ]]
    [[ $stderr == *'a\x1b[2Jb'* ]]
    chain 0 tree v
    [[ $output != *$'\e'* ]]
}

@test "an image whose name is not UTF-8 has its claim, too" {
    mkdir "$T/v" "$T/"$'el\xffse'
    base v/base.img raw
    run_tool 0 mplcr-snap overlay "$T/v/base.img" "$T/"$'el\xffse/a.ovl'
    run_tool 3 mplcr-snap remove --force "$T/v/base.img"
    rm "$T/"$'el\xffse/a.ovl'
    run_tool 0 mplcr-snap remove --force "$T/v/base.img"
}

@test "a claim that cannot be left is a note" {
    [[ $EUID -eq 0 ]] || skip "needs root"
    mkdir "$T/v" "$T/else"
    base v/base.img raw
    chmod 755 "$T" "$T/v" && chmod 644 "$T/v/base.img" && chmod 777 "$T/else"
    MPLCR_KEY=$T/else/key run_tool 0 setpriv --reuid=65534 --regid=65534 --clear-groups \
        "$BIN/mplcr-snap" overlay "$T/v/base.img" "$T/else/a.ovl"
    [[ $stderr == *"cannot note with '$T/v/base.img'"*'Permission denied'* ]]
    assert_file_exist "$T/else/a.ovl"
}

@test "a hundred overlays leave a hundred claims" {
    local i
    mkdir "$T/v" "$T/else"
    base v/base.img raw
    for ((i = 0; i < 100; i++)); do
        mkdir "$T/else/run-$i"
        mplcr-snap overlay --quiet "$T/v/base.img" "$T/else/run-$i/d0.ovl" >/dev/null
    done
    assert_equal "$(claims v)" 100
    chain 0 tree --json v
    assert_equal "$(jq '[.images[] | select(.outside)] | length' <<<"$output")" 100
    rm -r "$T"/else/run-[1-9]*
    run_tool 3 mplcr-snap remove --force "$T/v/base.img"
    rm -r "$T/else/run-0"
    run_tool 0 mplcr-snap remove --force "$T/v/base.img"
    assert_file_not_exist "$T/v/.mplcr-claims"
}
