/* SPDX-License-Identifier: MIT */
#include "info/info.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"

enum { LONGEST_VALUE = 128 }; /* characters of bytes in the table */

/* "NAME", or "NAME:INSTANCE". */
static bool is_named(const struct device *d, const char *name)
{
	size_t length = strlen(d->name);
	struct err ignored;
	uint64_t instance;

	if (strcmp(d->name, name) == 0)
		return true;
	return strncmp(d->name, name, length) == 0 && name[length] == ':' &&
	       number_parse(name + length + 1, "instance", UINT32_MAX, &instance, &ignored) == 0 &&
	       instance == d->instance;
}

static int print_field(void *ctx, const struct device_field *f, struct err *e)
{
	_cleanup_free_ char *value = device_field_text(f, LONGEST_VALUE), *line = NULL;

	(void)ctx;
	(void)e;
	line = text_of("  %-44s %-14s %s", f->name, f->type, value);
	escape_line(line);
	return 0;
}

static int add_field(void *ctx, const struct device_field *f, struct err *e)
{
	(void)e;
	json_array_append_new(ctx, json_of("{s:o, s:o, s:I, s:o}", "name", json_string_of(f->name), "type",
					   json_string_of(f->type), "size", (json_int_t)f->size, "value",
					   device_field_value(f)));
	return 0;
}

static int print_device(const struct device *d, struct err *e)
{
	_cleanup_free_ char *line =
		text_of("%s, instance %u, version %u, %zu bytes", d->name, d->instance, d->version, d->size);

	escape_line(line);
	return device_fields(d, print_field, NULL, e);
}

static int add_device(json_t *list, const struct device *d, bool fields, struct err *e)
{
	json_t *object = info_device_to_json(d), *array = fields ? json_array() : NULL;

	json_array_append_new(list, object);
	if (fields)
		json_object_set_new(object, "fields", array);
	return fields ? device_fields(d, add_field, array, e) : 0;
}

/* `name` NULL: all, without their fields. Returns how many were found, or -1. */
static int print_json(const struct saved *s, const char *name, struct err *e)
{
	json_t *list = json_array();
	_cleanup_json_ json_t *whole = json_of("{s:s, s:o, s:o}", "schema", "mplcr.state.devices/1", "path",
					       json_string_of(s->path), "devices", list);

	for (size_t i = 0; i < s->devices.n; i++)
		if ((!name || is_named(&s->devices.list[i], name)) &&
		    add_device(list, &s->devices.list[i], name != NULL, e) < 0)
			return -1;
	if (name && json_array_size(list) == 0)
		return 0;
	return json_print(whole, e) < 0 ? -1 : 1;
}

static int print_text(const struct saved *s, const char *name, struct err *e)
{
	int found = 0;

	for (size_t i = 0; i < s->devices.n; i++) {
		if (!is_named(&s->devices.list[i], name))
			continue;
		if (print_device(&s->devices.list[i], e) < 0)
			return -1;
		found++;
	}
	return found;
}

int info_device(const struct saved *s, const char *name, bool json, struct err *e)
{
	int found;

	if (!*name && !json) {
		info_print_devices(s);
		return 0;
	}
	found = json ? print_json(s, *name ? name : NULL, e) : print_text(s, name, e);
	if (found != 0)
		return found < 0 ? -1 : 0;
	err_set(e, "'%s' has no device '%s'", s->path, name);
	return err_hint(e, "--device without a name lists the devices");
}
