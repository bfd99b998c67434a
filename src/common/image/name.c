/* SPDX-License-Identifier: MIT */
#include "image/name.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"

enum {
	MAX_LENGTH = 65536, /* bytes of a json: name; a header has room for 1023 */
	MAX_PARTS = 64,     /* of a dotted key */
};

/* Block drivers whose image is a file of the host that is named as it is (QEMU block/file-posix.c). */
static const char *const file_drivers[] = { "file", "host_device", "host_cdrom" };

static void __attribute__((format(printf, 2, 3))) fault(struct image_name *n, const char *fmt, ...)
{
	va_list ap;

	if (n->fault[0])
		return;
	va_start(ap, fmt);
	vsnprintf(n->fault, sizeof(n->fault), fmt, ap);
	va_end(ap);
}

bool image_name_is_json(const char *name)
{
	return strncmp(name, "json:", strlen("json:")) == 0;
}

/* --- plain names ------------------------------------------------------------------------------------------------ */

/* A name that is no json: name. QEMU strips "file:" and takes the rest as it is, other colons included. */
static void parse_plain(struct image_name *n, const char *name)
{
	size_t length = strcspn(name, ":/");

	if (!*name) {
		fault(n, "it is empty");
		return;
	}
	if (name[length] != ':') {
		n->path = text_copy(name);
		return;
	}
	if (length == 4 && strncmp(name, "file", 4) == 0) {
		n->path = text_copy(name + 5);
		n->from_cwd = true;
		return;
	}
	n->protocol = text_of("%.*s", (int)length, name);
}

/* --- options ---------------------------------------------------------------------------------------------------- */

/* The object at `key` of `at`, made where it is missing; NULL where something else is there. */
static json_t *object_at(json_t *at, const char *key)
{
	json_t *there = json_object_get(at, key);

	if (!there) {
		there = json_object();
		json_object_set_new_nocheck(at, key, there);
	}
	return json_is_object(there) ? there : NULL;
}

/* Puts `value` (owned) at a key that may be dotted: "file.filename" is the filename of file. */
static void put(json_t *object, const char *key, json_t *value, struct image_name *n)
{
	_cleanup_free_ char *copy = text_copy(key);
	char *part = copy, *dot;
	int parts = 0;

	while (object && (dot = strchr(part, '.')) != NULL && parts++ < MAX_PARTS) {
		*dot = '\0';
		object = object_at(object, part);
		part = dot + 1;
	}
	if (!object || parts >= MAX_PARTS || json_object_get(object, part)) {
		fault(n, "its option '%.60s' is given twice, or nested too deeply", key);
		json_decref(value);
		return;
	}
	json_object_set_new_nocheck(object, part, value);
}

/* The options with dotted keys made objects, which QEMU takes for the same: a new reference. */
static json_t *nested(const json_t *flat, struct image_name *n)
{
	json_t *object = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)flat, key, value)
		put(object, key, json_is_object(value) ? nested(value, n) : json_incref(value), n);
	return object;
}

static bool is_file_driver(const char *driver)
{
	for (size_t i = 0; i < sizeof(file_drivers) / sizeof(*file_drivers); i++)
		if (strcmp(driver, file_drivers[i]) == 0)
			return true;
	return false;
}

/*
 * The options of a protocol node: what has a file name, or is reached over a network. Without a driver the name tells
 * the protocol, but is no json: name again.
 */
static void read_protocol(struct image_name *n, const json_t *options)
{
	const char *driver = json_text(options, "driver"), *filename = json_text(options, "filename");

	n->from_cwd = true;
	if (driver && strcmp(driver, "file") != 0) {
		n->protocol = text_copy(driver);
	} else if (!filename || !*filename) {
		fault(n, "it names no file");
	} else if (driver) {
		n->path = text_copy(filename);
	} else if (strncmp(filename, "json:", 5) == 0) {
		fault(n, "a json: name inside of another is none");
	} else {
		parse_plain(n, filename);
		n->from_cwd = true;
	}
}

