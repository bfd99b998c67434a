/* SPDX-License-Identifier: MIT */
/* A live stage that the user ends: mplcr-trigger end-live. */
#ifndef TRIGGER_PATCHED_END_LIVE_H
#define TRIGGER_PATCHED_END_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct changes;
struct live;

/*
 * Waits for mplcr-trigger end-live, SIGUSR1 or SIGINT, or until `ms` (0: for ever) have passed; says so. Where no socket
 * can be made beside the QMP socket, all but end-live end it, which is a warning. NULL with an error.
 */
struct live *live_open(const char *socket, uint64_t ms, struct changes *c, int interrupt, struct err *e);
bool live_ended(struct live *l);
/* SIGINT ends the checkpoint again. NULL is allowed. */
void live_close(struct live *l);

#endif
