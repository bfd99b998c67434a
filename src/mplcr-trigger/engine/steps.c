/* SPDX-License-Identifier: MIT */
/*
 * Shared by all engines: the settings of a run, and the steps that they are made of. Facts of QEMU:
 * qapi/migration.json, qapi/run-state.json and migration/migration.c.
 */
#include "engine/steps.h"
#include "patched/patched.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "qemu/versions.h"
#include "qemu/vm.h"
#include "options.h"

/* The unit of query-migrate. */
#define PAGE_BYTES 4096

/* Between two samples of a migration, for progress and the trace, which has one at least every 100 ms. */
#define SAMPLE_MS 50

/* --- verdicts ------------------------------------------------------------------------------------------------ */

bool vm_stays_paused(const struct engine_view *v)
{
	return !v->survey->running || v->options->leave_paused;
}

void vm_judge_dirty_log(const struct survey *s, const char *where, struct verdict *v)
{
	v->safe = s->kvm || s->version >= QEMU_TCG_DIRTY_BITMAP;
	if (!v->safe)
		snprintf(v->why, sizeof(v->why), "under TCG, QEMU before 9.0 loses guest writes in %s (this is %d.%d)",
			 where, s->version / 10000, s->version / 100 % 100);
}

/* --- settings of a run ------------------------------------------------------------------------------------------ */

json_t *engine_capabilities(const char *capability, const json_t *now)
{
	json_t *wanted = json_object(), *state;
	const char *name;

	json_object_foreach ((json_t *)now, name, state)
		if (json_is_true(state))
			json_object_set_new(wanted, name, json_false());
	json_object_set_new(wanted, "events", json_true());
	if (capability)
		json_object_set_new(wanted, capability, json_true());
	return wanted;
}

/* No limit for QEMU's max-bandwidth: an unreachable number of bytes per second. */
#define NO_BANDWIDTH_LIMIT (100LL << 30)

static json_t *capabilities_wanted(const struct engine *engine, const struct engine_job *j)
{
	json_t *wanted = engine_capabilities(engine->capability, j->survey->capabilities);

	if (engine->capabilities)
		engine->capabilities(j, wanted);
	return wanted;
}

static json_t *parameters_wanted(const struct engine *engine, const struct engine_job *j)
{
	uint64_t bandwidth = j->options->max_bandwidth ? j->options->max_bandwidth : NO_BANDWIDTH_LIMIT;
	json_t *wanted = json_of("{s:I}", "max-bandwidth", (json_int_t)bandwidth);
	const char *tls = json_text(j->survey->parameters, "tls-creds");

	if (tls && tls[0]) /* our pipe is local: no TLS on it */
		json_object_set_new(wanted, "tls-creds", json_string(""));
	if (engine->parameters)
		engine->parameters(j, wanted);
	return wanted;
}

/* All engines but row `i`. */
static int others_step_aside(const struct engines *all, size_t i, struct engine_job *j, struct err *e)
{
	for (size_t k = 0; k < all->n; k++)
		if (k != i && all->rows[k]->step_aside && all->rows[k]->step_aside(j, all->state[k], e) < 0)
			return -1;
	return 0;
}

bool engine_is_unbreakable(const struct engine *engine, const struct survey *s)
{
	return engine->breakable && !engine->breakable(s);
}

int engine_run(const struct engines *all, size_t i, struct engine_job *j, struct err *e)
{
	const struct engine *engine = all->rows[i];
	_cleanup_json_ json_t *capabilities = capabilities_wanted(engine, j);
	_cleanup_json_ json_t *parameters = parameters_wanted(engine, j);

	qmp_forget_events(j->q); /* a STOP and RESUME of somebody else's are not this pause's */
	j->changes->was_running = j->survey->running;
	j->changes->unbreakable = engine_is_unbreakable(engine, j->survey);
	if (changes_capabilities(j->changes, j->q, j->survey->capabilities, capabilities, e) < 0 ||
	    changes_parameters(j->changes, j->q, j->survey->parameters, parameters, e) < 0 ||
	    others_step_aside(all, i, j, e) < 0 || engine->run(j, e) < 0)
		return -1;
	if (vm_sample(j, "saved", NULL, e) < 0) /* the final figures, for the trace */
		return -1;
	if (changes_put_back(j->changes, j->q, e) < 0)
		return -1;
	j->changes->at_work = false;
	return changes_note(j->changes, e);
}

