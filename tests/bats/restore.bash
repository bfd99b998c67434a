# SPDX-License-Identifier: MIT
#
# What the tests of mplcr-restore share.

# checkpoint NAME [OPTION…]: of the VM `vm1`, which is killed then. Notes what must never change again.
checkpoint() {
    local name=$1
    shift
    run_tool 0 mplcr-trigger --socket "$T/vm1.qmp" --dir "$T" --name "$name" --quiet "$@"
    vm_kill vm1
    seal
}

# seal: remembers the sums of all checkpoints and frozen images. sealed: they are still the same.
# (cksum, which takes a tenth of a second for what sha256sum takes two: against accidents, not against forgery)
seal() { sums >"$T/.sums"; }
sealed() {
    local changed
    changed=$(comm -23 "$T/.sums" <(sums))
    [[ -z $changed ]] || fail "changed since: $changed"
}
sums() {
    find "$T" -name '*.run-*' -prune -o -type f \( -path '*.ckpt/*' -o -name '*.qcow2' -o -name '*.img' \) -print0 |
        xargs -0 cksum | sort
}

# restore NAME [OPTION…] CHECKPOINT…: restores; $run is what it says, $dir the run directory, $serial the guest's output.
restore() {
    local name=$1
    shift
    run_tool 0 mplcr-restore --json "$@"
    run=$output
    vm_adopt "$name" "$(jq -r .pid <<<"$run")"
    dir=$(jq -r .dir <<<"$run")
    # shellcheck disable=SC2034  # for the tests
    serial=$dir/vm1.serial
}

# Nothing is left of a restore that failed: no run directory, no process.
assert_nothing_left() {
    assert_equal "$(find "$T" -maxdepth 1 -name '*.run-*')" ''
    assert_equal "$(processes_of_test)" ''
}

# vm1 with two disks, counting.
two_disks() {
    make_disk "$T/a.qcow2" qcow2 64M
    make_disk "$T/b.img" raw 64M
    vm_start vm1 -drive "file=$T/a.qcow2,format=qcow2,if=virtio" -drive "file=$T/b.img,format=raw,if=virtio"
    vm_wait_count vm1 10
}

# The checkpoint x1 of it.
two_disks_checkpoint() {
    two_disks
    checkpoint x1 "$@"
}

# Runs the commands of --print in $output. The last one needs socat, for which our own client stands in.
run_printed() {
    local socket=$T/x1.run-1/qmp.sock
    grep -v '^printf' <<<"$output" >"$T/commands"
    bash "$T/commands" 3>&-
    until [[ -S $socket ]]; do sleep 0.01; done
    vm_adopt c1 "$(processes_of_test | head -n 1)"
    until [[ $(vm_status "$socket") != inmigrate ]]; do sleep 0.01; done
    "$QMP" "$socket" cont >/dev/null
    vm_assert_counting "$T/x1.run-1/vm1.serial"
}
