/* SPDX-License-Identifier: MIT */
/*
 * The engines: ways to have QEMU save the memory of a VM at the instant at which the disks are frozen. An engine is a
 * row that answers questions; nothing outside this folder and patched/ knows the individual engines. The questions come
 * in the order of a checkpoint: probe (a part of the survey), judge and predict_ms (the choice), adjust_plan, then the
 * run.
 *
 * To add one: write its file, its row in table.c, its manual, its tests.
 */
#ifndef TRIGGER_ENGINES_H
#define TRIGGER_ENGINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/options.h"

struct changes;
struct options;
struct plan;
struct qmp;
struct survey;
struct transport;

/* The most rows of a table. */
#define ENGINES_MAX 8

/* The verdict on an engine: for this VM (the survey's), or for this VM and the user's options (the choice's). */
struct verdict {
	bool possible;       /* QEMU can do it with this VM */
	bool safe;           /* and the checkpoint's memory is right */
	bool foreign;        /* it belongs to another QEMU: not worth a word unless requested */
	bool automatic;      /* auto may take it; the choice's only */
	char why[512];       /* why it is not possible, not safe or not automatic; else "" */
	const char *because; /* why auto takes it, if not because others are unavailable; else NULL */
};

/* An engine's view of the survey and the options; borrowed. */
struct engine_view {
	const struct survey *survey;
	const struct options *options;
	void *state;         /* made by its probe, or NULL */
	bool dirty_measured; /* the measurement was tried */
	double dirty_mib_s;  /* how much the guest writes; negative if unknown */
};

/* The means of a probe; borrowed. */
struct engine_probe {
	const struct survey *survey; /* all but the verdicts */
	const char *socket;          /* path of QEMU's QMP socket */
	struct qmp *q;
	struct changes *changes;
};

/* One run of an engine. It knows about QMP and nothing about files. */
struct engine_job {
	struct qmp *q;
	struct changes *changes;
	const struct survey *survey;
	const struct options *options;
	const struct plan *plan;
	void *state;     /* made by the engine's probe, or NULL */
	const char *uri; /* where QEMU sends the state */
	int interrupt;   /* as interrupt_open's */
	uint64_t passes; /* before the pause limit is relaxed */
	/* Called inside the pause, with the disks drained, to freeze them. May be called on another thread. */
	int (*freeze)(void *ctx, struct err *e);
	/* Called after it, to report. */
	void (*frozen)(void *ctx);
	/* Called some twenty times a second with query-migrate's answer (borrowed) and a word for the phase. */
	void (*progress)(void *ctx, const char *phase, const json_t *info);
	/* Whether our side has failed, so that the rest of the stream is useless. */
	bool (*failed)(void *ctx);
	void *ctx;

	/* The engine's results. */
	char status[32];     /* of the migration, from its events and from query-migrate */
	int64_t stop_us;     /* QEMU's wall clock when the guest stopped, 0 if it did not */
	int64_t resume_us;   /* and when it ran again */
	int64_t pause_began; /* our clock (clock.h), for --max-pause */
	int64_t passes_done; /* passes over memory that precopy made */
	int64_t last_sample; /* our clock, of the last query-migrate */
	double transferred;  /* bytes, at that sample */
	int64_t remaining;   /* bytes, at that sample */
	int64_t pages_sent;  /* since QEMU or the migration began, depending on QEMU's version */
	int64_t pages_total;
};

/* The order in which auto takes engines: within a rank, the one with the shortest predicted pause. */
enum engine_rank { RANK_FIRST, RANK_NEXT, RANK_LAST };

/* A row. Hooks may be NULL, for nothing to say or to do. */
struct engine {
	const char *name;         /* of --engine, and in the manifest */
	const char *noun;         /* its product, in messages: "background snapshot" */
	const char *capability;   /* the migration capability behind it, or NULL */
	const char *memory_as_of; /* the instant of the saved memory in its run: "start", "end" or "now" */
	const struct transport *transport; /* how the state comes, unless the user sends it elsewhere (--uri) */
	enum engine_rank rank;
	bool saved_paused; /* it stops the VM before QEMU saves the run state, which then is "paused" */
	bool unlimited;    /* QEMU ignores max-bandwidth */
	double best_ms;    /* its pause at best, if that depends on the guest's writes; else 0 */

	/*
	 * A part of the survey: fills *v except `automatic` and `because`. *state is the engine's, for its later hooks.
	 * Returns 0, or -1 if QEMU no longer answers.
	 */
	int (*probe)(const struct engine_probe *p, struct verdict *v, void **state, struct err *e);
	/*
	 * Adjusts the survey's verdict to the user's options. Returns 0, or -1 if the engine cannot be used, with the
	 * error for a user who asked for it by name.
	 */
	int (*judge)(const struct engine_view *v, struct verdict *verdict, struct err *e);
	/* The expected pause in ms, if the survey found the engine possible. */
	double (*predict_ms)(const struct engine_view *v);

	/* The first given option that only this engine has, or NULL. */
	const char *(*own_option)(const struct options *o);
	/* Whether its own options go together. Returns 0 or -1. */
	int (*check_options)(const struct options *o, struct err *e);
	/* The last step of planning: changes the plan for this engine or refuses it. Returns 0 or -1. */
	int (*adjust_plan)(const struct engine_view *v, struct plan *p, struct err *e);

	/* Whether its migration may be cancelled. NULL: it may. */
	bool (*breakable)(const struct survey *s);
	/* Changes the capabilities (name -> bool) and parameters that every run sets. */
	void (*capabilities)(const struct engine_job *j, json_t *wanted);
	void (*parameters)(const struct engine_job *j, json_t *wanted);
	/* Prepares QEMU for the run of another engine. Returns 0 or -1. */
	int (*step_aside)(const struct engine_job *j, void *state, struct err *e);
	/* Its own steps, from the pause or the migration until the VM goes on. Returns 0 or -1. */
	int (*run)(struct engine_job *j, struct err *e);
	/* After the run: checks the work that QEMU did by itself. Returns 0 or -1. */
	int (*after_pause)(struct engine_job *j, struct err *e);

	/* After a failure at any time, before the undo. */
	void (*abandon)(void *state);
	void (*release)(void *state);
};

/* The engines of one run: the rows of a table, and each one's own state (its probe's *state). */
struct engines {
	const struct engine *const *rows;
	size_t n; /* at most ENGINES_MAX */
	void *state[ENGINES_MAX];
};

/* All engines; a run copies this. */
extern const struct engines engines_all;

/* The row of that name, or NULL. */
const struct engine *engine_named(const char *name);
/* The values of --engine: auto and the names (a list of base/options.h). */
struct cli_word engine_word(size_t i);
/* The only row that has a given option, and in *option that option; NULL without such an option. */
const struct engine *engine_of_options(const struct options *o, const char **option);

/* Asks every engine: fills the survey's verdicts. Returns 0 or -1. */
int engines_probe(struct engines *all, struct survey *s, const char *socket, struct qmp *q, struct changes *c,
		  struct err *e);
void engines_abandon(const struct engines *all);
void engines_release(struct engines *all);

/* Whether its migration of this VM must not be broken off (`breakable`). */
bool engine_is_unbreakable(const struct engine *engine, const struct survey *s);

/*
 * The whole run of row `i`: sets capabilities and parameters, does the engine's own steps, puts everything back, then
 * calls its after_pause. Returns 0 or -1.
 */
int engine_run(const struct engines *all, size_t i, struct engine_job *j, struct err *e);

#endif