/* --- events and samples ----------------------------------------------------------------------------------------- */

bool vm_status_is(const struct engine_job *j, const char *status)
{
	return strcmp(j->status, status) == 0;
}

static void set_status(struct engine_job *j, const char *status)
{
	if (status)
		snprintf(j->status, sizeof(j->status), "%s", status);
}

static void take_event(struct engine_job *j, const json_t *event)
{
	const char *name = json_text(event, "event");
	const json_t *data = json_object_get(event, "data");

	if (!name)
		return;
	if (strcmp(name, "STOP") == 0 && !j->stop_us) {
		j->stop_us = qmp_event_time_us(event);
		if (!j->pause_began)
			j->pause_began = clock_ns();
	} else if (strcmp(name, "RESUME") == 0) {
		j->resume_us = qmp_event_time_us(event);
	} else if (strcmp(name, "MIGRATION") == 0) {
		set_status(j, json_text(data, "status"));
	} else if (strcmp(name, "MIGRATION_PASS") == 0) {
		j->passes_done = json_int(data, "pass", 0);
	}
}

/* Takes events until `until`, or until the first one where `first` is set. */
static int take_events(struct engine_job *j, int64_t until, bool first, struct err *e)
{
	for (;;) {
		json_t *event;

		if (qmp_event(j->q, until, &event, e) < 0)
			return -1;
		if (!event)
			return 0;
		take_event(j, event);
		json_decref(event);
		if (first)
			until = 0; /* only events already there */
	}
}

static bool in_pause(const struct engine_job *j)
{
	return j->pause_began && !j->resume_us;
}

static int check_pause(const struct engine_job *j, struct err *e)
{
	double paused = clock_ms_between(j->pause_began, clock_ns());

	uint64_t most = j->options->max_pause_ms;

	if (!in_pause(j) || !most || paused <= (double)most)
		return 0;
	err_set(e, "gave up: the pause would be longer than %" PRIu64 " ms", most);
	return err_hint(e, "allow more with --max-pause, or take another engine");
}

int64_t vm_pages_sent(const json_t *ram)
{
	return json_int(ram, "normal", 0) + json_int(ram, "duplicate", 0);
}

int vm_sample(struct engine_job *j, const char *phase, json_t **info, struct err *e)
{
	json_t *got, *ram;

	if (qmp_run(j->q, "query-migrate", NULL, &got, e) < 0)
		return -1;
	ram = json_object_get(got, "ram");
	set_status(j, json_text(got, "status"));
	j->last_sample = clock_ns();
	j->transferred = (double)json_int(ram, "transferred", 0);
	j->remaining = json_int(ram, "remaining", 0);
	j->pages_sent = vm_pages_sent(ram);
	j->pages_total = json_int(ram, "total", 0) / PAGE_BYTES;
	j->passes_done = json_int(ram, "dirty-sync-count", j->passes_done);
	if (j->progress)
		j->progress(j->ctx, phase, got);
	if (vm_status_is(j, "failed")) {
		const char *why = json_text(got, "error-desc");

		err_set(e, "QEMU could not save the state: %s", why ? why : "it gave no reason");
		json_decref(got);
		return j->options->uri ? err_hint(e, "is a QEMU waiting at '%s', with enough space?", j->options->uri)
				       : -1;
	}
	if (vm_status_is(j, "cancelled") || vm_status_is(j, "cancelling")) {
		json_decref(got);
		return err_set(e, "someone cancelled the migration");
	}
	if (info)
		*info = got;
	else
		json_decref(got);
	return 0;
}

