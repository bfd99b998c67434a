/* SPDX-License-Identifier: MIT */
/* The steps that engines are made of; for engines only. Each returns 0 or -1. */
#ifndef TRIGGER_STEPS_H
#define TRIGGER_STEPS_H

#include "changes.h"
#include "engine/engine.h"
#include "qemu/qmp.h"
#include "survey.h"

/* precopy begins with this downtime-limit (ms) and relaxes it only if the guest does not converge. */
#define TIGHT_LIMIT_MS 5

/* Whether the VM stays paused in the end, so that the length of the pause does not matter. */
bool vm_stays_paused(const struct engine_view *v);
/*
 * The verdict on an engine whose live stage follows the guest's writes: not safe where QEMU misses some of them, under
 * TCG before 9.0. `where` names the live stage in the message.
 */
void vm_judge_dirty_log(const struct survey *s, const char *where, struct verdict *v);

/*
 * The capabilities for a run, given those of the VM (object name -> bool): `capability` (or NULL) and "events" on, and
 * every other one off, since most change the stream or the fate of the VM. The caller's.
 */
json_t *engine_capabilities(const char *capability, const json_t *now);

int vm_freeze(struct engine_job *j, struct err *e);  /* freezes the disks, and tells of it */
int vm_stop(struct engine_job *j, struct err *e);    /* stops the guest where it runs; the pause begins */
int vm_migrate(struct engine_job *j, struct err *e); /* starts the migration to j->uri */
int vm_wait_status(struct engine_job *j, const char *status, const char *phase, struct err *e);
int vm_events(struct engine_job *j, int64_t until, struct err *e);   /* waits for an event and takes all there are */
int vm_tick(struct engine_job *j, const char *phase, struct err *e); /* events of 50 ms, then a sample */
int vm_sample(struct engine_job *j, const char *phase, json_t **info, struct err *e); /* query-migrate */
int64_t vm_pages_sent(const json_t *ram);                                             /* of query-migrate's "ram" */
int vm_finish_migration(struct engine_job *j, struct err *e); /* after "completed": run state as it was before */
int vm_resume(struct engine_job *j, struct err *e);           /* cont, and wait until the guest runs */
bool vm_status_is(const struct engine_job *j, const char *status);

#endif
