/* SPDX-License-Identifier: MIT */
#include "change/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/allocated.h"
#include "checkpoint/remove.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/forest/forest.h"
#include "image/identity.h"
#include "image/lock.h"
#include "base/json.h"

#define SCHEMA "mplcr.chain.journal/1"
#define MAX_BYTES (64 << 20)

/* --- writing ---------------------------------------------------------------------------------------------------- */

json_t *journal_new(bool check_needed)
{
	return json_of("{s:s, s:b, s:[], s:[], s:[]}", "schema", SCHEMA, "check_needed", check_needed, "renames",
		       "checkpoints", "removals");
}

static void append(json_t *journal, const char *list, json_t *item)
{
	json_array_append_new(json_object_get(journal, list), item);
}

/* JSON holds text only, and what is read back must be the very path. */
static int check_text(const char *path, struct err *e)
{
	_cleanup_json_ json_t *text = json_string(path);

	return text ? 0 : err_set(e, "the path '%s' is not UTF-8 text", path);
}

int journal_rename(json_t *journal, const char *from, const char *to, struct err *e)
{
	struct identity over;
	json_t *item;

	if (check_text(from, e) < 0 || check_text(to, e) < 0)
		return -1;
	item = json_of("{s:s, s:s}", "from", from, "to", to);
	append(journal, "renames", item);
	if (!path_exists(to))
		return 0;
	if (identity_read(to, &over, e) < 0)
		return -1;
	json_object_set_new(item, "over", identity_to_json(&over));
	return 0;
}

int journal_remove(json_t *journal, const char *path, struct err *e)
{
	struct identity id;

	if (check_text(path, e) < 0 || identity_read(path, &id, e) < 0)
		return -1;
	append(journal, "removals", json_of("{s:s, s:o}", "path", path, "identity", identity_to_json(&id)));
	return 0;
}

int journal_remove_checkpoint(json_t *journal, const char *dir, struct err *e)
{
	if (check_text(dir, e) < 0)
		return -1;
	append(journal, "checkpoints", json_string(dir));
	return 0;
}

int journal_remove_directory(json_t *journal, const char *dir, struct err *e)
{
	if (check_text(dir, e) < 0)
		return -1;
	json_object_set_new(journal, "directory", json_string(dir));
	return 0;
}

int journal_store(const json_t *journal, const char *path, struct err *e)
{
	_cleanup_free_ char *text = json_dumps(journal, JSON_INDENT(1));

	return file_publish(path, text, strlen(text), 0600, true, e);
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* *journal stays NULL where there is none. */
static int load(const char *path, json_t **journal, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t size;

	*journal = NULL;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022) {
		err_set(e, "'%s' is not a journal of ours", path);
		return err_hint(e, "it says what an interrupted mplcr-chain had left to do: look at it, and remove it");
	}
	text = file_read(AT_FDCWD, path, MAX_BYTES, &size, e);
	if (!text)
		return -1;
	*journal = json_loadb(text, size, 0, NULL);
	if (json_text(*journal, "schema") && strcmp(json_text(*journal, "schema"), SCHEMA) == 0)
		return 0;
	json_decref(*journal);
	*journal = NULL;
	return err_set(e, "'%s' is not a journal", path);
}

/* Whether `path` is the very file that it was. */
static bool is_same(const char *path, const json_t *then)
{
	struct identity was, now;
	struct err ignored;

	return identity_from_json(then, &was) == 0 && identity_read(path, &now, &ignored) == 0 &&
	       was.device == now.device && was.inode == now.inode && !identity_difference(&was, &now);
}

/* --- renaming --------------------------------------------------------------------------------------------------- */

/* Whether what the new file comes in place of is as it was. */
static bool can_rename(const json_t *item)
{
	const char *to = json_text(item, "to");
	const json_t *over = json_object_get(item, "over");

	return over ? is_same(to, over) : !path_exists(to);
}

static bool is_obsolete(const json_t *renames)
{
	const json_t *item;
	size_t i;

	json_array_foreach(renames, i, item) {
		const char *from = json_text(item, "from"), *to = json_text(item, "to");

		if (!from || !to || (path_exists(from) && !can_rename(item)))
			return true;
	}
	return false;
}

void journal_abandon(const json_t *journal)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(journal, "renames"), i, item)
		if (json_text(item, "from"))
			unlink(json_text(item, "from"));
}

static int rename_all(const json_t *renames, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach(renames, i, item) {
		const char *from = json_text(item, "from"), *to = json_text(item, "to");

		if (!path_exists(from)) /* done by the run before */
			continue;
		if (dir_make_parents(to, e) < 0 || path_rename(from, to, true, e) < 0 || path_sync_name(to, e) < 0)
			return -1;
	}
	return 0;
}

