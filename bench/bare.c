/* SPDX-License-Identifier: MIT */
/*
 * The same job by bare QMP, as the limit to measure against: no checks, nothing durable, nothing put back.
 *
 *   bare SOCKET background STATE OVERLAY   stop, overlay, background migration into STATE, cont as soon as it may
 *   bare SOCKET stop STATE                 stop, migrate exec:cat, cont
 *   bare SOCKET pause                      stop, cont
 *   bare SOCKET savevm                     HMP savevm
 *   bare SOCKET loadvm                     HMP loadvm of what savevm saved
 *
 * Prints one JSON object: pause_ms (QEMU's own STOP and RESUME events), total_ms, bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/json.h"
#include "qemu/qmp.h"

static struct err e;

static void die(void)
{
	fprintf(stderr, "bare: %s\n", e.text);
	exit(EXIT_FAILED);
}

static json_t *run(struct qmp *q, const char *command, json_t *arguments)
{
	json_t *ret;

	if (qmp_run(q, command, arguments, &ret, &e) < 0)
		die();
	return ret;
}

static void run_only(struct qmp *q, const char *command, json_t *arguments)
{
	json_decref(run(q, command, arguments));
}

static void hmp(struct qmp *q, const char *line)
{
	json_t *said = run(q, "human-monitor-command", json_of("{s:s}", "command-line", line));

	if (json_string_value(said) && json_string_value(said)[0]) {
		fprintf(stderr, "bare: %s: %s\n", line, json_string_value(said));
		exit(EXIT_FAILED);
	}
	json_decref(said);
}

static void set_up(struct qmp *q, bool background)
{
	run_only(q, "migrate-set-capabilities",
		 json_of("{s:[{s:s, s:b}]}", "capabilities", "capability", "background-snapshot", "state", background));
	run_only(q, "migrate-set-parameters", json_of("{s:I}", "max-bandwidth", (json_int_t)100 << 30));
}

static void migrate(struct qmp *q, const char *state)
{
	char *uri = text_of("exec:cat > '%s'", state);

	run_only(q, "migrate", json_of("{s:s}", "uri", uri));
	free(uri);
}

/* Polls until `done` says so of query-migrate's answer. */
static void wait_migration(struct qmp *q, bool (*done)(const json_t *info))
{
	for (bool over = false; !over; clock_sleep_ms(over ? 0 : 1)) {
		json_t *info = run(q, "query-migrate", NULL);

		over = done(info);
		json_decref(info);
	}
}

static bool is_completed(const json_t *info)
{
	const char *status = json_text(info, "status");

	if (status && strcmp(status, "failed") == 0) {
		fputs("bare: the migration failed\n", stderr);
		exit(EXIT_FAILED);
	}
	return status && strcmp(status, "completed") == 0;
}

static bool is_armed(const json_t *info)
{
	const json_t *ram = json_object_get(info, "ram");

	return is_completed(info) || json_int(ram, "normal", 0) + json_int(ram, "duplicate", 0) > 0;
}

static bool is_running(struct qmp *q)
{
	json_t *status = run(q, "query-status", NULL);
	bool running = json_flag(status, "running");

	json_decref(status);
	return running;
}

static void cont(struct qmp *q)
{
	struct err refused;

	while (!is_running(q) && qmp_run(q, "cont", NULL, NULL, &refused) < 0) /* "not finalized yet" */
		clock_sleep_ms(1);
}

static void background(struct qmp *q, const char *state, const char *overlay)
{
	json_t *blocks = run(q, "query-block", NULL);
	const char *device = json_text(json_array_get(blocks, 0), "device");

	set_up(q, true);
	run_only(q, "stop", NULL);
	run_only(q, "blockdev-snapshot-sync", json_of("{s:s, s:s, s:s}", "device", device, "snapshot-file", overlay, "format", "qcow2"));
	migrate(q, state);
	wait_migration(q, is_armed);
	cont(q);
	wait_migration(q, is_completed);
	json_decref(blocks);
}

static void stop(struct qmp *q, const char *state)
{
	set_up(q, false);
	run_only(q, "stop", NULL);
	migrate(q, state);
	wait_migration(q, is_completed);
	cont(q);
}

/* The pause by QEMU's own clock: from the first STOP to the last RESUME. */
static double pause_ms(struct qmp *q)
{
	int64_t stopped = 0, resumed = 0;

	for (;;) {
		json_t *event;
		const char *name;

		if (qmp_event(q, clock_in_ms(20), &event, &e) < 0)
			die();
		if (!event)
			return stopped && resumed ? (double)(resumed - stopped) / 1000 : -1;
		name = json_text(event, "event");
		if (strcmp(name, "STOP") == 0 && !stopped)
			stopped = qmp_event_time_us(event);
		if (strcmp(name, "RESUME") == 0)
			resumed = qmp_event_time_us(event);
		json_decref(event);
	}
}

int main(int argc, char **argv)
{
	struct stat st = { 0 };
	const char *mode = argc > 2 ? argv[2] : "";
	struct qmp *q;
	int64_t began, ended;
	json_t *out;

	if (argc < 3 || !(q = qmp_connect(argv[1], 5000, -1, &e))) {
		fprintf(stderr, "bare: %s\n", argc < 3 ? "usage: bare SOCKET MODE [STATE [OVERLAY]]" : e.text);
		return EXIT_USAGE;
	}
	began = clock_ns();
	if (strcmp(mode, "background") == 0 && argc == 5)
		background(q, argv[3], argv[4]);
	else if (strcmp(mode, "stop") == 0 && argc == 4)
		stop(q, argv[3]);
	else if (strcmp(mode, "pause") == 0) {
		run_only(q, "stop", NULL);
		cont(q);
	} else if (strcmp(mode, "savevm") == 0 || strcmp(mode, "loadvm") == 0) {
		char *line = text_of("%s bench", mode);

		hmp(q, line);
		free(line);
	}
	if (strcmp(mode, "loadvm") == 0)
		cont(q);
	ended = clock_ns();
	if (argc > 3)
		stat(argv[3], &st);
	out = json_of("{s:f, s:f, s:I}", "pause_ms", pause_ms(q), "total_ms", clock_ms_between(began, ended), "bytes",
		      (json_int_t)st.st_size);
	if (json_print(out, &e) < 0)
		die();
	json_decref(out);
	qmp_close(q);
	return EXIT_DONE;
}
