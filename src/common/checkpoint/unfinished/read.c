/* SPDX-License-Identifier: MIT */
#include "checkpoint/unfinished/unfinished.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/key.h"
#include "base/memory.h"
#include "base/own.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"

/* Text that names a file or a node; longer than any of them is none. */
#define MAX_TEXT (2 * PATH_MAX)

static int malformed(const char *what, struct err *e)
{
	return err_set(e, "its '%s' is malformed", what);
}

/* A copy of the text at `key`; NULL where it is missing or too long. */
static char *copy(const json_t *object, const char *key)
{
	const char *text = json_text(object, key);

	return text && strlen(text) < MAX_TEXT ? text_copy(text) : NULL;
}

static char *copy_absolute(const json_t *object, const char *key)
{
	const char *text = json_text(object, key);

	return text && text[0] == '/' ? copy(object, key) : NULL;
}

static int read_process(const json_t *object, const char *key, struct unfinished_process *p)
{
	const json_t *json = json_object_get(object, key);
	int64_t pid = json_int(json, "pid", -1), started = json_int(json, "started", -1);

	if (pid < 0 || pid > INT_MAX || started < 0)
		return -1;
	*p = (struct unfinished_process){ (pid_t)pid, (uint64_t)started };
	return 0;
}

/* --- disks ------------------------------------------------------------------------------------------------------ */

static int parse_overlay(const json_t *json, struct unfinished_disk *d, const char *parent)
{
	_cleanup_free_ char *dir = json_object_get(json, "dir") ? copy_absolute(json, "dir") : text_copy(parent);
	const char *name = json_text(json, "name");

	d->node = copy(json, "node");
	if (!d->node || !dir || !path_is_name(name) || file_id_get(json_object_get(json, "in"), &d->dir_id) < 0)
		return -1;
	d->dir_id.directory = true;
	d->overlay = path_join(dir, name);
	return 0;
}

static int parse_disk(const json_t *json, struct unfinished_disk *d, const char *parent)
{
	d->device = copy(json, "device");
	d->frozen = copy_absolute(json, "frozen");
	d->format = copy(json, "format");
	d->below = copy(json, "below");
	(void)!file_id_get(json_object_get(json, "frozen_id"), &d->frozen_id);
	if (!d->device || !d->frozen || !d->format || !d->below)
		return -1;
	return parse_overlay(json_object_get(json, "overlay"), d, parent);
}

static int parse_disks(struct unfinished *u, const json_t *line, const char *parent)
{
	const json_t *disks = json_object_get(line, "disks"), *disk;
	size_t i;

	if (!json_is_array(disks) || json_array_size(disks) > UNFINISHED_MAX_DISKS)
		return -1;
	u->disks = memory_of(json_array_size(disks) + 1, sizeof(*u->disks));
	json_array_foreach(disks, i, disk) {
		u->n_disks++;
		if (parse_disk(disk, &u->disks[i], parent) < 0)
			return -1;
	}
	return 0;
}

static struct unfinished_disk *disk_of(struct unfinished *u, const json_t *line)
{
	int64_t i = json_int(line, "disk", -1);

