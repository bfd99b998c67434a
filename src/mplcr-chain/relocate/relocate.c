/* SPDX-License-Identifier: MIT */
/* mplcr-chain relocate: the verb, what must not be in the way, and the report. */
#include "relocate/relocate.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/file.h"
#include "image/clone.h"
#include "image/filesystem.h"
#include "base/mount.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/forest/forest.h"
#include "base/interrupt.h"
#include "change/guard.h"
#include "change/journal/journal.h"
#include "base/json.h"
#include "tool.h"

static const struct cli_option option_table[] = {
	{ "to", 't', "DIR", "the new directory (required)", TO_DIRECTORY(struct set, to) },
	{ "copy", 'c', NULL, "copy, and leave the original in place", TO_FLAG(struct set, copy) },
	ASSUME_UNUSED_OPTION(struct set, use),
	TRUST_PATHS_OPTION(struct set, trust_paths),
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct set, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int parse(int argc, char **argv, struct set *s, struct err *e)
{
	int i = cli_parse(&verb_relocate, argc, argv, s, NULL, e);

	if (i < 0)
		return -1;
	if (i == argc)
		return err_usage(e, "CHECKPOINT or IMAGE is missing");
	if (i + 1 < argc)
		return err_usage(e, "one set at a time: '%s' is one too many", argv[i + 1]);
	if (!s->to)
		return err_usage(e, "--to is missing");
	s->operand = argv[i];
	return 0;
}

/* --- places ----------------------------------------------------------------------------------------------------- */

static int find_dest(struct set *s, struct err *e)
{
	struct stat st;

	s->made = mkdir(s->to, 0700) == 0;
	if (!s->made && errno != EEXIST)
		return err_sys(e, errno, "cannot create '%s'", s->to);
	s->dest = path_real(s->to);
	if (!s->dest || stat(s->dest, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", s->to);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, "'%s' is not a directory", s->to);
	s->staging = text_of("%s/.mplcr-relocate.partial", s->dest);
	s->journal = text_of("%s/.mplcr-relocate", s->dest);
	return 0;
}

/* Whether the directory is `path`, or one above it. */
static bool is_above(const struct stat *dir, const char *path)
{
	_cleanup_free_ char *at = text_copy(path);
	struct stat st;

	for (;;) {
		char *slash = strrchr(at, '/');

		if (stat(at, &st) == 0 && st.st_dev == dir->st_dev && st.st_ino == dir->st_ino)
			return true;
		if (!slash || slash == at)
			return false;
		*slash = '\0';
	}
}

/* Whether the new directory is inside of the set, also by way of a bind mount of any directory in it. */
static bool is_inside(const struct set *s)
{
	char *const roots[] = { s->from, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	bool inside = false;
	const FTSENT *entry;

	while (walk && !inside && (entry = fts_read(walk)) != NULL)
		inside = entry->fts_info == FTS_D && is_above(entry->fts_statp, s->dest);
	if (walk)
		fts_close(walk);
	return inside;
}

static int find_operand(struct set *s, struct err *e)
{
	struct stat st;

	if (lstat(s->operand, &st) < 0) {
		_cleanup_free_ char *there = path_join(s->dest, path_base(s->operand));

		err_sys(e, errno, "cannot open '%s'", s->operand);
		return e->sys == ENOENT && access(there, F_OK) == 0 ? err_hint(e, "'%s' is there", there) : -1;
	}
	if (S_ISLNK(st.st_mode))
		return err_set(e, "'%s' is a link: give its target", s->operand);
	s->from = path_real(s->operand);
	if (!s->from)
		return err_sys(e, errno, "cannot open '%s'", s->operand);
	s->root = path_dir(s->from);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (is_inside(s))
		return err_set(e, "'%s' is inside of the set to be moved", s->to);
	s->m = manifest_load(s->from, e);
	return s->m ? 0 : -1;
}

/* --- what must not be in the way -------------------------------------------------------------------------------- */

struct set_in_forest {
	const struct set *set;
	const struct forest *forest;
};

static bool is_of_set(void *ctx, bool checkpoint, size_t index)
{
	const struct set_in_forest *in = ctx;

	if (checkpoint)
		return in->set->m && forest_checkpoint_find(in->forest, in->set->from) == index;
	/* another hard link of it stays where it is */
	return in->forest->images[index].links == 1 && set_find(in->set, in->forest->images[index].path) != SIZE_MAX;
}

/* All that lies where images of the set lie. */
static struct forest *read_forest(struct set *s, struct err *e)
{
	struct path_list dirs = { 0 };
	struct forest *f;

	path_list_add(&dirs, s->root);
	for (size_t i = 0; i < s->n; i++) {
		_cleanup_free_ char *dir = path_dir(s->files[i].from);

		if (!path_below(s->root, s->files[i].from))
			path_list_add(&dirs, dir);
	}
	f = forest_read(dirs.paths, dirs.n, &s->use, e);
	path_list_release(&dirs);
	return f;
}

/* What something is mounted on cannot be removed. */
static int check_mounts(const struct set *s, struct err *e)
{
	int result = s->m ? mount_refuse_below(s->from, e) : 0;

	for (size_t i = 0; i < s->n && result == 0; i++)
		if (!s->files[i].inside)
			result = mount_refuse_below(s->files[i].from, e);
	return result < 0 ? err_hint(e, "--copy leaves it there") : 0;
}

/* Whatever it is, an image, its data file or its seal. */
static int check_unused(struct set *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (in_use_refuse(&s->use, s->files[i].from, false, e) < 0)
			return err_hint(e, "--copy leaves it there");
	return 0;
}

/* Nothing may need the files in their old place. */
static int check_move(struct set *s, struct err *e)
{
	struct set_in_forest in = { .set = s };
	struct forest *f = read_forest(s, e);
	_cleanup_free_ char *why = s->m ? guard_memory(s->m, s->from, &s->use) : NULL;
	int result = 0;

	if (!f)
		return -1;
	in.forest = f;
	guard_warn_unread(f);
	if (why)
		result = err_set(e, "'%s' must stay where it is: %s", s->from, why);
	for (size_t i = 0; i < s->n && result == 0; i++) {
		size_t at = s->files[i].image ? forest_find(f, s->files[i].from) : FOREST_NONE;
		_cleanup_free_ char *needs = at != FOREST_NONE ? forest_needed_by(f, at, is_of_set, &in) : NULL;

		if (needs) {
			err_set(e, "'%s' must stay where it is: %s", s->files[i].from, needs);
			result = err_hint(e, "--copy leaves it there");
		} else if (at != FOREST_NONE) {
			result = guard_readings(f, at, e);
		}
	}
	if (result == 0)
		forest_sweep_claims(f);
	forest_free(f);
	return result < 0 || check_mounts(s, e) < 0 ? -1 : check_unused(s, e);
}

/* A copy needs only that nobody writes meanwhile. */
static int check_copy(struct set *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (in_use_refuse(&s->use, s->files[i].from, true, e) < 0)
			return err_hint(e, "mplcr-snap overlay --socket gives the VM a new overlay: "
					   "then copy its backing file");
	return 0;
}

/* To copy takes a while: a VM may have been started meanwhile. */
static int check_again(struct set *s, struct err *e)
{
	in_use_again(&s->use);
	return s->copy ? check_copy(s, e) : check_unused(s, e);
}

/* The number of the mount on which the file will be. */
static uint64_t mount_of_new(const char *path)
{
	_cleanup_free_ char *dir = path_dir(path);

	while (access(dir, F_OK) < 0 && strcmp(dir, "/") != 0) {
		char *above = path_dir(dir);

		free(dir);
		dir = above;
	}
	return mount_id(dir);
}

/* All is made ready in one place, and renamed from there. */
static int check_places(const struct set *s, struct err *e)
{
	uint64_t dest = mount_id(s->dest);

	for (size_t i = 0; i < s->n; i++)
		if (!s->files[i].inside && mount_of_new(s->files[i].to) != dest)
			return err_set(e, "'%s' would be on another mount than '%s'", s->files[i].to, s->to);
	return 0;
}

/* Files are shared where the filesystem can; else there must be room for all of them. */
static int check_space(const struct set *s, struct err *e)
{
	_cleanup_free_ char *inside = path_join(s->dest, "x");
	struct clone_abilities abilities;
	struct stat dest, from;
	uint64_t needed = 0;

	if (stat(s->dest, &dest) < 0)
		return err_sys(e, errno, "cannot open '%s'", s->dest);
	if (clone_probe(s->dest, &abilities, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		bool same = stat(s->files[i].from, &from) == 0 && from.st_dev == dest.st_dev;

		if (!same || (!abilities.reflink && (s->copy || s->files[i].rewrite)))
			needed += s->files[i].bytes;
	}
	return filesystem_space(inside, needed, e);
}

/* --- the work --------------------------------------------------------------------------------------------------- */

/* The file is to get its name; the directory of that is made now. */
static int enter_file(struct journal *j, const struct set_file *f, struct err *e)
{
	return dir_make_parents(f->to, e) < 0 ? -1 : journal_rename(j, f->staged, f->to, e);
}

static int enter_checkpoint(const struct set *s, struct journal *j, struct err *e)
{
	_cleanup_free_ char *staged = path_join(s->staging, path_base(s->from));
	_cleanup_free_ char *to = path_join(s->dest, path_base(s->from));

	if (journal_rename(j, staged, to, e) < 0)
		return -1;
	return s->copy ? 0 : journal_remove_checkpoint(j, s->from, e);
}

/* Removes the old files: images before their backing files and data files. */
static int enter_removals(const struct set *s, struct journal *j, bool images, struct err *e)
{
	for (size_t i = s->n; i-- > 0;)
		if (!s->files[i].inside && s->files[i].image == images && journal_remove(j, s->files[i].from, e) < 0)
			return -1;
	return 0;
}

/* New names, backing files first and the checkpoint last; then the old files go, in the opposite order. */
static int enter(const struct set *s, struct journal *j, struct err *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->files[i].inside && enter_file(j, &s->files[i], e) < 0)
			return -1;
	if (s->m ? enter_checkpoint(s, j, e) < 0 : journal_top(j, s->files[set_find(s, s->from)].to, e) < 0)
		return -1;
	return s->copy || (enter_removals(s, j, true, e) == 0 && enter_removals(s, j, false, e) == 0) ? 0 : -1;
}

static int recover(const struct set *s, bool *found, struct err *e)
{
	struct journal_result done = { 0 };
	int result = journal_recover(s->journal, &done, e);

	*found = done.found && !done.obsolete;
	for (size_t i = 0; i < done.left.n; i++)
		cli_warn("%s", done.left.paths[i]);
	journal_result_release(&done);
	if (*found)
		cli_note("finished the work of an interrupted run in '%s'", s->to);
	return result;
}

static int finish(const struct set *s, struct err *e)
{
	struct journal_result done = { 0 };
	int result = journal_run(s->journal, &done, e);

	for (size_t i = 0; i < done.left.n; i++)
		cli_warn("%s", done.left.paths[i]);
	journal_result_release(&done);
	return result;
}

static int report(const struct set *s, struct err *e)
{
	_cleanup_free_ char *to = path_join(s->dest, path_base(s->from ? s->from : s->operand));
	_cleanup_json_ json_t *object = NULL;
	json_t *files = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(files, json_of("{s:o, s:o, s:b}", "from", json_string_of(s->files[i].from), "to",
						     json_string_of(s->files[i].to), "rewritten", s->files[i].rewrite));
	object = json_of("{s:s, s:o, s:b, s:o}", "schema", "mplcr.chain.relocate/1", "to", json_string_of(to), "copied",
			 s->copy, "files", files);
	if (s->json)
		return json_print(object, e) < 0 ? -1 : cli_flush(e);
	escape_path(to, false);
	return cli_flush(e);
}

/* A new and empty directory. One that is there may be what is left of us, but then nothing is in it yet. */
static int make_staging(const struct set *s, struct err *e)
{
	if (mkdir(s->staging, 0700) == 0 || (errno == EEXIST && rmdir(s->staging) == 0 && mkdir(s->staging, 0700) == 0))
		return 0;
	err_sys(e, errno, "cannot create '%s'", s->staging);
	return err_hint(e, "mplcr-chain makes that for itself, but did not make this one: look at it, and remove it");
}

/* From the moment that there is something to be removed after a crash, the journal says so. */
static int stage_with(struct set *s, struct journal *j, struct err *e)
{
	if (journal_scratch(j, s->staging, e) < 0 || journal_store(j, e) < 0 || set_stage(s, e) < 0)
		return -1;
	return check_again(s, e) < 0 || enter(s, j, e) < 0 ? -1 : journal_store(j, e);
}

static int stage(struct set *s, struct err *e)
{
	struct journal *j = journal_new(s->journal, e);
	int result = j ? make_staging(s, e) : -1;

	if (result == 0) {
		result = stage_with(s, j, e);
		if (result < 0)
			journal_abandon(j);
	}
	journal_free(j);
	return result;
}

/* Whether the operand was moved, or copied, by the run that was just finished. */
static bool is_done(const struct set *s)
{
	_cleanup_free_ char *to = path_join(s->dest, path_base(s->operand));

	return access(s->operand, F_OK) < 0 || (s->copy && access(to, F_OK) == 0);
}

static int relocate(struct set *s, struct err *e)
{
	_cleanup_close_ int lock = -1;
	bool found;
	int result;

	if (find_dest(s, e) < 0)
		return -1;
	lock = journal_lock(s->dest, e);
	if (lock < 0 || (!s->copy && in_use_refuse_blind(&s->use, e) < 0) || recover(s, &found, e) < 0)
		return -1;
	if (found && is_done(s)) /* the rest of that very run */
		return report(s, e);
	if (find_operand(s, e) < 0 || set_collect(s, e) < 0 || (s->copy ? check_copy : check_move)(s, e) < 0 ||
	    check_places(s, e) < 0 || check_space(s, e) < 0)
		return -1;
	result = stage(s, e);
	cli_progress_end();
	return result < 0 || finish(s, e) < 0 ? -1 : report(s, e);
}

static void release(struct set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->files[i].from);
		free(s->files[i].to);
		free(s->files[i].staged);
		free(s->files[i].data_name);
		free(s->files[i].format);
	}
	free(s->files);
	in_use_release(&s->use);
	trust_release(&s->trust);
	manifest_free(s->m);
	free(s->from);
	free(s->root);
	free(s->dest);
	free(s->staging);
	free(s->journal);
}

static int relocate_main(int argc, char **argv)
{
	struct set s = { 0 };
	struct err e = { 0 };
	int status = EXIT_DONE;

	if (parse(argc, argv, &s, &e) < 0)
		return cli_report(&e);
	s.interrupt = interrupt_open(&e);
	if (s.interrupt < 0 || relocate(&s, &e) < 0) {
		status = cli_report(&e);
		if (s.made) /* fails where something is in it */
			(void)!rmdir(s.to);
	}
	release(&s);
	return status;
}

const struct cli verb_relocate = {
	.tool = "mplcr-chain",
	.verb = "relocate",
	.summary = "move or copy a checkpoint or a chain as a whole",
	.usage = "--to DIR [OPTION]... CHECKPOINT|IMAGE",
	.about = "Moves a checkpoint, or an image with its backing files, and keeps every name valid.\n"
		 "Either the old set or the new one is complete, whatever happens.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 1,
	.run = relocate_main,
};
