/* SPDX-License-Identifier: MIT */
/* The pause of the patched QEMU, in which it waits for us. */
#ifndef TRIGGER_PATCHED_SCRIPT_H
#define TRIGGER_PATCHED_SCRIPT_H

#include <stdint.h>

#include "base/err.h"

struct changes;
struct kept;
struct qmp;
struct survey;

struct script;

/*
 * Gives QEMU the script with which it tells us that its pause is there: a thread then calls `work`, while QEMU waits,
 * and answers nobody. `command_ms`: how long the user's command in it may take. Returns NULL with an error.
 */
struct script *script_arm(int (*work)(void *ctx, struct err *e), void *ctx, uint64_t command_ms, struct kept *k,
			  const struct survey *s, struct changes *c, struct qmp *q, struct err *e);
/* After the pause: what became of the work. Returns 0 where it succeeded and the guest was paused all the time. */
int script_result(struct script *sc, const struct kept *k, struct changes *c, struct err *e);
/* Waits until the work, where it is under way, is done. NULL is allowed. */
void script_end(struct script *sc);

#endif
