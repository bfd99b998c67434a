/* SPDX-License-Identifier: MIT */
/*
 * Writes an event as a line of JSON. Logs have millions of lines, and jansson takes some microseconds per object. So
 * this file formats names, numbers and texts that need no escapes, nearly everything there is; jansson writes the rest.
 */
#include "event/writer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/json.h"

#define KEPT_BACK (1u << 18)
#define LONGEST_WHOLE 20 /* digits and sign of an int64_t */

struct event_writer {
	FILE *out;
	size_t used;
	char buf[KEPT_BACK];
};

struct event_writer *event_writer_new(FILE *out)
{
	struct event_writer *w = memory_of(1, sizeof(*w));

	w->out = out;
	return w;
}

void event_writer_free(struct event_writer *w)
{
	free(w);
}

static int put_out(struct event_writer *w, const void *bytes, size_t size, struct err *e)
{
	if (fwrite(bytes, 1, size, w->out) != size)
		return err_sys(e, errno ? errno : EIO, "cannot write to standard output");
	return 0;
}

static int hand_over(struct event_writer *w, struct err *e)
{
	size_t size = w->used;

	w->used = 0;
	return put_out(w, w->buf, size, e);
}

int event_writer_flush(struct event_writer *w, struct err *e)
{
	if (hand_over(w, e) < 0)
		return -1;
	if (fflush(w->out) == EOF)
		return err_sys(e, errno, "cannot write to standard output");
	return 0;
}

/* --- values ----------------------------------------------------------------------------------------------------- */

static int put(struct event_writer *w, const char *bytes, size_t size, struct err *e)
{
	if (size > KEPT_BACK - w->used && hand_over(w, e) < 0)
		return -1;
	if (size > KEPT_BACK)
		return put_out(w, bytes, size, e);
	memcpy(w->buf + w->used, bytes, size);
	w->used += size;
	return 0;
}

static int put_whole(struct event_writer *w, int64_t value, struct err *e)
{
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char digits[LONGEST_WHOLE], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (value < 0)
		*--at = '-';
	return put(w, at, (size_t)(digits + sizeof(digits) - at), e);
}

static int put_json(struct event_writer *w, json_t *value, struct err *e)
{
	char *text = json_line(value);
	int result;

	json_decref(value);
	result = put(w, text, strlen(text), e);
	free(text);
	return result;
}

/* 15 digits survive being read back. The value is finite: see event_set_real. */
static int put_real(struct event_writer *w, double value, struct err *e)
{
	char text[32];

	if (fabs(value) < 1e15 && value == (double)(int64_t)value)
		return put_whole(w, (int64_t)value, e);
	return put(w, text, (size_t)snprintf(text, sizeof(text), "%.15g", value), e);
}

static bool is_plain(struct text text)
{
	for (size_t i = 0; i < text.length; i++)
		if (text.start[i] < ' ' || text.start[i] > '~' || text.start[i] == '"' || text.start[i] == '\\')
			return false;
	return true;
}

static int put_text(struct event_writer *w, struct text text, struct err *e)
{
	if (!is_plain(text))
		return put_json(w, json_bytes_of(text.start, text.length), e);
	if (put(w, "\"", 1, e) < 0 || put(w, text.start, text.length, e) < 0)
		return -1;
	return put(w, "\"", 1, e);
}

/* --- events ----------------------------------------------------------------------------------------------------- */

#define PIECE(text)                                                                                                    \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}
#define KIND_PIECE(name) PIECE("{\"event\":\"" #name "\",\"line\":"),
#define FIELD_PIECE(name, type) PIECE(",\"" #name "\":"),

static const struct text kind_pieces[] = { EVENT_KINDS_X(KIND_PIECE) };
static const struct text field_pieces[] = { EVENT_FIELDS_X(FIELD_PIECE) };
static const struct text checkpoint_piece = PIECE(",\"checkpoint\":"), end_piece = PIECE("}\n");

static int put_piece(struct event_writer *w, struct text piece, struct err *e)
{
	return put(w, piece.start, piece.length, e);
}

static int put_value(struct event_writer *w, const union field_value *value, enum field_type type, struct err *e)
{
	switch (type) {
	case FIELD_IS_WHOLE:
		return put_whole(w, value->whole, e);
	case FIELD_IS_REAL:
		return put_real(w, value->real, e);
	case FIELD_IS_FLAG:
		return put_json(w, json_boolean(value->flag), e);
	case FIELD_IS_TEXT:
		return put_text(w, value->text, e);
	}
	abort();
}

int event_write(struct event_writer *w, const struct event *ev, struct err *e)
{
	if (put_piece(w, kind_pieces[ev->kind], e) < 0 || put_whole(w, (int64_t)ev->line, e) < 0 ||
	    put_piece(w, checkpoint_piece, e) < 0 || put_whole(w, (int64_t)ev->checkpoint, e) < 0)
		return -1;
	for (uint64_t left = ev->has; left; left &= left - 1) {
		enum event_field field = (enum event_field)__builtin_ctzll(left);

		if (put_piece(w, field_pieces[field], e) < 0 || put_value(w, &ev->at[field], field_type(field), e) < 0)
			return -1;
	}
	return put_piece(w, end_piece, e);
}
