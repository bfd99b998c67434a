/* SPDX-License-Identifier: MIT */
/* mplcr-snap remove: removes overlays, sets, checkpoints and snapshots that nothing else uses. */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/claim.h"
#include "checkpoint/remove.h"
#include "base/cleanup.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/mount.h"
#include "base/path.h"
#include "base/text.h"
#include "image/in_use.h"
#include "base/json.h"
#include "image/subvolume.h"

struct options {
	struct in_use use;   /* --assume-unused */
	struct path_list in; /* --in: where to look, too */
	bool set;
	bool force;
	bool dry_run;
	bool nul_separated;
	bool json;
};

enum kind { KIND_FILE, KIND_SET, KIND_CHECKPOINT, KIND_SNAPSHOT };

/* One thing that goes. */
struct target {
	enum kind kind;
	char *path; /* absolute, without links */
	const struct found_set *set;
	size_t checkpoint;
};

struct removal {
	const struct options *options;
	struct found found;
	struct target *targets;
	size_t n;
	bool *image_goes; /* by index in the forest */
	bool *checkpoint_goes;
	struct in_use use;
};

static const struct cli_option option_table[] = {
	{ "set", 's', NULL, "remove the whole set that a file belongs to", TO_FLAG(struct options, set) },
	{ "in", 'i', "DIR",
	  "also look there for images that use it and for files of\n"
	  "the set; repeatable (default: the directory of each PATH)",
	  TO_LIST(struct options, in, CLI_DIRECTORIES) },
	{ "force", 0, NULL,
	  "also one file of a set, an image that is neither overlay\n"
	  "nor copy, a writable snapshot",
	  TO_FLAG(struct options, force) },
	ASSUME_UNUSED_OPTION(struct options, use),
	{ "dry-run", 0, NULL, "check and print what would go, but remove nothing", TO_FLAG(struct options, dry_run) },
	{ "null", '0', NULL, "separate names by NUL on standard input and output",
	  TO_FLAG(struct options, nul_separated) },
	{ "json", 'j', NULL, "print JSON", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* --- what the paths are ----------------------------------------------------------------------------------------- */

static bool is_copy_or_overlay(const struct removal *r, const char *path)
{
	size_t i = forest_find(r->found.forest, path);

	return found_set_of(&r->found, path) || (i != FOREST_NONE && r->found.forest->images[i].below_name);
}

static int check_file(const struct removal *r, const struct target *t, struct err *e)
{
	if (r->options->force)
		return 0;
	if (found_set_of(&r->found, t->path)) {
		err_set(e, "'%s' belongs to a set", t->path);
		return err_hint(e, "--set removes the whole set, --force only this file");
	}
	if (is_copy_or_overlay(r, t->path))
		return 0;
	err_set(e, "'%s' is neither an overlay nor a copy: its content would be lost", t->path);
	return err_hint(e, "--force removes it anyway");
}

/* The files of a set that lie somewhere else are not known. In a directory, others may have come. */
static int check_set(const struct target *t, struct err *e)
{
	uint64_t made = mark_files(t->set->mark);

	if (t->set->dir && t->set->files.n > made)
		return err_set(e, "'%s' has %zu files, and the set that it was made for has %llu", t->set->dir,
			       t->set->files.n, (unsigned long long)made);
	if (t->set->dir || t->set->files.n == made)
		return 0;
	cli_warn("%zu of %llu files of the set of '%s' are here: were others removed, or are they elsewhere (--in)?",
		 t->set->files.n, (unsigned long long)made, t->path);
	return 0;
}

static int check_snapshot(const struct removal *r, const struct target *t, struct err *e)
{
	if (r->options->force || subvolume_is_read_only(t->path))
		return 0;
	err_set(e, "the subvolume '%s' can be written: these may be the images themselves", t->path);
	return err_hint(e, "--force removes it anyway");
}

static int classify_directory(const struct removal *r, struct target *t, struct err *e)
{
	t->checkpoint = found_checkpoint(&r->found, t->path);
	t->set = found_set_of(&r->found, t->path);
	if (t->checkpoint != FOREST_NONE)
		t->kind = KIND_CHECKPOINT;
	else if (subvolume_is(t->path))
		t->kind = KIND_SNAPSHOT;
	else if (t->set)
		t->kind = KIND_SET;
	else
		return err_set(e, "'%s' is not a checkpoint, a set or a snapshot", t->path);
	return 0;
}

static int classify(const struct removal *r, struct target *t, struct err *e)
{
	struct stat st;

	if (lstat(t->path, &st) < 0)
		return err_sys(e, errno, "cannot remove '%s'", t->path);
	if (S_ISDIR(st.st_mode)) {
		if (classify_directory(r, t, e) < 0)
			return -1;
	} else if (!S_ISREG(st.st_mode)) {
		return err_set(e, "'%s' is not a regular file", t->path);
	} else {
		t->set = r->options->set ? found_set_of(&r->found, t->path) : NULL;
		t->kind = t->set ? KIND_SET : KIND_FILE;
		if (r->options->set && !t->set)
			return err_set(e, "'%s' belongs to no set", t->path);
	}
	switch (t->kind) {
	case KIND_FILE:
		return check_file(r, t, e);
	case KIND_SET:
		return check_set(t, e);
	case KIND_SNAPSHOT:
		return check_snapshot(r, t, e);
	case KIND_CHECKPOINT:
		break;
	}
	return 0;
}

static bool is_target(const struct removal *r, const struct target *t)
{
	for (size_t i = 0; i < r->n; i++)
		if (t->checkpoint != FOREST_NONE ? r->targets[i].checkpoint == t->checkpoint :
		    t->set ? r->targets[i].set == t->set : strcmp(r->targets[i].path, t->path) == 0)
			return true;
	return false;
}

/* The absolute path, without following a last link, and without slashes at the end. NULL with errno. */
static char *path_of_operand(const char *operand)
{
	_cleanup_free_ char *trimmed = text_copy(operand);

	for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
		trimmed[n - 1] = '\0';
	if (strcmp(path_base(trimmed), ".") == 0 || strcmp(path_base(trimmed), "..") == 0)
		return path_real(trimmed);
	return path_real_parent(trimmed);
}

static int add_target(struct removal *r, const char *path, struct err *e)
{
	struct target t = { .path = text_copy(path), .checkpoint = FOREST_NONE };

	if (classify(r, &t, e) < 0) {
		free(t.path);
		return -1;
	}
	if (is_target(r, &t))
		free(t.path);
	else
		r->targets[r->n++] = t;
	return 0;
}

/* --- what needs them -------------------------------------------------------------------------------------------- */

static bool goes_with(const struct target *t, const char *path)
{
	if (t->set) {
		for (size_t i = 0; i < t->set->files.n; i++)
			if (strcmp(t->set->files.paths[i], path) == 0)
				return true;
		return false;
	}
	return strcmp(t->path, path) == 0 || path_below(t->path, path);
}

static bool goes(const struct removal *r, const char *path)
{
	for (size_t i = 0; i < r->n; i++)
		if (goes_with(&r->targets[i], path))
			return true;
	return false;
}

/* By any of its names: who needs it may mean the one that goes. */
static bool image_goes(const struct removal *r, const struct forest_image *image)
{
	for (size_t i = 0; i < image->names.n; i++)
		if (goes(r, image->names.paths[i]))
			return true;
	return goes(r, image->path) || (image->inside != FOREST_NONE && r->checkpoint_goes[image->inside]);
}

static bool checkpoint_goes(const struct removal *r, size_t index)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->targets[i].checkpoint == index)
			return true;
	return goes(r, r->found.forest->checkpoints[index].dir);
}

