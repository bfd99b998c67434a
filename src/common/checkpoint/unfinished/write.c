/* SPDX-License-Identifier: MIT */
#include "checkpoint/unfinished/unfinished.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/host.h"
#include "base/json.h"
#include "base/key.h"
#include "base/memory.h"
#include "base/own.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"

#define ID_BYTES 16

/* How long somebody who looks may hold the lock. */
#define LOCK_MS 2000

struct unfinished_journal {
	struct key *key; /* NULL: there is none, and nobody will obey it */
	int dirfd, fd;
	char *partial;
	char **overlays; /* paths */
	size_t n_overlays;
	char id[2 * ID_BYTES + 1]; /* in each line, so that none passes for one of another journal */
	int64_t n;                 /* of the next line */
	json_t *noted;             /* the last note */
};

/* --- lines ------------------------------------------------------------------------------------------------------ */

/* Signs the line (taken over) and appends it. */
static int append(struct unfinished_journal *j, json_t *line, struct err *e)
{
	_cleanup_json_ json_t *own = line;
	_cleanup_free_ char *text = NULL, *whole = NULL;

	json_object_set_new(own, "id", json_string(j->id));
	json_object_set_new(own, "n", json_integer(j->n++));
	if (j->key)
		key_sign(j->key, UNFINISHED_KIND, own);
	text = memory_checked(json_dumps(own, JSON_COMPACT));
	whole = text_of("%s\n", text);
	return fd_write_all(j->fd, whole, strlen(whole)) == 0
		       ? 0
		       : err_sys(e, errno, "cannot write '%s/" UNFINISHED_NAME "'", j->partial);
}

static json_t *id_to_json(const struct file_id *id)
{
	json_t *object = json_object();

	file_id_put(object, id);
	return object;
}

static json_t *process_to_json(const struct unfinished_process *p)
{
	return json_of("{s:I, s:I}", "pid", (json_int_t)p->pid, "started", (json_int_t)p->started);
}

/* Where an overlay is to be: `dir` is left out where that is the parent directory of the journal's. */
static int overlay_to_json(const struct unfinished_disk *d, const char *parent, json_t **out, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(d->overlay);
	struct file_id id;

	if (file_id_at(AT_FDCWD, dir, &id) < 0)
		return err_sys(e, errno, "cannot open '%s'", dir);
	*out = json_of("{s:s, s:s, s:o}", "name", path_base(d->overlay), "node", d->node, "in", id_to_json(&id));
	if (strcmp(dir, parent) != 0)
		json_object_set_new(*out, "dir", json_string_of(dir));
	return 0;
}

static int disk_to_json(const struct unfinished_disk *d, const char *parent, json_t **out, struct err *e)
{
	struct file_id id;
	json_t *overlay = NULL;

	if (overlay_to_json(d, parent, &overlay, e) < 0)
		return -1;
	if (file_id_at(AT_FDCWD, d->frozen, &id) < 0) {
		json_decref(overlay);
		return err_sys(e, errno, "cannot open '%s'", d->frozen);
	}
	*out = json_of("{s:o, s:o, s:s, s:s, s:o}", "device", json_string_of(d->device), "frozen",
		       json_string_of(d->frozen), "format", d->format, "below", d->below, "overlay", overlay);
	if (id.inode != 0)
		json_object_set_new(*out, "frozen_id", id_to_json(&id));
	return 0;
}

static int disks_to_json(const struct unfinished *u, const char *parent, json_t *to, struct err *e)
{
	for (size_t i = 0; i < u->n_disks; i++) {
		json_t *disk = NULL;

		if (disk_to_json(&u->disks[i], parent, &disk, e) < 0)
			return -1;
		json_array_append_new(to, disk);
	}
	return 0;
}

/* The first line. */
static int begin_line(struct unfinished_journal *j, const struct unfinished *u, struct err *e)
{
	_cleanup_free_ char *parent = path_dir(u->partial), *host = host_id(), *boot = own_boot();
	_cleanup_json_ json_t *disks = json_array();
	struct file_id dir, in;
	json_t *line;

	if (file_id_of(j->dirfd, &dir) < 0 || file_id_at(AT_FDCWD, parent, &in) < 0)
		return err_sys(e, errno, "cannot open '%s'", parent);
	if (disks_to_json(u, parent, disks, e) < 0)
		return -1;
	line = json_of("{s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:s, s:s, s:o}", "schema", UNFINISHED_SCHEMA, "host",
		       json_string_of(host), "boot", json_string_of(boot), "uid", (json_int_t)geteuid(), "name",
		       json_string_of(path_base(u->partial)), "dir", id_to_json(&dir), "in", id_to_json(&in), "created",
		       u->created, "engine", u->engine, "socket", json_string_of(u->socket));
	json_object_set_new(line, "vm", process_to_json(&u->vm));
	json_object_set_new(line, "tool", process_to_json(&u->tool));
	json_object_set_new(line, "pipe", json_integer((json_int_t)u->pipe));
	json_object_set_new(line, "was_running", json_boolean(u->was_running));
	json_object_set(line, "disks", disks);
	return append(j, line, e);
}

