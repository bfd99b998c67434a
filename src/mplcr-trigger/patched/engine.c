/* SPDX-License-Identifier: MIT */
/*
 * The engine "mplcr", of the patched QEMU: memory is written while the guest runs, in a live stage that the patch
 * bounds by itself; then it stops the guest, writes the rest, freezes the disks or runs a script, and lets the guest
 * run, all without us (migration/migration.c of the patch, migration_completion). Before that we tell it how.
 */
#include "engine/predict.h"
#include "engine/steps.h"
#include "freeze/freeze.h"
#include "options.h"
#include "patched/commands.h"
#include "patched/end_live.h"
#include "patched/kept.h"
#include "patched/mplm.h"
#include "patched/patched.h"
#include "patched/queue.h"
#include "patched/script.h"
#include "patched/settle.h"
#include "patched/steer.h"
#include "plan.h"
#include "transport/transport.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "qemu/vm.h"

/* Where its live stage has sent everything but does not end, for this long, it never will: see steer.c. */
#define STUCK_MS 2000

/* The guest runs again very soon after "completed". */
#define RESUME_MS 15000

/* What the patched QEMU pauses small guests: 10 to 180 ms were measured. */
#define USUAL_MS 100.0

/* What is known of the QEMU process, for one run of ours; NULL where QEMU lacks the patch. */
struct patched {
	struct kept kept;
	struct script *script; /* while it is armed */
};

/* --- before the run --------------------------------------------------------------------------------------------- */

static int probe(const struct engine_probe *p, struct verdict *v, void **state, struct err *e)
{
	char missing[400];
	struct patched *own;

	if (patch_missing(p->q, missing, sizeof(missing), e) < 0)
		return -1;
	v->foreign = missing[0];
	v->possible = !v->foreign;
	if (v->foreign) {
		snprintf(v->why, sizeof(v->why), "this QEMU lacks the MPLCR patch: it has no %s", missing);
		return 0;
	}
	own = memory_of(1, sizeof(*own));
	*state = own;
	vm_judge_dirty_log(p->survey, "its live stage", v);
	if (kept_load(&own->kept, p->socket, p->survey->process.pid, e) < 0)
		return -1;
	return settle_queue(&own->kept, p->q, e);
}

static const char *own_option(const struct options *o)
{
	return o->mplm.given    ? "--mplm"
	       : o->max_rate    ? "--max-rate"
	       : o->extend_live ? "--extend-live"
	       : o->uri         ? "--uri"
				: NULL;
}

static int check_options(const struct options *o, struct err *e)
{
	return o->max_rate && o->max_bandwidth ? err_usage(e, "--max-rate does not go with --max-bandwidth") : 0;
}

/*
 * Where QEMU loses guest writes, a live stage that goes on and on mostly saves wrong memory (measured on the genuine one,
 * by hand as well), a short one hardly ever.
 */
static int refuse_extended(const struct options *o, const struct verdict *verdict, struct err *e)
{
	if (!o->extend_live || verdict->safe || o->accept_unsafe_precopy)
		return 0;
	err_set(e, "--extend-live: %s, and one that is extended mostly saves wrong memory", verdict->why);
	return err_hint(e, "without --extend-live it is short; --engine stop is safe; --accept-unsafe-precopy takes the "
			   "risk of a checkpoint with wrong memory");
}

/* What is refused to those who ask for it by name, too. */
static int refuse(const struct engine_view *v, const struct verdict *verdict, struct err *e)
{
	const char *option = own_option(v->options);

	if (!verdict->possible) {
		err_set(e, "%s%sno engine mplcr: %s", option ? option : "", option ? ": " : "", verdict->why);
		return err_hint(e, "--engine auto takes what this QEMU has");
	}
	if (v->options->leave_paused) {
		err_set(e, "the patched QEMU resumes the VM after its checkpoint, but it is to stay paused");
		return err_hint(e, "--engine stop keeps it paused");
	}
	if (v->options->max_pause_ms) {
		err_set(e, "--max-pause cannot be kept by the patched QEMU: it ends its pause by itself");
		return err_hint(e, "--engine stop gives up in time");
	}
	return refuse_extended(v->options, verdict, e);
}

/* Why it is not for this checkpoint, though it could be asked for by its name; NULL where it is. */
static const char *unfit(const struct engine_view *v)
{
	const struct options *o = v->options;
	const struct patched *own = v->state;
	bool overlays = !o->disks || o->disks->makes_overlays;

	if (o->max_pause_ms)
		return "it cannot keep to --max-pause";
	if (overlays && (o->at_freeze || o->include.n > 0 || (own && own->kept.script)))
		return "it makes no overlays beside a command in the pause";
	return NULL;
}

static int judge(const struct engine_view *v, struct verdict *verdict, struct err *e)
{
	const char *why = verdict->possible && verdict->safe ? unfit(v) : NULL;
	int result = refuse(v, verdict, e);

	if (why)
		snprintf(verdict->why, sizeof(verdict->why), "%s", why);
	verdict->automatic = verdict->safe && !why && !vm_stays_paused(v);
	return result;
}

static double predict_ms(const struct engine_view *v)
{
	(void)v;
	return USUAL_MS;
}

static int adjust_plan(const struct engine_view *v, struct plan *p, struct err *e)
{
	const struct patched *own = v->state;

	return queue_plan(p, v->options, &own->kept, e);
}

/* --- the run ---------------------------------------------------------------------------------------------------- */

