/* SPDX-License-Identifier: MIT */
#include "checkpoint/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"
#include "qemu/secrets.h"

/* A trace of a day of progress samples stays far below this; beyond it only the end is missing. */
#define TRACE_MAX_BYTES (8u << 20)
#define OBJECT_MAX_BYTES 4096

struct trace {
	int64_t start;
	FILE *lines; /* a memory stream over text */
	char *text;
	size_t size;
};

struct trace *trace_begin(void)
{
	struct trace *t = memory_of(1, sizeof(*t));

	t->start = clock_ns();
	t->lines = memory_checked(open_memstream(&t->text, &t->size));
	return t;
}

static void add_line(struct trace *t, json_t *line)
{
	if (ftell(t->lines) < (long)TRACE_MAX_BYTES) {
		json_dumpf(line, t->lines, JSON_COMPACT | JSON_REAL_PRECISION(9));
		fputc('\n', t->lines);
	}
	json_decref(line);
}

static double now_ms(const struct trace *t)
{
	return clock_ms_between(t->start, clock_ns());
}

/* What QEMU tells of its block devices has the names of images, and those may have passwords. */
static json_t *without_secrets(const json_t *object)
{
	json_t *copy = memory_checked(json_deep_copy(object));

	secret_mask_json(copy);
	return copy;
}

void trace_qmp(void *trace, char direction, const json_t *object)
{
	struct trace *t = trace;
	const char *kind = direction == '>' ? "send" : "receive";
	size_t size = json_dumpb(object, NULL, 0, JSON_COMPACT);

	if (size > OBJECT_MAX_BYTES)
		add_line(t, json_of("{s:f, s:{s:O?, s:I}}", "ms", now_ms(t), kind, "id", json_object_get(object, "id"),
				    "bytes", (json_int_t)size));
	else
		add_line(t, json_of("{s:f, s:o}", "ms", now_ms(t), kind, without_secrets(object)));
}

void trace_note(struct trace *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_line(t, json_of("{s:f, s:o}", "ms", now_ms(t), "note", json_string_of(text)));
}

int trace_save(struct trace *t, int dirfd, const char *name, struct err *e)
{
	fflush(t->lines);
	return file_create(dirfd, name, t->text, t->size, e);
}

void trace_free(struct trace *t)
{
	if (!t)
		return;
	fclose(t->lines);
	free(t->text);
	free(t);
}
