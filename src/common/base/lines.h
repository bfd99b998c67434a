/* SPDX-License-Identifier: MIT */
/* Lines of a log, of any length and any bytes, in bounded memory: longer lines than LINES_MAX are cut. */
#ifndef MPLCR_LINES_H
#define MPLCR_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Longest line that comes whole, in bytes. */
#define LINES_MAX 65536

struct lines;

struct line {
	const char *start; /* borrowed until the next call; not NUL-terminated, and may hold NULs */
	size_t length;     /* without the line feed, and without a carriage return before it */
	bool cut;          /* the rest of the line is skipped */
};

/* Reads from the descriptor, which stays the caller's. Never fails. */
struct lines *lines_new(int fd);

/* The next line. Returns 1, 0 at the end of the file (a last line without line feed counts), or -1 with an error. */
int lines_next(struct lines *l, struct line *line, struct err *e) __attribute__((warn_unused_result));

/*
 * Looks ahead: reads until `enough` accepts all the bytes not handed out yet, the buffer (1 MiB) is full, or the file
 * ends. Returns 0 or -1. Hands out nothing.
 */
int lines_peek(struct lines *l, bool (*enough)(void *ctx, const char *bytes, size_t size), void *ctx, struct err *e)
	__attribute__((warn_unused_result));

void lines_free(struct lines *l);

#endif