	return i >= 0 && (uint64_t)i < u->n_disks ? &u->disks[i] : NULL;
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static int parse_first(struct unfinished *u, const json_t *line, const char *parent, struct err *e)
{
	_cleanup_free_ char *boot = own_boot();
	const char *of = json_text(line, "boot"), *schema = json_text(line, "schema"), *name = json_text(line, "name");

	if (!schema || strcmp(schema, UNFINISHED_SCHEMA) != 0)
		return err_set(e, "it is of another version");
	if (!path_is_name(name) || !checkpoint_is_partial(name))
		return malformed("name", e);
	u->partial = path_join(parent, name);
	u->created = copy(line, "created");
	u->engine = copy(line, "engine");
	u->socket = copy_absolute(line, "socket");
	if (!u->created || !u->engine || !u->socket)
		return malformed(!u->created ? "created" : !u->engine ? "engine" : "socket", e);
	if (read_process(line, "vm", &u->vm) < 0 || read_process(line, "tool", &u->tool) < 0)
		return malformed("vm' or 'tool", e);
	if (file_id_get(json_object_get(line, "dir"), &u->dir_id) < 0 ||
	    file_id_get(json_object_get(line, "in"), &u->parent_id) < 0)
		return malformed("dir' or 'in", e);
	u->dir_id.directory = u->parent_id.directory = true;
	u->this_boot = of && boot[0] && strcmp(of, boot) == 0;
	u->pipe = (uint64_t)json_int(line, "pipe", 0);
	u->was_running = json_flag(line, "was_running");
	return parse_disks(u, line, parent) == 0 ? 0 : malformed("disks", e);
}

static void replace(json_t **at, const json_t *value, bool is_right)
{
	json_decref(*at);
	*at = is_right ? memory_checked(json_deep_copy(value)) : NULL;
}

static int parse_note(struct unfinished *u, const json_t *note)
{
	const json_t *capabilities = json_object_get(note, "capabilities"),
		     *parameters = json_object_get(note, "parameters"), *patch = json_object_get(note, "patch");

	if (!json_is_object(note))
		return -1;
	u->at_work = json_flag(note, "at_work");
	u->unbreakable = json_flag(note, "unbreakable");
	replace(&u->capabilities, capabilities, json_is_array(capabilities));
	replace(&u->parameters, parameters, json_is_object(parameters));
	replace(&u->patch, patch, json_is_object(patch));
	return 0;
}

static int parse_later(struct unfinished *u, const json_t *line)
{
	const json_t *claimed = json_object_get(line, "claimed"), *made = json_object_get(line, "made");
	struct unfinished_disk *d = disk_of(u, claimed ? claimed : made);

	if (json_object_get(line, "vm"))
		return parse_note(u, json_object_get(line, "vm"));
	if (!d)
		return -1;
	if (made)
		d->made_ns = json_int(made, "made_ns", 0);
	else if (file_id_get(claimed, &d->id) < 0)
		return -1;
	d->claimed |= claimed != NULL;
	return 0;
}

/* The lines of one journal, as they are read. */
struct lines {
	const char *at;
	size_t left;
	const struct key *key;
	bool any; /* whoever signed them */
	char *id;
	int64_t n;
};

/* The next whole line, the caller's; NULL with an error where there is none that is in order. */
static json_t *next_line(struct lines *l, struct err *e)
{
	const char *end = l->left ? memchr(l->at, '\n', l->left) : NULL;
	_cleanup_json_ json_t *line = end ? json_loadb(l->at, (size_t)(end - l->at), 0, NULL) : NULL;
	const char *id = json_text(line, "id");

	if (!json_is_object(line)) {
		err_set(e, "it has no whole line");
		return NULL;
	}
	if (!l->any && own_signed(l->key, UNFINISHED_KIND, line, e) < 0)
		return NULL;
	if (!id || (l->id && strcmp(id, l->id) != 0) || json_int(line, "n", -1) != l->n) {
		err_set(e, "its lines do not belong together");
		return NULL;
	}
	if (!l->id)
		l->id = text_copy(id);
	l->n++;
	l->left -= (size_t)(end + 1 - l->at);
	l->at = end + 1;
	return steal_ptr(line);
}

static int parse_lines(struct unfinished *u, struct lines *l, const char *parent, struct err *e)
{
	json_t *line = next_line(l, e);
	struct err ignored;
	int result = line ? parse_first(u, line, parent, e) : -1;

	if (result == 0 && !l->any)
		result = own_written_here(line, e);
	while (line && result == 0) {
		json_decref(line);
		line = next_line(l, &ignored);
		if (line && parse_later(u, line) < 0)
			break;
	}
	json_decref(line);
	free(l->id);
	return result;
}

int unfinished_parse(struct unfinished *u, const char *text, size_t size, const char *parent, struct err *e)
{
	struct lines l = { .at = text, .left = size, .any = true };

	*u = (struct unfinished){ 0 };
	return parse_lines(u, &l, parent, e);
}

/* --- whether it is ours, and of here ---------------------------------------------------------------------------- */

static bool is_directory(int dirfd, const char *path, const struct file_id *id)
{
	struct file_id now;

	return file_id_at(dirfd, path, &now) == 0 && file_id_same(id, &now);
}

/* It was claimed, and a power cut came before that was noted: nothing is in it that could be somebody's. */
static bool is_empty(struct unfinished_disk *d)
{
	return file_id_at(AT_FDCWD, d->overlay, &d->id) == 0 && d->id.inode != 0 && !d->id.directory && d->id.size == 0;
}

/* An overlay counts only in the directory that it was made in. */
static void check_overlays(struct unfinished *u)
{
	for (size_t i = 0; i < u->n_disks; i++) {
		struct unfinished_disk *d = &u->disks[i];
		_cleanup_free_ char *dir = path_dir(d->overlay);

		d->claimed = is_directory(AT_FDCWD, dir, &d->dir_id) && (d->claimed || (!u->this_boot && is_empty(d)));
	}
}

bool unfinished_has_overlay(const struct unfinished_disk *d)
{
	struct file_id now;

	return d->claimed && file_id_at(AT_FDCWD, d->overlay, &now) == 0 && file_id_same(&d->id, &now);
}

static int check_place(const struct unfinished *u, int dirfd, const char *partial, struct err *e)
{
	_cleanup_free_ char *parent = path_dir(partial);
	struct file_id now;

	if (strcmp(path_base(partial), path_base(u->partial)) != 0)
		return err_set(e, "it was written for '%s'", path_base(u->partial));
	if (file_id_of(dirfd, &now) < 0 || !file_id_same(&u->dir_id, &now) ||
	    !is_directory(AT_FDCWD, parent, &u->parent_id))
		return err_set(e, "it was written for another directory");
	return 0;
}

static int judge(struct unfinished *u, const char *text, size_t size, int dirfd, const char *partial, bool any,
		 struct err *e)
{
	_cleanup_free_ char *parent = path_dir(partial);
	struct lines l = { .at = text, .left = size, .any = any };
	struct key *key = any ? NULL : key_load(false, e);
	int result;

