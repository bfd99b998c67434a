/* SPDX-License-Identifier: MIT */
/*
 * Writes a migration stream that is put together from short heads and whole pages of files. Into a pipe, pages go without
 * being copied: the pipe refers to the page cache (vmsplice(2)), so the file must not change until they are read. Elsewhere
 * many pieces go with one call.
 */
#ifndef MPLCR_STATE_GATHER_H
#define MPLCR_STATE_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { GATHER_HEAD_MAX = 300 }; /* bytes of one head */

struct gather;

/* Writes to `fd`, the caller's. Never fails. */
struct gather *gather_open(int fd);

/* Whether pages are not copied: then they have to be pages of a mapped file, and may be unmapped after gather_flush. */
bool gather_refers(const struct gather *g);

/* Adds a copy of at most GATHER_HEAD_MAX bytes. Returns 0 or -1. */
int gather_head(struct gather *g, const void *bytes, size_t len, struct err *e) __attribute__((warn_unused_result));

/* Adds a page, which stays in place until gather_flush. Returns 0 or -1. */
int gather_page(struct gather *g, const uint8_t *page, struct err *e) __attribute__((warn_unused_result));

/* Writes all that was added. Returns 0, or -1 with e->sys. */
int gather_flush(struct gather *g, struct err *e) __attribute__((warn_unused_result));

void gather_close(struct gather *g);

#endif
