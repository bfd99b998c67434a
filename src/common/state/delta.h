/* SPDX-License-Identifier: MIT */
/*
 * What has to be written of a file of guest memory that begins as a clone of an earlier one's.
 *
 * Pages are compared with the file that is being written, and never with the one that it was cloned from: whoever changes
 * or removes that one changes nothing here. What the file holds is read in runs, from the page cache if it can be.
 *
 * Pages that differ are written alone, or, where several of a unit differ, with the rest of the unit: each piece of the
 * file that is not the clone's any more is an extent of its own, and reading many is slow. What is written in excess is at
 * most an eighth of what differs, until the file consists of so many extents that fewer matter more.
 */
#ifndef MPLCR_STATE_DELTA_H
#define MPLCR_STATE_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	DELTA_RUN = 256, /* pages of one comparison, at most */
	DELTA_UNIT = 16, /* pages: 64 KiB */
};

struct delta;

/* Pages of the file, compared with what it was at the beginning. */
struct delta_count {
	uint64_t same, changed, zeroed;
};

/* For the file `fd`, which is the caller's and has whole pages. Returns NULL with errno. */
struct delta *delta_new(int fd);

/* NULL is allowed. */
void delta_free(struct delta *d);

/* Bytes of the file when delta_new was called. */
uint64_t delta_length(const struct delta *d);

/* The stream has content for the page at `offset`; delta_compare follows. */
void delta_content(struct delta *d, uint64_t offset);

/* The stream has zeros there. Returns whether the file has anything else: a hole is to be punched, then. */
bool delta_zeros(struct delta *d, uint64_t offset);

/*
 * Compares `n` pages (at most DELTA_RUN, an iovec each) with what the file has from `offset` on, and sets write[i] for
 * those that have to be written. Returns 0, or -1 with errno.
 */
int delta_compare(struct delta *d, const struct iovec *pages, size_t n, uint64_t offset, bool *write)
	__attribute__((warn_unused_result));

/*
 * The next page from *offset on that has data, though the stream had nothing for it; *offset becomes that. Returns false
 * where there is none.
 */
bool delta_unseen(const struct delta *d, uint64_t *offset);

struct delta_count delta_counted(const struct delta *d);

#endif
