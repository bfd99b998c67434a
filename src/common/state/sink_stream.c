/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/memory.h"
#include "state/sink_impl.h"
#include "state/names.h"
#include "base/zstd.h"

struct sink_stream {
	struct sink base;
	struct zstd_writer *zstd; /* NULL: the stream is kept as it is */
};

static int write_out(void *sink, const void *data, size_t len, struct err *e)
{
	struct sink_stream *s = sink;

	return sink_append(&s->base.outs[0], data, len, e);
}

static int drain(void *sink, const uint8_t *data, size_t len, struct err *e)
{
	struct sink_stream *s = sink;

	return s->zstd ? zstd_writer_add(s->zstd, data, len, e) : write_out(s, data, len, e);
}

static int complete(struct sink *base, struct err *e)
{
	struct sink_stream *s = (struct sink_stream *)base;

	return s->zstd ? zstd_writer_finish(s->zstd, e) : 0;
}

static void release(struct sink *base)
{
	struct sink_stream *s = (struct sink_stream *)base;

	zstd_writer_free(s->zstd);
	free(s);
}

/* The reader only checks the stream; drain stores the bytes. */
static const struct sink_kind kind = {
	.drain = drain,
	.complete = complete,
	.release = release,
};

struct sink *sink_stream_open(int dirfd, int zstd_level, uint64_t limit, struct err *e)
{
	struct sink_stream *s = memory_of(1, sizeof(*s));

	sink_init(&s->base, &kind, dirfd, limit);
	if (zstd_level)
		s->zstd = zstd_writer_open(zstd_level, write_out, s, e);
	if ((zstd_level && !s->zstd) ||
	    sink_create(&s->base, zstd_level ? STATE_STREAM_ZSTD : STATE_STREAM, "", e) < 0) {
		sink_free(&s->base);
		return NULL;
	}
	return &s->base;
}
