/* SPDX-License-Identifier: MIT */
/*
 * Block jobs of a running VM (QEMU docs/interop/live-block-operations.rst): block-commit and block-stream, which merge
 * images while the guest runs.
 *
 * Images change places when a job begins and when it ends. QEMU 7.2 can answer a read that is under way just then with
 * an error (measured, IDE), so these two moments are gone through with the guest held still.
 */
#ifndef MPLCR_BLOCK_JOB_H
#define MPLCR_BLOCK_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "qemu/qmp.h"

/* How far a job has come, in this order. */
enum block_job_state {
	BLOCK_JOB_RUNS,
	BLOCK_JOB_READY, /* it waits: for block-job-complete or, begun with auto-finalize off, for block-job-finalize */
	BLOCK_JOB_GONE,  /* there is no such job (any more) */
};

struct block_job {
	enum block_job_state state;
	int64_t done, total; /* QEMU's own measure of progress */
};

/* Asks for the job with the id `id`. Returns 0 or -1. */
int block_job_look(struct qmp *q, const char *id, struct block_job *job, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Waits until the job has come so far, as long as it makes progress: an error where it made none for `timeout_ms`
 * milliseconds. Returns 0 or -1.
 */
int block_job_wait(struct qmp *q, const char *id, enum block_job_state wanted, int64_t timeout_ms, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Runs a command (its `arguments` are taken over) about the job, and waits until that has come so far, with the guest
 * paused for that moment. Returns 0 or -1.
 */
int block_job_held(struct qmp *q, const char *command, json_t *arguments, const char *id, enum block_job_state wanted,
		   int64_t timeout_ms, struct err *e) __attribute__((warn_unused_result));

#endif
