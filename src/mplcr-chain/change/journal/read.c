/* SPDX-License-Identifier: MIT */
#include "change/journal/journal.h"
#include "change/journal/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/own.h"
#include "base/path.h"
#include "base/text.h"

/* --- its form --------------------------------------------------------------------------------------------------- */

static int malformed(const char *what, struct err *e)
{
	return err_set(e, "its '%s' is malformed", what);
}

/* `known`: it must have an identity. */
static int parse_entry(const json_t *item, const struct journal *j, bool known, struct entry *x)
{
	int64_t place = json_int(item, "place", -1);

	*x = (struct entry){ 0 };
	x->known = file_id_get(item, &x->id) == 0;
	if (place < 0 || (uint64_t)place >= j->n_places || !path_is_name(json_text(item, "name")) || (known && !x->known))
		return -1;
	x->place = (size_t)place;
	x->name = text_copy(json_text(item, "name"));
	x->id.size = (uint64_t)json_int(item, "size", 0);
	x->id.ctime_ns = json_int(item, "ctime_ns", 0);
	x->id.directory = json_flag(item, "directory");
	return 0;
}

static int parse_entries(const json_t *json, const char *what, const struct journal *j, bool known, struct entries *l,
			 struct err *e)
{
	const json_t *array = json_object_get(json, what), *item;
	size_t i;

	if (!json_is_array(array))
		return malformed(what, e);
	json_array_foreach(array, i, item)
		if (parse_entry(item, j, known, array_add(l->list, l->n)) < 0)
			return malformed(what, e);
	return 0;
}

static int parse_places(const json_t *json, struct journal *j, struct err *e)
{
	const json_t *array = json_object_get(json, "places"), *item;
	size_t i;

	json_array_foreach(array, i, item) {
		const char *dir = json_text(item, "dir");
		struct place *p = array_add(j->places, j->n_places);

		*p = (struct place){ .dir = text_copy(dir ? dir : ""), .fd = -1 };
		if (p->dir[0] != '/' || file_id_get(item, &p->id) < 0)
			return malformed("places", e);
		p->id.directory = true;
	}
	return j->n_places > 0 ? 0 : malformed("places", e);
}

static int parse_renames(const json_t *json, struct journal *j, struct err *e)
{
	const json_t *array = json_object_get(json, "renames"), *item;
	size_t i;

	if (!json_is_array(array))
		return malformed("renames", e);
	json_array_foreach(array, i, item) {
		struct renaming *r = array_add(j->renames, j->n_renames);

		if (parse_entry(json_object_get(item, "from"), j, true, &r->from) < 0 ||
		    parse_entry(json_object_get(item, "to"), j, false, &r->to) < 0)
			return malformed("renames", e);
	}
	return 0;
}

int journal_parse(const json_t *json, struct journal *j, struct err *e)
{
	if (parse_places(json, j, e) < 0 || parse_renames(json, j, e) < 0 ||
	    parse_entries(json, "checkpoints", j, true, &j->checkpoints, e) < 0 ||
	    parse_entries(json, "removals", j, true, &j->removals, e) < 0 ||
	    parse_entries(json, "tops", j, false, &j->tops, e) < 0)
		return -1;
	return parse_entries(json, "scratch", j, true, &j->scratch, e);
}

/* --- whether it is ours, and of here ---------------------------------------------------------------------------- */

static int check_signature(const struct journal *j, const json_t *json, struct err *e)
{
	const char *schema = json_text(json, "schema");

	if (own_signed(j->key, JOURNAL_KIND, json, e) < 0)
		return -1;
	if (!schema || strcmp(schema, JOURNAL_SCHEMA) != 0)
		return err_set(e, "it is of another version");
	return own_written_here(json, e);
}

/* The directory where the place is to be; -1 where it is gone. */
static int open_there(const struct journal *j, size_t i)
{
	_cleanup_free_ char *dir = i == 0 ? path_dir(j->path) : NULL;

	return open(dir ? dir : j->places[i].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (dir ? 0 : O_NOFOLLOW));
}

/* Opens all places; a directory that is not there any more has nothing in it, but none may be another one. */
static int open_places(struct journal *j, struct err *e)
{
	for (size_t i = 0; i < j->n_places; i++) {
		struct place *p = &j->places[i];
		struct file_id now;

		p->fd = open_there(j, i);
		if (p->fd < 0 && errno == ENOENT && i > 0)
			continue;
		if (p->fd < 0 || file_id_of(p->fd, &now) < 0)
			return err_sys(e, errno, "the directory '%s' cannot be opened", p->dir);
		if (!file_id_same(&p->id, &now))
			return err_set(e, "'%s' is not the directory that it was written for", p->dir);
	}
	return 0;
}

/* Whether the journal is one that is to be obeyed; else, why not. */
static int judge(struct journal *j, const json_t *json, struct err *e)
{
	const char *name = json_text(json, "name");

	if (check_signature(j, json, e) < 0 || journal_parse(json, j, e) < 0)
		return -1;
	if (!name || strcmp(name, journal_name(j)) != 0)
		return err_set(e, "it was written for '%s'", name ? name : "nothing");
	return open_places(j, e);
}

/* --- one that is not -------------------------------------------------------------------------------------------- */

/* A member of it, on a line: what is longer than a message is cut off. */
static void show_member(const char *key, const json_t *value)
{
	_cleanup_free_ char *text = memory_checked(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));

	cli_note("  %s: %s", key, text);
}

/* A journal is there and is not obeyed: what it says, and what to do. Always returns -1. */
static int refuse(const char *path, const char *text, const json_t *json, struct err *e)
{
	json_t *value;
	const char *key;

	if (json_is_object(json) && json_object_size(json) > 0) {
		cli_note("'%s' says:", path);
		json_object_foreach((json_t *)json, key, value)
			show_member(key, value);
	} else if (text) {
		cli_note("'%s' says: %s", path, text);
	}
	err_prefix(e, "'%s' is no journal to be obeyed, and nothing was done", path);
	return err_hint(e, "such a file says what an interrupted mplcr-chain had left to do: look at it, and remove it");
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* The key, or NULL where there is none: then nothing is ours. Returns 0 or -1. */
static int load_key(struct journal *j, struct err *e)
{
	j->key = key_load(false, e);
	return j->key || e->sys == ENOENT ? 0 : -1;
}

static int read_json(const struct journal *j, int dirfd, char **text, json_t **json, struct err *e)
{
	size_t size;

	if (own_file(dirfd, journal_name(j), e) < 0)
		return -1;
	*text = file_read(dirfd, journal_name(j), JOURNAL_MAX_BYTES, &size, e);
	if (!*text)
		return -1;
	*json = json_loadb(*text, size, 0, NULL);
	return *json ? 0 : err_set(e, "it is not JSON");
}

static int load(struct journal *j, int dirfd, struct err *e)
{
	_cleanup_json_ json_t *json = NULL;
	_cleanup_free_ char *text = NULL;

	if (load_key(j, e) < 0)
		return -1;
	if (read_json(j, dirfd, &text, &json, e) == 0 && judge(j, json, e) == 0)
		return 0;
	return refuse(j->path, text, json, e);
}

int journal_load(const char *path, struct journal **out, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal *j;
	struct stat st;

	*out = NULL;
	if (dirfd < 0)
		return err_sys(e, errno, "cannot open '%s'", dir);
	if (fstatat(dirfd, path_base(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open '%s'", path);
	places_allow_many();
	j = memory_of(1, sizeof(*j));
	j->path = text_copy(path);
	if (load(j, dirfd, e) == 0) {
		*out = j;
		return 0;
	}
	journal_free(j);
	return -1;
}