static void mark_all(struct removal *r)
{
	const struct forest *f = r->found.forest;

	r->image_goes = memory_of(f->n_images, sizeof(*r->image_goes));
	r->checkpoint_goes = memory_of(f->n_checkpoints, sizeof(*r->checkpoint_goes));
	for (size_t i = 0; i < f->n_checkpoints; i++)
		r->checkpoint_goes[i] = checkpoint_goes(r, i);
	for (size_t i = 0; i < f->n_images; i++)
		r->image_goes[i] = image_goes(r, &f->images[i]);
}

static bool is_going(void *ctx, bool checkpoint, size_t index)
{
	const struct removal *r = ctx;

	if (checkpoint)
		return r->checkpoint_goes[index];
	return r->image_goes[index] && r->found.forest->images[index].links == 1; /* another hard link stays */
}

static int check_needed(struct removal *r, struct err *e)
{
	const struct forest *f = r->found.forest;

	mark_all(r);
	for (size_t i = 0; i < f->n_images; i++) {
		_cleanup_free_ char *why = r->image_goes[i] ? forest_needed_by(f, i, is_going, r) : NULL;

		if (why)
			return err_set(e, "'%s' cannot be removed: %s", f->images[i].path, why);
	}
	if (f->n_unread > 0)
		cli_warn("%zu directories could not be read: their contents are unknown", f->n_unread);
	if (f->n_claims_unread > 0)
		cli_warn("%zu claims could not be read: whom they protect is unknown", f->n_claims_unread);
	return 0;
}