/* The name of a child that is a file: of its options, or as a protocol's words; malloc'd. */
static char *child_name(const json_t *options)
{
	struct image_name child = { 0 };
	char *name = NULL;

	if (!json_is_object(options))
		return NULL;
	read_protocol(&child, options);
	if (child.path)
		name = text_copy(child.path);
	else if (child.protocol)
		name = text_of("%s:", child.protocol);
	image_name_release(&child);
	return name;
}

/* The options of a format node, "qcow2" or another, over a protocol node `file`. */
static void read_format(struct image_name *n, const json_t *options, const json_t *file)
{
	const char *below = json_text(file, "driver");
	json_t *backing = json_object_get(options, "backing");

	n->driver = text_copy(json_text(options, "driver"));
	n->data_file = child_name(json_object_get(options, "data-file"));
	n->backing = json_incref(backing);
	if (!json_is_object(file))
		fault(n, "its file is a node of a running QEMU");
	else if (json_object_get(file, "file"))
		fault(n, "it stacks drivers ('%.40s' on '%.40s')", n->driver ? n->driver : "", below ? below : "");
	else
		read_protocol(n, file);
}

/* The same for options whose dotted keys are nested already. */
static void read_options(struct image_name *n, const json_t *options)
{
	const json_t *file = json_object_get(options, "file");
	const char *driver = json_text(options, "driver");

	n->json = true;
	if (n->fault[0])
		return;
	if (file) {
		read_format(n, options, file);
		return;
	}
	read_protocol(n, options);
	/* A protocol driver where a format is expected: the image is taken as it is. */
	if (driver && is_file_driver(driver))
		n->driver = text_copy("raw");
}

void image_name_of_options(struct image_name *n, const json_t *options)
{
	_cleanup_json_ json_t *whole = NULL;

	*n = (struct image_name){ .json = true };
	if (!json_is_object(options)) {
		fault(n, "its options are no object");
		return;
	}
	whole = nested(options, n);
	read_options(n, whole);
}

/* The same JSON with strings in double quotes; QEMU (qobject/json-lexer.c) takes single ones as well. */
static char *in_double_quotes(const char *text)
{
	char *copy = memory_of(2 * strlen(text) + 1, 1), *to = copy, quote = 0;

	for (; *text; text++) {
		if (quote && text[0] == '\\' && text[1]) {
			if (text[1] != '\'')
				*to++ = '\\';
			*to++ = *++text;
		} else if (!quote && (*text == '"' || *text == '\'')) {
			quote = *text;
			*to++ = '"';
		} else if (quote && *text == quote) {
			quote = 0;
			*to++ = '"';
		} else {
			if (*text == '"')
				*to++ = '\\';
			*to++ = *text;
		}
	}
	*to = '\0';
	return copy;
}

/* The options in a json: name of sane length, a new reference; NULL, and why in *n. */
static json_t *parse_options(const char *name, struct image_name *n)
{
	_cleanup_free_ char *json = NULL;
	json_t *options;
	json_error_t why;

	if (strlen(name) > MAX_LENGTH) {
		fault(n, "it is longer than %d bytes", MAX_LENGTH);
		return NULL;
	}
	json = in_double_quotes(name + strlen("json:"));
	options = json_loads(json, JSON_REJECT_DUPLICATES, &why);
	if (!options)
		fault(n, "its JSON is broken: %.80s", why.text);
	return options;
}

void image_name_parse(struct image_name *n, const char *name)
{
	_cleanup_json_ json_t *options = NULL;

	*n = (struct image_name){ 0 };
	if (!image_name_is_json(name)) {
		parse_plain(n, name);
		return;
	}
	n->json = true;
	options = parse_options(name, n);
	if (options)
		image_name_of_options(n, options);
}

char *image_name_lowest_file(const char *name)
{
	struct image_name n = { 0 };
	_cleanup_json_ json_t *options = parse_options(name, &n);
	_cleanup_json_ json_t *whole = options ? nested(options, &n) : NULL;
	const json_t *at = whole;

	while (at && !json_text(at, "filename"))
		at = json_object_get(at, "file");
	return n.fault[0] ? NULL : text_copy(json_text(at, "filename"));
}

void image_name_release(struct image_name *n)
{
	free(n->path);
	free(n->protocol);
	free(n->driver);
	free(n->data_file);
	json_decref(n->backing);
	*n = (struct image_name){ 0 };
}
