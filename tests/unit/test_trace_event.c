/* SPDX-License-Identifier: MIT */
/* mplcr-trace: an event as a line of JSON is what jansson makes of it, and comes back as the same event. */
#include "mplcr-trace/event/writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tap.h"

#define ONE_NAME(name, type) #name,
static const char *const names[] = { EVENT_FIELDS_X(ONE_NAME) };

/* What jansson makes of the event. */
static char *expected(const struct event *ev)
{
	json_t *object = json_of("{s:s, s:I, s:I}", "event", event_name(ev->kind), "line", (json_int_t)ev->line,
				 "checkpoint", (json_int_t)ev->checkpoint);
	char *text;

	for (enum event_field f = 0; f < EVENT_FIELDS; f++) {
		const union field_value *v = &ev->at[f];

		if (!event_has(ev, f))
			continue;
		if (field_type(f) == FIELD_IS_WHOLE)
			json_object_set_new(object, names[f], json_integer(v->whole));
		else if (field_type(f) == FIELD_IS_FLAG)
			json_object_set_new(object, names[f], json_boolean(v->flag));
		else if (field_type(f) == FIELD_IS_TEXT)
			json_object_set_new(object, names[f], json_bytes_of(v->text.start, v->text.length));
		else if (v->real == floor(v->real))
			json_object_set_new(object, names[f], json_integer((json_int_t)v->real));
		else
			json_object_set_new(object, names[f], json_real(v->real));
	}
	text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(object);
	return text;
}

static void same(const struct event *ev, const char *what)
{
	char *text = NULL, *wanted = expected(ev);
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct event_writer *w = event_writer_new(f);
	struct err e;

	if (event_write(w, ev, &e) < 0 || event_writer_flush(w, &e) < 0)
		abort();
	ok(size == strlen(wanted) + 1 && strncmp(text, wanted, strlen(wanted)) == 0 && text[size - 1] == '\n', "%s: %s",
	   what, wanted);
	event_writer_free(w);
	fclose(f);
	free(text);
	free(wanted);
}

int main(void)
{
	struct event ev = { .kind = EVENT_setup, .line = 1, .checkpoint = 1 };
	static const char junk[] = "a\"b\\\n\x1b\0\xff\xc3\xa9";

	same(&ev, "no fields");
	event_set_whole(&ev, FIELD_pending_bytes, INT64_MIN);
	event_set_whole(&ev, FIELD_pending_pages, INT64_MAX);
	event_set_whole(&ev, FIELD_instance, 0);
	same(&ev, "whole numbers");
	ev.kind = EVENT_pending;
	same(&ev, "another kind with the same fields");
	event_set_real(&ev, FIELD_time_ms, 0.001);
	event_set_real(&ev, FIELD_spent_ms, -3);
	event_set_real(&ev, FIELD_total_ms, 1e14);
	event_set_real(&ev, FIELD_setup_ms, 1234567.0625);
	same(&ev, "real numbers");
	event_set_real(&ev, FIELD_time_ms, INFINITY);
	event_set_real(&ev, FIELD_spent_ms, NAN);
	ok(!event_has(&ev, FIELD_time_ms) && !event_has(&ev, FIELD_spent_ms), "what is no number is not there");
	event_set_flag(&ev, FIELD_exact, false);
	event_set_flag(&ev, FIELD_relax, true);
	event_set_bytes(&ev, FIELD_text, junk, sizeof(junk) - 1);
	event_set_text(&ev, FIELD_note, "plain");
	event_set_text(&ev, FIELD_name, NULL);
	same(&ev, "flags and texts");
	ok(!event_has(&ev, FIELD_name), "NULL is no text");
	ok(event_named("vmstate") == EVENT_vmstate && event_named("nosuch") == EVENT_KINDS, "events by name");
	ok(field_named("time_ms_", 7) == FIELD_time_ms && field_named("time_", 5) == EVENT_FIELDS, "fields by name");
	for (enum event_field f = 0; f < EVENT_FIELDS; f++)
		if (field_named(names[f], strlen(names[f])) != f)
			ok(false, "the name of field %d", f);
	return done();
}