static const char *target_path(const struct target *t)
{
	return t->set && t->set->dir ? t->set->dir : t->path;
}

/* Whatever it is, an image, a copy that is none by its name or content, the memory of a checkpoint. */
static int check_used(struct removal *r, struct err *e)
{
	int result = 0;

	for (size_t i = 0; i < r->n && result == 0; i++) {
		const struct target *t = &r->targets[i];

		for (size_t k = 0; t->set && k < t->set->files.n && result == 0; k++)
			result = in_use_refuse(&r->use, t->set->files.paths[k], false, e);
		if (!t->set && result == 0)
			result = in_use_refuse_below(&r->use, t->path, e);
		if (result == 0)
			result = mount_refuse_below(target_path(t), e);
	}
	return result < 0 ? err_prefix(e, "nothing is removed") : 0;
}

/* --- the removal ------------------------------------------------------------------------------------------------ */

static int remove_file(const char *path, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);

	if (unlink(path) < 0)
		return err_sys(e, errno, "cannot remove '%s'", path);
	return path_sync(dir, e);
}

/* Of files beside their sources: those are in any directories. */
static int sync_directories(const struct path_list *files, struct err *e)
{
	_cleanup_free_ char *last = NULL;

	for (size_t i = 0; i < files->n; i++) {
		char *dir = path_dir(files->paths[i]);

		if (last && strcmp(last, dir) == 0) {
			free(dir);
			continue;
		}
		free(last);
		last = dir;
		if (path_sync(dir, e) < 0)
			return -1;
	}
	return 0;
}

static int remove_set(const struct found_set *s, struct err *e)
{
	_cleanup_free_ char *parent = s->dir ? path_dir(s->dir) : NULL;

	for (size_t i = 0; i < s->files.n; i++)
		if (unlink(s->files.paths[i]) < 0)
			return err_sys(e, errno, "cannot remove '%s'", s->files.paths[i]);
	if (!s->dir)
		return sync_directories(&s->files, e);
	if (rmdir(s->dir) < 0)
		return err_sys(e, errno, "cannot remove '%s'", s->dir);
	return path_sync(parent, e);
}

static int remove_target(const struct target *t, struct err *e)
{
	switch (t->kind) {
	case KIND_FILE:
		return remove_file(t->path, e);
	case KIND_SET:
		return remove_set(t->set, e);
	case KIND_CHECKPOINT:
		return checkpoint_remove(t->path, e);
	case KIND_SNAPSHOT:
		return subvolume_delete(t->path, e);
	}
	return 0;
}

static int report(const struct removal *r, struct err *e)
{
	static const char *const kinds[] = { "file", "set", "checkpoint", "snapshot" };
	json_t *removed = json_array();
	_cleanup_json_ json_t *all = json_of("{s:s, s:b, s:o}", "schema", "mplcr.snap.remove/1", "dry_run",
					     r->options->dry_run, "removed", removed);

	for (size_t i = 0; i < r->n; i++) {
		const struct target *t = &r->targets[i];

		if (!r->options->json)
			escape_path(target_path(t), r->options->nul_separated);
		json_array_append_new(removed, json_of("{s:s, s:o, s:I}", "kind", kinds[t->kind], "path",
						       json_string_of(target_path(t)), "files",
						       (json_int_t)(t->set ? t->set->files.n : 1)));
	}
	return r->options->json ? json_print(all, e) : cli_flush(e);
}

