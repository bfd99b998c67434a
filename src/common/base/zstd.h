/* SPDX-License-Identifier: MIT */
/* Compressed files: zstd frames with a checksum, written and read as a stream in bounded memory. Wraps libzstd. */
#ifndef MPLCR_ZSTDIO_H
#define MPLCR_ZSTDIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { ZSTDIO_MIN_LEVEL = 1, ZSTDIO_MAX_LEVEL = 19 };

struct zstd_writer;
struct zstd_reader;

/*
 * A writer that passes compressed bytes to `put`, which returns 0, or -1 with *e filled in. Returns NULL on failure.
 * Memory: about 1 MiB at level 1, 5 MiB at 3, 85 MiB at 19.
 */
struct zstd_writer *zstd_writer_open(int level, int (*put)(void *ctx, const void *data, size_t len, struct err *e),
				     void *ctx, struct err *e);

/* Compresses the bytes. Returns 0 or -1. */
int zstd_writer_add(struct zstd_writer *w, const void *data, size_t len, struct err *e)
	__attribute__((warn_unused_result));

/* Writes everything still buffered and ends the frame. Nothing may be added after it. Returns 0 or -1. */
int zstd_writer_finish(struct zstd_writer *w, struct err *e) __attribute__((warn_unused_result));

/* NULL is allowed. */
void zstd_writer_free(struct zstd_writer *w);

/* A reader of the descriptor (the caller's), which may hold several frames. Returns NULL on failure. */
struct zstd_reader *zstd_reader_open(int fd, struct err *e);

/*
 * Reads up to `room` bytes (more than 0) of content. Returns their number, 0 at the end, -1 on failure: damaged data,
 * or an input that ends inside a frame.
 */
ssize_t zstd_reader_read(struct zstd_reader *r, void *buf, size_t room, struct err *e)
	__attribute__((warn_unused_result));

/* NULL is allowed. */
void zstd_reader_free(struct zstd_reader *r);

#endif
