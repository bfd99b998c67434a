/* SPDX-License-Identifier: MIT */
/*
 * Turns QMP traffic into events (QEMU's qapi/migration.json, block-core.json, run-state.json). A migration begins with
 * the command `migrate` or, if another client sent it, with the first sign of it.
 */
#include "read/qmp.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/json.h"
#include "qemu/qmp.h"

struct qmp_events {
	event_sink *sink;
	void *ctx;
	uint64_t checkpoint;
	bool migrating; /* the checkpoint's migration has begun */
	bool done;      /* it has ended */
	bool figures;   /* and QEMU's last figures of it were passed on */
	bool switched, stopped, resumed;
	int64_t pass;     /* the last in an event */
	int64_t throttle; /* percent, the last in an event */
	json_t *freeze;   /* the actions of a transaction just sent, or NULL */
	int64_t freeze_id;
	double freeze_ms; /* when it was sent */
	struct event ev;  /* being filled */
};

struct qmp_events *qmp_events_new(event_sink *sink, void *ctx)
{
	struct qmp_events *q = memory_of(1, sizeof(*q));

	q->sink = sink;
	q->ctx = ctx;
	q->checkpoint = 1;
	return q;
}

void qmp_events_free(struct qmp_events *q)
{
	if (q)
		json_decref(q->freeze);
	free(q);
}

/* --- passing events on ------------------------------------------------------------------------------------------- */

static void next_checkpoint(struct qmp_events *q)
{
	q->checkpoint++;
	q->migrating = q->done = q->figures = q->switched = q->stopped = q->resumed = false;
	q->pass = q->throttle = 0;
}

/* Begins an event with the time and line of the object being fed. */
static struct event *event_of(struct qmp_events *q, enum event_kind kind)
{
	q->ev.kind = kind;
	q->ev.has &= UINT64_C(1) << FIELD_time_ms | UINT64_C(1) << FIELD_qemu_time_us;
	return &q->ev;
}

static int give(struct qmp_events *q, struct err *e)
{
	q->ev.checkpoint = q->checkpoint;
	return q->sink(q->ctx, &q->ev, e);
}

static int give_status(struct qmp_events *q, enum event_kind kind, const char *status, struct err *e)
{
	struct event *ev = event_of(q, kind);

	event_set_text(ev, FIELD_status, status);
	if (kind == EVENT_setup)
		event_set_text(ev, FIELD_step, "state");
	return give(q, e);
}

static void migration_begins(struct qmp_events *q)
{
	if (q->migrating)
		next_checkpoint(q);
	q->migrating = true;
}

/* Stores the number at `key`, if any, in a field of q->ev. */
static void take_whole(struct qmp_events *q, enum event_field field, const json_t *from, const char *key)
{
	const json_t *value = json_object_get(from, key);

	if (json_is_integer(value))
		event_set_whole(&q->ev, field, json_integer_value(value));
}

static void take_ms(struct qmp_events *q, enum event_field field, const json_t *from, const char *key)
{
	const json_t *value = json_object_get(from, key);

	if (json_is_integer(value))
		event_set_real(&q->ev, field, (double)json_integer_value(value));
}

/* --- commands --------------------------------------------------------------------------------------------------- */

static int sent_migrate(struct qmp_events *q, const json_t *arguments, struct err *e)
{
	migration_begins(q);
	event_of(q, EVENT_setup);
	event_set_text(&q->ev, FIELD_step, "migrate");
	event_set_text(&q->ev, FIELD_uri, json_text(arguments, "uri"));
	return give(q, e);
}

/* Limits set for the migration, not those restored after it. */
static int sent_parameters(struct qmp_events *q, const json_t *arguments, struct err *e)
{
	if (q->done)
		return 0;
	event_of(q, EVENT_setup);
	event_set_text(&q->ev, FIELD_step, "parameters");
	take_whole(q, FIELD_bandwidth_limit_bytes_per_second, arguments, "max-bandwidth");
	take_ms(q, FIELD_downtime_ms, arguments, "downtime-limit");
	return give(q, e);
}