/* --- removing --------------------------------------------------------------------------------------------------- */

struct removal {
	const struct forest *forest; /* NULL: need not be asked */
	struct journal_result *done;
};

/* Those that were removed since the forest was read need nothing. */
static bool is_removed(void *ctx, bool checkpoint, size_t index)
{
	const struct removal *r = ctx;

	return !checkpoint && !path_exists(r->forest->images[index].path);
}

/* Why the file must stay: malloc'd, or NULL. */
static char *why_needed(struct removal *r, const char *path)
{
	size_t i = r->forest ? forest_find(r->forest, path) : FOREST_NONE;

	if (image_lock_use_path(path) != IMAGE_UNUSED)
		return text_of("a running VM has it open");
	return i == FOREST_NONE ? NULL : forest_needed_by(r->forest, i, is_removed, r);
}

static int remove_one(struct removal *r, const json_t *item, struct err *e)
{
	const char *path = json_text(item, "path");
	_cleanup_free_ char *why = NULL;
	uint64_t stored;

	if (!path || !path_exists(path))
		return 0;
	why = is_same(path, json_object_get(item, "identity")) ? why_needed(r, path) : text_of("it was changed");
	if (why) {
		_cleanup_free_ char *text = text_of("'%s' stays: %s", path, why);

		path_list_add(&r->done->left, text);
		return 0;
	}
	stored = allocated_unshared(path);
	if (unlink(path) < 0)
		return err_sys(e, errno, "cannot remove '%s'", path);
	r->done->freed += stored;
	path_list_add(&r->done->removed, path);
	return 0;
}

/* All images below the directories of the files that are to go. */
static struct forest *read_forest(const json_t *removals, struct err *e)
{
	struct path_list dirs = { 0 };
	struct forest *f;
	const json_t *item;
	size_t i;

	json_array_foreach(removals, i, item) {
		_cleanup_free_ char *dir = path_dir(json_text(item, "path") ? json_text(item, "path") : "");

		if (dirs.n == 0 || strcmp(dirs.paths[dirs.n - 1], dir) != 0)
			path_list_add(&dirs, dir);
	}
	f = forest_read(dirs.paths, dirs.n, false, e);
	path_list_release(&dirs);
	return f;
}

static int remove_all(const json_t *journal, struct journal_result *done, struct err *e)
{
	const json_t *removals = json_object_get(journal, "removals"), *item;
	struct removal r = { .done = done };
	struct forest *forest = NULL;
	int result = 0;
	size_t i;

	json_array_foreach(json_object_get(journal, "checkpoints"), i, item) {
		const char *dir = json_string_value(item);
		uint64_t stored = dir ? allocated_below(dir) : 0;

		if (dir && checkpoint_remove(dir, e) < 0 && e->sys != ENOENT)
			return -1;
		done->freed += stored;
	}
	if (json_flag(journal, "check_needed") && json_array_size(removals) > 0) {
		forest = read_forest(removals, e);
		if (!forest)
			return -1;
		r.forest = forest;
	}
	json_array_foreach(removals, i, item)
		if (result == 0)
			result = remove_one(&r, item, e);
	forest_free(forest);
	return result;
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

static int obey(const json_t *journal, struct journal_result *done, struct err *e)
{
	const json_t *renames = json_object_get(journal, "renames");
	const char *directory = json_text(journal, "directory");

	done->found = true;
	done->obsolete = is_obsolete(renames);
	if (done->obsolete) {
		journal_abandon(journal);
		return 0;
	}
	if (rename_all(renames, e) < 0 || remove_all(journal, done, e) < 0)
		return -1;
	return directory ? dir_remove_tree(directory, e) : 0;
}

int journal_run(const char *path, struct journal_result *done, struct err *e)
{
	_cleanup_json_ json_t *journal = NULL;

	if (load(path, &journal, e) < 0)
		return -1;
	if (!journal)
		return 0;
	if (obey(journal, done, e) < 0) {
		e->status = EXIT_PARTIAL;
		return err_hint(e, "the same command finishes what is left, as '%s' has it", path);
	}
	if (unlink(path) < 0) {
		err_sys(e, errno, "cannot remove '%s'", path);
		e->status = EXIT_PARTIAL;
		return err_hint(e, "all is done but that: rm '%s'", path);
	}
	return path_sync_name(path, e);
}

void journal_result_release(struct journal_result *r)
{
	path_list_release(&r->removed);
	path_list_release(&r->left);
}

int journal_lock(const char *dir, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? err_set(e, "another mplcr-chain is changing images in '%s'", dir)
					    : err_sys(e, errno, "cannot lock '%s'", dir);
	return steal_fd(&fd);
}
