/* SPDX-License-Identifier: MIT */
#include "image/lock.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* QEMU block/file-posix.c: RAW_LOCK_PERM_BASE, RAW_LOCK_SHARED_BASE; include/block/block-common.h: BLK_PERM_… */
#define FIRST_BYTE 100
#define BYTES 110 /* both groups of bytes */
#define WRITE_BYTE 101
#define NOT_SHARED_WRITE_BYTE 201

/* Whether someone else's lock keeps us from locking `length` bytes from `start`. */
static int is_locked(int fd, off_t start, off_t length)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

enum image_use image_lock_use(int fd)
{
	if (!is_locked(fd, FIRST_BYTE, BYTES))
		return IMAGE_UNUSED;
	return is_locked(fd, WRITE_BYTE, 1) ? IMAGE_WRITTEN : IMAGE_READ;
}

int image_lock_hold(int fd)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = NOT_SHARED_WRITE_BYTE, .l_len = 1 };

	/* first the lock, then the look, as QEMU does it: of two that come at the same time, one sees the other */
	return fcntl(fd, F_OFD_SETLK, &lock) < 0 || is_locked(fd, WRITE_BYTE, 1) ? -1 : 0;
}

enum image_use image_lock_use_path(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 ? image_lock_use(fd) : IMAGE_UNUSED;
}

/* Calls `each` for every open file of the process. */
static void each_file(const char *pid, void (*each)(void *ctx, pid_t pid, dev_t device, ino_t inode, bool writable),
		      void *ctx)
{
	char path[64];
	const struct dirent *one;
	struct stat file, link; /* mode bits of the link /proc/PID/fd/N tell how the file is open */
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir && (one = readdir(dir)) != NULL)
		if (isdigit((unsigned char)one->d_name[0]) && fstatat(dirfd(dir), one->d_name, &file, 0) == 0 &&
		    fstatat(dirfd(dir), one->d_name, &link, AT_SYMLINK_NOFOLLOW) == 0)
			each(ctx, atoi(pid), file.st_dev, file.st_ino, link.st_mode & S_IWUSR);
	if (dir)
		closedir(dir);
}

void image_lock_each_holder(void (*each)(void *ctx, pid_t pid, dev_t device, ino_t inode, bool writable), void *ctx)
{
	DIR *proc = opendir("/proc");
	const struct dirent *one;

	while (proc && (one = readdir(proc)) != NULL)
		if (isdigit((unsigned char)one->d_name[0]) && atoi(one->d_name) != getpid())
			each_file(one->d_name, each, ctx);
	if (proc)
		closedir(proc);
}

/* The file that is looked for, and the first process that has it open. */
struct search {
	dev_t device;
	ino_t inode;
	int writable;
	pid_t pid;
};

static void compare(void *ctx, pid_t pid, dev_t device, ino_t inode, bool writable)
{
	struct search *s = ctx;

	if (!s->pid && s->device == device && s->inode == inode && (writable || !s->writable))
		s->pid = pid;
}

pid_t image_lock_holder(dev_t device, ino_t inode, int writable)
{
	struct search s = { .device = device, .inode = inode, .writable = writable };

	image_lock_each_holder(compare, &s);
	return s.pid;
}
