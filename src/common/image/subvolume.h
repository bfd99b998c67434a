/* SPDX-License-Identifier: MIT */
/* btrfs subvolumes and their snapshots: the adapter around libbtrfsutil. */
#ifndef MPLCR_SUBVOLUME_H
#define MPLCR_SUBVOLUME_H

#include <stdbool.h>

#include "base/err.h"

/* Whether `path` is the root of a btrfs subvolume. */
bool subvolume_is(const char *path);

/* The root of the subvolume that `path` lies in: malloc'd absolute path; NULL where that is not on btrfs. */
char *subvolume_of(const char *path);

/* Whether both paths are on one btrfs filesystem, in whatever subvolumes. */
bool subvolume_same_filesystem(const char *a, const char *b);

/*
 * Makes a snapshot of the subvolume `source` at `dest`, which must not exist. Returns 0, or -1; where `source` is no
 * subvolume, the hint says how to make one.
 */
int subvolume_snapshot(const char *source, const char *dest, bool read_only, struct err *e)
	__attribute__((warn_unused_result));

/* Removes a subvolume, read-only ones too. Returns 0 or -1. */
int subvolume_delete(const char *path, struct err *e) __attribute__((warn_unused_result));

/* Whether it is read-only, and making it so or not. */
bool subvolume_is_read_only(const char *path);
int subvolume_set_read_only(const char *path, bool read_only, struct err *e) __attribute__((warn_unused_result));

#endif
