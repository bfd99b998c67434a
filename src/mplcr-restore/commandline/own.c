/* SPDX-License-Identifier: MIT */
/* Placeholders in a command line that the user gives (commandline.h). */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "commandline/impl.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/keyval.h"

static const char disk_mark[] = "{disk:", include_mark[] = "{include:", ram_mark[] = "{ram}";

static int unknown_disk(const struct manifest *m, const char *name, size_t length, struct err *e)
{
	char known[256] = "";

	for (size_t i = 0; i < m->n_disks; i++) {
		size_t used = strlen(known);

		snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", m->disks[i].device);
	}
	err_usage(e, "checkpoint '%s' has no disk '%.*s'", m->name, (int)length, name);
	return err_hint(e, "its disks are: %s", known[0] ? known : "none");
}

static bool begins_with(const char *text, const char *mark)
{
	return strncmp(text, mark, strlen(mark)) == 0;
}

static int ram_path(const struct commandline_request *r, const char **path, bool *ram, struct err *e)
{
	const struct manifest_file *file = memory_main_file(r->m);

	if (!file || !r->lazy)
		return err_usage(e, "{ram} needs a lazy restore");
	*ram = true;
	*path = file->name;
	return 0;
}

static int include_path(const struct commandline_request *r, const char *name, size_t length, const char **path,
			struct err *e)
{
	_cleanup_free_ char *file = text_of("%.*s", (int)length, name);

	*path = included_copy(r, file);
	return *path ? 0 : err_usage(e, "checkpoint '%s' does not include '%s'", r->m->name, file);
}

static int disk_path(const struct commandline_request *r, const char *name, size_t length, struct commandline *c,
		     const char **path, struct err *e)
{
	for (size_t i = 0; i < r->m->n_disks; i++) {
		const struct manifest_disk *disk = &r->m->disks[i];

		if (strlen(disk->device) != length || strncmp(disk->device, name, length) != 0)
			continue;
		c->used[i] = true;
		*path = r->overlays[i] ? r->overlays[i] : disk->chain[0].path;
		return 0;
	}
	return unknown_disk(r->m, name, length, e);
}

/* The path for the placeholder at `text`, and its end; *path is NULL if it is not a placeholder. */
static int placeholder(const struct commandline_request *r, const char *text, struct commandline *c, const char **path,
		       const char **end, bool *ram, struct err *e)
{
	const char *mark = begins_with(text, disk_mark)	     ? disk_mark
			   : begins_with(text, include_mark) ? include_mark
							     : NULL;
	const char *name;
	size_t length;

	*path = NULL;
	if (begins_with(text, ram_mark)) {
		*end = text + sizeof(ram_mark) - 1;
		return ram_path(r, path, ram, e);
	}
	if (!mark)
		return 0;
	name = text + strlen(mark);
	length = strcspn(name, "}");
	if (!name[length])
		return err_usage(e, "'%s': '}' is missing", text);
	*end = name + length + 1;
	return mark == disk_mark ? disk_path(r, name, length, c, path, e) : include_path(r, name, length, path, e);
}

/* `path` in the form of an argument: plain, in JSON, or in an option string, with commas doubled. */
static char *quoted(const char *path, bool whole, bool json)
{
	_cleanup_free_ char *text = NULL;
	json_t *string;

	if (whole)
		return text_of("%s", path);
	if (!json)
		return keyval_escape(path);
	string = json_string(path);
	text = json_dumps(string, JSON_ENCODE_ANY);
	json_decref(string);
	if (!text)
		return text_of("%s", path);
	return text_of("%.*s", (int)strlen(text) - 2, text + 1);
}

static bool is_json(const char *text)
{
	return text[0] == '{' && !begins_with(text, disk_mark) && !begins_with(text, include_mark) &&
	       !begins_with(text, ram_mark);
}

/*
 * Appends what `text` begins with to *out: a placeholder's path or one byte. Returns where it ends, or NULL on
 * failure.
 */
static const char *replace_next(const struct commandline_request *r, const char *whole, const char *text, char **out,
				struct commandline *c, bool *ram, struct err *e)
{
	_cleanup_free_ char *before = *out, *absolute = NULL, *value = NULL;
	const char *path, *end;

	if (placeholder(r, text, c, &path, &end, ram, e) < 0) {
		*out = NULL;
		return NULL;
	}
	if (!path) {
		*out = text_of("%s%c", before, *text);
		return text + 1;
	}
	absolute = path_join(r->m->checkpoint, path);
	value = quoted(absolute, text == whole && !*end, is_json(whole));
	*out = text_of("%s%s", before, value);
	return end;
}

int commandline_placeholders(const struct commandline_request *r, struct args *a, struct commandline *c, bool *ram,
			     struct err *e)
{
	*ram = false;
	for (size_t i = 0; i < a->n; i++) {
		const char *whole = a->items[i].value;
		_cleanup_free_ char *out = text_of("%s", "");

		if (!whole || !strchr(whole, '{'))
			continue;
		for (const char *at = whole; at && *at;) {
			at = replace_next(r, whole, at, &out, c, ram, e);
			if (!at)
				return -1;
		}
		arg_set_value(&a->items[i], steal_ptr(out));
	}
	for (size_t i = 0; i < r->m->n_disks; i++)
		if (!c->used[i] && !r->m->disks[i].read_only)
			commandline_note(c, "disk '%s' is not on the command line: no {disk:%s}", r->m->disks[i].device,
					 r->m->disks[i].device);
	return 0;
}
