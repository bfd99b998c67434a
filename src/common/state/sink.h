/* SPDX-License-Identifier: MIT */
/*
 * Stores a migration stream in the files of a new checkpoint directory. A sink knows about files and nothing about QMP.
 *
 *   pages   each guest RAM block in a sparse file ram/BLOCK, page n at n × 4096, zero pages as holes; everything else
 *           as one valid stream without those pages in devices.vmstate; a file may begin as a clone of an earlier one
 *   stream  QEMU's stream as one file, state.vmstate, or compressed state.vmstate.zst
 *
 * Calls in order: sink_pages_open or sink_stream_open; sink_pages_begin for some; sink_run once (usually in a thread of its own: it reads until
 * the stream ends); sink_finish once, if sink_run returned 0; sink_free always. A sink removes nothing: the caller
 * publishes or deletes the directory.
 */
#ifndef MPLCR_SINK_H
#define MPLCR_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sink;

/* A file that a sink made. */
struct sink_file {
	char name[320];        /* below the checkpoint directory: "ram/pc.ram" */
	char block[256];       /* the RAM block whose pages it holds, or "" */
	uint64_t size;         /* bytes, holes included */
	char xxh3[33];         /* XXH3-128 of all its bytes (holes are zeros), in hexadecimal as xxhsum -H2 prints it */
};

/* One RAM block that the stream declares. */
struct sink_block {
	char name[256];
	uint64_t length; /* bytes */
};

/* The contents of the stream. Owned by the sink, valid until sink_free. */
struct sink_result {
	struct sink_file *files;
	size_t n_files;
	struct sink_block *blocks;
	size_t n_blocks;
	char machine[256];     /* machine type from the stream's configuration section, or "" */
	uint64_t bytes;        /* bytes read from the stream */
	uint64_t pages;        /* pages with content; each repeat counts */
	uint64_t zero_pages;   /* pages of one fill byte */
	bool described;        /* the stream ended with QEMU's description of it */
	bool begun;            /* files began as clones (sink_pages_begin); of these: */
	uint64_t pages_same, pages_changed, pages_zeroed;
};

/*
 * Opens a sink for layout pages in the directory `dirfd` (kept by the caller, open until sink_free). The pages of the
 * RAM blocks named in `ram` (n_ram names; the caller's, copied) go to files of their own; a listed block that the
 * stream does not declare (a memory backend that nothing uses) has no file, and one whose name could not be a file name
 * ('/', "..", control bytes, empty) is an error.
 * `limit` is the largest plausible sum of all block lengths in bytes (0: only the built-in cap).
 * Returns the sink or NULL.
 */
struct sink *sink_pages_open(int dirfd, const char *const *ram, size_t n_ram, uint64_t limit, struct err *e);

/*
 * Call this before sink_run for a sink of layout pages: the file of RAM block `block` begins with what `clone` puts there
 * from the file `from` (clone_fd of image/clone.h; 0, or -1 with errno), and only the pages that differ are written. A block
 * that has another length in the stream is written as a whole. The content of `from` may be anything: the file will have
 * the pages of the stream. Returns 0, or -1 with e->sys; the block is written as a whole then, too.
 */
int sink_pages_begin(struct sink *s, const char *block, int from, int (*clone)(int from, int to), struct err *e)
	__attribute__((warn_unused_result));

/* Waits at most `ms` milliseconds until what these files begin with is in the page cache, where it will be compared. */
void sink_pages_await(struct sink *s, int ms);

/*
 * Opens a sink for layout stream. `zstd_level` 0 keeps the stream as it is, 1…19 compresses. It parses the stream on
 * the way, to detect a broken or truncated one. Returns the sink or NULL.
 */
struct sink *sink_stream_open(int dirfd, int zstd_level, uint64_t limit, struct err *e);

/*
 * Call this before sink_run if the VM's machine has suppress-vmdesc=on: its stream has no description. A stream that
 * was cut right before its description then passes as whole; all devices are in it (stream.h).
 */
void sink_allow_undescribed(struct sink *s);

/* Call this before sink_run, with the descriptor of interrupt_open, if a signal is to end it. */
void sink_allow_interrupt(struct sink *s, int interrupt);

/* Reads the stream from `fd` (pipe, socket or file; the caller's) until its end and stores it. Returns 0 or -1. */
int sink_run(struct sink *s, int fd, struct err *e) __attribute__((warn_unused_result));

/*
 * Makes the files and their directories durable (fsync) and computes the checksums at the same time. Returns the result
 * or NULL.
 */
const struct sink_result *sink_finish(struct sink *s, struct err *e) __attribute__((warn_unused_result));

/* Closes everything. NULL is allowed. */
void sink_free(struct sink *s);

#endif
