/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "standin.h"

struct run run;

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Whether what is under way, or over, is the coming in of what another QEMU has sent. */
static bool is_receiver(void)
{
	return options.receiver && run.began.tv_sec == 0;
}

/* --- its way ---------------------------------------------------------------------------------------------------- */

/* An event that 2.9 sends only with the capability for it. */
static void tell_event(const char *name, json_t *data)
{
	if (settings_events())
		client_tell_event(name, data);
	else
		json_decref(data);
}

/*
 * Before it stops the guest, 2.9 always looks at what is dirty a second time. A newer QEMU, which may have estimated that
 * little is left, not until the guest is paused.
 */
static void look_before_stop(void)
{
	if (run.kind != OURS || run.passes != 1)
		return;
	run.passes++;
	tell_event("MIGRATION_PASS", json_pack("{s:i}", "pass", 2));
}

bool migration_event(const json_t *event)
{
	const char *name = text_of(event, "event"), *status = text_of(json_object_get(event, "data"), "status");

	if (is(name, "MIGRATION_PASS")) {
		run.passes++;
		return settings_events();
	}
	if (is(name, "STOP"))
		look_before_stop();
	if (!is(name, "MIGRATION"))
		return true;
	if (is(status, "completed") || is(status, "failed") || is(status, "cancelled")) {
		run.over = true;
		snprintf(run.status, sizeof(run.status), "%s", status);
	}
	if (run.kind == OURS && (is(status, "pre-switchover") || is(status, "device"))) {
		run.at_switchover |= is(status, "pre-switchover");
		return false;
	}
	return settings_events();
}

static json_t *migrate_info(void)
{
	json_t *answer = qemu_ask("query-migrate", NULL), *info = json_incref(json_object_get(answer, "return"));

	json_decref(answer);
	return info;
}

/* QEMU has no figures yet when the first pass begins. */
static void tell_passes(void)
{
	json_t *info = migrate_info();
	const json_t *ram = json_object_get(info, "ram");

	for (; ram && run.passes_told < run.passes; run.passes_told++) {
		say_sync(ram);
		if (run.passes_told == 0)
			say("RSI: mplm_wakeup_time sec %lld usec 0\nRSI: mplm_wakeup_time + 3 sec %lld usec 0\n",
			    (long long)time(NULL), (long long)(time(NULL) + patch.mplm.interval));
	}
	json_decref(info);
}

/* The guest is paused; or was, where the client has cancelled the migration meanwhile. */
static void switch_over(void)
{
	json_t *info = migrate_info();

	run.at_switchover = false;
	run.switched = true;
	if (is(text_of(info, "status"), "pre-switchover")) {
		pause_run(json_object_get(info, "ram"));
		qemu_tell("migrate-continue", json_pack("{s:s}", "state", "pre-switchover"));
	}
	json_decref(info);
}

static bool run_state_is(const char *state)
{
	json_t *answer = qemu_ask("query-status", NULL);
	bool yes = is(text_of(json_object_get(answer, "return"), "status"), state);

	json_decref(answer);
	return yes;
}

/*
 * A checkpoint lets the VM run, also one that was paused. An ordinary migration lets one run that ran: with images that
 * it has given away, so that the guest's next write ends it.
 */
static void let_run(bool checkpoint)
{
	while (run_state_is("finish-migrate"))
		usleep(200);
	if (!checkpoint && !run.was_running) {
		say("MPLM: VM paused on the source host\n");
		return;
	}
	say("MPLCR: Resume VM computation on the source host\n");
	if (checkpoint) {
		qemu_tell("cont", NULL);
	} else {
		fprintf(stderr, "qemu-system-x86_64: bdrv_co_pwritev: Assertion "
				"`!(bs->open_flags & BDRV_O_INACTIVE)' failed.\n");
		qemu_crash(SIGABRT);
	}
}

static void end_run(void)
{
	bool ours = run.kind == OURS, completed = is(run.status, "completed");
	bool checkpoint = patch.mplm.enable && patch.live;

	run.over = false;
	run.kind = IDLE;
	if (is_receiver() && completed)
		say("MPLCR live checkpoining is ON. Pause the VM\n");
	if (!ours)
		return;
	settings_after_run();
	if (!completed)
		return;
	if (checkpoint)
		patch.live = false;
	let_run(checkpoint);
}

void migration_follow(void)
{
	if (run.at_switchover)
		look_before_stop(); /* where the guest was paused before, there was no STOP */
	if (run.kind == OURS && run.passes_told < run.passes && !run.switched)
		tell_passes();
	if (run.kind == OURS && run.at_switchover)
		switch_over();
	if (run.over)
		end_run();
}