int vm_events(struct engine_job *j, int64_t until, struct err *e)
{
	if (take_events(j, until, true, e) < 0)
		return -1;
	if (!j->changes->unbreakable && j->failed(j->ctx))
		return err_set(e, "the state cannot be stored");
	return check_pause(j, e);
}

int vm_tick(struct engine_job *j, const char *phase, struct err *e)
{
	if (vm_events(j, clock_in_ms(SAMPLE_MS), e) < 0)
		return -1;
	if (vm_status_is(j, "failed") || vm_status_is(j, "cancelled") ||
	    clock_ns() - j->last_sample >= SAMPLE_MS * NS_PER_MS)
		return vm_sample(j, phase, NULL, e);
	return 0;
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

int vm_freeze(struct engine_job *j, struct err *e)
{
	if (j->freeze(j->ctx, e) < 0)
		return -1;
	j->frozen(j->ctx);
	return 0;
}

int vm_stop(struct engine_job *j, struct err *e)
{
	if (!j->survey->running)
		return 0;
	if (changes_note_work(j->changes, e) < 0)
		return -1;
	j->changes->run_state = true;
	j->pause_began = clock_ns();
	if (qmp_run(j->q, "stop", NULL, NULL, e) < 0)
		return -1;
	return take_events(j, 0, false, e);
}

/* Where QEMU refuses ours, another may be under way, which is not ours to end. */
int vm_migrate(struct engine_job *j, struct err *e)
{
	bool run_state = j->changes->run_state;

	if (changes_note_work(j->changes, e) < 0)
		return -1;
	j->changes->migration = true;
	j->changes->run_state = true; /* a migration stops the VM, and may start it again */
	set_status(j, "setup");
	if (qmp_run(j->q, "migrate", json_of("{s:s}", "uri", j->uri), NULL, e) < 0) {
		if (!qmp_alive(j->q))
			return -1;
		j->changes->migration = false;
		j->changes->run_state = run_state;
		return -1;
	}
	patch_settings_taken(j->changes);
	return 0;
}

int vm_wait_status(struct engine_job *j, const char *status, const char *phase, struct err *e)
{
	while (!vm_status_is(j, status))
		if (vm_tick(j, phase, e) < 0)
			return -1;
	return 0;
}

/*
 * "completed" comes before QEMU leaves the state finish-migrate, in which it refuses cont ("Migration is not finalized
 * yet").
 */
static int wait_postmigrate(struct engine_job *j, struct err *e)
{
	struct vm_status status;

	for (;;) {
		if (vm_status_read(j->q, &status, e) < 0)
			return -1;
		if (status.running || strcmp(status.state, "finish-migrate") != 0)
			return 0;
		if (vm_events(j, clock_ns() + NS_PER_MS / 5, e) < 0)
			return -1;
	}
}

int vm_resume(struct engine_job *j, struct err *e)
{
	struct vm_status status;

	if (qmp_run(j->q, "cont", NULL, NULL, e) < 0 || take_events(j, 0, false, e) < 0)
		return -1;
	if (j->resume_us)
		return 0;
	if (vm_status_read(j->q, &status, e) < 0 || take_events(j, 0, false, e) < 0)
		return -1;
	return status.running
		       ? 0
		       : err_set(e, "the VM did not resume after 'cont': it is in the state '%s'", status.state);
}

/*
 * A completed migration leaves the VM in postmigrate, with its images inactive; only cont takes them back. So we resume
 * a VM that was paused and stop it at once, to restore its state; the checkpoint is complete by then.
 */
static int pause_again(struct engine_job *j, struct err *e)
{
	if (qmp_run(j->q, "cont", NULL, NULL, e) < 0)
		return -1;
	return qmp_run(j->q, "stop", NULL, NULL, e);
}

int vm_finish_migration(struct engine_job *j, struct err *e)
{
	if (wait_postmigrate(j, e) < 0)
		return -1;
	if (j->options->leave_paused)
		return 0;
	return j->survey->running ? vm_resume(j, e) : pause_again(j, e);
}
