# SPDX-License-Identifier: MIT
#
# One fault after the other on one VM, after `load trigger` and `load filesystems`: tests/bats/torture.bats.
# shellcheck shell=bash disable=SC2154  # BUILD, BIN, T, stderr …: helpers.bash

FAULTS=$BUILD/tests/torture/faults.so
qmp_faults=(kill kill-sent kill-answered both both-sent both-answered term halt halt-answered error silence late:90 close lose kill-qemu)
file_faults=(kill killed both term stop ENOSPC EIO EMFILE short)

# torture FREEZE STATE [OPTION…]: a checkpoint with these options meets each fault at each point, or as many as
# TORTURE_CELLS says.
torture() {
    local freeze=$1 state=$2 facts='' cell cells=0 met=0 limit=${TORTURE_CELLS:-4} list wrong=()
    # the slice of make check is always the same one
    local seed=${TORTURE_SEED:-1}
    [[ -n ${TORTURE_SEED:-} || -z ${TORTURE_CELLS:-} ]] || seed=$RANDOM$RANDOM
    shift 2
    options=(--disks "$freeze" "$@")
    echo "seed $seed"
    D=$T/d
    mkdir -p "$D"
    case $freeze in
    reflink) require root "loop devices"; fs_mount btrfs "$D" ;;
    subvolume) require root "loop devices"; fs_mount btrfs "$D" && btrfs -q subvolume create "$D/disks" && D=$D/disks ;;
    esac
    begin_vm
    list=$(cells_of | shuffled "$seed")
    begin_vm
    while read -r cell; do
        [[ $limit == all || $met -lt $limit ]] || break
        cells=$((cells + 1))
        # shellcheck disable=SC2086  # where, point and fault
        one_cell $cell
    done <<<"$list"
    echo "# $BATS_TEST_DESCRIPTION: seed $seed, $met faults met, of $cells tried, ${#wrong[@]} ended badly" >&3
    [[ $met -gt 0 && ${#wrong[@]} -eq 0 ]] || fail "seed $seed: ${wrong[*]}"
}

# Lines in an order that the seed alone decides.
shuffled() { awk -v seed="$1" 'BEGIN { srand(seed) } { printf "%.9f %s\n", rand(), $0 }' | sort | cut -d ' ' -f 2-; }

# The VM anew, in the state that the cells begin with.
begin_vm() {
    [[ ! -f $T/vm.pid ]] || vm_kill vm
    [[ ! -f $T/fake.pid ]] || { kill_and_wait "$(<"$T/fake.pid")"; rm -f "$T/fake.pid" "$T/fake.qmp"; }
    drop_checkpoints
    rm -rf "${D:?}"/* "$T/vm.serial"
    qemu-img create -q -f qcow2 "$D/a.qcow2" 16M
    qemu-img create -q -f raw "$D/b.img" 16M
    GUEST_WORDS='ws=4M rate=8M' vm_start vm -m 32M -drive "file=$D/a.qcow2,format=qcow2,if=virtio,id=drive0" \
        -drive "file=$D/b.img,format=raw,if=virtio,id=drive1"
    vm_wait_count vm 3
    [[ $state != paused ]] || qmp vm stop >/dev/null
    facts=$(vm_facts)
    layers=0
}

drop_checkpoints() {
    local sub
    for sub in "$D"/*.ckpt*/*/; do
        btrfs -q subvolume delete "$sub" 2>/dev/null || true
    done
    rm -rf "$D"/*.ckpt "$D"/*.partial
}

# Each point of one checkpoint without faults, with each fault: "qmp COMMAND:N FAULT", "file OPERATION:N FAULT".
cells_of() {
    : >"$T/fake.ops"
    attack qmp none:0 none
    [[ $status == 0 ]] || fail "without a fault: $status: $(<"$T/fake.said")"
    points_in "$T/fake.commands" | each_with qmp "${qmp_faults[@]}"
    points_in "$T/fake.ops" | each_with file "${file_faults[@]}"
}

# "NAME:NTH" of each line; of what is asked or written again and again only the first three.
points_in() { awk '{ n[$1]++ } n[$1] > 3 && $1 ~ /^(query-|write|open|create|clone)/ { next } { print $1 ":" n[$1] }' "$1"; }

each_with() {
    local where=$1 point fault
    shift
    while read -r point; do
        for fault; do
            echo "$where $point $fault"
        done
    done
}

# attack WHERE POINT FAULT: a checkpoint with it, x$cells. Leaves $status; what was said in fake.said.
attack() {
    local rules=() preload=() pid
    head -c 8 /dev/zero >"$T/fake.clock"
    : >"$T/fake.ops"
    if [[ $1 == qmp ]]; then rules=("$2=$3"); else preload=("FAULT=$2=$3"); fi
    export FAULT_CLOCK=$T/fake.clock
    between "${rules[@]}"
    env FAULT_PROGRAM=mplcr-trigger FAULT_DIR="$D" FAULT_LOG="$T/fake.ops" "${preload[@]}" \
        LD_PRELOAD="$FAULTS" "$BIN/mplcr-trigger" --socket "$T/fake.qmp" --dir "$D" --name "x$cells" "${options[@]}" \
        </dev/null >"$T/fake.out" 2>"$T/fake.said" 3>&- &
    pid=$!
    until_ended "$pid"
    status=0
    wait "$pid" || status=$?
}

# Until the process has ended, at most 60 s. One that is stopped goes on after 4 s, if nobody has ended it before.
until_ended() {
    local i stopped=0 stat
    for ((i = 0; i < 6000; i++)); do
        read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
        case ${stat##*)} in
        ' Z'*) return 0 ;;
        ' T'*) ((++stopped < 400)) || kill -CONT "$1" ;;
        esac
        sleep 0.01
    done
    kill -KILL "$1"
    fail "mplcr-trigger does not end: $(cat "$T/fake.said")"
}

one_cell() {
    local where=$1 point=$2 fault=$3 code
    # A VM that stays paused is in the state postmigrate once its migration is over, and cannot be saved again.
    [[ $state == running || $(vm_status "$T/vm.qmp") == paused ]] || begin_vm
    attack "$where" "$point" "$fault"
    wait_all_gone
    code=0
    [[ $fault != both* ]] || recover || code=$?
    was_met "$where" "$point" || fault=none
    [[ $fault == none ]] || met=$((met + 1))
    kill_and_wait "$(<"$T/fake.pid")"
    rm -f "$T/fake.pid" "$T/fake.qmp"
    judge "$fault" >"$T/fake.problem" 2>&1 || { wrong+=("$where $point $3"); show_problem >&3; begin_vm; }
}

show_problem() {
    echo "# seed $seed, $where $point $fault: exit status $status"
    sed 's/^/#     /' "$T/fake.said" "$T/fake.problem"
}

# Whether the checkpoint came to this point: how often it looks, and what it finds to do, depends on time.
was_met() {
    local file=$T/fake.commands
    [[ $1 == qmp ]] || file=$T/fake.ops
    [[ $(grep -cx -- "${2%:*}" "$file") -ge ${2#*:} ]]
}

# Before QEMU 10 nothing gives a paused VM its images back once its migration is complete: the overlays stay, and are named.
is_set_aside() { [[ $state == paused && $(qemu_major) -lt 10 && $(<"$1") == *'the VM writes to'* ]]; }

# judge FAULT: says what is wrong after it.
judge() {
    case $1:$status in
    kill-qemu:0 | kill-qemu:[34]) begin_vm; return ;;
    *:0) [[ -d $D/x$cells.ckpt ]] || { echo "exit status 0, and no checkpoint"; return 1; } ;;
    *:3) [[ ! -d $D/x$cells.ckpt ]] || { echo "exit status 3, and a checkpoint"; return 1; } ;;
    *:4) is_set_aside "$T/fake.said" || { echo "this exit status is wrong"; return 1; } ;;
    kill*:137 | both*:137 | stop:137 | halt*:137) ;;
    *) echo "this exit status is wrong"; return 1 ;;
    esac
    if [[ $status == 4 ]] || { [[ $code == 4 ]] && is_set_aside "$T/fake.recover"; }; then
        begin_vm
        return
    fi
    [[ $code == 0 ]] || { echo "recover exits with $code:"; cat "$T/fake.recover"; return 1; }
    if [[ -d $D/x$cells.ckpt ]]; then complete; else unchanged; fi
}

# Nobody was left to put things right: `recover` does, at the socket that the tool used.
recover() { timeout 60 "$BIN/mplcr-trigger" recover --yes "$D" >"$T/fake.recover" 2>&1 3>&-; }

unchanged() {
    local now
    now=$(vm_facts)
    [[ $now == "$facts" ]] || { echo "not as before:"; diff <(echo "$facts") <(echo "$now"); return 1; }
    counts_on
}

# The checkpoint is whole, and the VM in the state that it had.
complete() {
    local running=running
    timeout 60 "$BIN/mplcr-chain" verify "$D/x$cells.ckpt" 3>&- || return 1
    [[ ! -e $D/x$cells.ckpt.partial ]] || { echo "a half made checkpoint is there, too"; return 1; }
    vm_running "$T/vm.qmp" || running=paused
    [[ $running == "$state" ]] || { echo "the VM is in the state $(vm_status "$T/vm.qmp")"; return 1; }
    counts_on || return 1
    layers=$((layers + 1))
    if [[ $layers -ge 8 ]]; then
        begin_vm
    else
        drop_checkpoints
        facts=$(vm_facts)
    fi
}

counts_on() { [[ $state == paused ]] || vm_assert_counting vm 2; }
