#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A real Linux guest, made from Debian's cloud kernel and busybox, unpacked into a folder:
#
#     linux.sh DIR        ->  DIR/vmlinuz, DIR/initrd, DIR/append (kernel command line)
#
# Nothing is installed: the packages are downloaded with apt and unpacked.  The guest mounts the ext4 file system on
# /dev/vda and runs tests/guest/linux-writer.c on it.  Done once; then it takes no time.

set -euo pipefail
here=$(dirname -- "$(realpath -- "$0")")
# shellcheck source-path=SCRIPTDIR source=cache.bash
. "$here/cache.bash"

[[ $# -eq 1 ]] || { echo "usage: linux.sh DIR" >&2; exit 2; }
writer=$here/../guest/linux-writer.c
cache_begin "$1" "linux guest $(cat "$0" "$writer" | sha256sum)"

# Loaded in this order.  virtio_ring before virtio is right: the latter needs a symbol of the former.
modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk
         crc16 crc32c_generic libcrc32c mbcache jbd2 ext4)

# The package that the meta package depends on, in the newest version that apt knows.
kernel_package() {
    apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9]\S*\)$/\1/p' | head -n 1
}

download() {
    local kernel
    kernel=$(kernel_package)
    [[ -n $kernel ]] || { apt-get update -qq && kernel=$(kernel_package); }
    [[ -n $kernel ]] || { echo "linux.sh: apt knows no linux-image-cloud-amd64" >&2; return 1; }
    echo "linux.sh: fetching $kernel busybox-static" >&2
    # The package lists may be older than the mirror's pool: refresh them once.
    apt-get -q -o APT::Sandbox::User= download "$kernel" busybox-static || {
        apt-get update -qq && apt-get -q -o APT::Sandbox::User= download "$kernel" busybox-static
    }
}

mkdir "$PARTIAL/deb" "$PARTIAL/root"
(cd "$PARTIAL/deb" && download >"$PARTIAL/log") || {
    cat "$PARTIAL/log" >&2
    echo "linux.sh: cannot fetch the Linux guest" >&2
    exit 1
}
for deb in "$PARTIAL"/deb/*.deb; do
    dpkg -x "$deb" "$PARTIAL/root"
done

initrd=$PARTIAL/initrd.d
mkdir -p "$initrd"/{bin,dev,proc,sys,lib,mnt}
cp "$PARTIAL/root/bin/busybox" "$initrd/bin/"
gcc -static -O2 -Wall -Wextra -Werror -o "$initrd/bin/linux-writer" "$writer"

# Modules that this kernel has built in are no files; those that it has are copied uncompressed.
loaded=()
for module in "${modules[@]}"; do
    file=$(find "$PARTIAL/root/lib/modules" -name "$module.ko*" -print -quit)
    case $file in
    '') continue ;;
    *.ko) cp "$file" "$initrd/lib/$module.ko" ;;
    *.ko.xz) xz -dc "$file" >"$initrd/lib/$module.ko" ;;
    *.ko.zst) zstd -qdc "$file" >"$initrd/lib/$module.ko" ;;
    *) echo "linux.sh: cannot unpack $file" >&2; exit 1 ;;
    esac
    loaded+=("$module")
done

cat >"$initrd/init" <<INIT
#!/bin/busybox sh
busybox mount -t proc none /proc
busybox mount -t devtmpfs none /dev
for module in ${loaded[*]}; do
    busybox insmod /lib/\$module.ko || echo "ERROR insmod \$module"
done
busybox mount -t ext4 /dev/vda /mnt || echo "ERROR mount"
exec /bin/linux-writer /mnt/records /dev/ttyS0
INIT
chmod +x "$initrd/init"
ln -s busybox "$initrd/bin/sh"

(cd "$initrd" && find . -print0 | LC_ALL=C sort -z | cpio --quiet --null -o -H newc -R 0:0) | gzip -1 >"$PARTIAL/initrd"
cp "$PARTIAL"/root/boot/vmlinuz-* "$PARTIAL/vmlinuz"
# No timer calibration, no probing of hardware that is not there: half of the boot time under TCG.
echo 'console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable no_timer_check nokaslr mitigations=off noreplace-smp' \
    'i8042.noaux i8042.nokbd random.trust_cpu=on raid=noautodetect' >"$PARTIAL/append"
rm -rf -- "$PARTIAL/deb" "$PARTIAL/root" "$initrd" "$PARTIAL/log"
cache_finish
