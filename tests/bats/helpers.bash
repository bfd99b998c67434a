# SPDX-License-Identifier: MIT
#
# What every bats file loads: `load helpers`.  Gives each test a scratch folder $T and a key of its own in it, starts and
# watches test VMs, and leaves nothing behind.
#
# From the environment (tests/run and the Makefile set them; the defaults are for `bats tests/bats/x.bats` by hand):
#
#     BUILD       what the build made                    BIN        the tools
#     QEMU        the QEMU to test with                  QEMU10     the private QEMU 10, see tests/setup/qemu10.sh
#     GUEST       the self-checking test VM              LINUX_DIR  the Linux guest, see tests/setup/linux.sh
#     QMP         tests/tools/qmp.c                      SCRATCH    where the scratch folders go
#
# A file that has its own setup or teardown calls scratch_begin first and scratch_end last in them.

bats_require_minimum_version 1.5.0
load /usr/lib/bats/bats-support/load
load /usr/lib/bats/bats-assert/load
load /usr/lib/bats/bats-file/load

project=$(cd -- "$BATS_TEST_DIRNAME/../.." && pwd)
export BUILD=${BUILD:-$project/build/default}
export CACHE=${CACHE:-$project/build}
export BIN=${BIN:-$project/bin}
export QEMU=${QEMU:-qemu-system-x86_64}
export QEMU10=${QEMU10:-$CACHE/qemu10/qemu-system-x86_64}
export GUEST=${GUEST:-$BUILD/tests/guest/guest.elf}
export QMP=${QMP:-$BUILD/tests/tools/qmp}
export LINUX_DIR=${LINUX_DIR:-$CACHE/linux}
export PATH=$BIN:$PATH

# A sanitizer report must never look like one of the tools' own answers.
export ASAN_OPTIONS=exitcode=99:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1:${UBSAN_OPTIONS:-}

setup() { scratch_begin; }
teardown() { scratch_end; }

# --- scratch folder and leaks ---------------------------------------------------------------------------------------

# Sets $T: on tmpfs where that has room, since the tests are not about the speed of the disk.
#
# bats notes each command before it runs, so as to name the one that fails: a millisecond each.  From here on it does so
# for the test itself, and inside of the functions that it calls only with `bats --trace`.
scratch_begin() {
    [[ ${BATS_TRACE_LEVEL:-0} -gt 0 ]] || set +T
    declare -ft "$BATS_TEST_NAME"
    local where=${SCRATCH:-${TMPDIR:-/tmp}} free
    if [[ -z ${SCRATCH:-} ]]; then
        free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)
        [[ ${free:-0} -lt 2097152 ]] || where=/dev/shm
    fi
    T=$(mktemp -d "$where/mplcr.XXXXXX")
    export T
    export MPLCR_KEY=$T/.key # no test signs with the key of whoever runs it
}

# Ends what the test started, and fails it if something else of it is still there: processes that have $T in their
# command line, mounts below it, loop devices on it.  After a failure it shows what the VMs said.
scratch_end() {
    local pid leaks='' file
    if [[ -z ${BATS_TEST_COMPLETED:-} && -z ${BATS_TEST_SKIPPED:-} ]]; then
        for file in "$T"/*.serial "$T"/*.log; do
            [[ -s $file ]] && { echo "--- end of ${file##*/}:"; tail -n 5 -- "$file"; }
        done
    fi
    for file in "$T"/*.pid; do
        [[ -f $file ]] && kill_and_wait "$(<"$file")"
    done
    for pid in $(processes_of_test); do
        leaks+="process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"$'\n'
        kill_and_wait "$pid"
    done
    for file in $(awk -v t="$T/" 'index($2, t) == 1 {print $2}' /proc/self/mounts | tac); do
        leaks+="mount $file"$'\n'
        umount -- "$file"
    done
    loops_gone
    for file in $(loops_of_test); do
        leaks+="loop device $file"$'\n'
        losetup --detach "$file"
    done
    rm -rf -- "$T"
    [[ -z $leaks ]] || fail "the test leaves behind: $leaks"
}

# (grep is told on its standard input what to look for, so as not to find itself)
processes_of_test() {
    guardians
    # shellcheck disable=SC2062  # these are the files
    grep -lsF --file=- /proc/[0-9]*/cmdline <<<"$T/" | cut -d / -f 3
}

# The loop devices on files of $T, /dev/loopN a line: from /sys, which opens none of them (losetup does).
loops_of_test() {
    local file name
    for file in /sys/block/loop*/loop/backing_file; do
        { read -r name <"$file"; } 2>/dev/null || continue
        [[ $name != "$T/"* ]] || echo "/dev/$(cut -d / -f 4 <<<"$file")"
    done
}

