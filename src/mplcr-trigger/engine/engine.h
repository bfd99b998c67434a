/* SPDX-License-Identifier: MIT */
/* The engines: ways of having QEMU save the memory of a VM while the disks are frozen at the same instant. */
#ifndef TRIGGER_ENGINE_H
#define TRIGGER_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#include "options.h"

struct changes;
struct qmp;
struct survey;

/* precopy begins with this downtime-limit (ms) and relaxes it only when the guest does not converge. */
#define TIGHT_LIMIT_MS 5

/* One run of an engine. It knows QMP and nothing of files. */
struct engine_job {
	struct qmp *q;
	struct changes *changes;
	const struct survey *survey;
	const struct options *options;
	uint64_t passes; /* before the pause limit is relaxed */
	/*
	 * Called before the migration by an engine whose QEMU freezes the disks by itself: tells QEMU how.
	 */
	int (*arm_freeze)(void *ctx, struct err *e);
	/* Whether the user has ended an extended live stage. */
	bool (*live_ended)(void *ctx);
	/* Called inside the pause, when the disks are drained: freezes them. */
	int (*at_pause)(void *ctx, struct err *e);
	/* Called some twenty times a second with what query-migrate said (borrowed) and a word for the phase. */
	void (*progress)(void *ctx, const char *phase, const json_t *info);
	/* Whether our side has failed, so that the rest of the stream is of no use. */
	bool (*failed)(void *ctx);
	void *ctx;

	/* What the engine finds out. */
	char status[32];     /* of the migration, from its events and from query-migrate */
	int64_t stop_us;     /* QEMU's wall clock when the guest stopped, 0 when it did not */
	int64_t resume_us;   /* and when it ran again */
	int64_t pause_began; /* our clock (clock.h), for --max-pause */
	int64_t passes_done; /* passes over memory that precopy made */
	int64_t last_sample; /* our clock, of the last query-migrate */
	double transferred;  /* bytes, at that sample */
	int64_t remaining;   /* bytes, at that sample */
	int64_t pages_sent;  /* since QEMU began, or since the migration did: that depends on its version */
	int64_t pages_total;
};

struct engine {
	enum engine_kind kind;
	const char *name;
	const char *capability; /* the migration capability that makes it, or NULL */
	bool saved_paused;      /* it stops the VM before QEMU saves the run state, which is "paused" then */
	int (*run)(struct engine_job *j, struct err *e);
};

const struct engine *engine_of(enum engine_kind kind);
const struct engine *engine_named(const char *name);

/*
 * The capabilities for a run of the engine, given those of the VM (object name -> bool): its own and "events" on, and
 * every other that is on now off, since most change the stream or what happens to the VM. The caller's.
 */
json_t *engine_capabilities(const struct engine *engine, const json_t *now);

/* The whole run: capabilities and parameters set, the engine's own steps, everything put back. Returns 0 or -1. */
int engine_run(const struct engine *engine, struct engine_job *j, struct err *e);

#endif
