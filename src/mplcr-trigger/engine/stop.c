/* SPDX-License-Identifier: MIT */
/* The engine "stop": QEMU pauses the guest while it saves all memory. The baseline, and the engine for paused VMs. */
#include "engine/predict.h"
#include "engine/steps.h"
#include "options.h"
#include "transport/transport.h"

/* Every QEMU can do this. */
static int probe(const struct engine_probe *p, struct verdict *v, void **state, struct err *e)
{
	(void)p;
	(void)state;
	(void)e;
	v->possible = v->safe = true;
	return 0;
}

static int judge(const struct engine_view *v, struct verdict *verdict, struct err *e)
{
	(void)e;
	if (vm_stays_paused(v))
		verdict->because = "the VM is to stay paused";
	return 0;
}

static double predict_ms(const struct engine_view *v)
{
	return FIXED_MS + (double)v->survey->populated / predict_bandwidth(v->options) * 1000;
}

static int run(struct engine_job *j, struct err *e)
{
	if (vm_stop(j, e) < 0 || vm_freeze(j, e) < 0 || vm_migrate(j, e) < 0)
		return -1;
	if (vm_wait_status(j, "completed", "saving, VM paused", e) < 0)
		return -1;
	return vm_finish_migration(j, e);
}

const struct engine engine_stop = {
	.name = "stop",
	.noun = "stop",
	.memory_as_of = "now",
	.transport = &transport_pipe,
	.rank = RANK_LAST,
	.saved_paused = true,
	.probe = probe,
	.judge = judge,
	.predict_ms = predict_ms,
	.run = run,
};
