/* SPDX-License-Identifier: MIT */
#include "change/journal/journal.h"
#include "change/journal/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/host.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"

/* --- places and entries ----------------------------------------------------------------------------------------- */

/* JSON holds text only, and what is read back must be the very path. */
static int check_text(const char *path, struct err *e)
{
	_cleanup_json_ json_t *text = json_string(path);

	return text ? 0 : err_set(e, "the path '%s' is not UTF-8 text", path);
}

static int open_place(struct place *p, const char *dir, struct err *e)
{
	p->fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->fd < 0 || file_id_of(p->fd, &p->id) < 0)
		return err_sys(e, errno, "cannot open '%s'", dir);
	return 0;
}

/* The place that is the directory `dir`. Returns 0 or -1. */
static int place_of(struct journal *j, const char *dir, size_t *at, struct err *e)
{
	_cleanup_free_ char *real = path_real(dir);
	struct place *p;

	if (!real)
		return err_sys(e, errno, "cannot open '%s'", dir);
	for (*at = 0; *at < j->n_places; (*at)++)
		if (strcmp(j->places[*at].dir, real) == 0)
			return 0;
	if (check_text(real, e) < 0)
		return -1;
	p = array_add(j->places, j->n_places);
	p->dir = steal_ptr(real);
	return open_place(p, p->dir, e);
}

static int entry_of(struct journal *j, const char *path, struct entry *x, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);

	*x = (struct entry){ 0 };
	if (check_text(path_base(path), e) < 0 || place_of(j, dir, &x->place, e) < 0)
		return -1;
	x->name = text_copy(path_base(path));
	return 0;
}

