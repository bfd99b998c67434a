/* SPDX-License-Identifier: MIT */
/*
 * Reads a descriptor to its end through a stream reader (stream.h), in blocks of 1 MiB: one copy out of the pipe, and
 * pages are passed on in place.
 */
#ifndef MPLCR_STREAM_PUMP_H
#define MPLCR_STREAM_PUMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "state/stream.h"

struct stream_pump {
	struct stream *stream;
	int fd; /* pipe, socket or file; the caller's */
	/*
	 * Called after each block: its `len` bytes were consumed and are about to be overwritten, so anything that
	 * points into them must be written out now. Returns 0 or -1. May be NULL.
	 */
	int (*drain)(void *ctx, const uint8_t *data, size_t len, struct err *e);
	void *ctx;
	int interrupt; /* of interrupt_open (base/interrupt.h): a signal ends the reading; 0: none */
};

/* Reads until the input ends and checks that the stream is complete. Returns 0 or -1. */
int stream_pump(const struct stream_pump *p, struct err *e) __attribute__((warn_unused_result));

#endif
