/* SPDX-License-Identifier: MIT */
/*
 * Copies of files that share their data until one side is written to (reflinks, ioctl FICLONE: ioctl_ficlone(2)), and
 * plain sparse copies where the filesystem cannot.
 */
#ifndef MPLCR_CLONE_H
#define MPLCR_CLONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "image/filesystem.h"

/*
 * Makes the whole content of `to` (empty, open for writing) that of `from`, at once and sharing the data. Nothing is
 * waited for but the host's own writing back of what is dirty in `from`. Returns 0, or -1 with errno.
 */
int clone_fd(int from, int to) __attribute__((warn_unused_result));

/*
 * The same in steps, for files that nobody writes to: however much there is to clone, the caller shows signs of life
 * (base/pulse.h).
 */
int clone_fd_in_steps(int from, int to) __attribute__((warn_unused_result));

/*
 * Whether clone_fd would work, as far as the first bytes of `from` tell: only these are cloned, at no cost. Returns 0, or
 * -1 with errno.
 */
int clone_try(int from, int to) __attribute__((warn_unused_result));

/*
 * Says in *e why the clone of file `from` to `to`, which need not exist any more, failed with `errnum`: which
 * filesystem, for what reason (another filesystem, no reflinks here, chattr +C, no space), and in the hint what to do.
 * Always returns -1.
 */
int clone_error(const char *from, const char *to, int errnum, struct err *e);

/*
 * Copies `from` to `to` (empty, open for writing), holes kept. `progress` (may be NULL) is called now and then with the
 * bytes of the file that are done; it returns false to end the copy (errno EINTR). Returns 0, or -1 with errno.
 */
int clone_copy(int from, int to, bool (*progress)(void *ctx, uint64_t done), void *ctx)
	__attribute__((warn_unused_result));

/* The same, where no data are to be shared: copy_file_range(2), which clone_copy uses, does so where it can. */
int clone_copy_apart(int from, int to, bool (*progress)(void *ctx, uint64_t done), void *ctx)
	__attribute__((warn_unused_result));

/* What a filesystem can do. */
struct clone_abilities {
	char type[FILESYSTEM_NAME_SIZE]; /* filesystem.h */
	bool reflink;
	bool subvolume;    /* the directory is on btrfs */
	bool is_subvolume; /* and is the root of a subvolume itself */
	bool punch_hole;
};

/* Tries them out in the directory `dir`, with nameless files (O_TMPFILE) that leave nothing behind. Returns 0 or -1. */
int clone_probe(const char *dir, struct clone_abilities *a, struct err *e) __attribute__((warn_unused_result));

#endif
