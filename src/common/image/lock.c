/* SPDX-License-Identifier: MIT */
#include "image/lock.h"

#include <fcntl.h>

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
