/* SPDX-License-Identifier: MIT */
/*
 * Reads files into the page cache ahead of whoever is about to read them, in a thread: as much as fits into half of the
 * memory that the host has available. Nothing depends on it but time.
 */
#ifndef MPLCR_PREFETCH_H
#define MPLCR_PREFETCH_H

#include <stdint.h>

struct prefetch;

/* Starts with the data of the file `fd`, the caller's. Returns NULL where that cannot be. */
struct prefetch *prefetch_begin(int fd);

/* Waits until all is read, at most until `deadline` (base/clock.h). NULL is allowed. */
void prefetch_wait(struct prefetch *p, int64_t deadline);

/* Stops and frees it. NULL is allowed. */
void prefetch_end(struct prefetch *p);

#endif