/* What they needed in other directories is free of them, and nobody who is gone holds anything here. */
static void drop_claims(const struct removal *r)
{
	const struct forest *f = r->found.forest;

	for (size_t i = 0; i < f->n_images; i++)
		if (r->image_goes[i] && f->images[i].below != FOREST_NONE)
			claim_drop(f->images[f->images[i].below].path, f->images[i].path);
	forest_sweep_claims(f);
}

static int remove_all(const struct removal *r, struct err *e)
{
	for (size_t i = 0; i < r->n && !r->options->dry_run; i++) {
		const struct target *t = &r->targets[i];

		if (remove_target(t, e) == 0)
			continue;
		if (i > 0 || t->kind == KIND_SET)
			e->status = EXIT_PARTIAL;
		return -1;
	}
	if (!r->options->dry_run)
		drop_claims(r);
	return report(r, e);
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

/* The places to look for images that use the paths: their directories, and those of --in. */
static int read_surroundings(struct removal *r, const struct path_list *paths, struct err *e)
{
	struct path_list dirs = { 0 };
	int result;

	for (size_t i = 0; i < paths->n; i++) {
		_cleanup_free_ char *dir = path_dir(paths->paths[i]);

		if (dirs.n == 0 || strcmp(dirs.paths[dirs.n - 1], dir) != 0)
			path_list_add(&dirs, dir);
	}
	for (size_t i = 0; i < r->options->in.n; i++)
		path_list_add(&dirs, r->options->in.paths[i]);
	result = found_read(&r->found, dirs.paths, dirs.n, &r->use, e);
	path_list_release(&dirs);
	return result;
}

static int resolve(struct path_list *paths, const struct path_list *operands, struct err *e)
{
	for (size_t i = 0; i < operands->n; i++) {
		_cleanup_free_ char *path = path_of_operand(operands->paths[i]);

		if (!path || access(path, F_OK) < 0)
			return err_sys(e, errno, "cannot remove '%s'", operands->paths[i]);
		path_list_add(paths, path);
	}
	return paths->n > 0 ? 0 : err_usage(e, "nothing to remove");
}

static int run(const struct options *o, const struct path_list *operands, struct err *e)
{
	struct removal r = { .options = o, .use = o->use };
	struct path_list paths = { 0 };
	int result = resolve(&paths, operands, e);

	if (result == 0 && !o->dry_run)
		result = in_use_refuse_blind(&r.use, e);
	if (result == 0)
		result = read_surroundings(&r, &paths, e);
	r.targets = memory_of(paths.n, sizeof(*r.targets));
	for (size_t i = 0; i < paths.n && result == 0; i++)
		result = add_target(&r, paths.paths[i], e);
	if (result == 0 && check_needed(&r, e) == 0 && check_used(&r, e) == 0)
		result = remove_all(&r, e);
	else
		result = -1;
	for (size_t i = 0; i < r.n; i++)
		free(r.targets[i].path);
	free(r.targets);
	free(r.image_goes);
	free(r.checkpoint_goes);
	in_use_release(&r.use);
	found_release(&r.found);
	path_list_release(&paths);
	return result;
}

static int remove_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct path_list operands = { 0 };
	struct err e;
	int first = cli_parse(&verb_remove, argc, argv, &o, NULL, &e), result = -1;

	if (first >= 0 && path_list_read(&operands, argv + first, (size_t)(argc - first), o.nul_separated, &e) == 0)
		result = run(&o, &operands, &e);
	path_list_release(&operands);
	path_list_release(&o.in);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_remove = {
	.tool = "mplcr-snap",
	.verb = "remove",
	.summary = "remove files that nothing else uses",
	.usage = "[OPTION]... PATH... | -",
	.about = "Removes overlays, sets of copies, checkpoints and snapshots, unless another image, a checkpoint\n"
		 "or a running VM uses them. Checks all of them before it removes the first.",
	.options = option_table,
	.operands = CLI_FILES,
	.run = remove_main,
};
