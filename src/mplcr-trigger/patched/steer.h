/* SPDX-License-Identifier: MIT */
/* The live stage of the patched QEMU, brought to its end. */
#ifndef TRIGGER_PATCHED_STEER_H
#define TRIGGER_PATCHED_STEER_H

#include <stdint.h>

#include "base/err.h"
#include "patched/mplm.h"

struct engine_job;
struct options;
struct qmp;

/* Where the live stage is, in its steering. */
struct steer {
	enum steer_step { STEER_START, STEER_PACE, STEER_WAIT, STEER_CRAWL, STEER_LIVE, STEER_END } step;
	int64_t since;        /* our clock, of STEER_WAIT */
	int64_t passes;       /* that were done then */
	int64_t pages_before; /* sent before this migration: old QEMUs count on */
};

/* Before the migration. */
int steer_begin(struct steer *st, struct qmp *q, struct err *e);

/* Bytes per second with which the migration is to begin. */
uint64_t steer_first_bandwidth(const struct options *o);
/* How the memory is to be sent at first: as the user wants it, but for the interval. */
struct mplm steer_first_settings(const struct engine_job *j);
/* Called after each sample: sets what the live stage needs next. Returns 0 or -1. */
int steer(struct steer *st, struct engine_job *j, struct err *e);
/* How long until the next sample. */
int steer_look_ms(const struct steer *st, const struct engine_job *j);

#endif
