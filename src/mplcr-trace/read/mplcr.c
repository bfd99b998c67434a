/* SPDX-License-Identifier: MIT */
/*
 * Our own lines of JSON, of two kinds: trace.jsonl of a checkpoint (checkpoint/trace.h), an object with "ms" and one of
 * "send", "receive", "note"; and what `parse` and `record` write, an object with "event" (event.h).
 */
#include "read/reader.h"

#include <string.h>

#include "base/json.h"
#include "read/qmp.h"

/* Turns an event in JSON back into an event. Borrows the texts of `object`. */
static bool from_json(struct event *ev, const json_t *object)
{
	const char *name = json_text(object, "event"), *key;
	json_t *value;

	ev->kind = name ? event_named(name) : EVENT_KINDS;
	if (ev->kind == EVENT_KINDS)
		return false;
	ev->checkpoint = json_int(object, "checkpoint", 1) > 0 ? (uint64_t)json_int(object, "checkpoint", 1) : 1;
	json_object_foreach((json_t *)object, key, value) {
		enum event_field field = field_named(key, strlen(key));

		if (field == EVENT_FIELDS)
			continue;
		if (field_type(field) == FIELD_IS_WHOLE && json_is_integer(value))
			event_set_whole(ev, field, json_integer_value(value));
		else if (field_type(field) == FIELD_IS_REAL && json_is_number(value))
			event_set_real(ev, field, json_number_value(value));
		else if (field_type(field) == FIELD_IS_FLAG && json_is_boolean(value))
			event_set_flag(ev, field, json_is_true(value));
		else if (field_type(field) == FIELD_IS_TEXT && json_is_string(value))
			event_set_bytes(ev, field, json_string_value(value), json_string_length(value));
	}
	return true;
}

/* mplcr-trigger notes its steps as "survey done". */
static int read_note(struct reader *r, const char *note, double ms, struct err *e)
{
	static const char tail[] = " done";
	size_t n = strlen(note), t = sizeof(tail) - 1;

	r->ev.kind = EVENT_step;
	r->ev.checkpoint = r->checkpoint;
	event_set_real(&r->ev, FIELD_time_ms, ms);
	if (n > t && strcmp(note + n - t, tail) == 0)
		event_set_bytes(&r->ev, FIELD_step, note, n - t);
	else
		event_set_text(&r->ev, FIELD_text, note);
	return reader_pass(r, &r->ev, e);
}

static int read_object(struct reader *r, const json_t *object, struct err *e)
{
	const json_t *sent = json_object_get(object, "send"), *received = json_object_get(object, "receive");
	const char *note = json_text(object, "note");
	double ms = json_real_at(object, "ms", 0);

	if (json_object_get(object, "event"))
		return from_json(&r->ev, object) ? reader_pass(r, &r->ev, e) < 0 ? -1 : 1 : 0;
	if (!json_is_number(json_object_get(object, "ms")))
		return 0;
	r->checkpoint = 1;
	if (note)
		return read_note(r, note, ms, e) < 0 ? -1 : 1;
	if (!json_is_object(sent ? sent : received))
		return 0;
	return qmp_events_feed(r->own, ms, r->line, sent ? '>' : '<', sent ? sent : received, e) < 0 ? -1 : 1;
}

static json_t *load(struct text line)
{
	return line.start[0] == '{' ? json_loadb(line.start, line.length, JSON_ALLOW_NUL, NULL) : NULL;
}

static bool recognise(struct text line)
{
	_cleanup_json_ json_t *object = load(line);

	return json_is_string(json_object_get(object, "event")) || json_is_number(json_object_get(object, "ms"));
}

static int read_line(struct reader *r, struct text line, struct err *e)
{
	_cleanup_json_ json_t *object = load(line);

	return object ? read_object(r, object, e) : 0;
}

static int pass_on(void *ctx, const struct event *ev, struct err *e)
{
	return reader_pass(ctx, ev, e);
}

static void begin(struct reader *r)
{
	r->own = qmp_events_new(pass_on, r);
}

static void end(struct reader *r)
{
	qmp_events_free(r->own);
}

const struct log_format format_mplcr = { recognise, begin, read_line, end };
