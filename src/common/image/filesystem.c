/* SPDX-License-Identifier: MIT */
#include "image/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/path.h"

/*
 * A commit of btrfs's running transaction. All changes of metadata belong to it, those of FICLONE too, which has waited
 * for the source's data (Linux fs/btrfs/reflink.c, btrfs_remap_file_range_prep). It costs the same however many extents
 * a new file has, where fsync(2) logs each of them. An aborted transaction is reported (btrfs_wait_for_commit since Linux
 * 6.5, and in the stable series from 4.19 on).
 */
static int commit_btrfs(int fd)
{
	__u64 transaction;

	if (ioctl(fd, BTRFS_IOC_START_SYNC, &transaction) < 0)
		return -1;
	return ioctl(fd, BTRFS_IOC_WAIT_SYNC, &transaction) < 0 ? -1 : 0;
}

/* (magic numbers without a name are not in linux/magic.h) */
static const struct filesystem known[] = {
	{ .magic = BTRFS_SUPER_MAGIC, .name = "btrfs", .commit = commit_btrfs }, /* cloners wait for the lock of a tree */
	{ .magic = XFS_SUPER_MAGIC, .name = "xfs", .cloners = 4 },
	{ .magic = EXT4_SUPER_MAGIC, .name = "ext4" },
	{ .magic = TMPFS_MAGIC, .name = "tmpfs" },
	{ .magic = OVERLAYFS_SUPER_MAGIC, .name = "overlay" },
	{ .magic = NFS_SUPER_MAGIC, .name = "nfs" },
	{ .magic = 0x2fc12fc1, .name = "zfs" },
	{ .magic = 0xca451a4e, .name = "bcachefs" },
	{ .magic = F2FS_SUPER_MAGIC, .name = "f2fs" },
	{ .magic = FUSE_SUPER_MAGIC, .name = "fuse" },
	{ .magic = CIFS_SUPER_MAGIC, .name = "cifs" },
	{ .magic = SMB2_SUPER_MAGIC, .name = "cifs" },
	{ .magic = OCFS2_SUPER_MAGIC, .name = "ocfs2" },
	{ .magic = MSDOS_SUPER_MAGIC, .name = "vfat" },
};

static const struct filesystem unknown = { .name = NULL };

static const struct filesystem *with_magic(unsigned long magic)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].magic == magic)
			return &known[i];
	return &unknown;
}

/* f_type, whose upper half means nothing; 0 where the file cannot be asked. */
static unsigned long magic_of(const char *path)
{
	struct statfs s;

	return statfs(path, &s) == 0 ? (unsigned long)(unsigned)s.f_type : 0;
}

const struct filesystem *filesystem_of(const char *path)
{
	return with_magic(magic_of(path));
}

void filesystem_name(const char *path, char name[FILESYSTEM_NAME_SIZE])
{
	unsigned long magic = magic_of(path);
	const struct filesystem *f = with_magic(magic);

	if (f->name)
		snprintf(name, FILESYSTEM_NAME_SIZE, "%s", f->name);
	else if (magic)
		snprintf(name, FILESYSTEM_NAME_SIZE, "0x%lx", magic);
	else
		snprintf(name, FILESYSTEM_NAME_SIZE, "unknown");
}

int filesystem_sync(const char *path, bool clones_only, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int (*commit)(int) = clones_only ? filesystem_of(path)->commit : NULL;

	if (fd < 0 || (commit ? commit(fd) : syncfs(fd)) < 0)
		return err_sys(e, errno, "cannot make '%s' durable", path);
	return 0;
}

int filesystem_space(const char *path, uint64_t bytes, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);
	char needed[16], left[16];
	struct statvfs fs;
	uint64_t free_bytes;

	if (statvfs(dir, &fs) < 0)
		return err_sys(e, errno, "cannot ask for the space in '%s'", dir);
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes <= free_bytes)
		return 0;
	return err_set(e, "not enough space in '%s': up to %s are needed, %s are left", dir,
		       number_bytes(bytes, needed), number_bytes(free_bytes, left));
}
