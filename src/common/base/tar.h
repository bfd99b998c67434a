/* SPDX-License-Identifier: MIT */
/*
 * Archives of regular files that tar(1) knows: POSIX pax (pax(1), "ustar" headers with extended ones before them), and
 * files with holes as GNU tar stores them there (format 1.0: a member that begins with a map of what is stored, followed
 * by that; GNU tar manual, "Storing Sparse Files"). Names, sizes, times and holes; nothing else.
 *
 * What is read is hostile. The reader knows no other kind of member, so no link, device or directory comes out of it; it
 * checks sums, numbers and maps, and its memory is bounded by TAR_MAX_EXTENTS, whatever an archive says. (That is why it
 * is not libarchive's, which believes the length of a map.) Names are for the caller to judge.
 */
#ifndef MPLCR_TAR_H
#define MPLCR_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* The largest map of a member that is read. */
#define TAR_MAX_EXTENTS (1 << 20)

/* Bytes that are stored of a file. */
struct tar_extent {
	uint64_t at, length;
};

struct tar_member {
	char *name;
	uint64_t size;   /* of the file, bytes; holes included */
	int64_t mtime_ns; /* since the epoch; earlier ones become 0 */
	struct tar_extent *data; /* in order, none empty; what is between is holes */
	size_t n_data;
};

void tar_member_release(struct tar_member *m);

/* How many bytes of it are stored. */
uint64_t tar_member_stored(const struct tar_member *m);

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* Where the archive goes: `put` returns 0, or -1 with *e filled in. Zero else. */
struct tar_writer {
	int (*put)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
	size_t pad; /* behind the member that is being written */
};

/* Begins a member, behind which its data come: tar_member_stored bytes, in any number of calls. Return 0 or -1. */
int tar_write_member(struct tar_writer *w, const struct tar_member *m, struct err *e)
	__attribute__((warn_unused_result));
int tar_write_data(struct tar_writer *w, const void *data, size_t n, struct err *e)
	__attribute__((warn_unused_result));

/* Ends the archive. Returns 0 or -1. */
int tar_write_end(struct tar_writer *w, struct err *e) __attribute__((warn_unused_result));

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* Where it comes from: `get` returns how many bytes it got, at least one; 0 at the end; or -1. Zero else. */
struct tar_reader {
	ssize_t (*get)(void *ctx, void *buf, size_t room, struct err *e);
	void *ctx;
	uint64_t left; /* bytes of the member that were not read yet */
	size_t pad;
};

/*
 * The next member, once the data of the one before were read: into *m, to be released in any case. Returns 1; 0 at the end of
 * the archive, behind which nothing comes; or -1.
 */
int tar_read_member(struct tar_reader *r, struct tar_member *m, struct err *e) __attribute__((warn_unused_result));

/* Up to `room` bytes of what the member stores. Returns their number, 0 at its end, or -1. */
ssize_t tar_read_data(struct tar_reader *r, void *buf, size_t room, struct err *e) __attribute__((warn_unused_result));

#endif
