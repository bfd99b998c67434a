/* SPDX-License-Identifier: MIT */
#include "state/description.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/byteorder.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "state/wire.h"

enum {
	DEEPEST = 64,       /* structures in each other */
	LONGEST_NAME = 1000,
	MOST_STEPS = 1 << 26, /* fields of a device that are looked at: a description could ask for any number */
};

/* --- fields ------------------------------------------------------------------------------------------------------- */

struct walk {
	const uint8_t *at, *end;
	int (*on)(void *ctx, const struct device_field *f, struct err *e); /* NULL: only measured */
	void *ctx;
	char name[LONGEST_NAME + 1];
	unsigned depth;
	uint32_t *steps; /* so far */
};

static int walk_structure(struct walk *w, const json_t *desc, struct err *e);

static size_t left(const struct walk *w)
{
	return (size_t)(w->end - w->at);
}

/* Appends to the name of the field; one that is too long is cut. Returns the length that it had. */
static size_t name_add(struct walk *w, const char *between, const char *text)
{
	size_t had = strlen(w->name);

	snprintf(w->name + had, sizeof(w->name) - had, "%s%s", had && text[0] != '[' ? between : "", text);
	return had;
}

static size_t name_add_index(struct walk *w, int64_t index)
{
	char text[32];

	snprintf(text, sizeof(text), "[%lld]", (long long)index);
	return name_add(w, "", text);
}

/* The fields that a field has, or NULL. */
static const json_t *structure_of(const json_t *field)
{
	const json_t *inner = json_object_get(field, "struct");
	const char *type = json_text(field, "type");

	if (!inner && type && (strcmp(type, "vstruct") == 0 || strcmp(type, "tmp") == 0))
		inner = field;
	return json_is_array(json_object_get(inner, "fields")) ? inner : NULL;
}

/* Whether the next `size` bytes are such a structure. */
static bool measures(const struct walk *w, const json_t *inner, size_t size)
{
	struct walk dry = { .at = w->at, .end = w->at + size, .depth = w->depth, .steps = w->steps };
	struct err ignored;

	return walk_structure(&dry, inner, &ignored) == 0 && dry.at == dry.end;
}

/* One element of a field, whose bytes are there. A structure that does not fit them is bytes. */
static int walk_element(struct walk *w, const json_t *field, size_t size, struct err *e)
{
	const json_t *inner = structure_of(field);
	const char *type = json_text(field, "type");
	struct device_field leaf = { .name = w->name, .type = type ? type : "", .data = w->at, .size = size };
	int result;

	if (inner && w->depth < DEEPEST && (!w->on || measures(w, inner, size))) {
		const uint8_t *end = w->end, *after = w->at + size;

		w->end = after;
		w->depth++;
		result = walk_structure(w, inner, e);
		w->depth--;
		w->end = end;
		/* Only measured: whether it fits is the caller's question, one level up. */
		w->at = after;
		return w->on ? result : 0;
	}
	result = w->on ? w->on(w->ctx, &leaf, e) : 0;
	w->at += size;
	return result;
}

static int bad_field(const struct walk *w, const char *what, struct err *e)
{
	return err_set(e, "the description does not fit the state: field '%s' %s", w->name, what);
}

/* A field, or the equal ones that it stands for. */
static int walk_elements(struct walk *w, const json_t *field, struct err *e)
{
	int64_t size = json_int(field, "size", -1), n = json_int(field, "array_len", 1);
	bool is_array = json_object_get(field, "array_len");
	int result = 0;

	if (size < 0 || n < 0)
		return bad_field(w, "has no size", e);
	if (size == 0 || n == 0)
		return 0;
	if ((uint64_t)size > left(w) || (uint64_t)n > left(w) / (uint64_t)size)
		return bad_field(w, "is longer than its section", e);
	for (int64_t i = 0; i < n && result == 0; i++) {
		size_t had = strlen(w->name);

		if (is_array)
			name_add_index(w, i);
		result = walk_element(w, field, (size_t)size, e);
		w->name[had] = '\0';
	}
	return result;
}

