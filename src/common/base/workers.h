/* SPDX-License-Identifier: MIT */
/* Work that several threads share: each takes the next piece until none is left. Taking it is the work's own part. */
#ifndef MPLCR_WORKERS_H
#define MPLCR_WORKERS_H

#include <stddef.h>

/*
 * Runs `work` in as many threads as there are processors that we may use, but at most `max` (1: in this thread only),
 * and returns when all have ended. This thread is one of them, and may be the only one where the system gives no more.
 */
void workers_run(void (*work)(void *ctx), void *ctx, size_t max);

#endif
