/* SPDX-License-Identifier: MIT */
/*
 * The engine "mplcr", of the patched QEMU: memory is written while the guest runs, in a live stage that the patch
 * bounds by itself; then it stops the guest, writes the rest, freezes the disks or runs a script, and lets the guest
 * run, all without us (migration/migration.c of the patch, migration_completion). Before that we tell it how.
 */
#include "engine/steps.h"
#include "patched/patched.h"

#include "base/clock.h"

/* Where its live stage has sent everything but does not end, for this long, it never will: see steer.c. */
#define STUCK_MS 2000

/* The guest runs again very soon after "completed". */
#define RESUME_MS 15000

static int switch_on(struct engine_job *j, struct err *e)
{
	const struct options *o = j->options;
	const struct mplm m = steer_first_settings(j);

	if ((o->mplm.given || m.interval_s != o->mplm.interval_s) && patch_set(j->changes, &m, true, j->q, e) < 0)
		return -1;
	if (o->extend_live && patch_extend_live(j->changes, j->q, e) < 0)
		return -1;
	if (j->arm_freeze(j->ctx, e) < 0 || patch_enable(j->changes, j->q, e) < 0)
		return -1;
	return o->max_rate ? patch_max_rate(j->changes, j->q, e) : 0;
}

/* Where the live stage stood when it last went on. */
struct watch {
	double transferred;
	int64_t passes;
	int64_t since;
};

static bool goes_on(const struct engine_job *j, const struct watch *w)
{
	return j->transferred > w->transferred || j->passes_done > w->passes || j->remaining > 0 || j->stop_us;
}

static int check_stuck(struct engine_job *j, struct watch *w, struct err *e)
{
	if (goes_on(j, w)) {
		*w = (struct watch){ j->transferred, j->passes_done, clock_ns() };
		return 0;
	}
	if (clock_ms_between(w->since, clock_ns()) < STUCK_MS)
		return 0;
	j->changes->patch.stuck = true;
	return err_set(e, "the live stage of this QEMU is stuck: it has sent all memory, and does not end");
}

static int live_stage(struct engine_job *j, struct steer *st, struct err *e)
{
	struct watch w = { 0, 0, clock_ns() };

	while (!vm_status_is(j, "completed")) {
		if (vm_events(j, clock_in_ms(steer_look_ms(st, j)), e) < 0 ||
		    vm_sample(j, "copying, VM running", NULL, e) < 0 || steer(st, j, e) < 0 ||
		    check_stuck(j, &w, e) < 0)
			return -1;
		if (j->changes->patch.extended && j->live_ended(j->ctx) && patch_end_live(j->changes, j->q, e) < 0)
			return -1;
	}
	return 0;
}

/* The patch lets the guest run, even one that was paused. */
static int wait_running(struct engine_job *j, struct err *e)
{
	int64_t until = clock_in_ms(RESUME_MS);
	char state[32];
	bool running;

	for (;;) {
		if (vm_run_state(j, state, sizeof(state), &running, e) < 0)
			return -1;
		if (running)
			return vm_events(j, 0, e);
		if (clock_over(until))
			return err_set(e, "the VM did not run again after its checkpoint: it is in the state '%s'",
				       state);
		if (vm_events(j, clock_ns() + NS_PER_MS / 2, e) < 0)
			return -1;
	}
}

int engine_mplcr_run(struct engine_job *j, struct err *e)
{
	struct steer st;

	if (switch_on(j, e) < 0 || steer_begin(&st, j->q, e) < 0 || vm_migrate(j, e) < 0 || live_stage(j, &st, e) < 0 ||
	    wait_running(j, e) < 0)
		return -1;
	if (!j->survey->running && qmp_run(j->q, "stop", NULL, NULL, e) < 0)
		return -1;
	return patch_off(j->changes, j->q, e);
}
