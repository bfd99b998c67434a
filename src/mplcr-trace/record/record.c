/* SPDX-License-Identifier: MIT */
/* mplcr-trace record: prints somebody else's migration as events while it runs. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/number.h"
#include "event/writer.h"
#include "read/qmp.h"
#include "record/trace_events.h"

#define CONNECT_MS 5000
#define USUAL_INTERVAL_MS 100
#define MOST_INTERVAL_MS 60000

/* Answers to wait for the figures of the whole. */
#define MOST_WAITS 10

/* The owner of the migration resumes the guest soon after its end or, if the guest moved away, never. */
#define RESUME_MS 1000

struct options {
	const char *socket;
	uint64_t interval_ms, timeout_ms;
	bool events;
};

struct recorder {
	struct qmp *q;
	struct qmp_events *events;
	struct event_writer *writer;
	uint64_t lines; /* printed */
	int64_t began, deadline;
	json_t *before;  /* query-migrate's answer about a migration that ended before we came, or NULL */
	bool recording;  /* a migration runs, or ran, since we came */
	unsigned waited; /* incomplete answers so far */
	bool ended;      /* it is over */
	bool stopped;    /* the guest was stopped and is not running yet */
	struct switched switched;
};

static const struct cli_option option_table[] = {
	{ "socket", 's', "PATH", "an unused QMP socket of the VM (required)", TO_SOCKET(struct options, socket) },
	{ "interval", 'i', "MS", "ask for progress every MS milliseconds (default 100)",
	  TO_NUMBER(struct options, interval_ms, 0, MOST_INTERVAL_MS) },
	{ "timeout", 't', "SECONDS", "give up after this time (default: never)",
	  TO_SECONDS(struct options, timeout_ms, 0) },
	{ "events", 'e', NULL, "switch on QEMU's own trace events until the end", TO_FLAG(struct options, events) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int check(const struct options *o, int operands, struct err *e)
{
	if (operands > 0)
		return err_usage(e, "unexpected argument");
	if (!o->socket) {
		err_usage(e, "which VM? --socket is missing");
		return err_hint(
			e, "a VM has as many QMP sockets as its command line has -qmp unix:PATH,server=on,wait=off");
	}
	if (o->interval_ms == 0)
		return err_usage(e, "--interval: 0 is too short");
	return 0;
}

/* --- what QEMU says --------------------------------------------------------------------------------------------- */

/* An event_sink: prints a numbered line at once. */
static int print_event(void *ctx, const struct event *ev, struct err *e)
{
	struct recorder *r = ctx;
	struct event numbered = *ev;

	numbered.line = ++r->lines;
	return event_write(r->writer, &numbered, e) < 0 ? -1 : event_writer_flush(r->writer, e);
}

static int feed(struct recorder *r, char direction, const json_t *object, struct err *e)
{
	return qmp_events_feed(r->events, clock_ms_between(r->began, clock_ns()), 0, direction, object, e);
}

/* Whether the answer describes the migration that had ended before: a new one has other figures. */
static bool is_old(const struct recorder *r, const json_t *answer)
{
	static const char *const figures[] = { "status", "total-time", "setup-time", "ram" };

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		const json_t *a = json_object_get(r->before, figures[i]), *b = json_object_get(answer, figures[i]);

		if (a != b && !json_equal(a, b))
			return false;
	}
	return true;
}

/* QEMU says "completed" before it computes the final figures; until then the total is 0. */
static bool has_total(const json_t *answer)
{
	return json_int(answer, "total-time", 1) > 0;
}

/*
 * The migration began and ended between two queries: the only known fact about its beginning is that somebody started
 * it.
 */
static int feed_missed_beginning(struct recorder *r, struct err *e)
{
	_cleanup_json_ json_t *command = json_of("{s:s}", "execute", "migrate");

	return feed(r, '>', command, e);
}

/* Queries the progress and passes the answer on if it describes a migration since we came. */
static int take_progress(struct recorder *r, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL, *message = NULL;
	const char *status;
	bool over;

	if (qmp_run(r->q, "query-migrate", NULL, &answer, e) < 0)
		return -1;
	status = json_text(answer, "status");
	if (!status || strcmp(status, "none") == 0)
		return 0;
	over = status_is_end(text_from(status));
	if (over && !r->recording && is_old(r, answer))
		return 0;
	if (over && !r->recording && feed_missed_beginning(r, e) < 0)
		return -1;
	r->recording = true;
	r->ended = over && (has_total(answer) || ++r->waited >= MOST_WAITS);
	if (over && !r->ended)
		return 0;
	message = json_of("{s:O}", "return", answer);
	return feed(r, '<', message, e);
}

/*
 * Waits for events until `until` and passes them on. *asked: the last one announces another stage of the migration, so
 * that it is time to query the progress.
 */
static int take_events(struct recorder *r, int64_t until, bool *asked, struct err *e)
{
	do {
		_cleanup_json_ json_t *event = NULL;
		const char *name;

		if (qmp_event(r->q, until, &event, e) < 0)
			return -1;
		if (!event)
			return 0;
		name = json_text(event, "event");
		if (feed(r, '<', event, e) < 0)
			return -1;
		if (name && strcmp(name, "STOP") == 0)
			r->stopped = true;
		else if (name && strcmp(name, "RESUME") == 0)
			r->stopped = false;
		*asked = name && strcmp(name, "MIGRATION") == 0;
		r->recording |= *asked;
	} while (!*asked);
	return 0;
}

/* --- the record ------------------------------------------------------------------------------------------------- */

/* Until the migration has ended. */
static int record_migration(struct recorder *r, int64_t interval, struct err *e)
{
	int64_t next = clock_ns();

	while (!r->ended) {
		bool asked = false;

		if (clock_over(r->deadline))
			return err_set(e, r->recording ? "the migration did not end in time"
						       : "no migration began in time");
		if (take_events(r, next < r->deadline ? next : r->deadline, &asked, e) < 0)
			return -1;
		if (!asked && !clock_over(next))
			continue;
		if (take_progress(r, e) < 0)
			return -1;
		next = clock_ns() + interval;
	}
	return 0;
}

/* Waits some time until a stopped guest runs again. QEMU may end meanwhile; that is not a failure. */
static int record_resume(struct recorder *r, struct err *e)
{
	int64_t until = clock_in_ms(RESUME_MS);
	bool asked;

	if (r->deadline < until)
		until = r->deadline;
	while (r->stopped && !clock_over(until))
		if (take_events(r, until, &asked, e) < 0)
			return qmp_alive(r->q) ? -1 : 0;
	return 0;
}

static void note_waiting(const struct recorder *r)
{
	const char *status = json_text(r->before, "status");

	if (!status || strcmp(status, "none") == 0 || status_is_end(text_from(status)))
		cli_note("waiting for a migration to start");
}

static int record_all(struct recorder *r, const struct options *o, struct err *e)
{
	if (qmp_run(r->q, "query-migrate", NULL, &r->before, e) < 0)
		return -1;
	if (o->events) {
		if (switched_on(&r->switched, r->q, e) < 0)
			return -1;
		cli_note("QEMU writes its trace events to its log: -D FILE, or its standard error");
	}
	note_waiting(r);
	if (record_migration(r, (int64_t)o->interval_ms * NS_PER_MS, e) < 0)
		return -1;
	return record_resume(r, e);
}

static int run(const struct options *o, struct err *e)
{
	struct recorder r = { .began = clock_ns(), .deadline = CLOCK_NEVER };
	_cleanup_close_ int interrupt = interrupt_open(e);
	struct err why;
	int result;

	if (interrupt < 0)
		return -1;
	if (o->timeout_ms > 0)
		r.deadline = clock_in_ms((int64_t)o->timeout_ms);
	r.q = qmp_connect(o->socket, CONNECT_MS, interrupt, e);
	if (!r.q)
		return -1;
	r.writer = event_writer_new(stdout);
	r.events = qmp_events_new(print_event, &r);
	result = record_all(&r, o, e);
	if (switched_off(&r.switched, r.q, &why) < 0) {
		if (result < 0)
			cli_report(e);
		*e = why;
		result = -1;
	}
	switched_release(&r.switched);
	qmp_events_free(r.events);
	event_writer_free(r.writer);
	json_decref(r.before);
	qmp_close(r.q);
	return result;
}

static int record_main(int argc, char **argv)
{
	struct options o = { .interval_ms = USUAL_INTERVAL_MS };
	struct err e = { 0 };
	int first = cli_parse(&verb_record, argc, argv, &o, NULL, &e);

	if (first < 0 || check(&o, argc - first, &e) < 0 || run(&o, &e) < 0)
		return cli_report(&e);
	return EXIT_DONE;
}

const struct cli verb_record = {
	.tool = "mplcr-trace",
	.verb = "record",
	.summary = "watch the migration of a running VM",
	.usage = "--socket PATH [OPTION]...",
	.about = "Waits for a migration that somebody else starts and prints its events until its end, one JSON\n"
		 "object per line, like `mplcr-trace parse`.",
	.options = option_table,
	.run = record_main,
};
