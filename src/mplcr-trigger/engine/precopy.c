/* SPDX-License-Identifier: MIT */
/*
 * The engine "precopy": QEMU sends memory in passes while the guest runs. Once the rest fits into the downtime limit,
 * it stops the guest, we freeze the disks (status pre-switchover), and QEMU sends the rest. The limit is tight at
 * first; we relax it only if the guest does not converge within the passes allowed, which bounds the live stage.
 */
#include "engine/predict.h"
#include "engine/steps.h"
#include "options.h"
#include "transport/transport.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"

#define CAPABILITY "pause-before-switchover"

/* So many copies of memory may go over the pipe before the limit is relaxed. */
#define MAX_COPIES 3

/* QEMU's own bound of downtime-limit, ms. */
#define LONGEST_LIMIT_MS 2000000

static bool live_stage_is_over(const struct engine_job *j)
{
	return (uint64_t)j->passes_done > j->passes || j->transferred > (double)MAX_COPIES * (double)j->survey->memory;
}

/* Doubles the limit, up to --max-pause. Each step allows one more pass. */
static int relax(struct engine_job *j, int64_t *limit_ms, struct err *e)
{
	int64_t most = j->options->max_pause_ms ? (int64_t)j->options->max_pause_ms : LONGEST_LIMIT_MS;

	if (*limit_ms >= most) {
		err_set(e, "gave up after %" PRId64 " passes: the guest writes too fast for a pause of %" PRId64 " ms",
			j->passes_done, *limit_ms);
		return err_hint(e, "allow more with --max-pause, or take another engine");
	}
	*limit_ms = 2 * *limit_ms < most ? 2 * *limit_ms : most;
	j->passes = (uint64_t)j->passes_done;
	return qmp_run(j->q, "migrate-set-parameters", json_of("{s:I}", "downtime-limit", (json_int_t)*limit_ms), NULL,
		       e);
}

/* The live stage: ends when the guest is paused with its disks drained. */
static int live_stage(struct engine_job *j, int64_t limit_ms, struct err *e)
{
	int64_t relaxed_at = 0;

	while (!vm_status_is(j, "pre-switchover")) {
		if (vm_tick(j, "copying, VM running", e) < 0)
			return -1;
		if (live_stage_is_over(j) && j->last_sample > relaxed_at && !j->stop_us) {
			if (relax(j, &limit_ms, e) < 0)
				return -1;
			relaxed_at = j->last_sample;
		}
	}
	return 0;
}

/* Needs a pause before the switchover, and a dirty bitmap that sees every store. */
static int probe(const struct engine_probe *p, struct verdict *v, void **state, struct err *e)
{
	(void)state;
	(void)e;
	v->possible = json_object_get(p->survey->capabilities, CAPABILITY) != NULL;
	if (v->possible)
		vm_judge_dirty_log(p->survey, "precopy", v);
	else
		snprintf(v->why, sizeof(v->why), "this QEMU has no " CAPABILITY " (2.11 and later do)");
	return 0;
}

static int judge(const struct engine_view *v, struct verdict *verdict, struct err *e)
{
	bool accepted = verdict->safe || v->options->accept_unsafe_precopy;

	verdict->automatic = verdict->possible && accepted && !vm_stays_paused(v);
	if (verdict->possible && accepted)
		return 0;
	err_set(e, "no precopy of this VM: %s", verdict->why);
	if (!verdict->possible)
		return -1;
	return err_hint(e, "--engine background or stop is safe; --accept-unsafe-precopy takes the risk of a "
			   "checkpoint with wrong memory");
}

/* The best case, until the dirty rate is measured. */
static double predict_ms(const struct engine_view *v)
{
	double bandwidth = predict_bandwidth(v->options);

	if (!v->dirty_measured)
		return PRECOPY_BEST_MS + TIGHT_LIMIT_MS;
	return predict_precopy_ms(v->survey->populated, v->dirty_mib_s < 0 ? bandwidth : v->dirty_mib_s * MIB,
				  bandwidth, v->options->passes);
}

/* Keeps the user's choice of throttling, which helps the guest to converge. */
static void capabilities(const struct engine_job *j, json_t *wanted)
{
	(void)j;
	json_object_del(wanted, "auto-converge");
}

static void parameters(const struct engine_job *j, json_t *wanted)
{
	(void)j;
	json_object_set_new(wanted, "downtime-limit", json_integer(TIGHT_LIMIT_MS));
}

static int run(struct engine_job *j, struct err *e)
{
	if (vm_migrate(j, e) < 0 || live_stage(j, TIGHT_LIMIT_MS, e) < 0 || vm_freeze(j, e) < 0)
		return -1;
	if (qmp_run(j->q, "migrate-continue", json_of("{s:s}", "state", "pre-switchover"), NULL, e) < 0)
		return -1;
	if (vm_wait_status(j, "completed", "saving the rest, VM paused", e) < 0)
		return -1;
	return vm_finish_migration(j, e);
}

const struct engine engine_precopy = {
	.name = "precopy",
	.noun = "precopy",
	.capability = CAPABILITY,
	.memory_as_of = "end",
	.transport = &transport_pipe,
	.rank = RANK_FIRST,
	.best_ms = PRECOPY_BEST_MS,
	.probe = probe,
	.judge = judge,
	.predict_ms = predict_ms,
	.capabilities = capabilities,
	.parameters = parameters,
	.run = run,
};
