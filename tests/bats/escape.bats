#!/usr/bin/env bats
# qemu: none
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154  # variables of helpers.bash
#
# Nothing that comes from a file, a header, a manifest, a log or a file name commands a terminal, whichever tool and verb
# shows it.

load helpers

# A name in which every kind of control hides: ESC, BEL, DEL, CSI as a C1 character and as a lone byte, right-to-left.
evil=$'e\e[31m\a\x7f\xc2\x9b31m\x9b31m\xe2\x80\xae'

# on_terminal COMMAND…: what it shows there, stdout and stderr, in $shown; without the tools' own way to clear a line.
on_terminal() {
    local command
    printf -v command '%q ' "$@"
    script --quiet --return --command "$command" /dev/null </dev/null >"$T/shown" 2>&1 3>&- || true
    shown=$(LC_ALL=C sed $'s/\r\e\\[K//g; s/\r$//' "$T/shown")
}

# clean WHAT TEXT: no byte in it that a terminal obeys, but line feeds and tabs.
clean() {
    [[ -n $2 ]] || fail "$1 shows nothing"
    ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' <<<"$2" || fail "$1: $(cat -v <<<"$2")"
    ! LC_ALL=C grep -qP '\xc2[\x80-\x9f]|\xe2\x80\xae|(^|[\x00-\x7f])[\x80-\xbf]' <<<"$2" || fail "$1: $(cat -v <<<"$2")"
}

# shows COMMAND…: on a terminal, something of the evil name, harmless; and the messages are so elsewhere, too.
shows() {
    on_terminal "$@"
    clean "$*" "$shown"
    [[ $shown == *'31m'* ]] || fail "$* does not show the name: $shown"
    "$@" </dev/null >/dev/null 2>"$T/stderr" || true
    [[ ! -s $T/stderr ]] || clean "$* (stderr)" "$(<"$T/stderr")"
}

setup() {
    scratch_begin
    mkdir "$T/images"
    cd "$T/images" || return
    qemu-img create -q -f qcow2 "base$evil.qcow2" 1M
    qemu-img create -q -f qcow2 -F qcow2 -b "base$evil.qcow2" "top$evil.ovl"
    qemu-img create -q -f qcow2 -u -F qcow2 -b "gone$evil" "broken$evil.ovl" 1M
}

teardown() {
    cd / || return
    scratch_end
}

@test "mplcr-chain: every verb" {
    local verb
    for verb in walk usage 'walk --json' 'usage --json'; do
        # shellcheck disable=SC2086  # words
        shows mplcr-chain $verb "top$evil.ovl"
    done
    for verb in walk verify usage 'shorten --keep 1' 'seal' 'relocate --copy --to new'; do
        # shellcheck disable=SC2086
        shows mplcr-chain $verb "broken$evil.ovl"
    done
    for verb in '' --dot --json; do
        # shellcheck disable=SC2086
        shows mplcr-chain tree $verb .
    done
    shows mplcr-chain seal "top$evil.ovl"
    shows mplcr-chain verify "nothing$evil"
    mkdir "dir$evil" && mv "base$evil.qcow2" "top$evil.ovl" "dir$evil"
    shows mplcr-chain prune --keep 1 --dry-run "dir$evil"
    shows mplcr-chain relocate --copy --to "new$evil" "dir$evil/top$evil.ovl"
    shows mplcr-chain shorten --keep 1 "dir$evil/top$evil.ovl"
}

@test "mplcr-snap: every verb; a list in a pipe is as it is" {
    shows mplcr-snap list .
    shows mplcr-snap list --json .
    shows mplcr-snap probe "nothing$evil"
    shows mplcr-snap overlay "base$evil.qcow2" "new$evil.ovl"
    shows mplcr-snap overlay "nothing$evil" "new2$evil.ovl"
    shows mplcr-snap remove "base$evil.qcow2"
    shows mplcr-snap remove "new$evil.ovl"
    shows mplcr-snap reflink --reflink=auto --to "set$evil" "top$evil.ovl"
    shows mplcr-snap subvolume "set$evil" "sub$evil"
    run_tool 0 mplcr-chain walk "top$evil.ovl"
    [[ $output == "$PWD/top$evil.ovl"$'\n'* ]]
    run_tool 0 mplcr-chain walk -0 "top$evil.ovl"
    [[ $output == "$PWD/top$evil.ovl"* ]]
}

@test "mplcr-restore and mplcr-trigger: checkpoints, printed commands that still name the same files, sockets" {
    local word
    cp -r "$BATS_TEST_DIRNAME/../fixtures/background.ckpt" "x$evil.ckpt"
    jq --arg e $'e\e[31m\u009b31m' '.name = $e | .qemu.binary = $e | .disks[0].device = $e' "x$evil.ckpt/checkpoint.json" >new
    cat new >"x$evil.ckpt/checkpoint.json"
    shows mplcr-restore "x$evil.ckpt"
    shows mplcr-restore --print "x$evil.ckpt"
    shows mplcr-restore --json "x$evil.ckpt"
    shows mplcr-chain verify "x$evil.ckpt"
    shows mplcr-chain tree .
    shows mplcr-snap list .
    shows mplcr-snap remove "x$evil.ckpt/nothing"
    shows mplcr-trigger --socket "nothing$evil"
    shows mplcr-trigger --socket s --engine "$evil"
    shows mplcr-trigger "--$evil"
    shows mplcr-trigger end-live --socket "nothing$evil"
}

@test "mplcr-trace: every verb" {
    local verb log="log$evil"
    { cat "$BATS_TEST_DIRNAME/../fixtures/mplcr-run.log"; printf '%s\n' "snapshot_blkdev_mplcr $evil"; } >"$log"
    for verb in summary 'summary --json' 'summary --csv' parse; do
        # shellcheck disable=SC2086
        on_terminal mplcr-trace $verb "$log"
        clean "$verb" "$shown"
    done
    shows mplcr-trace compare "$log" "$log"
    shows mplcr-trace summary "nothing$evil"
    shows mplcr-trace record --socket "nothing$evil"
    on_terminal mplcr-trace plot "$log"
    clean plot "$(sed $'s/\e\\[[0-9;]*m//g' <<<"$shown")"
}