/* --- its beginning ---------------------------------------------------------------------------------------------- */

static void say_init(void)
{
	const struct mplm *m = &patch.mplm;

	if (m->enable)
		say("Start MPLM migration\n\nMPLM: flag = 1, mplm_interval = %lld\n%s interval %lld and relax = %d\n "
		    "with "
		    "%lld percents of dirty pages per cycle\n\n",
		    (long long)m->interval,
		    m->first_nondirty ? "Performing MPLM with firstnondirty flag and"
				      : "Performaing MPLM WITHOUT firstnondirty flag",
		    (long long)m->interval, m->relax, (long long)m->dirty);
	say("out migrate_init\n");
	if (run.unlimited)
		say("MPLM Debug: max rate limit is set\n");
}

static json_t *start_stuck(void)
{
	run.kind = STUCK;
	snprintf(run.status, sizeof(run.status), "active");
	tell_event("MIGRATION", json_pack("{s:s}", "status", "setup"));
	tell_event("MIGRATION_PASS", json_pack("{s:i}", "pass", 1));
	tell_event("MIGRATION", json_pack("{s:s}", "status", "active"));
	return answer_done();
}

static json_t *start_real(json_t *arguments)
{
	json_t *answer;

	run.was_running = run_state_is("running");
	settings_for_run();
	answer = qemu_ask("migrate", json_incref(arguments));
	if (json_object_get(answer, "error")) {
		snprintf(run.status, sizeof(run.status), "failed");
		run.over = true;
	}
	return answer;
}

json_t *do_migrate(json_t *arguments)
{
	say("qmp_migrate: Start performing migration!\n");
	if (run.kind != IDLE)
		return answer_error(ACTIVE_TEXT);
	memset(&run, 0, sizeof(run));
	clock_gettime(CLOCK_MONOTONIC, &run.began);
	run.unlimited = patch.max_rate;
	if (!patch.mplm_given)
		patch.mplm = mplm_defaults;
	patch.mplm_given = false;
	say_init();
	return options.stuck ? start_stuck() : start_real(arguments);
}

/* --- the client's other commands -------------------------------------------------------------------------------- */

json_t *do_migrate_cancel(json_t *arguments)
{
	if (run.kind != STUCK)
		return qemu_ask("migrate_cancel", json_incref(arguments));
	if (is(run.status, "active"))
		tell_event("MIGRATION", json_pack("{s:s}", "status", "cancelling"));
	snprintf(run.status, sizeof(run.status), "cancelling");
	return answer_done();
}

/* All was sent once, and nothing more ever is. */
static json_t *stuck_info(void)
{
	json_t *memory = qemu_ask("query-memory-size-summary", NULL);
	json_int_t total = json_integer_value(json_object_get(json_object_get(memory, "return"), "base-memory"));
	struct timespec now;
	json_int_t ms;

	json_decref(memory);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (json_int_t)(now.tv_sec - run.began.tv_sec) * 1000 + (now.tv_nsec - run.began.tv_nsec) / 1000000;
	return json_pack("{s:{s:s, s:I, s:i, s:i, s:{s:I, s:I, s:i, s:I, s:i, s:I, s:I, s:i, s:f, s:i}}}", "return",
			 "status", run.status, "total-time", ms, "setup-time", 1, "expected-downtime", 300, "ram",
			 "total", total, "transferred", total / 8, "remaining", 0, "duplicate", total / PAGE / 8 * 7,
			 "skipped", 0, "normal", total / PAGE / 8, "normal-bytes", total / 8, "dirty-sync-count", 1,
			 "mbps", 0.0, "dirty-pages-rate", 0);
}

/* A receiver does not speak of what it receives. */
json_t *do_query_migrate(json_t *arguments)
{
	json_t *answer, *info;
	const char *status;

	if (run.kind == STUCK)
		return stuck_info();
	if (is_receiver())
		return answer_done();
	answer = qemu_ask("query-migrate", json_incref(arguments));
	info = json_object_get(answer, "return");
	status = text_of(info, "status");
	if (run.kind == OURS && (is(status, "pre-switchover") || is(status, "device")))
		json_object_set_new(info, "status", json_string("active"));
	return answer;
}

/* A pipe that a stuck migration has taken never comes back. */
json_t *do_closefd(json_t *arguments)
{
	if (run.kind == STUCK)
		return answer_error("File descriptor named '%s' not found", text_of(arguments, "fdname"));
	return qemu_ask("closefd", json_incref(arguments));
}
