/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "checkpoint/manifest_reader.h"
#include "checkpoint/names.h"
#include "pack/pack.h"

#define SCHEMA "mplcr.state.pack/1"

enum { MAX_FILES = 16384, MAX_NAME = 320 };

static const uint64_t MAX_SIZE = 1ull << 48; /* bytes, of all files together */

char *list_text(const struct list *l)
{
	json_t *files = json_array();
	_cleanup_json_ json_t *object = json_of("{s:s, s:o}", "schema", SCHEMA, "files", files);
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(files, json_of("{s:o, s:I, s:I, s:s}", "name", json_string_of(l->files[i].name),
						     "size", (json_int_t)l->files[i].size, "stored",
						     (json_int_t)l->files[i].stored, "xxh3", l->files[i].xxh3));
	text = json_dumps(object, JSON_INDENT(1));
	return text_of("%s\n", text ? text : "");
}

struct list_file *list_find(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->files[i].name, name) == 0)
			return &l->files[i];
	return NULL;
}

bool list_has_dir(const struct list *l, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < l->n; i++)
		if (strncmp(l->files[i].name, name, n) == 0 && l->files[i].name[n] == '/')
			return true;
	return false;
}

void list_release(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->files[i].name);
	free(l->files);
	*l = (struct list){ 0 };
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static bool is_hidden(const char *name)
{
	return name[0] == '.' || strstr(name, "/.");
}

/* Names that a checkpoint can have, and none that means something to us beside those. */
static bool is_name(const char *name)
{
	const char *slash = strchr(name, '/');

	return text_stays_below(name) && !text_has_control(name) && strlen(name) <= MAX_NAME && !is_hidden(name) &&
	       !(slash && strchr(slash + 1, '/')) && strcmp(name, PACK_LIST) != 0 && strcmp(name, UNFINISHED_NAME) != 0;
}

/* Names so far, and the directories in them, as keys of `seen`: whether the name is new, and no file has a directory's. */
static bool is_new(json_t *seen, const char *name)
{
	_cleanup_free_ char *dir = text_copy(name);
	char *slash = strchr(dir, '/');

	if (json_object_get(seen, name))
		return false;
	json_object_set_new(seen, name, json_false());
	if (!slash)
		return true;
	*slash = '\0';
	if (json_is_false(json_object_get(seen, dir)))
		return false;
	json_object_set_new(seen, dir, json_true());
	return true;
}

static int read_file(struct list_file *f, const json_t *json, json_t *seen, struct err *e)
{
	const char *name = json_text(json, "name"), *xxh3 = json_text(json, "xxh3");
	int64_t size = json_int(json, "size", -1), stored = json_int(json, "stored", -1);

	if (!name || !xxh3 || !digest_is(xxh3) || size < 0 || stored < 0 || stored > size)
		return err_set(e, "a file in it has no name, size or sum");
	f->name = text_copy(name);
	f->size = (uint64_t)size;
	f->stored = (uint64_t)stored;
	strcpy(f->xxh3, xxh3);
	if (!is_name(name))
		return err_set(e, "'%s' is not the name of a file in a checkpoint", name);
	return is_new(seen, name) ? 0 : err_set(e, "'%s' is in it twice", name);
}

static int read_files(struct list *l, const json_t *files, struct err *e)
{
	_cleanup_json_ json_t *seen = json_object();
	uint64_t sum = 0;

	if (json_array_size(files) == 0 || json_array_size(files) > MAX_FILES)
		return err_set(e, "it lists %zu files", json_array_size(files));
	for (size_t i = 0; i < json_array_size(files); i++) {
		struct list_file *f = array_add(l->files, l->n);

		if (read_file(f, json_array_get(files, i), seen, e) < 0)
			return -1;
		if (f->size > MAX_SIZE - sum)
			return err_set(e, "the files in it are too large");
		sum += f->size;
	}
	if (strcmp(l->files[0].name, MANIFEST_NAME) == 0 && l->files[0].size <= MANIFEST_MAX_BYTES)
		return 0;
	return err_set(e, "it does not begin with a manifest, " MANIFEST_NAME);
}

int list_read(struct list *l, const char *text, size_t size, struct err *e)
{
	_cleanup_json_ json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *schema = json_text(json, "schema");

	*l = (struct list){ 0 };
	if (!schema || strcmp(schema, SCHEMA) != 0)
		return err_set(e, "'" PACK_LIST "' is not a list of " SCHEMA);
	return read_files(l, json_object_get(json, "files"), e) < 0 ? err_prefix(e, "'" PACK_LIST "'") : 0;
}