# Until there are none. The kernel lets go of one when nobody has it open, and who looks through all block devices
# (another mount, blkid, udev) has it open for a moment longer than the mount that it was for.
loops_gone() {
    local i
    for ((i = 0; i < 500; i++)); do
        [[ -n $(loops_of_test) ]] || return 0
        sleep 0.01
    done
}

# guardians [TOOL_PID]: the guardians of the tools of this test, or of that one, as process ids.  They have a command line
# of their own, "mplcr-guardian TOOL_PID", and the environment of their tool.
guardians() {
    local pid
    for pid in $(pgrep -x mplcr-guardian); do
        grep -qsF -- "$T/" "/proc/$pid/environ" || continue
        [[ -z ${1:-} || $(tr '\0' ' ' <"/proc/$pid/cmdline") == "mplcr-guardian $1 "* ]] || continue
        echo "$pid"
    done
}

# The process is gone, or a zombie that its parent has yet to collect, when this returns.  A zombie that has threads left
# is not there yet: its files are open.
kill_and_wait() {
    local i stat threads
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    for ((i = 0; i < 3000; i++)); do
        read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
        threads=("/proc/$1/task/"*)
        [[ ${stat##*)} != ' Z'* || ${#threads[@]} -gt 1 ]] || return 0
        sleep 0.01
    done
    fail "process $1 does not end"
}

# --- running tools --------------------------------------------------------------------------------------------------

# run_tool EXPECTED_STATUS COMMAND…
#
# Fails unless the command exits with exactly this status within $TOOL_TIMEOUT seconds (60).  Leaves its stdout in
# $output and $lines, its stderr in $stderr, its status in $status.  A crash, a timeout or a sanitizer's report never
# passes.  Processes that the command leaves running hold nothing of ours open.
run_tool() {
    local expected=$1
    shift
    mkdir -p "$T/.tool"
    status=0
    timeout --kill-after=5 "${TOOL_TIMEOUT:-60}" "$@" </dev/null >"$T/.tool/out" 2>"$T/.tool/err" 3>&- || status=$?
    run_tool_result "$expected" "$@"
}

# The same with the test's standard input handed on.
run_tool_stdin() {
    local expected=$1
    shift
    mkdir -p "$T/.tool"
    status=0
    timeout --kill-after=5 "${TOOL_TIMEOUT:-60}" "$@" >"$T/.tool/out" 2>"$T/.tool/err" 3>&- || status=$?
    run_tool_result "$expected" "$@"
}

run_tool_result() {
    local expected=$1 problem=''
    shift
    output=$(tr -d '\0' <"$T/.tool/out")
    stderr=$(tr -d '\0' <"$T/.tool/err")
    # shellcheck disable=SC2034  # for the test, as with bats' own `run`
    mapfile -t lines <<<"$output"
    case $status in
    124 | 137) problem="no end after ${TOOL_TIMEOUT:-60} seconds" ;;
    99) problem="a sanitizer's report" ;;
    129 | 13? | 14? | 15?) problem="killed by signal $((status - 128))" ;;
    "$expected") ;;
    *) problem="exit status $status instead of $expected" ;;
    esac
    [[ ! $stderr =~ ERROR:\ (Address|Leak|Thread)Sanitizer|runtime\ error: ]] || problem="a sanitizer's report"
    [[ -z $problem ]] || fail "$(printf '%s: %s\n--- stdout:\n%s\n--- stderr:\n%s' "$problem" "$*" "$output" "$stderr")"
}

