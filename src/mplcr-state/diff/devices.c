/* SPDX-License-Identifier: MIT */
#include "diff/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

enum {
	LONGEST_VALUE = 64, /* characters of bytes */
	NEAR = 4096,        /* fields that are looked through for one of the same name */
};

struct field {
	char *name;
	struct device_field f;
};

struct fields {
	struct field *list;
	size_t n;
};

static int add_field(void *ctx, const struct device_field *f, struct err *e)
{
	struct fields *fields = ctx;
	struct field *field = array_add(fields->list, fields->n);

	(void)e;
	*field = (struct field){ text_copy(f->name), *f };
	return 0;
}

static void release(struct fields *fields)
{
	for (size_t i = 0; i < fields->n; i++)
		free(fields->list[i].name);
	free(fields->list);
}

static json_t *text_of_field(const struct field *field)
{
	_cleanup_free_ char *text = field ? device_field_text(&field->f, LONGEST_VALUE) : NULL;

	return text ? json_string_of(text) : json_null();
}

static void add_difference(json_t *list, const struct field *a, const struct field *b)
{
	json_array_append_new(list, json_of("{s:o, s:o, s:o}", "name", json_string_of(a ? a->name : b->name), "a",
					    text_of_field(a), "b", text_of_field(b)));
}

static bool same(const struct field *a, const struct field *b)
{
	return a->f.size == b->f.size && memcmp(a->f.data, b->f.data, a->f.size) == 0;
}

/* Where the name is from `from` on, or n. Fields come in the same order, so it is near. */
static size_t find(const struct fields *fields, size_t from, const char *name)
{
	size_t end = from + NEAR < fields->n ? from + NEAR : fields->n;

	while (from < end && strcmp(fields->list[from].name, name) != 0)
		from++;
	return from < end ? from : fields->n;
}

/* Both lists in their order: what one alone has is passed over until they meet again. */
static void compare_fields(json_t *list, const struct fields *a, const struct fields *b)
{
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		size_t meet = i < a->n ? find(b, k, a->list[i].name) : b->n;

		if (i < a->n && meet == b->n) {
			add_difference(list, &a->list[i++], NULL);
			continue;
		}
		while (k < meet)
			add_difference(list, NULL, &b->list[k++]);
		if (i < a->n && k < b->n && !same(&a->list[i], &b->list[k]))
			add_difference(list, &a->list[i], &b->list[k]);
		i++;
		k++;
	}
}

static json_t *device_of(const struct device *d)
{
	return json_of("{s:o, s:I}", "name", json_string_of(d->name), "instance", (json_int_t)d->instance);
}

static int compare_device(json_t *list, const struct device *a, const struct device *b, struct err *e)
{
	struct fields fa = { 0 }, fb = { 0 };
	int result = -1;

	if (a->size == b->size && memcmp(a->content, b->content, a->size) == 0)
		return 0;
	if (device_fields(a, add_field, &fa, e) == 0 && device_fields(b, add_field, &fb, e) == 0) {
		json_t *device = device_of(a), *fields = json_array();

		compare_fields(fields, &fa, &fb);
		json_object_set_new(device, "fields", fields);
		json_array_append_new(list, device);
		result = 0;
	}
	release(&fa);
	release(&fb);
	return result;
}

/* The devices of `a` that `b` does not have. */
static void add_lonely(json_t *list, const struct saved *a, const struct saved *b, const char *side)
{
	for (size_t i = 0; i < a->devices.n; i++) {
		const struct device *d = &a->devices.list[i];

		if (devices_find(&b->devices, d->name, d->instance))
			continue;
		json_array_append_new(list, device_of(d));
		json_object_set_new(json_array_get(list, json_array_size(list) - 1), "only", json_string_of(side));
	}
}

json_t *diff_devices(const struct saved *a, const struct saved *b, struct err *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->devices.n; i++) {
		const struct device *d = &a->devices.list[i], *other = devices_find(&b->devices, d->name, d->instance);

		if (other && compare_device(list, d, other, e) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	add_lonely(list, a, b, "a");
	add_lonely(list, b, a, "b");
	return list;
}
