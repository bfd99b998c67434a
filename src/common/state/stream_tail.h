/* SPDX-License-Identifier: MIT */
/*
 * Scans the unread tail of a migration stream, in constant memory, to tell whether the stream is whole (stream.h says
 * what that means). It looks for a section footer (0x7e, id), the end of sections (0x00), the head of a description
 * (0x06, length) and follows its JSON text to the end. JSON holds no NUL byte, so it follows at most one description at
 * a time. A zeroed struct is ready for use.
 */
#ifndef MPLCR_STREAM_TAIL_H
#define MPLCR_STREAM_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream_tail {
	uint64_t last, older; /* the 8 bytes that came last, and the 8 before them */
	uint32_t json;        /* length of the description followed last, bytes */
	uint32_t json_left;   /* bytes of the followed description still to come; 0: none is followed */
	uint32_t depth;       /* open brackets in it */
	bool string, escape;  /* inside a string, after a backslash */
	bool whole;           /* a description ended with the last byte */
};

enum stream_tail_end {
	STREAM_TAIL_CUT,         /* it does not end like a stream */
	STREAM_TAIL_DESCRIBED,   /* it ends with a whole description */
	STREAM_TAIL_UNDESCRIBED, /* it ends with a footer and the end of sections */
};

void stream_tail_feed(struct stream_tail *t, const uint8_t *data, size_t len);

/* How the tail ends, if no more bytes follow. */
enum stream_tail_end stream_tail_end(const struct stream_tail *t);

#endif
