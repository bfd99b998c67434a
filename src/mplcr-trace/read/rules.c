/* SPDX-License-Identifier: MIT */
#include "read/rules.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "read/reader.h"

#define MAX_PARTS 12
#define ANYTHING EVENT_FIELDS /* {} */
#define LONGEST_REAL 63

/* A field (or anything) and the text that ends it. The first part of a pattern only has a text. */
struct part {
	enum event_field field;
	const char *text;
	size_t length;
};

struct pattern {
	size_t n;
	struct part parts[MAX_PARTS];
};

struct patterns {
	size_t n;
	struct pattern list[];
};

static void compile(struct pattern *p, const char *text)
{
	const char *brace;

	p->parts[0].text = text;
	for (p->n = 1; (brace = strchr(text, '{')) != NULL; p->n++) {
		const char *end = strchr(brace, '}');
		size_t length = end ? (size_t)(end - brace - 1) : 0;
		enum event_field field = length ? field_named(brace + 1, length) : ANYTHING;

		if (!end || p->n == MAX_PARTS || (length && field == EVENT_FIELDS)) {
			fprintf(stderr, "mplcr-trace: bad pattern '%s'\n", text);
			abort();
		}
		p->parts[p->n - 1].length = (size_t)(brace - text);
		text = end + 1;
		p->parts[p->n] = (struct part){ field, text, 0 };
	}
	p->parts[p->n - 1].length = strlen(text);
}

struct patterns *patterns_new(const struct rule *rules, size_t n)
{
	struct patterns *p = memory_of(1, sizeof(*p) + n * sizeof(p->list[0]));

	p->n = n;
	for (size_t i = 0; i < n; i++)
		compile(&p->list[i], rules[i].pattern);
	return p;
}

void patterns_free(struct patterns *p)
{
	free(p);
}

/* Digits with an optional sign. Leaves out a number too large for int64_t: the event does not have it then. */
static const char *take_whole(const char *at, const char *end, struct event *ev, enum event_field field)
{
	bool negative = at < end && *at == '-', fits = true;
	const char *digits = at += negative;
	uint64_t value = 0;

	for (; at < end && *at >= '0' && *at <= '9'; at++)
		fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
		       !__builtin_add_overflow(value, (uint64_t)(*at - '0'), &value);
	if (at == digits)
		return NULL;
	if (fits && value <= INT64_MAX)
		event_set_whole(ev, field, negative ? -(int64_t)value : (int64_t)value);
	return at;
}

static const char *take_real(const char *at, const char *end, struct event *ev, enum event_field field)
{
	char copy[LONGEST_REAL + 1], *stop;
	size_t length = 0;
	double value;

	while (length < LONGEST_REAL && at + length < end && memchr("+-.0123456789eE", at[length], 15))
		length++;
	memcpy(copy, at, length);
	copy[length] = '\0';
	value = strtod(copy, &stop);
	if (stop == copy)
		return NULL;
	event_set_real(ev, field, value);
	return at + (stop - copy);
}

static const char *take_flag(const char *at, const char *end, struct event *ev, enum event_field field)
{
	if (at == end || (*at != '0' && *at != '1'))
		return NULL;
	event_set_flag(ev, field, *at == '1');
	return at + 1;
}

/* Up to the text after it, or to the end of the line. */
static const char *take_text(const char *at, const char *end, const struct part *part, struct event *ev)
{
	const char *stop = part->length ? memmem(at, (size_t)(end - at), part->text, part->length) : end;

	if (stop && part->field != ANYTHING)
		event_set_bytes(ev, part->field, at, (size_t)(stop - at));
	return stop;
}

static const char *take(const char *at, const char *end, const struct part *part, struct event *ev)
{
	switch (part->field == ANYTHING ? FIELD_IS_TEXT : field_type(part->field)) {
	case FIELD_IS_WHOLE:
		return take_whole(at, end, ev, part->field);
	case FIELD_IS_REAL:
		return take_real(at, end, ev, part->field);
	case FIELD_IS_FLAG:
		return take_flag(at, end, ev, part->field);
	case FIELD_IS_TEXT:
		return take_text(at, end, part, ev);
	}
	abort();
}

bool pattern_match(const struct patterns *p, size_t i, struct text line, struct event *ev)
{
	const struct pattern *pattern = &p->list[i];
	const char *at = line.start, *end = line.start + line.length;
	uint64_t had = ev->has;

	for (const struct part *part = pattern->parts; part < pattern->parts + pattern->n; part++) {
		if (part > pattern->parts)
			at = take(at, end, part, ev);
		if (!at || (size_t)(end - at) < part->length || memcmp(at, part->text, part->length) != 0) {
			ev->has = had;
			return false;
		}
		at += part->length;
	}
	if (at != end)
		ev->has = had;
	return at == end;
}

int rule_apply(struct reader *r, const struct rule *rule, struct err *e)
{
	rule_action *action = rule->action;

	r->ev.kind = rule->kind;
	event_set_text(&r->ev, FIELD_step, rule->step);
	if (!action && rule->kind != CONTEXT)
		action = reader_emit;
	return action && action(r, e) < 0 ? -1 : 1;
}
