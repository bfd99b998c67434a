/* SPDX-License-Identifier: MIT */
/* Shared by stream.c (the envelope of the stream) and stream_ram.c (sections of ram). */
#ifndef MPLCR_STREAM_IMPL_H
#define MPLCR_STREAM_IMPL_H

#include "base/byteorder.h"
#include "state/stream.h"
#include "state/stream_tail.h"

/* The result of one step. */
enum step { STEP_FAILED = -1, STEP_MORE = 0, STEP_DONE = 1 };

struct stream {
	struct stream_events on;
	void *ctx;
	struct stream_options options;

	enum step (*step)(struct stream *s, struct err *e); /* reads one token at `at` and moves on */
	const uint8_t *start, *at, *end;                    /* the bytes given to stream_feed */
	const uint8_t *rest;                                /* bytes from here up to `at` are still owed to on.rest */
	uint64_t base;                                      /* the offset of `start` in the stream */

	char machine[256];
	bool ram_begun;          /* the whole START section of ram was read */
	bool ram_ended;          /* its END section has begun */
	bool sized;              /* MEM_SIZE was read */
	uint32_t section;        /* the id of its sections */
	uint64_t undeclared;     /* bytes of blocks that MEM_SIZE counted and has not named yet */
	struct stream_block *in; /* the block of the previous page, which CONTINUE refers to */
	struct stream_block *out; /* the same, as the reader of `rest` sees it */
	struct stream_block blocks[STREAM_MAX_BLOCKS];
	size_t n_blocks;
	uint64_t pages, fill_pages;
	struct stream_tail tail;
};

static inline size_t stream_available(const struct stream *s)
{
	return (size_t)(s->end - s->at);
}

/* Fails with the formatted text and the offset of `at` in the stream. Always returns STEP_FAILED. */
enum step stream_fail(const struct stream *s, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Passes the owed bytes on to on.rest. Returns 0 or -1. */
int stream_flush_rest(struct stream *s, struct err *e) __attribute__((warn_unused_result));

/* One word of a section of ram; goes on with stream_footer_step at its end. */
enum step stream_ram_step(struct stream *s, struct err *e);
enum step stream_footer_step(struct stream *s, struct err *e);

#endif