/* What is there now, which must be there, as the kind that it is to be. */
static int identify(const struct journal *j, struct entry *x, bool directory, struct err *e)
{
	_cleanup_free_ char *path = entry_path(j, x);

	if (file_id_at(j->places[x->place].fd, x->name, &x->id) < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	x->known = true;
	if (x->id.inode == 0)
		return err_set(e, "'%s' is not a regular file", path);
	return x->id.directory == directory ? 0 : err_set(e, "'%s' is %sa directory", path, directory ? "not " : "");
}

struct journal *journal_new(const char *path, struct err *e)
{
	struct journal *j = memory_of(1, sizeof(*j));
	_cleanup_free_ char *dir = path_dir(path);
	size_t first;

	places_allow_many();
	j->path = text_copy(path);
	j->key = key_load(true, e);
	if (j->key && check_text(path_base(path), e) == 0 && place_of(j, dir, &first, e) == 0)
		return j;
	journal_free(j);
	return NULL;
}

static int add(struct journal *j, struct entries *l, const char *path, struct err *e)
{
	struct entry x;

	if (entry_of(j, path, &x, e) < 0)
		return -1;
	*array_add(l->list, l->n) = x;
	return 0;
}

static int add_known(struct journal *j, struct entries *l, const char *path, bool directory, struct err *e)
{
	return add(j, l, path, e) < 0 ? -1 : identify(j, &l->list[l->n - 1], directory, e);
}

int journal_rename(struct journal *j, const char *from, const char *to, struct err *e)
{
	struct renaming *r = array_add(j->renames, j->n_renames);

	if (entry_of(j, from, &r->from, e) < 0 || entry_of(j, to, &r->to, e) < 0)
		return -1;
	return path_exists(to) ? identify(j, &r->to, false, e) : 0;
}

int journal_remove(struct journal *j, const char *path, struct err *e)
{
	return add_known(j, &j->removals, path, false, e);
}

int journal_remove_checkpoint(struct journal *j, const char *dir, struct err *e)
{
	return add_known(j, &j->checkpoints, dir, true, e);
}

int journal_scratch(struct journal *j, const char *dir, struct err *e)
{
	return add_known(j, &j->scratch, dir, true, e);
}

int journal_top(struct journal *j, const char *path, struct err *e)
{
	return add(j, &j->tops, path, e);
}

/* --- as JSON ---------------------------------------------------------------------------------------------------- */

static json_t *entry_to_json(const struct entry *x)
{
	json_t *object = json_of("{s:I, s:s}", "place", (json_int_t)x->place, "name", x->name);

	if (!x->known)
		return object;
	file_id_put(object, &x->id);
	json_object_set_new(object, "directory", json_boolean(x->id.directory));
	json_object_set_new(object, "size", json_integer((json_int_t)x->id.size));
	json_object_set_new(object, "ctime_ns", json_integer((json_int_t)x->id.ctime_ns));
	return object;
}

static json_t *entries_to_json(const struct entries *l)
{
	json_t *array = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(array, entry_to_json(&l->list[i]));
	return array;
}

static json_t *places_to_json(const struct journal *j)
{
	json_t *array = json_array();

	for (size_t i = 0; i < j->n_places; i++) {
		json_t *place = json_of("{s:s}", "dir", j->places[i].dir);

		file_id_put(place, &j->places[i].id);
		json_array_append_new(array, place);
	}
	return array;
}

static json_t *renames_to_json(const struct journal *j)
{
	json_t *array = json_array();

	for (size_t i = 0; i < j->n_renames; i++)
		json_array_append_new(array, json_of("{s:o, s:o}", "from", entry_to_json(&j->renames[i].from), "to",
						     entry_to_json(&j->renames[i].to)));
	return array;
}

json_t *journal_to_json(const struct journal *j)
{
	_cleanup_free_ char *host = host_id();
	json_t *json = json_of("{s:s, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", JOURNAL_SCHEMA, "host",
			       json_string_of(host), "uid", (json_int_t)geteuid(), "name", journal_name(j), "places",
			       places_to_json(j), "renames", renames_to_json(j), "checkpoints",
			       entries_to_json(&j->checkpoints), "removals", entries_to_json(&j->removals), "tops",
			       entries_to_json(&j->tops), "scratch", entries_to_json(&j->scratch));

	key_sign(j->key, JOURNAL_KIND, json);
	return json;
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static int write_file(const struct journal *j, const char *text, struct err *e)
{
	_cleanup_free_ char *new = text_of("%s.new", journal_name(j));
	int dirfd = j->places[0].fd;

	if (unlinkat(dirfd, new, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot remove '%s.new'", j->path);
	if (file_create(dirfd, new, text, strlen(text), e) < 0)
		return -1;
	if (renameat(dirfd, new, dirfd, journal_name(j)) == 0)
		return fsync(dirfd) == 0 ? 0 : err_sys(e, errno, "cannot make '%s' durable", j->path);
	err_sys(e, errno, "cannot write '%s'", j->path);
	unlinkat(dirfd, new, 0);
	return -1;
}

/* It is told by its size and ctime, which have to be the same after a power cut: whatever was done to it last is durable. */
static int settle(const struct journal *j, struct entry *from, struct err *e)
{
	_cleanup_close_ int fd = openat(j->places[from->place].fd, from->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *path = entry_path(j, from);

	if (fd < 0 || file_id_of(fd, &from->id) < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	from->known = true;
	return fsync(fd) == 0 ? 0 : err_sys(e, errno, "cannot make '%s' durable", path);
}

int journal_store(struct journal *j, struct err *e)
{
	_cleanup_json_ json_t *json = NULL;
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < j->n_renames; i++)
		if (settle(j, &j->renames[i].from, e) < 0)
			return -1;
	json = journal_to_json(j);
	text = memory_checked(json_dumps(json, JSON_INDENT(1)));
	if (write_file(j, text, e) < 0)
		return -1;
	j->stored = true;
	return 0;
}

void journal_abandon(struct journal *j)
{
	struct err ignored;

	for (size_t i = 0; i < j->n_renames; i++)
		if (j->renames[i].from.name)
			unlinkat(j->places[j->renames[i].from.place].fd, j->renames[i].from.name, 0);
	(void)!scratch_remove(j, &ignored);
	if (j->stored)
		unlinkat(j->places[0].fd, journal_name(j), 0);
	j->stored = false;
}
