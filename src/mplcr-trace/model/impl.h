/* SPDX-License-Identifier: MIT */
/* Shared by the files that build the model: model.c, collect.c, phases.c, figures.c. */
#ifndef MPLCR_TRACE_MODEL_IMPL_H
#define MPLCR_TRACE_MODEL_IMPL_H

#include "model/model.h"

#define NOTE_KINDS 8

/* When something happened, in ms as in struct sample: NAN if the log has no time for it. */
struct instant {
	bool seen;
	double ms;
};

/* A remark that a reader repeats for many lines. */
struct remark {
	char *text;
	uint64_t count, first_line;
};

/* The state of the checkpoint being collected that is not part of its model. */
struct progress {
	struct instant first, save, switchover, stop, freeze_begin, freeze_end, resume, copy, done, last_step;
	int64_t stop_us, resume_us;  /* QEMU's own stamps of the two, UNTOLD without any */
	bool background;             /* the stop of a background snapshot: memory is saved after the pause */
	double base_ms;              /* the source's time at which the checkpoint's times begin */
	bool saved_while_running;    /* memory was saved before a stop; after the pause: copy.seen */
	bool pending_fresh;          /* the last pending figure is newer than the last iteration */
	int64_t period_bytes;        /* sum of periods */
	double period_ms;
	double live_ms;              /* of these, before the stop */
	int64_t live_period_bytes;
	int64_t exact_total;         /* total bytes transferred by the last line that gives them, else UNTOLD */
	int64_t total_at_stop;       /* the same when the guest was stopped */
	double pause_ms;             /* times of sections in the pause */
	double sampled_ms;           /* when the last query-migrate figures came, NAN without any */
	uint64_t queued;             /* overlays queued */
	struct remark remarks[NOTE_KINDS];
	size_t n_remarks;
};

/* The checkpoint being collected. */
struct collector {
	struct checkpoint *c;
	struct progress *p;
};

/* Adds an event to it (collect.c); `ms` is its time since the checkpoint began, or NAN. */
void collect_event(struct collector *k, const struct event *ev, double ms);

/* From one time to another, ms. Stamps have microseconds: further digits come from the subtraction. */
static inline double ms_between(double from, double to)
{
	return round((to - from) * 1000) / 1000;
}

/* Fills in the phases of `c` (phases.c). */
void phases_make(struct checkpoint *c, const struct progress *p);

/* Fills in the derived figures and the notes (figures.c). */
void figures_make(struct checkpoint *c, const struct progress *p);

/* Adds a zeroed item at the end of *list, which has *n; NULL if it has MODEL_MAX_ITEMS (model.c). */
void *model_one_more(void **list, size_t *n, size_t size);

/* Adds a note to the checkpoint (model.c). */
void model_note(struct checkpoint *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
