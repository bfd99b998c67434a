/* SPDX-License-Identifier: MIT */
/* Events as lines of JSON. */
#ifndef MPLCR_TRACE_WRITER_H
#define MPLCR_TRACE_WRITER_H

#include <stdio.h>

#include "base/err.h"
#include "event/event.h"

struct event_writer;

/* Writes lines of JSON to the stream, which stays the caller's. Never fails. */
struct event_writer *event_writer_new(FILE *out);

/* Writes one event and a line feed into a buffer, which is flushed when it is large. Returns 0, or -1 with an error. */
int event_write(struct event_writer *w, const struct event *ev, struct err *e) __attribute__((warn_unused_result));

/* Writes out the buffer and flushes the stream. Returns 0, or -1 if that fails. */
int event_writer_flush(struct event_writer *w, struct err *e) __attribute__((warn_unused_result));

/* Drops everything not flushed. */
void event_writer_free(struct event_writer *w);

#endif