static int walk_field(struct walk *w, const json_t *field, struct err *e)
{
	const char *name = json_text(field, "name");
	int64_t index = json_int(field, "index", -1);
	size_t had = name_add(w, ".", name ? name : "?");
	int result;

	if (++*w->steps > MOST_STEPS)
		return bad_field(w, "is one of too many", e);
	if (index >= 0)
		name_add_index(w, index);
	result = walk_elements(w, field, e);
	w->name[had] = '\0';
	return result;
}

static int walk_subsection(struct walk *w, const json_t *desc, struct err *e)
{
	const char *name = json_text(desc, "vmsd_name");
	size_t length = name ? strlen(name) : 0, had;
	const char *short_name;
	int result;

	if (!name || left(w) < 2 || w->at[0] != SECTION_SUBSECTION || w->at[1] != length || left(w) < 2 + length + 4 ||
	    memcmp(w->at + 2, name, length) != 0)
		return err_set(e, "the description does not fit the state: subsection '%s' is not there", name ? name : "");
	w->at += 2 + length + 4;
	short_name = strrchr(name, '/');
	if (w->depth >= DEEPEST)
		return err_set(e, "the description is nested too deeply");
	had = name_add(w, ".", short_name ? short_name + 1 : name);
	w->depth++;
	result = walk_structure(w, desc, e);
	w->depth--;
	w->name[had] = '\0';
	return result;
}

static int walk_structure(struct walk *w, const json_t *desc, struct err *e)
{
	const json_t *item;
	size_t i;
	int result;

	json_array_foreach(json_object_get(desc, "fields"), i, item)
		if ((result = walk_field(w, item, e)) != 0)
			return result;
	json_array_foreach(json_object_get(desc, "subsections"), i, item)
		if ((result = walk_subsection(w, item, e)) != 0)
			return result;
	return 0;
}

int device_fields(const struct device *d, int (*on)(void *ctx, const struct device_field *f, struct err *e), void *ctx,
		  struct err *e)
{
	uint32_t steps = 0;
	struct walk w = { .at = d->content, .end = d->content + d->size, .on = on, .ctx = ctx, .steps = &steps };

	return walk_structure(&w, d->desc, e);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static bool is_number(const struct device_field *f)
{
	return (f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8) &&
	       (strncmp(f->type, "int", 3) == 0 || strncmp(f->type, "uint", 4) == 0 || strcmp(f->type, "timer") == 0);
}

static uint64_t number_of(const struct device_field *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->size; i++)
		n = n << 8 | f->data[i];
	return n;
}

static int64_t signed_of(const struct device_field *f)
{
	unsigned unused = 64 - 8 * (unsigned)f->size;

	return (int64_t)(number_of(f) << unused) >> unused;
}

static char *hex_of(const uint8_t *data, size_t size)
{
	char *text = memory_of(2 * size + 1, 1);

	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	return text;
}

json_t *device_field_value(const struct device_field *f)
{
	_cleanup_free_ char *hex = NULL;

	if (strcmp(f->type, "bool") == 0 && f->size == 1)
		return json_boolean(f->data[0]);
	if (is_number(f) && f->type[0] != 'u')
		return json_integer(signed_of(f));
	if (is_number(f) && number_of(f) <= INT64_MAX)
		return json_integer((json_int_t)number_of(f));
	hex = hex_of(f->data, f->size);
	return json_string_of(hex);
}

/* The length of the text in a buffer that holds nothing but one and NULs behind it; 0 where it is none. */
static size_t text_in(const struct device_field *f)
{
	size_t n = 0, end;

	while (n < f->size && f->data[n] >= ' ' && f->data[n] < 0x7f)
		n++;
	for (end = n; end < f->size && f->data[end] == 0; end++)
		;
	return end == f->size && (n > 2 || n == f->size) ? n : 0;
}

static char *bytes_text(const struct device_field *f, size_t most)
{
	size_t text = f->size > 1 ? text_in(f) : 0, shown;

	if (text)
		return text_of("'%.*s'", (int)text, (const char *)f->data);
	shown = most && 2 * f->size > most ? most / 2 : f->size;
	_cleanup_free_ char *hex = hex_of(f->data, shown);
	return text_of("%s%s", hex, shown < f->size ? "..." : "");
}

