# SPDX-License-Identifier: MIT
#
# Power cuts, after `load ../bats/helpers`. A bats file of this directory says what a filesystem is made to hold, what is
# then done to it, and how each state that a power cut can leave of that is judged:
#
#     prepare      makes what is there before, in $M, the filesystem's mount point; what the judge needs goes into $T/facts
#     operate      what is tried: `step COMMAND…` each, in which the power is cut
#     judge N      says what is wrong in $M, where step N is the last that was done
#     judge_cut N  the same where the power was cut within step N
#
# The filesystem is on a loop device, on a file that nbdfuse gives, which is the block device of blocklog.c. That writes
# down all that the filesystem writes; replay.c makes of it what a disk can hold after a power cut.
# shellcheck shell=bash disable=SC2154  # BUILD, T: helpers.bash

BLOCKLOG=$BUILD/tests/powercut/blocklog.so
REPLAY=$BUILD/tests/powercut/replay

teardown() {
    powercut_end
    scratch_end
}

# powercut TYPE: records the steps on a filesystem of that type, and judges what power cuts leave of them.
#
#     POINTS   that many places in the log (or all, where there are fewer), and that many choices of unflushed writes
#     SEED     of what is chosen
#     POINT    that one alone, of the recording that a failure has left
powercut() {
    local type=$1 seed=${SEED:-$RANDOM$RANDOM} name=${BATS_TEST_FILENAME##*/} n=0 retried=0 bad=()
    require loop "filesystems on loop devices"
    name=${name%.bats}-$type
    kept=$BUILD/powercut/$name
    M=$kept/disk
    mkdir -p "$M" "$T/facts"
    if [[ -n ${POINT:-} ]]; then old_recording; else record; fi
    replay
    echo "# $BATS_TEST_DESCRIPTION: seed $seed, $n points, $retried of them twice, ${#bad[@]} ended badly" >&3
    if [[ $n -gt 0 && ${#bad[@]} -eq 0 ]]; then
        rm -rf "$kept"
        return
    fi
    [[ -n ${POINT:-} ]] || keep_recording
    fail "POINT=… repeats one of these: ${bad[*]}"
}

# --- recording ------------------------------------------------------------------------------------------------------

record() {
    make_filesystem
    mount -o loop "$T/start" "$M"
    prepare
    unmount "$M"
    blocklog_start
    mount -t "$type" "$loop" "$M"
    : >"$T/marks"
    operate
    blocklog_end
}

# Small, with a small journal, and with nothing that is put off until it is mounted.
make_filesystem() {
    truncate -s 320M "$T/start"
    case $type in
    ext4) mkfs.ext4 -q -F -J size=4 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$T/start" ;;
    xfs) mkfs.xfs -q -m reflink=1 "$T/start" ;;
    btrfs) mkfs.btrfs -q "$T/start" 2>/dev/null ;;
    esac
}

blocklog_start() {
    local i
    cp --sparse=always "$T/start" "$T/live"
    : >"$T/log"
    : >"$T/block"
    nbdfuse "$T/block" --command nbdkit --exit-with-parent -s "$BLOCKLOG" "image=$T/live" "log=$T/log" </dev/null \
        >"$T/nbdfuse.log" 2>&1 3>&- &
    echo $! >"$T/nbdfuse.pid"
    for ((i = 0; i < 3000; i++)); do
        [[ ! -s $T/block ]] || break
        sleep 0.01
    done
    loop=$(losetup --find --show "$T/block") || fail "nbdfuse does not start: $(<"$T/nbdfuse.log")"
}

blocklog_end() {
    unmount "$M"
    loop_end
    unmount "$T/block"
    kill_and_wait "$(<"$T/nbdfuse.pid")"
    rm -f -- "$T/nbdfuse.pid" "$T/live" "$T/block"
}

loop_end() {
    [[ -n ${loop:-} ]] || return 0
    losetup --detach "$loop"
    loops_gone
    loop=
}

# step COMMAND…: it succeeds. What it did is to last from then on.
step() {
    mark
    "$@" </dev/null >"$T/said" 2>&1 3>&- || fail "$* ended with $?: $(<"$T/said")"
    mark
}

mark() { stat -c %s "$T/log" >>"$T/marks"; }

keep_recording() {
    cp -r --sparse=always "$T"/{start,log,marks,facts} "$kept"
    [[ ! -f $MPLCR_KEY ]] || cp "$MPLCR_KEY" "$kept/key"
}

old_recording() {
    [[ -f $kept/log ]] || fail "there is no recording in $kept"
    cp -r --sparse=always "$kept"/{start,log,marks,facts} "$T"
    [[ ! -f $kept/key ]] || cp "$kept/key" "$MPLCR_KEY"
}

# --- replaying ------------------------------------------------------------------------------------------------------

replay() {
    local point marks why again=
    truncate -s "$(stat -c %s "$T/start")" "$T/now"
    loop=$(losetup --find --show "$T/now")
    coproc REPLAYED { exec "$REPLAY" -s "$seed" -n "${POINTS:-1000}" ${POINT:+-p "$POINT"} "$T/start" "$T/log" \
        "$T/marks" "$T/now" "$loop" "$type" "$M" 2>"$T/replay.log" 3>&-; }
    echo "$REPLAYED_PID" >"$T/replay.pid"
    exec {shown}<&"${REPLAYED[0]}" {next}>&"${REPLAYED[1]}"
    while read -r -u "$shown" point marks why; do
        if [[ -z $why ]] && judge_point "$marks" >"$T/wrong" 2>&1; then
            n=$((n + 1))
            echo next >&"$next"
        elif [[ $again != "$point" ]]; then
            # somebody who looks through all block devices may have kept something old of this one in its cache
            again=$point
            retried=$((retried + 1))
            echo again >&"$next"
        else
            n=$((n + 1))
            ended_badly
            echo next >&"$next"
        fi
    done
    exec {shown}<&- {next}>&-
    wait "$(<"$T/replay.pid")" || fail "replay: $(<"$T/replay.log")"
    rm -f -- "$T/replay.pid"
    loop_end
}

# A mark is where a step begins, and where it ends.
judge_point() { if (($1 % 2)); then judge_cut $((($1 + 1) / 2)); else judge $(($1 / 2)); fi; }

ended_badly() {
    bad+=("$point")
    [[ ${#bad[@]} -gt 20 ]] || sed "1s|^|$name, $point, marks $marks: |; s/^/# /" >&3 <<<"${why:-$(<"$T/wrong")}"
}

powercut_end() {
    cd /
    fs_end
    ! mountpoint -q "${M:-/none}" || umount -- "$M"
    loop_end
    ! mountpoint -q "$T/block" || umount -- "$T/block"
}

# --- judging --------------------------------------------------------------------------------------------------------

# tool STATUS COMMAND…: says what is wrong if it does not end with that.
tool() {
    local expected=$1 status=0
    shift
    timeout --kill-after=5 60 "$@" </dev/null >"$T/out" 2>"$T/err" || status=$?
    [[ $status == "$expected" ]] || { echo "$* ends with $status, not $expected:"; cat "$T/out" "$T/err"; return 1; }
}

# holds DIR NAME…: nothing else is in it.
holds() {
    local there
    there=$(cd "$1" && find . -mindepth 1 ! -name lost+found -printf '%P\n' | sort | tr '\n' ' ') || return 1
    shift
    [[ $there == "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ]] || { echo "there is $there, not $*"; return 1; }
}

# shows IMAGE NAME: a guest sees in it what $T/facts/NAME is.
shows() {
    qemu-img compare -q -U -F raw "$1" "$T/facts/$2" || { echo "$1 does not show $2"; return 1; }
}
