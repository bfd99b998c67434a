/* SPDX-License-Identifier: MIT */
/* Names and types of events and fields, their getters and setters, and text values. */
#include "event/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

_Static_assert(EVENT_FIELDS <= 64, "a field is a bit of struct event's `has`");

struct text text_from(const char *s)
{
	return (struct text){ s ? s : "", s ? strlen(s) : 0 };
}

bool text_same(struct text a, struct text b)
{
	return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

bool text_is(struct text t, const char *s)
{
	return text_same(t, text_from(s));
}

bool status_is_end(struct text status)
{
	return text_is(status, "completed") || text_is(status, "failed") || text_is(status, "cancelled");
}

/* --- names and types -------------------------------------------------------------------------------------------- */

#define ONE_NAME(name) #name,
#define ONE_FIELD_NAME(name, type) { { #name, sizeof(#name) - 1 }, FIELD_IS_##type },

static const char *const kinds[] = { EVENT_KINDS_X(ONE_NAME) };

static const struct {
	struct text name;
	enum field_type type;
} fields[] = { EVENT_FIELDS_X(ONE_FIELD_NAME) };

const char *event_name(enum event_kind kind)
{
	return kinds[kind];
}

enum field_type field_type(enum event_field field)
{
	return fields[field].type;
}

enum event_kind event_named(const char *name)
{
	enum event_kind kind = 0;

	while (kind < EVENT_KINDS && strcmp(kinds[kind], name) != 0)
		kind++;
	return kind;
}

enum event_field field_named(const char *name, size_t length)
{
	enum event_field field = 0;

	while (field < EVENT_FIELDS && !text_same(fields[field].name, (struct text){ name, length }))
		field++;
	return field;
}

/* --- values ----------------------------------------------------------------------------------------------------- */

void event_set_bytes(struct event *ev, enum event_field field, const char *start, size_t length)
{
	ev->has |= UINT64_C(1) << field;
	ev->at[field].text = (struct text){ start, length };
}

void event_set_text(struct event *ev, enum event_field field, const char *text)
{
	if (text)
		event_set_bytes(ev, field, text, strlen(text));
}

int64_t event_whole(const struct event *ev, enum event_field field, int64_t otherwise)
{
	return event_has(ev, field) ? ev->at[field].whole : otherwise;
}

double event_real(const struct event *ev, enum event_field field, double otherwise)
{
	return event_has(ev, field) ? ev->at[field].real : otherwise;
}

bool event_text_is(const struct event *ev, enum event_field field, const char *text)
{
	return event_has(ev, field) && text_is(ev->at[field].text, text);
}

char *event_text_copy(const struct event *ev, enum event_field field)
{
	const struct text *t = &ev->at[field].text;

	return event_has(ev, field) ? text_of("%.*s", (int)t->length, t->start) : NULL;
}