/* --- the journal ------------------------------------------------------------------------------------------------ */

int unfinished_lock(int dirfd, struct err *e)
{
	if (flock(dirfd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? 1 : err_sys(e, errno, "cannot lock it");
}

/* Somebody who only looks has it for a moment. */
static int lock(int dirfd, const char *partial, struct err *e)
{
	int64_t until = clock_in_ms(LOCK_MS);
	int locked;

	while ((locked = unfinished_lock(dirfd, e)) == 1 && !clock_over(until))
		clock_sleep_ms(5);
	if (locked == 1)
		err_set(e, "someone else is at work in it");
	return locked == 0 ? 0 : err_prefix(e, "'%s'", partial);
}

static int open_journal(struct unfinished_journal *j, struct err *e)
{
	unsigned char bytes[ID_BYTES];

	j->fd = openat(j->dirfd, UNFINISHED_NAME, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (j->fd < 0 || fchmod(j->fd, 0600) < 0 || getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return err_sys(e, errno, "cannot create '%s/" UNFINISHED_NAME "'", j->partial);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(j->id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

struct unfinished_journal *unfinished_begin(const struct unfinished *u, int dirfd, struct err *e)
{
	struct unfinished_journal *j = memory_of(1, sizeof(*j));
	struct err no_key;

	j->fd = -1;
	j->dirfd = dirfd;
	j->partial = text_copy(u->partial);
	for (size_t i = 0; i < u->n_disks; i++)
		text_list_add(&j->overlays, &j->n_overlays, text_copy(u->disks[i].overlay));
	j->key = key_load(true, &no_key);
	if (lock(dirfd, u->partial, e) == 0 && open_journal(j, e) == 0 && begin_line(j, u, e) == 0)
		return j;
	unfinished_close(j);
	return NULL;
}

int unfinished_claimed(struct unfinished_journal *j, size_t i, const char *path, struct err *e)
{
	struct file_id id;
	json_t *claimed;

	if (file_id_at(AT_FDCWD, path, &id) < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	claimed = id_to_json(&id);
	json_object_set_new(claimed, "disk", json_integer((json_int_t)i));
	return append(j, json_of("{s:o}", "claimed", claimed), e);
}

int unfinished_made(struct unfinished_journal *j, size_t i, int64_t made_ns, struct err *e)
{
	return append(j, json_of("{s:{s:I, s:I}}", "made", "disk", (json_int_t)i, "made_ns", (json_int_t)made_ns), e);
}

int unfinished_sync(struct unfinished_journal *j, struct err *e)
{
	_cleanup_free_ char *parent = path_dir(j->partial);

	if (fsync(j->fd) < 0 || fsync(j->dirfd) < 0)
		return err_sys(e, errno, "cannot make '%s/" UNFINISHED_NAME "' durable", j->partial);
	for (size_t i = 0; i < j->n_overlays; i++) {
		_cleanup_free_ char *dir = path_dir(j->overlays[i]);

		if (strcmp(dir, parent) != 0 && path_sync(dir, e) < 0)
			return -1;
	}
	return path_sync(parent, e);
}

static void set_copy(json_t *object, const char *key, const json_t *value)
{
	if (value)
		json_object_set_new(object, key, memory_checked(json_deep_copy(value)));
}

int unfinished_note(struct unfinished_journal *j, const struct unfinished *u, struct err *e)
{
	json_t *note = json_of("{s:b, s:b}", "at_work", u->at_work, "unbreakable", u->unbreakable);

	set_copy(note, "capabilities", u->capabilities);
	set_copy(note, "parameters", u->parameters);
	set_copy(note, "patch", u->patch);
	if (j->noted && json_equal(j->noted, note)) {
		json_decref(note);
		return 0;
	}
	json_decref(j->noted);
	j->noted = note;
	return append(j, json_of("{s:O}", "vm", note), e);
}

void unfinished_end(struct unfinished_journal *j)
{
	if (j)
		unlinkat(j->dirfd, UNFINISHED_NAME, 0);
	unfinished_close(j);
}

void unfinished_close(struct unfinished_journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	json_decref(j->noted);
	text_list_free(j->overlays);
	key_free(j->key);
	free(j->partial);
	free(j);
}
