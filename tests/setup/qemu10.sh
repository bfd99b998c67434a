#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A private QEMU 10.0 from Debian's bookworm-backports, unpacked into a folder:
#
#     qemu10.sh DIR       ->  DIR/qemu-system-x86_64 runs it
#
# Nothing of the system is changed: apt works on a sources list of its own, the packages are unpacked, not installed.
# They run with the libraries that the system's own qemu-system-x86 brought.  Done once; then it takes no time.
#
# The wrapper execs the real binary with the -L options that it needs, so these stand in /proc/PID/cmdline: the
# recorded binary with the recorded arguments starts the same VM without the wrapper, too.  (QEMU finds its modules by
# itself, from where its binary lies; its firmware it would take from the system.)

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=cache.bash
. "$(dirname -- "$(realpath -- "$0")")/cache.bash"

[[ $# -eq 1 ]] || { echo "usage: qemu10.sh DIR" >&2; exit 2; }
cache_begin "$1" "qemu 10 from bookworm-backports, layout 1, in $(realpath -m -- "$1")"

packages=(qemu-system-x86 qemu-system-common qemu-system-data seabios)
echo "qemu10.sh: fetching ${packages[*]} from bookworm-backports" >&2

apt=$PARTIAL/apt
if ! { private_apt "$apt" bookworm-backports apt-get update &&
    (cd "$apt" && private_apt "$apt" bookworm-backports apt-get download "${packages[@]}"); } >"$PARTIAL/log" 2>&1
then
    cat "$PARTIAL/log" >&2
    echo "qemu10.sh: cannot fetch QEMU 10 from $(debian_mirror)" >&2
    exit 1
fi
for deb in "$apt"/*.deb; do
    dpkg -x "$deb" "$PARTIAL/root"
done
rm -rf -- "$apt" "$PARTIAL/root/usr/share/doc" "$PARTIAL/root/usr/share/man" "$PARTIAL/root/usr/share/locale"

cat >"$PARTIAL/qemu-system-x86_64" <<WRAPPER
#!/bin/bash
# Made by tests/setup/qemu10.sh.
root=$(printf '%q' "$CACHE/root")
exec "\$root/usr/bin/qemu-system-x86_64" -L "\$root/usr/share/qemu" -L "\$root/usr/share/seabios" "\$@"
WRAPPER
chmod +x "$PARTIAL/qemu-system-x86_64"

"$PARTIAL/root/usr/bin/qemu-system-x86_64" --version >"$PARTIAL/version" || {
    echo "qemu10.sh: the unpacked QEMU does not run; libraries missing:" >&2
    ldd "$PARTIAL/root/usr/bin/qemu-system-x86_64" | grep 'not found' >&2
    exit 1
}
cache_finish
