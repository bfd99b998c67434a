/* SPDX-License-Identifier: MIT */
/* What filesystems are called, and how clones (clone.h) are made fast and durable on them. */
#ifndef MPLCR_FILESYSTEM_H
#define MPLCR_FILESYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FILESYSTEM_NAME_SIZE 32

struct filesystem {
	unsigned long magic; /* statfs(2): f_type */
	const char *name;    /* as mount(8) calls it: "btrfs", "xfs", "ext4", …; NULL: not known */
	size_t cloners;      /* so many threads clone files faster than one does; 0: one is fastest */
	/*
	 * Makes all earlier changes on the filesystem of `fd` durable: clones, names, attributes; not data that was written
	 * and is still dirty, so that nobody waits for what others write. After a crash, none of the changes is there without
	 * those before it: no name leads to a clone that is not whole. Returns 0, or -1 with errno. NULL: it cannot.
	 */
	int (*commit)(int fd);
};

/* That of the file at `path`. Never NULL; nothing is known of one that has no row here. */
const struct filesystem *filesystem_of(const char *path);

/* Its name; "0x…" where it has no row here, "unknown" where the file cannot be asked. */
void filesystem_name(const char *path, char name[FILESYSTEM_NAME_SIZE]);

/*
 * Makes what was done on the filesystem of the file at `path` durable: by its commit, if it has one and `clones_only` says
 * that no data was written; else by syncfs(2), which also waits for what others have written. Returns 0 or -1.
 */
int filesystem_sync(const char *path, bool clones_only, struct err *e) __attribute__((warn_unused_result));

/* Whether the filesystem of the file `path`, which need not exist, has `bytes` left. Returns 0 or -1. */
int filesystem_space(const char *path, uint64_t bytes, struct err *e) __attribute__((warn_unused_result));

#endif
