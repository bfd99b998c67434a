/* SPDX-License-Identifier: MIT */
#include "qemu/block_job.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/progress.h"
#include "qemu/vm.h"

#define LOOK_MS 2

int block_job_look(struct qmp *q, const char *id, struct block_job *job, struct err *e)
{
	_cleanup_json_ json_t *jobs = NULL;
	const json_t *one;
	size_t i;

	*job = (struct block_job){ .state = BLOCK_JOB_GONE };
	if (qmp_run(q, "query-block-jobs", NULL, &jobs, e) < 0)
		return -1;
	json_array_foreach(jobs, i, one) {
		const char *status = json_text(one, "status");

		if (!json_text(one, "device") || strcmp(json_text(one, "device"), id) != 0)
			continue;
		job->state = json_flag(one, "ready") || (status && strcmp(status, "pending") == 0) ? BLOCK_JOB_READY
												   : BLOCK_JOB_RUNS;
		job->done = json_int(one, "offset", 0);
		job->total = json_int(one, "len", 0);
	}
	return 0;
}

int block_job_wait(struct qmp *q, const char *id, enum block_job_state wanted, int64_t timeout_ms, struct err *e)
{
	struct progress progress = { 0 };
	struct block_job job;

	for (;; clock_sleep_ms(LOOK_MS)) {
		if (block_job_look(q, id, &job, e) < 0)
			return -1;
		if (job.state >= wanted)
			return 0;
		if (progress_has_stalled(&progress, job.done, timeout_ms, clock_ns()))
			return err_set(e, "QEMU's job '%s' makes no progress", id);
	}
}

int block_job_held(struct qmp *q, const char *command, json_t *arguments, const char *id, enum block_job_state wanted,
		   int64_t timeout_ms, struct err *e)
{
	bool held;
	int result;
	struct err why;

	if (vm_hold(q, &held, e) < 0) {
		json_decref(arguments);
		return -1;
	}
	result = qmp_run(q, command, arguments, NULL, e);
	if (result == 0)
		result = block_job_wait(q, id, wanted, timeout_ms, e);
	if (vm_release(q, held, &why) < 0 && result == 0) {
		*e = why;
		result = -1;
	}
	return result;
}
