/* SPDX-License-Identifier: MIT */
#include "base/zstd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/memory.h"

enum {
	CHUNK = 256 << 10,
	WINDOW_LOG = 23, /* the largest for levels up to 19: a hostile file cannot ask for more memory */
};

struct zstd_writer {
	ZSTD_CCtx *zstd;
	int (*put)(void *ctx, const void *data, size_t len, struct err *e);
	void *ctx;
	uint8_t out[CHUNK];
};

struct zstd_reader {
	ZSTD_DCtx *zstd;
	int fd;
	bool in_frame; /* more must come */
	bool full;     /* the last call filled its buffer: more may come without input */
	ZSTD_inBuffer in;
	uint8_t bytes[CHUNK];
};

struct zstd_writer *zstd_writer_open(int level, int (*put)(void *ctx, const void *data, size_t len, struct err *e),
				     void *ctx, struct err *e)
{
	struct zstd_writer *w = memory_of(1, sizeof(*w));

	w->put = put;
	w->ctx = ctx;
	w->zstd = ZSTD_createCCtx();
	if (w->zstd && !ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, level)) &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1)))
		return w;
	err_set(e, "cannot set up zstd compression of level %d", level);
	zstd_writer_free(w);
	return NULL;
}

/* Passes `in` to zstd until it is consumed, and writes the output. */
static int compress(struct zstd_writer *w, ZSTD_inBuffer *in, ZSTD_EndDirective directive, struct err *e)
{
	size_t left;

	do {
		ZSTD_outBuffer out = { w->out, sizeof(w->out), 0 };

		left = ZSTD_compressStream2(w->zstd, &out, in, directive);
		if (ZSTD_isError(left))
			return err_set(e, "cannot compress: %s", ZSTD_getErrorName(left));
		if (out.pos && w->put(w->ctx, w->out, out.pos, e) < 0)
			return -1;
	} while (directive == ZSTD_e_end ? left > 0 : in->pos < in->size);
	return 0;
}

int zstd_writer_add(struct zstd_writer *w, const void *data, size_t len, struct err *e)
{
	ZSTD_inBuffer in = { data, len, 0 };

	return compress(w, &in, ZSTD_e_continue, e);
}

int zstd_writer_finish(struct zstd_writer *w, struct err *e)
{
	ZSTD_inBuffer in = { NULL, 0, 0 };

	return compress(w, &in, ZSTD_e_end, e);
}

void zstd_writer_free(struct zstd_writer *w)
{
	if (w)
		ZSTD_freeCCtx(w->zstd);
	free(w);
}

struct zstd_reader *zstd_reader_open(int fd, struct err *e)
{
	struct zstd_reader *r = memory_of(1, sizeof(*r));

	r->fd = fd;
	r->in.src = r->bytes;
	r->zstd = ZSTD_createDCtx();
	if (r->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, WINDOW_LOG)))
		return r;
	err_set(e, "cannot set up zstd decompression");
	zstd_reader_free(r);
	return NULL;
}

/* Reads more of the file. Returns the number of bytes, 0 at its end, or -1. */
static ssize_t fill(struct zstd_reader *r, struct err *e)
{
	ssize_t n;

	do
		n = read(r->fd, r->bytes, sizeof(r->bytes));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "cannot read compressed data");
	r->in.size = (size_t)n;
	r->in.pos = 0;
	return n;
}

ssize_t zstd_reader_read(struct zstd_reader *r, void *buf, size_t room, struct err *e)
{
	ZSTD_outBuffer out = { buf, room, 0 };

	while (!out.pos) {
		size_t left;

		if (r->in.pos == r->in.size && !r->full) {
			ssize_t n = fill(r, e);

			if (n == 0 && r->in_frame)
				return err_set(e, "the compressed data is cut");
			if (n <= 0)
				return n;
		}
		left = ZSTD_decompressStream(r->zstd, &out, &r->in);
		if (ZSTD_isError(left))
			return err_set(e, "the compressed data is damaged: %s", ZSTD_getErrorName(left));
		r->in_frame = left > 0;
		r->full = out.pos == out.size && left > 0;
	}
	return (ssize_t)out.pos;
}

void zstd_reader_free(struct zstd_reader *r)
{
	if (r)
		ZSTD_freeDCtx(r->zstd);
	free(r);
}
