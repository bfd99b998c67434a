/* SPDX-License-Identifier: MIT */
#include "read/reader.h"

#include <math.h>
#include <string.h>

/* Begins the next checkpoint if an event of this kind cannot belong to the current one. */
static void admit(struct reader *r, enum event_kind kind, bool begins)
{
	struct stage *s = &r->stage;
	bool next = r->checkpoint == 0;

	if (kind == EVENT_setup)
		next = next || s->past || (begins && s->begun);
	else if (kind == EVENT_stop)
		next = next || s->done;
	if (next) {
		r->checkpoint++;
		*s = (struct stage){ 0 };
	}
	s->begun = s->begun || begins;
	switch (kind) {
	case EVENT_iteration:
		s->past = true;
		break;
	case EVENT_switchover:
		s->past = s->switched = true;
		break;
	case EVENT_stop:
		s->stopped = true;
		break;
	case EVENT_resume:
		s->past = true;
		s->stopped = false;
		break;
	case EVENT_done:
		s->past = s->done = true;
		break;
	default:
		break;
	}
}

int reader_pass(struct reader *r, const struct event *ev, struct err *e)
{
	if (ev->checkpoint > r->checkpoint)
		r->checkpoint = ev->checkpoint;
	r->event_lines += r->given_line != ev->line;
	r->given_line = ev->line;
	return r->sink(r->ctx, ev, e);
}

static int give(struct reader *r, struct event *ev, bool begins, struct err *e)
{
	admit(r, ev->kind, begins);
	ev->checkpoint = r->checkpoint;
	return reader_pass(r, ev, e);
}

int reader_release(struct reader *r, struct err *e)
{
	if (!r->held.open)
		return 0;
	r->held.open = false;
	return give(r, &r->held.ev, false, e);
}

void reader_forget(struct reader *r)
{
	r->held.open = false;
}

int reader_emit(struct reader *r, struct err *e)
{
	if (reader_release(r, e) < 0)
		return -1;
	return give(r, &r->ev, false, e);
}

int reader_emit_begin(struct reader *r, struct err *e)
{
	if (reader_release(r, e) < 0)
		return -1;
	return give(r, &r->ev, true, e);
}

int reader_emit_once(struct reader *r, struct err *e)
{
	const struct stage *s = &r->stage;
	enum event_kind kind = r->ev.kind;

	if (reader_release(r, e) < 0)
		return -1;
	if ((kind == EVENT_switchover && s->switched) || (kind == EVENT_done && s->done) ||
	    (kind == EVENT_stop && s->stopped) || (kind == EVENT_resume && !s->stopped))
		return 0;
	return give(r, &r->ev, false, e);
}

int reader_hold(struct reader *r, struct err *e)
{
	const struct event *from = &r->ev;
	struct held *h = &r->held;

	if (reader_release(r, e) < 0)
		return -1;
	h->open = true;
	h->used = 0;
	h->ev.kind = from->kind;
	h->ev.line = from->line;
	h->ev.has = from->has;
	for (uint64_t left = from->has; left; left &= left - 1) { /* an event is large, and mostly empty */
		enum event_field field = (enum event_field)__builtin_ctzll(left);

		if (field_type(field) == FIELD_IS_TEXT)
			reader_hold_text(r, field, from->at[field].text);
		else
			h->ev.at[field] = from->at[field];
	}
	return 0;
}

void reader_hold_text(struct reader *r, enum event_field field, struct text text)
{
	struct held *h = &r->held;
	size_t length = text.length < HELD_BYTES - h->used ? text.length : HELD_BYTES - h->used;

	memcpy(h->bytes + h->used, text.start, length);
	event_set_bytes(&h->ev, field, h->bytes + h->used, length);
	h->used += length;
}

void reader_time(struct reader *r, double ms, bool wall_clock)
{
	if (!r->timed) {
		r->first_time_ms = ms;
		if (wall_clock)
			event_set_real(&r->ev, FIELD_unix_time_ms, ms);
	}
	r->timed = true;
	/* Stamps have microseconds; further digits come from subtracting two large doubles. */
	event_set_real(&r->ev, FIELD_time_ms, round((ms - r->first_time_ms) * 1000) / 1000);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\0';
}

struct text text_trim(struct text t)
{
	while (t.length > 0 && is_blank(t.start[0]))
		t = text_behind(t, 1);
	while (t.length > 0 && is_blank(t.start[t.length - 1]))
		t.length--;
	return t;
}

bool text_begins(struct text t, const char *head)
{
	size_t n = strlen(head);

	return t.length >= n && memcmp(t.start, head, n) == 0;
}
