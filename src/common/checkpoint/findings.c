/* SPDX-License-Identifier: MIT */
#include "checkpoint/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"

#define ONE_NAME(id, name, meaning) [id] = name,
static const char *const names[] = { CODES_X(ONE_NAME) };
#undef ONE_NAME

static const char *code_name(enum code code)
{
	return names[code];
}

/* Whether it is there already; it is noted. */
static bool is_known(struct findings *f, const struct finding *one)
{
	_cleanup_free_ char *key = text_of("%d %s\n%s", one->code, one->path, one->text);

	if (!f->seen)
		f->seen = json_object();
	if (json_object_get(f->seen, key))
		return true;
	json_object_set_new_nocheck(f->seen, key, json_true());
	return false;
}

void findings_add(struct findings *f, enum code code, const char *path, const char *fmt, ...)
{
	struct finding one = { .code = code, .path = text_copy(path) };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	one.text = text_copy(text);
	if (is_known(f, &one)) {
		free(one.path);
		free(one.text);
		return;
	}
	*array_add(f->items, f->n) = one;
}

bool findings_has(const struct findings *f, enum code code, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].code == code && strcmp(f->items[i].path, path) == 0)
			return true;
	return false;
}

size_t findings_count(const struct findings *f, char severity)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += code_name(f->items[i].code)[0] == severity;
	return n;
}

void findings_print(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->items[i];
		_cleanup_free_ char *line = text_of("%s: %s", one->path, one->text), *safe = escape(line);

		printf("%s %s\n", code_name(one->code), safe);
	}
}

json_t *findings_to_json(const struct findings *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->items[i];

		json_array_append_new(list, json_of("{s:s, s:o, s:o}", "code", code_name(one->code), "path",
						    json_string_of(one->path), "text", json_string_of(one->text)));
	}
	return list;
}

void findings_release(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->items[i].path);
		free(f->items[i].text);
	}
	free(f->items);
	json_decref(f->seen);
	*f = (struct findings){ 0 };
}
