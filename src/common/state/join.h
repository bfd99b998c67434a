/* SPDX-License-Identifier: MIT */
/*
 * The way back from layout pages (sink.h): one complete migration stream that any QEMU loads, made of devices.vmstate
 * and the files with the pages of the RAM blocks. The pages come as one more section of `ram`, right behind the first
 * one, which declares the blocks; a hole comes as pages of zeros, because the memory that they are loaded into need
 * not be zero. Memory use does not depend on the size of the files.
 *
 * All files are taken as hostile: what is written is a well-formed stream, or the call fails.
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
 * checkpoints of machines with suppress-vmdesc=on (stream.h). Where the other end of a pipe is gone, SIGPIPE comes,
 * unless the caller ignores it. Returns 0 or -1; part of the stream may have been written then.
 */
int stream_join(int dirfd, const struct stream_join_ram *ram, size_t n_ram, bool undescribed, int out_fd,
		struct err *e) __attribute__((warn_unused_result));

/* Whole pages of a file, byte offsets. */
struct stream_range {
	uint64_t from, to;
};

/*
 * As stream_join, but of the one file `ram` only the pages in `ranges`, for memory that holds all others already.
 */
int stream_join_pages(int dirfd, const struct stream_join_ram *ram, const struct stream_range *ranges, size_t n_ranges,
		      bool undescribed, int out_fd, struct err *e) __attribute__((warn_unused_result));

#endif
