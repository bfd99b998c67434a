/* SPDX-License-Identifier: MIT */
/*
 * Mounts, as far as they keep files from being renamed and removed: a file or directory that something is mounted on is
 * busy (EBUSY), and nothing is renamed from one mount to another, though it be of the same filesystem (EXDEV). Linux tells
 * of both from 5.8 on (statx(2)); before, nothing is a mount point, and all have the same number.
 */
#ifndef MPLCR_MOUNT_H
#define MPLCR_MOUNT_H

#include <stdint.h>

#include "base/err.h"

/* The number of the mount that the file or directory is on; 0 where that is not known. */
uint64_t mount_id(const char *path);

/*
 * Refuses where something is mounted on `path`, or on anything below it; links are not followed. Returns 0, or -1 with
 * "'PATH' is a mount point".
 */
int mount_refuse_below(const char *path, struct err *e) __attribute__((warn_unused_result));

#endif
