/* SPDX-License-Identifier: MIT */
/*
 * What only the MPLCR-patched QEMU has: its commands (commands.c), its live stage brought to an end (steer.c), overlays
 * that it makes at the pause (queue.c), its pause, in which it waits for us (script.c), what one QEMU process was given
 * and keeps (kept.c), and a live stage that the user ends (end_live.c).
 */
#ifndef TRIGGER_PATCHED_H
#define TRIGGER_PATCHED_H

#include "base/options.h"
#include "changes.h"
#include "engine/engine.h"
#include "plan.h"

/* Whether QEMU has the patch: fills the survey's `patched`, `mplcr_*` and `sticky_script`. */
int patch_survey(struct survey *s, const char *socket, struct qmp *q, struct err *e);
/*
 * How the next migration sends memory, or (enable false) that it does so plainly, without the patch's part in it. Acts
 * on one that is under way, too.
 */
int patch_set(struct changes *c, const struct mplm *m, bool enable, struct qmp *q, struct err *e);
/* Makes the next migration a checkpoint; does nothing where that is so already. */
int patch_enable(struct changes *c, struct qmp *q, struct err *e);
int patch_max_rate(struct changes *c, struct qmp *q, struct err *e);
int patch_extend_live(struct changes *c, struct qmp *q, struct err *e);
int patch_end_live(struct changes *c, struct qmp *q, struct err *e);
/* Whether anything of it is on. */
bool patch_any(const struct changed_patch *p);
/* Switches off what is on. Returns 0 or -1. */
int patch_off(struct changes *c, struct qmp *q, struct err *e);

/*
 * Whether the patched QEMU can freeze the disks so: its limits. Marks the plan as queued where it makes overlays.
 * Returns 0 or -1.
 */
int queue_plan(struct plan *p, const struct options *o, const struct survey *s, struct err *e);
/* Queues all overlays. They cannot be taken from the queue again. */
int queue_overlays(const struct plan *p, struct sticky *k, struct qmp *q, struct err *e);

struct script;

/*
 * Gives QEMU the script with which it tells us that its pause is there: a thread then calls `work`, while QEMU waits,
 * and answers nobody. `command_ms`: how long the user's command in it may take. Returns NULL with an error.
 */
struct script *script_arm(int (*work)(void *ctx, struct err *e), void *ctx, uint64_t command_ms, struct survey *s,
			  struct changes *c, struct qmp *q, struct err *e);
/* After the pause: what became of the work. Returns 0 where it succeeded and the guest stood still all the time. */
int script_result(struct script *sc, const struct survey *s, struct changes *c, struct err *e);
/* Waits until the work, where it is under way, is done. NULL is allowed. */
void script_end(struct script *sc);

/* Where the live stage is, in its steering. */
struct steer {
	enum steer_step { STEER_START, STEER_PACE, STEER_WAIT, STEER_CREEP, STEER_LIVE, STEER_END } step;
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

struct live;

/* Waits for mplcr-trigger end-live, SIGUSR1 or SIGINT, or until `ms` (0: for ever) have passed. NULL with an error. */
struct live *live_open(const char *socket, uint64_t ms, int interrupt, struct err *e);
bool live_ended(struct live *l);
/* SIGINT ends the checkpoint again. NULL is allowed. */
void live_close(struct live *l);

/* mplcr-trigger end-live (base/options.h). */
extern const struct cli verb_end_live;

#endif
