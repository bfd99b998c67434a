/* SPDX-License-Identifier: MIT */
/*
 * Turns layout pages (sink.h) back into one complete migration stream that any QEMU loads, from devices.vmstate and the
 * files of the RAM blocks. The pages go into one more section of `ram`, right after the first, which declares the
 * blocks. Holes become pages of zeros, because the memory that QEMU loads them into need not be zero. Memory use does
 * not depend on the size of the files.
 *
 * All files are treated as hostile: the call writes a well-formed stream or fails.
 */
#ifndef MPLCR_STREAM_JOIN_H
#define MPLCR_STREAM_JOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A file with the pages of a RAM block. */
struct stream_join_ram {
	const char *block; /* "pc.ram" */
	const char *path;  /* below the checkpoint directory: "ram/pc.ram" */
};

/*
 * Writes the stream of the checkpoint directory `dirfd` to `out_fd` (file, pipe or socket). `undescribed` is for
 * checkpoints of machines with suppress-vmdesc=on (stream.h). A closed pipe raises SIGPIPE, unless the caller ignores
 * it. Returns 0 or -1; after a failure part of the stream may have been written.
 */
int stream_join(int dirfd, const struct stream_join_ram *ram, size_t n_ram, bool undescribed, int out_fd,
		struct err *e) __attribute__((warn_unused_result));

/* Whole pages of a file, byte offsets. */
struct stream_range {
	uint64_t from, to;
};

/*
 * As stream_join, but only the pages of the one file `ram` that are in `ranges`, for memory that already holds the
 * rest.
 */
int stream_join_pages(int dirfd, const struct stream_join_ram *ram, const struct stream_range *ranges, size_t n_ranges,
		      bool undescribed, int out_fd, struct err *e) __attribute__((warn_unused_result));

#endif
