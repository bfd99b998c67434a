/* SPDX-License-Identifier: MIT */
/*
 * The engines: ways of having QEMU save the memory of a VM while the disks are frozen at the same instant. An engine is
 * a row that answers questions; nobody outside this folder and patched/ knows which there are. The order of questions
 * is that of a checkpoint: probe (a part of the survey), judge and predict_ms (the choice), adjust_plan, then the run.
 *
 * To add one: its file, its row in table.c, its manual, its tests.
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

/* No table has more rows. */
#define ENGINES_MAX 8

/* What is known of an engine: for this VM (the survey's), or for this VM and what the user wants (the choice's). */
struct verdict {
	bool possible;       /* QEMU can do it with this VM */
	bool safe;           /* and the memory of the checkpoint is right */
	bool foreign;        /* it is another QEMU's, so not worth a word where nobody asked for it */
	bool automatic;      /* auto may take it; the choice's only */
	char why[512];       /* why it is not possible, not safe or not automatic; else "" */
	const char *because; /* why auto takes it, where the reason is not that others cannot be had; else NULL */
};

/* What an engine judges by; borrowed. */
struct engine_view {
	const struct survey *survey;
	const struct options *options;
	void *state;         /* what its probe made, or NULL */
	bool dirty_measured; /* it was tried to measure */
	double dirty_mib_s;  /* how much the guest writes; negative where that is not known */
};

/* What a probe asks with; borrowed. */
struct engine_probe {
	const struct survey *survey; /* all but the verdicts */
	const char *socket;          /* path of QEMU's QMP socket */
	struct qmp *q;
	struct changes *changes;
};

/* One run of an engine. It knows QMP and nothing of files. */
struct engine_job {
	struct qmp *q;
	struct changes *changes;
	const struct survey *survey;
	const struct options *options;
	const struct plan *plan;
	void *state;     /* what the engine's probe made, or NULL */
	const char *uri; /* where QEMU sends the state */
	int interrupt;   /* as interrupt_open's */
	uint64_t passes; /* before the pause limit is relaxed */
	/* Called inside the pause, when the disks are drained: freezes them. It may be called on another thread. */
	int (*freeze)(void *ctx, struct err *e);
	/* Called after it: tells what was done. */
	void (*frozen)(void *ctx);
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

/* The engines that auto takes first: of these, the one with the shortest predicted pause; then the next, and so on. */
enum engine_rank { RANK_FIRST, RANK_NEXT, RANK_LAST };

/* A row. Hooks that are NULL have nothing to say or to do. */
struct engine {
	const char *name;         /* of --engine, and in the manifest */
	const char *noun;         /* what it takes, in messages: "background snapshot" */
	const char *capability;   /* the migration capability that makes it, or NULL */
	const char *memory_as_of; /* the instant in its run that the memory is of: "start", "end" or "now" */
	const struct transport *transport; /* how the state comes, unless the user sends it elsewhere (--uri) */
	enum engine_rank rank;
	bool saved_paused; /* it stops the VM before QEMU saves the run state, which is "paused" then */
	bool unlimited;    /* QEMU does not keep to max-bandwidth */
	double best_ms;    /* its pause at best, where that depends on how much the guest writes; else 0 */

	/*
	 * A part of the survey: fills *v but for `automatic` and `because`. *state is the engine's, for its later
	 * hooks. Returns 0, or -1 where QEMU cannot be talked to any more.
	 */
	int (*probe)(const struct engine_probe *p, struct verdict *v, void **state, struct err *e);
	/*
	 * Adds to what the survey found what the user's wishes mean for it. Returns 0, or -1 where it cannot be used,
	 * with what is told to a user who asked for it by its name.
	 */
	int (*judge)(const struct engine_view *v, struct verdict *verdict, struct err *e);
	/* The pause to be expected, in ms, of one that the survey found possible. */
	double (*predict_ms)(const struct engine_view *v);

	/* The first option given that only this engine has, or NULL. */
	const char *(*own_option)(const struct options *o);
	/* Whether its own options go together. Returns 0 or -1. */
	int (*check_options)(const struct options *o, struct err *e);
	/* The last step of making the plan: what this engine needs otherwise, or cannot do. Returns 0 or -1. */
	int (*adjust_plan)(const struct engine_view *v, struct plan *p, struct err *e);

	/* Whether its migration may be broken off. NULL: it may. */
	bool (*breakable)(const struct survey *s);
	/* Changes what every run sets: capabilities (name -> bool) and parameters. */
	void (*capabilities)(const struct engine_job *j, json_t *wanted);
	void (*parameters)(const struct engine_job *j, json_t *wanted);
	/* What QEMU has to be told where another engine runs. Returns 0 or -1. */
	int (*step_aside)(const struct engine_job *j, void *state, struct err *e);
	/* Its own steps, from the pause or the migration to the VM that goes on. Returns 0 or -1. */
	int (*run)(struct engine_job *j, struct err *e);
	/* After the run: what became of that which QEMU did without us. Returns 0 or -1. */
	int (*after_pause)(struct engine_job *j, struct err *e);

	/* After a failure at any time, before it is undone. */
	void (*abandon)(void *state);
	void (*release)(void *state);
};

/* The engines of one run: the rows of a table, and what each has made for itself (its probe's *state). */
struct engines {
	const struct engine *const *rows;
	size_t n; /* at most ENGINES_MAX */
	void *state[ENGINES_MAX];
};

/* All that there are, to be copied by a run. */
extern const struct engines engines_all;

/* The row of that name, or NULL. */
const struct engine *engine_named(const char *name);
/* What --engine can be: auto and the names (a list of base/options.h). */
struct cli_word engine_word(size_t i);
/* The row that alone has an option which was given, and in *option that option; NULL where none was given. */
const struct engine *engine_of_options(const struct options *o, const char **option);

/* Asks every engine: fills the survey's verdicts. Returns 0 or -1. */
int engines_probe(struct engines *all, struct survey *s, const char *socket, struct qmp *q, struct changes *c,
		  struct err *e);
void engines_abandon(const struct engines *all);
void engines_release(struct engines *all);

/*
 * The whole run of row `i`: capabilities and parameters set, the engine's own steps, everything put back; then its
 * after_pause. Returns 0 or -1.
 */
int engine_run(const struct engines *all, size_t i, struct engine_job *j, struct err *e);

#endif
