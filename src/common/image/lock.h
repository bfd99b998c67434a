/* SPDX-License-Identifier: MIT */
/*
 * Whether QEMU has an image open (users.h tells of any process). QEMU holds open-file-description locks on single bytes of its images (QEMU
 * block/file-posix.c): byte 100 + n is locked for permission n that it uses, byte 200 + n for permission n that it does
 * not share; n = 1 is writing.
 */
#ifndef MPLCR_IMAGE_LOCK_H
#define MPLCR_IMAGE_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

enum image_use {
	IMAGE_UNUSED,  /* nobody locks it, or that cannot be known */
	IMAGE_READ,    /* open, not for writing */
	IMAGE_WRITTEN, /* open for writing */
};

/* How the open file `fd` (any mode) is used by other processes, or by other descriptors of ours. Takes no lock. */
enum image_use image_lock_use(int fd);

/* The same for a path; IMAGE_UNUSED where it cannot be opened. */
enum image_use image_lock_use_path(const char *path);

/*
 * Keeps others from opening the file for writing, as QEMU itself does where it does not share that, as long as `fd` is
 * open. Returns 0, or -1 where someone writes to it already.
 */
int image_lock_hold(int fd) __attribute__((warn_unused_result));

#endif
