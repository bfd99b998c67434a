# SPDX-License-Identifier: MIT
# qemu: none
#
# Images that a process has open or mapped, and no lock tells of it, as with QEMU before 2.10 and with locking=off: every
# verb of mplcr-chain and mplcr-snap that reads, copies, changes or removes images knows.
# shellcheck disable=SC2154  # T, output, stderr: helpers.bash

load helpers
load chain

# layers: base <- mid <- top in $T/d, each with data of its own; $T/sums has what they are.
layers() {
    mkdir -p "$T/d"
    base d/base.qcow2
    overlay d/mid.qcow2 base.qcow2 qcow2
    overlay d/top.qcow2 mid.qcow2 qcow2
    (
        cd "$T/d" || exit
        for name in base mid top; do qemu-io -c "write -q -P 7 0 64k" $name.qcow2; done
        sha256sum ./*.qcow2 >"$T/sums"
    )
}

unchanged() {
    (cd "$T/d" && sha256sum --quiet -c "$T/sums" && [[ $(find . -type f | wc -l) -eq 3 ]]) || fail "something was changed: $(ls "$T/d")"
}

# user MODE FILE: a process that has the file open (r, w), or mapped and closed (m), without a lock; $pid.
user() {
    cat >"$T/user.py" <<'END'
import ctypes, sys, os, time
f = os.open(sys.argv[2], os.O_RDWR if sys.argv[1] == "w" else os.O_RDONLY)
if sys.argv[1] == "m":
    mmap = ctypes.CDLL(None).mmap # (that of Python keeps a descriptor)
    mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    mmap(None, 4096, 1, 2, f, 0)
    os.close(f)
print("ready", flush=True)
time.sleep(1000)
END
    coproc USER { exec python3 "$T/user.py" "$1" "$2" 3>&-; }
    read -r -u "${USER[0]}" _
    pid=$USER_PID
    echo "$pid" >"$T/user.pid"
}

user_ends() {
    kill_and_wait "$pid"
    rm "$T/user.pid"
}

# refused WORD COMMAND…: in $T/d; it names the process and what that does, and nothing is changed.
refused() {
    local word=$1
    shift
    cd "$T/d" || return
    run_tool 3 "$@"
    [[ $stderr == *"process $pid (python3"*"$word"* ]] || fail "$*: $stderr"
    unchanged
}

@test "a process that minds no locks writes to the top: every verb refuses, tree says active" {
    layers
    user w "$T/d/top.qcow2"
    refused 'writes to it' mplcr-chain shorten --keep 2 top.qcow2
    refused 'writes to it' mplcr-chain shorten --keep 1 top.qcow2
    refused 'writes to it' mplcr-chain shorten --into base.qcow2 top.qcow2
    refused 'writes to it' mplcr-chain relocate --to "$T/new" top.qcow2
    refused 'writes to it' mplcr-chain relocate --copy --to "$T/new" top.qcow2
    refused 'writes to it' mplcr-chain seal top.qcow2
    refused 'writes to it' mplcr-snap remove top.qcow2
    refused 'writes to it' mplcr-snap reflink --reflink auto --suffix .copy top.qcow2
    refused 'writes to it' mplcr-snap reflink --chain --reflink auto --to "$T/copies" top.qcow2
    refused 'writes to it' mplcr-snap overlay top.qcow2 new.qcow2
    [[ ! -e $T/new && ! -e $T/copies ]]
    run_tool 0 mplcr-chain tree .
    [[ $output == *"active (pid $pid)"* ]]
    assert_equal "$(mplcr-chain tree --json . | jq -r '.images[] | select(.path | endswith("top.qcow2")) | "\(.use) \(.pid)"')" "written $pid"
    user_ends
    run_tool 0 mplcr-chain shorten --keep 2 top.qcow2
}

@test "in the pause of a checkpoint, reflink copies what is open" {
    layers
    user w "$T/d/top.qcow2"
    MPLCR_AT_FREEZE=1 run_tool 0 mplcr-snap reflink --reflink auto --to "$T/copies" "$T/d/top.qcow2"
    assert_file_exist "$T/copies/top.qcow2"
    run_tool 0 mplcr-snap reflink --reflink auto --live-ok --to "$T/more" "$T/d/top.qcow2"
}

@test "a layer in the middle, or the base: read is enough where it would go or change, written where it is read" {
    layers
    user r "$T/d/mid.qcow2"
    refused 'has it open' mplcr-chain shorten --keep 2 top.qcow2
    refused 'has it open' mplcr-chain shorten --into base.qcow2 top.qcow2
    refused 'has it open' mplcr-chain relocate --to "$T/new" top.qcow2
    user_ends
    user w "$T/d/base.qcow2"
    refused 'writes to it' mplcr-chain shorten --keep 2 top.qcow2
    refused 'writes to it' mplcr-chain shorten --into base.qcow2 top.qcow2
    refused 'writes to it' mplcr-snap overlay top.qcow2 new.qcow2
    run_tool 1 mplcr-chain verify top.qcow2
    [[ $output == *E-BACKING-WRITTEN*"base.qcow2: process $pid has it open for writing"* ]]
    user_ends
    user m "$T/d/mid.qcow2"
    refused 'has it mapped' mplcr-chain shorten --keep 2 top.qcow2
    user_ends
    run_tool 0 mplcr-chain verify top.qcow2
}

@test "who writes to the data file of an image, or to a raw backing file, writes to the image" {
    mkdir "$T/d"
    cd "$T/d" || return
    qemu-img create -q -f qcow2 -o data_file=base.data base.qcow2 1M
    qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 mid.qcow2
    qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 top.qcow2
    qemu-img create -q -f raw raw.img 1M
    qemu-img create -q -f qcow2 -F raw -b raw.img over.qcow2
    qemu-img create -q -f qcow2 -F qcow2 -b over.qcow2 last.qcow2
    user w base.data
    local verb
    for verb in 'mplcr-chain shorten --keep 2 top.qcow2' 'mplcr-chain shorten --keep 1 top.qcow2' \
        "mplcr-chain relocate --to $T/new top.qcow2" 'mplcr-chain seal top.qcow2' \
        'mplcr-snap overlay top.qcow2 new.qcow2' 'mplcr-snap reflink --chain --reflink auto --suffix .c top.qcow2'; do
        # shellcheck disable=SC2086  # words
        run_tool 3 $verb
        [[ $stderr == *"base.data'"*"process $pid (python3) writes to it"* ]] || fail "$verb: $stderr"
    done
    rm mid.qcow2 top.qcow2
    run_tool 3 mplcr-snap remove --force base.qcow2
    [[ $stderr == *"it needs 'base.data': process $pid (python3) writes to it"* ]]
    run_tool 0 mplcr-chain tree .
    [[ $output == *"base.qcow2 "*"active (pid $pid), needs base.data"* ]]
    user_ends
    user w raw.img
    for verb in 'mplcr-chain shorten --into raw.img last.qcow2' 'mplcr-chain shorten --keep 2 last.qcow2'; do
        # shellcheck disable=SC2086  # words
        run_tool 3 $verb
        [[ $stderr == *"raw.img'"*"process $pid (python3) writes to it"* ]] || fail "$verb: $stderr"
    done
    user_ends
    run_tool 0 mplcr-snap remove --force base.qcow2
}

@test "a second name of the file, and a loop device, count too" {
    layers
    ln "$T/d/top.qcow2" "$T/other"
    user w "$T/other"
    refused 'writes to it' mplcr-snap remove top.qcow2
    user_ends
    rm "$T/other"
    require loop 'loop devices'
    local loop
    loop=$(losetup --find --show "$T/d/top.qcow2")
    cd "$T/d" || return
    run_tool 3 mplcr-snap remove top.qcow2
    losetup --detach "$loop"
    [[ $stderr == *"$loop"* ]]
}

@test "a checkpoint goes only when nobody uses any file of it: its memory, mapped by a VM that runs lazily" {
    make_checkpoint
    user m "$T/x1.ckpt/ram/pc.ram"
    rm "$T/x1.ovl"
    run_tool 3 mplcr-snap remove "$T/x1.ckpt"
    [[ $stderr == *"ram/pc.ram' is in use: process $pid"*'has it mapped'* ]]
    run_tool 0 mplcr-chain prune --keep 0 "$T"
    [[ $output == *'x1.ckpt: kept, '* ]]
    run_tool 3 mplcr-chain relocate --to "$T/new" "$T/x1.ckpt"
    user_ends
    user r "$T/x1.ckpt/devices.vmstate"
    run_tool 3 mplcr-snap remove "$T/x1.ckpt"
    run_tool 0 mplcr-chain prune --keep 0 "$T"
    [[ $output == *'x1.ckpt: kept, '*"devices.vmstate' is in use"* ]]
    user_ends
    assert_file_exist "$T/x1.ckpt/ram/pc.ram"
    run_tool 0 mplcr-snap remove "$T/x1.ckpt"
}

@test "who cannot see the processes of other users vouches with --assume-unused, or changes nothing" {
    require root 'another user'
    setpriv --reuid nobody --clear-groups test -x "$BIN/mplcr-chain" || skip "user nobody cannot run the tool"
    layers
    chmod 0711 "$T"
    chown -R nobody:nogroup "$T/d"
    as_nobody() {
        local expected=$1
        shift
        cd "$T/d" || return
        run_tool "$expected" setpriv --reuid nobody --regid nogroup --clear-groups env MPLCR_KEY="$T/d/.key" "$@"
    }
    local verb
    mkdir "$T/d/new"
    chown nobody:nogroup "$T/d/new"
    for verb in 'mplcr-chain shorten --keep 2 top.qcow2' 'mplcr-chain shorten --into base.qcow2 top.qcow2' \
        'mplcr-chain prune --keep 1 .' 'mplcr-chain relocate --to new top.qcow2' 'mplcr-snap remove top.qcow2'; do
        # shellcheck disable=SC2086  # words
        as_nobody 3 $verb
        [[ $stderr == *'processes of other users cannot be seen'*--assume-unused* ]] || fail "$verb: $stderr"
        (cd "$T/d" && sha256sum --quiet -c "$T/sums")
    done
    # What only looks or copies works, and the writer is found all the same: by the kernel's word.
    as_nobody 0 mplcr-chain tree .
    [[ $stderr == *'cannot be seen'* ]]
    as_nobody 0 mplcr-chain prune --dry-run --keep 1 .
    as_nobody 0 mplcr-snap remove --dry-run top.qcow2
    user w "$T/d/top.qcow2"
    as_nobody 3 mplcr-chain shorten --assume-unused --keep 2 top.qcow2
    [[ $stderr == *'a process that cannot be seen writes to it'* ]]
    as_nobody 3 mplcr-snap reflink --reflink auto --suffix .c top.qcow2
    user_ends
    as_nobody 0 mplcr-chain shorten --assume-unused --keep 2 top.qcow2
    as_nobody 0 mplcr-snap remove --assume-unused top.qcow2
    [[ ! -e $T/d/top.qcow2 ]]
}
