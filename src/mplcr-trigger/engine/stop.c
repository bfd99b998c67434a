/* SPDX-License-Identifier: MIT */
/*
 * The engine "stop": the guest stands still while all its memory is written. The baseline, and the one for paused VMs.
 */
#include "engine/steps.h"

int engine_stop_run(struct engine_job *j, struct err *e)
{
	if (vm_stop(j, e) < 0 || j->at_pause(j->ctx, e) < 0 || vm_migrate(j, e) < 0)
		return -1;
	if (vm_wait_status(j, "completed", "saving, VM paused", e) < 0)
		return -1;
	return vm_finish_migration(j, e);
}
