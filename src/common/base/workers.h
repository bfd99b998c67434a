/* SPDX-License-Identifier: MIT */
/* Work shared by several threads: each takes the next piece until none is left. The work function does the taking. */
#ifndef MPLCR_WORKERS_H
#define MPLCR_WORKERS_H

#include <stddef.h>

/*
 * Runs `work` in one thread per processor available to us, at most `max` (1: only this thread), and returns when all
 * have ended. This thread is one of them, and the only one if the system allows no more.
 */
void workers_run(void (*work)(void *ctx), void *ctx, size_t max);

/* How many processors are available to us. */
size_t workers_processors(void);

#endif
