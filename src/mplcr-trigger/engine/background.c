/* SPDX-License-Identifier: MIT */
/*
 * The engine "background": QEMU write-protects memory (userfaultfd) in the pause, and saves it as of that instant while
 * the guest runs on. QEMU migration/migration.c, bg_migration_thread.
 */
#include "engine/predict.h"
#include "engine/steps.h"
#include "options.h"
#include "transport/transport.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "qemu/versions.h"

#define CAPABILITY "background-snapshot"

/* Asking whether memory is protected takes QEMU's lock: ask every 0.5 ms at first, then at twentieths of the pause. */
static int64_t next_look(const struct engine_job *j)
{
	int64_t now = clock_ns(), paused = j->pause_began ? now - j->pause_began : 0;

	return now + (paused > 10 * NS_PER_MS ? paused / 20 : NS_PER_MS / 2);
}

/* Whether RAM pages were saved: none are before all memory is protected. */
static bool pages_saved(const json_t *info)
{
	return vm_pages_sent(json_object_get(info, "ram")) > 0;
}

/*
 * The status "active" comes before memory is protected: resuming the guest then would corrupt the checkpoint. Up to
 * QEMU 8.2 the VM resumes by itself when it is safe (RESUME); from 9.0 on it stays paused, and only the first saved
 * page shows that it is safe.
 */
static int wait_armed(struct engine_job *j, struct err *e)
{
	for (;;) {
		json_t *info;
		bool armed;

		if (vm_sample(j, "protecting memory", &info, e) < 0)
			return -1;
		armed = pages_saved(info) || vm_status_is(j, "completed");
		json_decref(info);
		if (armed || j->resume_us)
			return 0;
		if (vm_events(j, next_look(j), e) < 0)
			return -1;
		if (j->resume_us)
			return 0;
	}
}

/* A capability that QEMU never has together with it; of QEMU 2.11 and later. */
#define INCOMPATIBLE "pause-before-switchover"

/*
 * Whether QEMU can take a background snapshot of this VM: only QEMU knows (userfaultfd, memory that cannot be
 * write-protected), and it says so when the capability is set. So it is asked to set this one together with one that it
 * refuses last (migration/options.c, migrate_caps_check): where that is the reason, all else is well, and nothing was set
 * that would have to be put back.
 */
static int try_it(const struct engine_probe *p, struct verdict *v, struct err *e)
{
	_cleanup_json_ json_t *wanted = engine_capabilities(CAPABILITY, p->survey->capabilities);
	struct err why;
	int result;

	json_object_set_new(wanted, INCOMPATIBLE, json_true());
	result = changes_capabilities(p->changes, p->q, p->survey->capabilities, wanted, &why);
	if (result < 0 && !qmp_alive(p->q)) {
		*e = why;
		return -1;
	}
	v->possible = result == 0 || strstr(why.text, "not compatible with " INCOMPATIBLE);
	if (!v->possible)
		snprintf(v->why, sizeof(v->why), "%.500s", why.text);
	if (result == 0)
		return changes_put_back(p->changes, p->q, e);
	p->changes->capabilities[0] = '\0';
	return 0;
}

static int probe(const struct engine_probe *p, struct verdict *v, void **state, struct err *e)
{
	(void)state;
	v->safe = true;
	if (!json_object_get(p->survey->capabilities, CAPABILITY))
		snprintf(v->why, sizeof(v->why), "this QEMU has no background snapshots (6.0 and later do)");
	else if (strcmp(p->survey->run_state, "prelaunch") == 0) /* measured on 10.0: QEMU aborts */
		snprintf(v->why, sizeof(v->why), "the VM has never run; a snapshot would crash QEMU");
	else
		return try_it(p, v, e);
	return 0;
}

static int judge(const struct engine_view *v, struct verdict *verdict, struct err *e)
{
	if (!verdict->possible) {
		err_set(e, "no background snapshot of this VM: %s", verdict->why);
		return err_hint(e,
				"it needs root, vm.unprivileged_userfaultfd=1 or access to /dev/userfaultfd for "
				"QEMU, and guest memory that is not a file; --engine auto takes an engine that works");
	}
	if (!vm_stays_paused(v))
		return 0;
	if (v->survey->version < QEMU_BACKGROUND_STAYS_PAUSED) {
		err_set(e, "QEMU before 9.0 resumes the VM after a background snapshot, but it is to stay paused");
		return err_hint(e, "--engine stop keeps it paused");
	}
	verdict->because = "the VM is to stay paused, and this engine leaves its disks active";
	return 0;
}

static double predict_ms(const struct engine_view *v)
{
	return predict_background_ms(v->survey->memory, v->survey->populated);
}

static bool breakable(const struct survey *s)
{
	return s->version >= QEMU_BREAKABLE_BACKGROUND;
}

static int run(struct engine_job *j, struct err *e)
{
	bool goes_on = j->survey->running && !j->options->leave_paused;

	if (vm_stop(j, e) < 0 || vm_freeze(j, e) < 0 || vm_migrate(j, e) < 0 || wait_armed(j, e) < 0)
		return -1;
	if (goes_on && !j->resume_us && vm_resume(j, e) < 0)
		return -1;
	return vm_wait_status(j, "completed", "saving, VM running", e);
}

const struct engine engine_background = {
	.name = "background",
	.noun = "background snapshot",
	.capability = CAPABILITY,
	.memory_as_of = "start",
	.transport = &transport_pipe,
	.rank = RANK_FIRST,
	.saved_paused = true,
	.unlimited = true,
	.probe = probe,
	.judge = judge,
	.predict_ms = predict_ms,
	.breakable = breakable,
	.run = run,
};
