/* SPDX-License-Identifier: MIT */
/* Shared by sink.c and the kinds of sinks. A kind has a struct that begins with `struct sink` and a table of calls. */
#ifndef MPLCR_SINK_IMPL_H
#define MPLCR_SINK_IMPL_H

#include <stdbool.h>

#include "state/sink.h"
#include "state/stream.h"

/* A file being written. */
struct sink_out {
	int fd;
	struct sink_file file;
};

struct sink_kind {
	/* The calls of the stream reader, with the sink as their ctx. */
	struct stream_events events;
	/* A block of the stream was read and is about to be overwritten: see pump.h. */
	int (*drain)(void *sink, const uint8_t *data, size_t len, struct err *e);
	/* The stream is complete: write out anything still buffered. */
	int (*complete)(struct sink *s, struct err *e);
	/* Frees the kind's members and the struct. */
	void (*release)(struct sink *s);
};

struct sink {
	const struct sink_kind *kind;
	int dirfd;
	struct stream_options options;
	int interrupt;           /* pump.h */
	struct stream *stream;   /* from sink_run on */
	struct sink_out *outs;   /* everything made so far */
	size_t n_outs;
	struct sink_result result;
};

/* Sets up the common part. */
void sink_init(struct sink *s, const struct sink_kind *kind, int dirfd, uint64_t limit);

/*
 * Creates the file `name` below the sink's directory, which must not exist, for the pages of `block` ("" for none), and
 * adds it to outs. Returns its index there, or -1.
 */
int sink_create(struct sink *s, const char *name, const char *block, struct err *e);

/* Adds the file `fd` of that name, which is there already, in the same way; takes it over. Returns its index. */
int sink_add(struct sink *s, int fd, const char *name, const char *block);

/* Writes all bytes at the end of the file. Returns 0 or -1. */
int sink_append(struct sink_out *out, const void *data, size_t len, struct err *e) __attribute__((warn_unused_result));

/* Fails with "cannot write 'NAME': …" and errno. Always returns -1. */
int sink_write_failed(const struct sink_out *out, struct err *e);

#endif