/* The disks are frozen when the answer comes. */
static void sent_freeze(struct qmp_events *q, const json_t *command, json_t *actions)
{
	json_decref(q->freeze);
	q->freeze = json_incref(actions);
	q->freeze_id = json_int(command, "id", -1);
	q->freeze_ms = event_real(&q->ev, FIELD_time_ms, 0);
}

static int feed_command(struct qmp_events *q, const json_t *object, struct err *e)
{
	const char *command = json_text(object, "execute");
	const json_t *arguments = json_object_get(object, "arguments");
	json_t *actions = json_object_get(arguments, "actions");

	if (!command)
		return 0;
	if (strcmp(command, "migrate") == 0)
		return sent_migrate(q, arguments, e);
	if (strcmp(command, "migrate-set-parameters") == 0)
		return sent_parameters(q, arguments, e);
	if (strcmp(command, "transaction") == 0 && json_is_array(actions))
		sent_freeze(q, object, actions);
	return 0;
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

static int frozen(struct qmp_events *q, struct err *e)
{
	double took = event_real(&q->ev, FIELD_time_ms, 0) - q->freeze_ms;
	json_t *action;
	size_t i;

	json_array_foreach(q->freeze, i, action) {
		const json_t *data = json_object_get(action, "data");

		if (!json_text(data, "snapshot-file"))
			continue;
		event_of(q, EVENT_freeze);
		event_set_text(&q->ev, FIELD_device, json_text(data, "device"));
		event_set_text(&q->ev, FIELD_node, json_text(data, "node-name"));
		event_set_text(&q->ev, FIELD_file, json_text(data, "snapshot-file"));
		event_set_text(&q->ev, FIELD_format, json_text(data, "format"));
		event_set_real(&q->ev, FIELD_spent_ms, took);
		if (give(q, e) < 0)
			return -1;
	}
	return 0;
}

static int give_throttle(struct qmp_events *q, int64_t percent, struct err *e)
{
	if (percent == q->throttle)
		return 0;
	q->throttle = percent;
	event_of(q, EVENT_throttle);
	event_set_whole(&q->ev, FIELD_throttle_percent, percent);
	return give(q, e);
}

static int give_progress(struct qmp_events *q, const json_t *info, const json_t *ram, struct err *e)
{
	event_of(q, EVENT_transferred);
	take_whole(q, FIELD_total_transferred_bytes, ram, "transferred");
	take_whole(q, FIELD_sent_pages, ram, "normal");
	take_whole(q, FIELD_zero_pages, ram, "duplicate");
	take_whole(q, FIELD_sync_count, ram, "dirty-sync-count");
	take_whole(q, FIELD_dirty_pages_per_second, ram, "dirty-pages-rate");
	if (json_int(ram, "total", 0) > 0)
		event_set_whole(&q->ev, FIELD_total_pages, json_int(ram, "total", 0) / 4096);
	if (json_real_at(ram, "mbps", 0) > 0) /* 0 means "not measured yet" */
		event_set_real(&q->ev, FIELD_bandwidth_bytes_per_second, json_real_at(ram, "mbps", 0) * 1e6 / 8);
	if (give(q, e) < 0)
		return -1;
	event_of(q, EVENT_pending);
	take_whole(q, FIELD_pending_bytes, ram, "remaining");
	if (give(q, e) < 0)
		return -1;
	return give_throttle(q, json_int(info, "cpu-throttle-percentage", q->throttle), e);
}

/* QEMU's last figures; they come with or after the end. */
static int give_end(struct qmp_events *q, const char *status, const json_t *info, struct err *e)
{
	if (q->done && (q->figures || !json_object_get(info, "total-time")))
		return 0;
	event_of(q, q->done ? EVENT_transferred : EVENT_done);
	if (!q->done)
		event_set_text(&q->ev, FIELD_status, status);
	take_ms(q, FIELD_downtime_ms, info, "downtime");
	take_ms(q, FIELD_setup_ms, info, "setup-time");
	take_ms(q, FIELD_total_ms, info, "total-time");
	take_whole(q, FIELD_total_transferred_bytes, json_object_get(info, "ram"), "transferred");
	take_whole(q, FIELD_sent_pages, json_object_get(info, "ram"), "normal");
	take_whole(q, FIELD_zero_pages, json_object_get(info, "ram"), "duplicate");
	event_set_text(&q->ev, FIELD_text, json_text(info, "error-desc"));
	q->done = q->figures = true;
	return give(q, e);
}

/* The answer to query-migrate. It may describe a migration of long ago. */
static int feed_info(struct qmp_events *q, const json_t *info, struct err *e)
{
	const char *status = json_text(info, "status");
	const json_t *ram = json_object_get(info, "ram");

	if (status_is_end(text_from(status)))
		return q->migrating ? give_end(q, status, info, e) : 0;
	if (strcmp(status, "none") == 0)
		return 0;
	if (!q->migrating || q->done) {
		migration_begins(q);
		if (give_status(q, EVENT_setup, status, e) < 0)
			return -1;
	}
	return ram ? give_progress(q, info, ram, e) : 0;
}

static int feed_answer(struct qmp_events *q, const json_t *object, struct err *e)
{
	const json_t *answer = json_object_get(object, "return");
	int result = 0;

	if (q->freeze && json_int(object, "id", -2) == q->freeze_id) {
		result = answer ? frozen(q, e) : 0;
		json_decref(q->freeze);
		q->freeze = NULL;
	} else if (json_text(answer, "status") && !json_object_get(answer, "running")) { /* query-status has that */
		result = feed_info(q, answer, e);
	}
	return result;
}

/* --- events of QEMU --------------------------------------------------------------------------------------------- */

static int feed_migration_event(struct qmp_events *q, const char *status, struct err *e)
{
	if (status_is_end(text_from(status))) {
		if (!q->migrating || q->done)
			return 0;
		q->done = true;
		return give_status(q, EVENT_done, status, e);
	}
	if (!q->migrating || q->done)
		migration_begins(q);
	if (strcmp(status, "pre-switchover") == 0 || strcmp(status, "device") == 0) {
		if (q->switched)
			return 0;
		q->switched = true;
		return give_status(q, EVENT_switchover, status, e);
	}
	if (strcmp(status, "setup") == 0 || strcmp(status, "active") == 0)
		return give_status(q, EVENT_setup, status, e);
	return 0;
}

static int feed_pass(struct qmp_events *q, int64_t pass, struct err *e)
{
	if (pass <= q->pass || q->switched || q->stopped) /* the last pass sends the rest; it is not a round */
		return 0;
	q->pass = pass;
	event_of(q, EVENT_iteration);
	event_set_whole(&q->ev, FIELD_sync_count, pass);
	return give(q, e);
}

/* The guest is stopped for a checkpoint before its migration (background, stop) or in it (precopy). */
static int feed_stop(struct qmp_events *q, struct err *e)
{
	if (q->done || q->resumed)
		next_checkpoint(q);
	q->stopped = true;
	event_of(q, EVENT_stop);
	return give(q, e);
}

static int feed_resume(struct qmp_events *q, struct err *e)
{
	if (!q->stopped)
		return 0;
	q->stopped = false;
	q->resumed = true;
	event_of(q, EVENT_resume);
	return give(q, e);
}

static int feed_event(struct qmp_events *q, const json_t *object, const char *name, struct err *e)
{
	const json_t *data = json_object_get(object, "data");
	const char *status = json_text(data, "status");

	if (strcmp(name, "MIGRATION") == 0 && status)
		return feed_migration_event(q, status, e);
	if (strcmp(name, "MIGRATION_PASS") == 0)
		return feed_pass(q, json_int(data, "pass", 0), e);
	if (strcmp(name, "STOP") == 0)
		return feed_stop(q, e);
	if (strcmp(name, "RESUME") == 0)
		return feed_resume(q, e);
	return 0;
}

int qmp_events_feed(struct qmp_events *q, double time_ms, uint64_t line, char direction, const json_t *object,
		    struct err *e)
{
	const char *name = json_text(object, "event");
	int64_t stamp_us = qmp_event_time_us(object);

	q->ev.has = 0;
	q->ev.line = line;
	event_set_real(&q->ev, FIELD_time_ms, time_ms);
	if (name && stamp_us)
		event_set_whole(&q->ev, FIELD_qemu_time_us, stamp_us);
	if (direction == '>')
		return feed_command(q, object, e);
	return name ? feed_event(q, object, name, e) : feed_answer(q, object, e);
}
