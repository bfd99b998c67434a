/* SPDX-License-Identifier: MIT */
/*
 * A log's data on each checkpoint, built from its events (model.c, collect.c, phases.c, figures.c). Sizes and counts
 * that the log does not give are UNTOLD (event.h), times and rates NAN (isnan).
 */
#ifndef MPLCR_TRACE_MODEL_H
#define MPLCR_TRACE_MODEL_H

#include "event/event.h"
#include "read/source.h"

/* Limits on one source, to bound memory: the rest is only counted, and a note says so. */
#define MODEL_MAX_CHECKPOINTS 1000
#define MODEL_MAX_ITEMS 50000 /* of iterations, samples, syncs and so on: each, per checkpoint */

/* A point of the curves. It has at least one of the figures. */
struct sample {
	double time_ms;           /* since the first event of the checkpoint; NAN where unknown */
	uint64_t iteration;       /* the iteration it belongs to, from 1; 0: before the first */
	int64_t pending_bytes;
	int64_t transferred_bytes; /* total so far */
	double bandwidth;         /* bytes per second, of the period that ended here */
};

/* A round of saving memory. */
struct iteration {
	uint64_t line;
	double time_ms;           /* when it began, as in struct sample */
	double duration_ms;       /* until the next one or the switchover */
	int64_t pending_before;   /* bytes: the last figure before and the first after it */
	int64_t pending_after;
};

/* A sync of the dirty page bitmaps. */
struct bitmap_sync {
	uint64_t line;
	double time_ms;
	int64_t total_pages, dirty_pages, period_dirty_pages, nondirty_pages, counted_nondirty_pages;
	char *caller;             /* or NULL */
};

struct device {
	char *name;               /* or NULL */
	char *description;        /* or NULL */
	int64_t instance, version, bytes;
	double spent_ms;
};

struct freeze {
	double time_ms;
	char *device, *file, *format, *backing; /* each may be NULL */
	int64_t disk_bytes;
};

/*
 * Phases in their order; those that the log does not show are absent (ms is NAN, known false):
 *   setup     from the first event until memory begins to be saved, or the guest is stopped
 *   live      memory is saved, the guest runs, before the pause
 *   pause     the guest does not run
 *   copy      memory is saved, the guest runs, after the pause (background snapshot)
 *   finish    after the migration and the pause are over, until the last step of the tool
 * Parts of the pause: before_freeze, freeze, after_freeze (device state and the rest of memory, until the guest runs).
 */
#define PHASES_X(X) X(setup) X(live) X(pause) X(before_freeze) X(freeze) X(after_freeze) X(copy) X(finish)
#define ONE_PHASE(name) PHASE_##name,
enum phase { PHASES_X(ONE_PHASE) PHASES };
#undef ONE_PHASE

struct phase_times {
	bool seen;                /* the log shows it, with or without times */
	double began_ms;          /* as in struct sample, NAN where unknown */
	double duration_ms;       /* NAN where unknown */
	bool approximate;         /* the duration is a sum of periods, not a difference of times */
};

const char *phase_name(enum phase phase);
bool phase_is_part(enum phase phase); /* of the pause */

/* A step of mplcr-trigger (trace.jsonl): survey, prepare, engine, store, check. */
struct tool_step {
	char *name;
	double ended_ms;
};

/* The figures of one checkpoint. */
struct checkpoint {
	uint64_t number;
	uint64_t first_line, last_line;
	char *status;             /* of the migration, or NULL */
	char *uri;                /* or NULL */
	double unix_time_ms;      /* wall clock of the first stamp, or NAN */

	struct phase_times phases[PHASES];

	struct iteration *iterations;
	size_t n_iterations;
	struct sample *samples;
	size_t n_samples;
	struct bitmap_sync *syncs;
	size_t n_syncs;
	struct device *devices;
	size_t n_devices;
	struct freeze *freezes;
	size_t n_freezes;
	struct tool_step *steps;
	size_t n_steps;
	uint64_t count[EVENT_KINDS]; /* events of each kind */

	/* Pages of 4096 bytes. */
	int64_t total_pages;
	int64_t dirty_pages;         /* at the last sync */
	int64_t period_dirty_pages;  /* at the last sync that gives it */
	int64_t nondirty_pages;      /* tracked, at the last sync */
	int64_t sent_pages;
	int64_t zero_pages;

	/* Bytes. */
	int64_t pending_first, pending_last;
	int64_t transferred_bytes;   /* all that the log shows */
	int64_t live_bytes;          /* of these, sent while the guest ran before the pause */
	int64_t stop_bytes;          /* of these, sent in the pause; for MPLM, pending then */
	double bandwidth_mean, bandwidth_min, bandwidth_max; /* bytes per second */
	double downtime_ms, total_ms, setup_ms;              /* as QEMU measured them */

	/* Only in MPLM reports. */
	struct {
		int64_t interval_seconds, dirty_percent;
		int first_nondirty, relax;                   /* 0, 1 or UNTOLD */
		int64_t sent_nondirty_pages, sent_dirty_pages;
		int64_t unsent_nondirty_pages, unsent_dirty_pages;
		double nondirty_percent;
		int64_t bound_pages;                         /* the most that the live stage may send */
		int bound_kept;                              /* 0, 1 or UNTOLD */
	} mplm;

	char **notes; /* decoded, impossible or missing data */
	size_t n_notes;
};

struct model {
	char *path;                  /* as given */
	struct source_stats stats;
	struct checkpoint *checkpoints;
	size_t n_checkpoints; /* kept; stats.checkpoints counts all */
};

/* Reads a source as source_read does. Returns 0, or -1 with *m empty. */
int model_read(struct model *m, const char *path, enum format format, struct err *e) __attribute__((warn_unused_result));

void model_release(struct model *m);

/* The total size of the devices' states in bytes, UNTOLD if the log gives none. */
int64_t device_bytes(const struct checkpoint *c);

#endif