char *device_field_text(const struct device_field *f, size_t most)
{
	if (strcmp(f->type, "bool") == 0 && f->size == 1)
		return text_copy(f->data[0] ? "true" : "false");
	if (!is_number(f))
		return bytes_text(f, most);
	if (f->type[0] != 'u')
		return text_of("%lld", (long long)signed_of(f));
	return number_of(f) < 4096 ? text_of("%llu", (unsigned long long)number_of(f))
				   : text_of("%llu (0x%llx)", (unsigned long long)number_of(f),
					     (unsigned long long)number_of(f));
}

/* --- sections ----------------------------------------------------------------------------------------------------- */

/* The section at `at`: its head into *device. Returns the length of the head, or 0 where there is none. */
static size_t read_head(const uint8_t *at, size_t len, struct device *device, uint32_t *id)
{
	size_t name;

	if (len < 6 || at[0] != SECTION_FULL || len < 6 + (name = at[5]) + 8 || memchr(at + 6, '\0', name))
		return 0;
	*id = be32_at(at + 1);
	memcpy(device->name, at + 6, name);
	device->name[name] = '\0';
	device->instance = be32_at(at + 6 + name);
	device->version = be32_at(at + 10 + name);
	return 14 + name;
}

static int not_described(const struct device *device, struct err *e)
{
	return err_set(e, "the description does not fit the state of device '%s'", device->name);
}

/* Reads the section at *at, which `desc` describes. */
static int read_device(struct devices *d, const json_t *desc, size_t *at, size_t end, struct err *e)
{
	struct device *device = array_add(d->list, d->n);
	const char *name = json_text(desc, "name");
	uint32_t id, steps = 0;
	size_t head = read_head(d->tail + *at, end - *at, device, &id);
	struct walk w = { .at = d->tail + *at + head, .end = d->tail + end, .steps = &steps };

	if (!head)
		return err_set(e, "the state has fewer devices than are described: '%s' is not there", name ? name : "");
	if (!name || strcmp(name, device->name) != 0 || json_int(desc, "instance_id", -1) != device->instance)
		return err_set(e, "the state has device '%s', and '%s' is described", device->name, name ? name : "");
	if (walk_structure(&w, desc, e) < 0)
		return err_prefix(e, "device '%s'", device->name);
	if (left(&w) < 5 || w.at[0] != SECTION_FOOTER || be32_at(w.at + 1) != id)
		return not_described(device, e);
	device->desc = desc;
	device->content = d->tail + *at + head;
	device->size = (size_t)(w.at - device->content);
	*at = (size_t)(w.at - d->tail) + 5;
	return 0;
}

static int read_list(struct devices *d, size_t end, struct err *e)
{
	const json_t *list = json_object_get(d->description, "devices"), *desc;
	size_t at = 0, i;

	if (!json_is_array(list))
		return err_set(e, "the description lists no devices");
	json_array_foreach(list, i, desc)
		if (read_device(d, desc, &at, end, e) < 0)
			return -1;
	if (at + 1 != end || d->tail[at] != 0)
		return err_set(e, "the state has more devices than are described");
	return 0;
}

int devices_read(struct devices *d, uint8_t *tail, size_t len, size_t description, struct err *e)
{
	json_error_t why;

	*d = (struct devices){ .tail = tail, .n_tail = len };
	if (!description)
		return 0;
	if (description + 5 > len)
		return err_set(e, "the description is longer than the state");
	/* Lists are described once for each element, in one object: names come twice. */
	d->description = json_loadb((const char *)tail + len - description, description, JSON_DISABLE_EOF_CHECK, &why);
	if (!d->description)
		return err_set(e, "the description is not JSON: byte %d: %s", why.position, why.text);
	return read_list(d, len - description - 5, e);
}

void devices_release(struct devices *d)
{
	free(d->tail);
	free(d->list);
	json_decref(d->description);
	*d = (struct devices){ 0 };
}

const struct device *devices_find(const struct devices *d, const char *name, uint32_t instance)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->list[i].name, name) == 0 && d->list[i].instance == instance)
			return &d->list[i];
	return NULL;
}