/* An extended live stage makes an event for each pass, and has thousands. */
static void capabilities(const struct engine_job *j, json_t *wanted)
{
	if (j->options->extend_live)
		json_object_set_new(wanted, "events", json_false());
}

static void parameters(const struct engine_job *j, json_t *wanted)
{
	json_object_set_new(wanted, "max-bandwidth", json_integer((json_int_t)steer_first_bandwidth(j->options)));
}

/* Its part in every migration, which no other engine wants. */
static int step_aside(const struct engine_job *j, void *state, struct err *e)
{
	return state ? patch_set(j->changes, &j->options->mplm, false, j->q, e) : 0;
}

/* Tells QEMU how to freeze the disks, which it does by itself. */
static int arm_freeze(struct engine_job *j, struct err *e)
{
	struct patched *own = j->state;
	const struct options *o = j->options;

	if (!plan_needs_pause(j->plan, o))
		return queue_overlays(j->plan, &own->kept, j->q, e);
	own->script = script_arm(j->freeze, j->ctx, o->at_freeze ? o->at_freeze_ms : 0, &own->kept, j->survey,
				 j->changes, j->q, e);
	return own->script ? 0 : -1;
}

static int switch_on(struct engine_job *j, struct err *e)
{
	const struct options *o = j->options;
	const struct mplm m = steer_first_settings(j);

	if ((o->mplm.given || m.interval_s != o->mplm.interval_s) && patch_set(j->changes, &m, true, j->q, e) < 0)
		return -1;
	if (o->extend_live && patch_extend_live(j->changes, j->q, e) < 0)
		return -1;
	if (arm_freeze(j, e) < 0 || patch_enable(j->changes, j->q, e) < 0)
		return -1;
	return o->max_rate ? patch_max_rate(j->changes, j->q, e) : 0;
}

/* The progress of the live stage when it last advanced. */
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

/* `live`: where the user ends it; else NULL. */
static int live_stage(struct engine_job *j, struct steer *st, struct live *live, struct err *e)
{
	struct watch w = { 0, 0, clock_ns() };

	while (!vm_status_is(j, "completed")) {
		if (vm_events(j, clock_in_ms(steer_look_ms(st, j)), e) < 0 ||
		    vm_sample(j, "copying, VM running", NULL, e) < 0 || steer(st, j, e) < 0 ||
		    check_stuck(j, &w, e) < 0)
			return -1;
		if (j->changes->patch.extended && live_ended(live) && patch_end_live(j->changes, j->q, e) < 0)
			return -1;
	}
	return 0;
}

/* The patch lets the guest run, even one that was paused. */
static int wait_running(struct engine_job *j, struct err *e)
{
	int64_t until = clock_in_ms(RESUME_MS);
	struct vm_status status;

	for (;;) {
		if (vm_status_read(j->q, &status, e) < 0)
			return -1;
		if (status.running)
			return vm_events(j, 0, e);
		if (clock_over(until))
			return err_set(e, "the VM did not resume after its checkpoint: it is in the state '%s'",
				       status.state);
		if (vm_events(j, clock_ns() + NS_PER_MS / 2, e) < 0)
			return -1;
	}
}

static int run_with(struct engine_job *j, struct live *live, struct err *e)
{
	struct steer st;

	if (switch_on(j, e) < 0 || steer_begin(&st, j->q, e) < 0 || vm_migrate(j, e) < 0 ||
	    live_stage(j, &st, live, e) < 0 || wait_running(j, e) < 0)
		return -1;
	if (!j->survey->running && qmp_run(j->q, "stop", NULL, NULL, e) < 0)
		return -1;
	return patch_off(j->changes, j->q, e);
}

static int run(struct engine_job *j, struct err *e)
{
	const struct options *o = j->options;
	struct live *live;
	int result;

	if (!o->extend_live)
		return run_with(j, NULL, e);
	live = live_open(o->socket, o->extend_ms, j->changes, j->interrupt, e);
	if (!live)
		return -1;
	result = run_with(j, live, e);
	live_close(live);
	return result;
}

/* --- after it --------------------------------------------------------------------------------------------------- */

static int after_pause(struct engine_job *j, struct err *e)
{
	struct patched *own = j->state;

	if (own->script) {
		if (script_result(own->script, &own->kept, j->changes, e) < 0)
			return -1;
		j->frozen(j->ctx);
		return 0;
	}
	kept_queue_cut(&own->kept, 0); /* QEMU has made them */
	return kept_store(&own->kept, e);
}

static void end_script(struct patched *own)
{
	script_end(own->script);
	own->script = NULL;
}

/* While the script waits, QEMU waits for it and answers nobody. */
static void abandon(void *state)
{
	end_script(state);
}

static void release(void *state)
{
	struct patched *own = state;

	end_script(own);
	kept_release(&own->kept);
	free(own);
}

const struct engine engine_mplcr = {
	.name = "mplcr",
	.noun = "mplcr",
	.memory_as_of = "end",
	.transport = &transport_pipe,
	.rank = RANK_NEXT,
	.probe = probe,
	.judge = judge,
	.predict_ms = predict_ms,
	.own_option = own_option,
	.check_options = check_options,
	.adjust_plan = adjust_plan,
	.capabilities = capabilities,
	.parameters = parameters,
	.step_aside = step_aside,
	.run = run,
	.after_pause = after_pause,
	.abandon = abandon,
	.release = release,
};
