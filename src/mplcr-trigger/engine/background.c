/* SPDX-License-Identifier: MIT */
/*
 * The engine "background": memory is write-protected (userfaultfd) while the guest stands still, and written out as it
 * was at that instant while the guest runs on. QEMU migration/migration.c, bg_migration_thread.
 */
#include "engine/steps.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"

/* Looks whether memory is protected take QEMU's lock: one every 0.5 ms at first, then every twentieth of the pause. */
static int64_t next_look(const struct engine_job *j)
{
	int64_t now = clock_ns(), paused = j->pause_began ? now - j->pause_began : 0;

	return now + (paused > 10 * NS_PER_MS ? paused / 20 : NS_PER_MS / 2);
}

/* Pages of RAM that were saved: none before all memory is protected. */
static bool pages_saved(const json_t *info)
{
	return vm_pages_sent(json_object_get(info, "ram")) > 0;
}

/*
 * The status "active" comes before memory is protected: to let the guest run then would corrupt the checkpoint. Up to
 * QEMU 8.2 the VM starts by itself when it is safe (RESUME); from 9.0 on it stays paused and only the first saved page
 * tells.
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

int engine_background_run(struct engine_job *j, struct err *e)
{
	bool run = j->survey->running && !j->options->leave_paused;

	if (vm_stop(j, e) < 0 || j->at_pause(j->ctx, e) < 0 || vm_migrate(j, e) < 0 || wait_armed(j, e) < 0)
		return -1;
	if (run && !j->resume_us && vm_resume(j, e) < 0)
		return -1;
	return vm_wait_status(j, "completed", "saving, VM running", e);
}