# require WHAT REASON
#
# Skips the test, saying why, where WHAT is missing: `root`, `userfaultfd`, `loop` (loop devices), `linux` (the Linux
# guest), `qemu>=N`, `tool:NAME` (built in $BIN), or the name of a command.  With CI=true or MPLCR_NO_SKIP=1 that is a
# failure instead (but for qemu>=N: which QEMU runs is the runner's choice).
require() {
    local there=0
    case $1 in
    root) [[ $EUID -eq 0 ]] ;;
    userfaultfd) [[ $EUID -eq 0 || -w /dev/userfaultfd || $(cat /proc/sys/vm/unprivileged_userfaultfd 2>/dev/null) == 1 ]] ;;
    loop) [[ $EUID -eq 0 && -e /dev/loop-control ]] && losetup --find >/dev/null 2>&1 ;;
    linux) [[ -f $LINUX_DIR/vmlinuz && -f $LINUX_DIR/initrd ]] ;;
    qemu\>=*) (($(qemu_major) >= ${1#qemu>=})) || skip "$2" ;;
    tool:*) [[ -x $BIN/${1#tool:} ]] ;;
    *) command -v -- "$1" >/dev/null ;;
    esac || there=$?
    [[ $there -ne 0 ]] || return 0
    [[ ${CI:-} != true && ${MPLCR_NO_SKIP:-} != 1 ]] || fail "$1 is missing: $2"
    skip "$2 (no $1)"
}

# --- virtual machines -----------------------------------------------------------------------------------------------

# The major version of $QEMU.
qemu_major() {
    "$QEMU" --version | sed -n 's/^QEMU emulator version \([0-9]*\).*/\1/p'
}

# vm_start NAME [QEMU ARGUMENT…]
#
# Starts the test VM in the background and returns when it is READY (with -incoming: when its monitor answers).  Its
# command line comes from $GUEST_WORDS, its memory from -m (256M).  Makes $T/NAME.qmp (QMP socket), NAME.serial,
# NAME.pid, NAME.log (QEMU's own messages).
#
#     GUEST_WORDS='ws=64M rate=20M' vm_start vm1 -m 512M -drive file=$T/a.qcow2,format=qcow2,if=virtio
vm_start() {
    local name=$1
    shift
    local arguments=(-nodefaults -display none -no-reboot -kernel "$GUEST" -append "${GUEST_WORDS-ws=16M rate=8M}")
    [[ " $* " == *" -m "* ]] || arguments+=(-m 256M)
    vm_launch "$name" "$QEMU" "${arguments[@]}" "$@" -serial "file:$T/$name.serial" \
        -qmp "unix:$T/$name.qmp,server=on,wait=off"
}

# vm_launch NAME COMMAND…
#
# The same for a whole command line of one's own, which makes $T/NAME.qmp and $T/NAME.serial.
vm_launch() {
    local name=$1
    shift
    "$@" </dev/null >"$T/$name.log" 2>&1 3>&- &
    echo $! >"$T/$name.pid"
    vm_wait_monitor "$name"
    [[ " $* " == *" -incoming "* ]] || vm_wait_line "$T/$name.serial" '^READY '
}

vm_wait_monitor() {
    local i
    for ((i = 0; i < 6000; i++)); do
        [[ ! -S $T/$1.qmp ]] || break
        kill -0 "$(<"$T/$1.pid")" 2>/dev/null || fail "QEMU '$1' ended: $(cat "$T/$1.log")"
        sleep 0.01
    done
    "$QMP" "$T/$1.qmp" query-status >/dev/null
}

# vm_wait_line FILE REGEX [SECONDS]: waits (60 s) for a line; an alarm of the guest fails the test unless it is the line.
vm_wait_line() {
    local alarm end=$((SECONDS + ${3:-60}))
    while ((SECONDS < end)); do
        alarm=$(vm_alarm "$1") || true
        if grep -qsE -- "$2" "$1"; then return; fi
        if [[ -n $alarm ]]; then
            fail "waited for '$2', but the guest says: $alarm"
            return 1 # for callers that go on after a failure, such as `run`
        fi
        sleep 0.02
    done
    fail "no '$2' in ${1##*/} in ${3:-60} seconds"
}

# vm_alarm FILE: prints the guest's alarm (CORRUPT, MISALIGNED, ERROR); fails if it raised none, or while that line,
# the last one that the guest prints, is still being written.
vm_alarm() {
    [[ -z $(tail -c 1 -- "$1" 2>/dev/null) ]] || return 1
    grep -asE '^(CORRUPT|MISALIGNED|ERROR) ' -- "$1"
}

# vm_count NAME_OR_FILE: the guest's last whole COUNT; 0 if there is none yet.
vm_count() {
    local file=$1 count
    [[ -f $file ]] || file=$T/$1.serial
    read_count "$file"
    echo "$count"
}

# read_count FILE: the same in $count, without starting a process.
read_count() {
    local lines i
    count=0
    [[ -f $1 ]] || return 0
    mapfile lines <"$1"
    for ((i = ${#lines[@]} - 1; i >= 0; i--)); do
        if [[ ${lines[i]} =~ ^COUNT\ ([0-9]+)$'\n'$ ]]; then
            count=${BASH_REMATCH[1]}
            return
        fi
    done
}

# vm_wait_count NAME_OR_FILE N [SECONDS]: until the guest has counted to N, or `+N` from now on.
vm_wait_count() {
    local file=$1 goal=$2 count last=-1 alarm end=$((SECONDS + ${3:-60}))
    [[ -f $file ]] || file=$T/$1.serial
    read_count "$file"
    [[ $goal != +* ]] || goal=$((count + ${goal#+}))
    while ((SECONDS < end)); do
        read_count "$file"
        if ((count >= goal)); then return; fi
        # After an alarm the guest stands still.
        if ((count == last)) && alarm=$(vm_alarm "$file"); then
            fail "the guest says: $alarm"
            return 1
        fi
        last=$count
        sleep 0.02
    done
    fail "the guest has counted to $count, not to $goal, in ${3:-60} seconds"
}

# vm_assert_counting NAME_OR_FILE [STEPS]
#
# The guest goes on for STEPS (40) more steps, which is long enough to check all of 16 MiB of pages, raises no alarm, and
# counts by one each time: neither started over nor jumped.
vm_assert_counting() {
    local file=$1 from problem
    [[ -f $file ]] || file=$T/$1.serial
    vm_wait_count "$file" +1
    from=$(vm_count "$file")
    vm_wait_count "$file" +"${2:-40}"
    # The last line may be half written.
    problem=$(head -n -1 -- "$file" | tr -d '\0' | awk -v from="$from" '
        $1 == "COUNT" && $2 == from { on = 1; previous = $2; next }
        !on { next }
        $1 != "COUNT" || $2 != previous + 1 { print "after COUNT " previous ": " $0; exit }
        { previous = $2 }')
    [[ -z $problem ]] || fail "$problem"
    if vm_alarm "$file"; then fail "the guest says: $(vm_alarm "$file")"; fi
}

# vm_status SOCKET: QEMU's run state.  vm_running SOCKET: whether the guest runs.
# (no jq, which takes longer to start than all the rest)
vm_status() { [[ $("$QMP" "$1" query-status) =~ \"status\":\"([a-z-]+)\" ]] && echo "${BASH_REMATCH[1]}"; }
vm_running() { [[ $("$QMP" "$1" query-status) == *'"running":true'* ]]; }

# vm_kill NAME: as a power failure would.
vm_kill() {
    kill_and_wait "$(<"$T/$1.pid")"
    rm -f -- "$T/$1.pid" "$T/$1.qmp"
}

# vm_adopt NAME PID: lets teardown end a process that a tool started.
vm_adopt() { echo "$2" >"$T/$1.pid"; }

# vm_wait_migration SOCKET [STATUS [SECONDS]]: until the migration is `completed` (or STATUS).
vm_wait_migration() {
    local got='' end=$((SECONDS + ${3:-60}))
    while ((SECONDS < end)); do
        got=none
        [[ ! $("$QMP" "$1" query-migrate) =~ \"status\":\"([a-z-]+)\" ]] || got=${BASH_REMATCH[1]}
        if [[ $got == "${2:-completed}" ]]; then return; fi
        if [[ $got == failed ]]; then fail "migration failed"; fi
        sleep 0.02
    done
    fail "migration is '$got', not '${2:-completed}'"
}

# vm_save SOCKET FILE: the plain way, stop and write out; leaves the VM stopped.
vm_save() {
    "$QMP" "$1" stop >/dev/null
    "$QMP" "$1" migrate "uri=exec:cat > '$2'" >/dev/null
    vm_wait_migration "$1"
    until [[ $(vm_status "$1") == postmigrate ]]; do sleep 0.01; done
}

# vm_load NAME FILE [QEMU ARGUMENT…]: a new VM from what vm_save wrote, running.
vm_load() {
    local name=$1 file=$2
    shift 2
    vm_start "$name" "$@" -incoming "exec:cat '$file'"
    vm_wait_migration "$T/$name.qmp"
    "$QMP" "$T/$name.qmp" cont >/dev/null
}

# free_port: a TCP port of this host that nobody listens on.
free_port() {
    local port
    while port=$((20000 + RANDOM % 20000)); (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do :; done
    echo "$port"
}

# make_disk FILE FORMAT SIZE
make_disk() { qemu-img create -q -f "$2" -- "$1" "$3"; }

# make_encrypted FILE SIZE [QEMU-IMG OPTION…]: a qcow2 with LUKS inside; its secret is "key".
#
# qemu-img times itself first, and gives up at once when the kernel has not counted any of its time as a program's yet:
# one time in two, on a quiet machine.
make_encrypted() {
    local i file=$1 size=$2 command
    shift 2
    command=(qemu-img create -q -f qcow2 --object "secret,id=k,data=key"
        -o "encrypt.format=luks,encrypt.key-secret=k,encrypt.iter-time=10" "$@" -- "$file" "$size")
    for ((i = 0; i < 100; i++)); do
        if "${command[@]}" 2>"$T/.encrypted"; then return; fi
        grep -q 'Unable to get accurate CPU usage' "$T/.encrypted" || break
    done
    fail "no encrypted image: $(<"$T/.encrypted")"
}