	if (!any && !key && e->sys != ENOENT)
		return -1;
	l.key = key;
	result = parse_lines(u, &l, parent, e);
	key_free(key);
	if (result < 0 || any)
		return result;
	if (check_place(u, dirfd, partial, e) < 0)
		return -1;
	check_overlays(u);
	return 0;
}

static int read_journal(struct unfinished *u, int dirfd, const char *partial, bool any, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t size;

	*u = (struct unfinished){ 0 };
	if (fstatat(dirfd, UNFINISHED_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "it cannot be opened");
	if (any ? !S_ISREG(st.st_mode) : own_file(dirfd, UNFINISHED_NAME, e) < 0)
		return -1;
	text = file_read(dirfd, UNFINISHED_NAME, UNFINISHED_MAX_BYTES, &size, e);
	if (!text || judge(u, text, size, dirfd, partial, any, e) < 0)
		return -1;
	return 1;
}

int unfinished_read(struct unfinished *u, int dirfd, const char *partial, struct err *e)
{
	return read_journal(u, dirfd, partial, false, e);
}

int unfinished_read_any(struct unfinished *u, int dirfd, const char *partial, struct err *e)
{
	return read_journal(u, dirfd, partial, true, e);
}

void unfinished_release(struct unfinished *u)
{
	for (size_t i = 0; i < u->n_disks; i++) {
		struct unfinished_disk *d = &u->disks[i];

		free(d->device);
		free(d->frozen);
		free(d->format);
		free(d->below);
		free(d->overlay);
		free(d->node);
	}
	free(u->disks);
	free(u->partial);
	free(u->created);
	free(u->engine);
	free(u->socket);
	json_decref(u->capabilities);
	json_decref(u->parameters);
	json_decref(u->patch);
	*u = (struct unfinished){ 0 };
}

bool unfinished_not_begun(int dirfd)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	struct stat st;
	struct err ignored;

	if (!dir_is_empty(dirfd, UNFINISHED_NAME))
		return false;
	if (fstatat(dirfd, UNFINISHED_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT;
	if (own_file(dirfd, UNFINISHED_NAME, &ignored) < 0)
		return false;
	text = file_read(dirfd, UNFINISHED_NAME, UNFINISHED_MAX_BYTES, &size, &ignored);
	return text && !memchr(text, '\n', size);
}
