/* SPDX-License-Identifier: MIT */
/* What stream.c (the envelope of the stream) and stream_ram.c (sections of ram) share. */
#ifndef MPLCR_STREAM_IMPL_H
#define MPLCR_STREAM_IMPL_H

#include "base/byteorder.h"
#include "state/stream.h"
#include "state/stream_tail.h"

/* What one step made of the bytes before it. */
enum step { STEP_FAILED = -1, STEP_MORE = 0, STEP_DONE = 1 };

struct stream {
	struct stream_events on;
	void *ctx;
	struct stream_options options;

	enum step (*step)(struct stream *s, struct err *e); /* reads one token at `at` and moves on */
	const uint8_t *start, *at, *end;                    /* the bytes given to stream_feed */
	const uint8_t *rest;                                /* from here up to `at`, they are still owed to on.rest */
	uint64_t base;                                      /* where in the stream `start` is */

	char machine[256];
	bool ram_begun;          /* the START section of ram came, whole */
	bool ram_ended;          /* its END section has begun */
	bool sized;              /* MEM_SIZE came */
	uint32_t section;        /* the id of its sections */
	uint64_t undeclared;     /* bytes of blocks that MEM_SIZE counted and has not named yet */
	struct stream_block *in; /* the block of the page before, which CONTINUE means */
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

/* Fails with the formatted text and the place of the byte at `at`. Always returns STEP_FAILED. */
enum step stream_fail(const struct stream *s, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Hands over what is owed to on.rest. Returns 0 or -1. */
int stream_flush_rest(struct stream *s, struct err *e) __attribute__((warn_unused_result));

/* One word of a section of ram; goes on with stream_footer_step at its end. */
enum step stream_ram_step(struct stream *s, struct err *e);
enum step stream_footer_step(struct stream *s, struct err *e);

#endif
