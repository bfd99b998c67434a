/* SPDX-License-Identifier: MIT */
#include "checkpoint/manifest_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"

/* The longest text that is taken, bytes. */
#define MAX_TEXT (1 << 20)

void reader_fault(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	char text[512];

	if (r->failed)
		return;
	r->failed = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(r->e, "'%s' is not a checkpoint manifest: %s", r->file, text);
}

struct place reader_member(struct reader *r, const struct place *in, const char *key)
{
	struct place p = { .object = json_object_get(in->object, key) };

	snprintf(p.name, sizeof(p.name), "%.40s%.40s.", in->name, key);
	if (!json_is_object(p.object))
		reader_fault(r, "'%s%s' is missing or not an object", in->name, key);
	return p;
}

struct place reader_item(struct reader *r, const struct place *in, const char *key, size_t i)
{
	struct place p = { .object = json_array_get(json_object_get(in->object, key), i) };

	snprintf(p.name, sizeof(p.name), "%.40s%.30s[%zu].", in->name, key, i);
	if (!json_is_object(p.object))
		reader_fault(r, "'%s%s[%zu]' is not an object", in->name, key, i);
	return p;
}

size_t reader_count(struct reader *r, const struct place *in, const char *key, size_t max)
{
	const json_t *array = json_object_get(in->object, key);

	if (!json_is_array(array))
		reader_fault(r, "'%s%s' is missing or not a list", in->name, key);
	else if (json_array_size(array) > max)
		reader_fault(r, "'%s%s' has more than %zu items", in->name, key, max);
	return r->failed ? 0 : json_array_size(array);
}

char *reader_text(struct reader *r, const struct place *in, const char *key)
{
	const json_t *value = json_object_get(in->object, key);

	if (!value || json_is_null(value))
		return NULL;
	if (!json_is_string(value))
		reader_fault(r, "'%s%s' is not a string", in->name, key);
	else if (json_string_length(value) > MAX_TEXT)
		reader_fault(r, "'%s%s' is too long", in->name, key);
	return r->failed ? NULL : text_copy(json_string_value(value));
}

char *reader_need_text(struct reader *r, const struct place *in, const char *key)
{
	char *text = reader_text(r, in, key);

	if (!text || !*text)
		reader_fault(r, "'%s%s' is missing", in->name, key);
	return text;
}

uint64_t reader_number(struct reader *r, const struct place *in, const char *key)
{
	const json_t *value = json_object_get(in->object, key);

	if (!json_is_integer(value))
		reader_fault(r, "'%s%s' is missing or not a whole number", in->name, key);
	else if (json_integer_value(value) < 0)
		reader_fault(r, "'%s%s' is negative", in->name, key);
	return r->failed ? 0 : (uint64_t)json_integer_value(value);
}

double reader_ms(struct reader *r, const struct place *in, const char *key)
{
	double ms = json_real_at(in->object, key, -1);

	if (!(ms >= 0))
		reader_fault(r, "'%s%s' is missing or not a time", in->name, key);
	return ms;
}

bool reader_flag(struct reader *r, const struct place *in, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(in->object, key);

	if (!value)
		return otherwise;
	if (!json_is_boolean(value))
		reader_fault(r, "'%s%s' is neither true nor false", in->name, key);
	return json_is_true(value);
}

bool text_stays_below(const char *path)
{
	if (!*path || *path == '/')
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		size_t n;

		part += *part == '/';
		n = strcspn(part, "/");
		if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
	}
	return true;
}

bool text_has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

char *reader_path(struct reader *r, const struct place *in, const char *key)
{
	char *path = reader_need_text(r, in, key);

	if (path && path[0] != '/')
		reader_fault(r, "'%s%s' is not an absolute path", in->name, key);
	return path;
}

struct identity reader_identity(struct reader *r, const struct place *in)
{
	struct identity id = { 0 };

	if (!r->failed && identity_from_json(json_object_get(in->object, "identity"), &id) < 0)
		reader_fault(r, "'%sidentity' is missing or incomplete", in->name);
	return id;
}

char **reader_strings(struct reader *r, const struct place *at, const char *key, size_t max)
{
	const json_t *list = json_object_get(at->object, key);
	char **strings;
	size_t n;

	if (!list || json_is_null(list))
		return NULL;
	n = reader_count(r, at, key, max);
	strings = memory_of(n + 1, sizeof(*strings));
	for (size_t i = 0; i < n && !r->failed; i++) {
		strings[i] = text_copy(json_string_value(json_array_get(list, i)));
		if (!strings[i])
			reader_fault(r, "'%s%s[%zu]' is not a string", at->name, key, i);
	}
	return strings;
}
