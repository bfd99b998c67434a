/* SPDX-License-Identifier: MIT */
/* mplcr-snap list: what sets, overlays, checkpoints and snapshots are below a directory. */
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "base/number.h"
#include "image/subvolume.h"

struct options {
	bool json;
};

static const struct cli_option option_table[] = {
	{ "json", 'j', NULL, "print JSON", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* An overlay of the list: one that is not a part of something else that is listed. */
static bool is_listed(const struct found *f, const struct forest_image *image)
{
	return image->below_name && !image->outside && !found_inside(f, image->path) && !found_set_of(f, image->path);
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

/* The path from `dir` on, escaped; malloc'd. */
static char *shown(const char *dir, const char *path)
{
	const char *below = path_below(dir, path);

	return escape(below ? below : path);
}

static void print_set(const char *dir, const struct found_set *s)
{
	_cleanup_free_ char *name = shown(dir, s->dir ? s->dir : s->files.paths[0]), *more = NULL;
	char created[MARK_SIZE], bytes[16];

	mark_created(s->mark, created);
	more = s->dir ? text_of("/") : s->files.n > 1 ? text_of(" and %zu more", s->files.n - 1) : text_of("%s", "");
	printf("set         %s%s: %zu of %" PRIu64 " files, %s, made %s\n", name, more, s->files.n, mark_files(s->mark),
	       number_bytes(s->bytes, bytes), created);
}

static void print_overlay(const char *dir, const struct found *f, size_t i)
{
	const struct forest_image *image = &f->forest->images[i];
	_cleanup_free_ char *name = shown(dir, image->path), *needed = forest_needed_by(f->forest, i, NULL, NULL);
	_cleanup_free_ char *below =
		shown(dir, image->below == FOREST_NONE ? image->below_name : f->forest->images[image->below].path);

	if (needed) {
		_cleanup_free_ char *why = shown("", needed);

		printf("overlay     %s: on %s; %s\n", name, below, why);
	} else {
		printf("overlay     %s: on %s\n", name, below);
	}
}

static void print_checkpoint(const char *dir, const struct forest_checkpoint *c)
{
	_cleanup_free_ char *name = shown(dir, c->dir), *fault = c->fault ? shown("", c->fault) : NULL;
	_cleanup_free_ char *created = escape(c->m ? c->m->created : "");

	if (fault)
		printf("checkpoint  %s: %s\n", name, fault);
	else
		printf("checkpoint  %s: %zu disks, made %s\n", name, c->m->n_disks, created);
}

static void print_snapshot(const char *dir, const char *path)
{
	_cleanup_free_ char *name = shown(dir, path);

	printf("snapshot    %s: %s\n", name, subvolume_is_read_only(path) ? "read-only" : "writable");
}

static int print_lines(const char *dir, const struct found *f, struct err *e)
{
	for (size_t i = 0; i < f->n_sets; i++)
		if (f->sets[i].dir || f->sets[i].files.n > 0)
			print_set(dir, &f->sets[i]);
	for (size_t i = 0; i < f->forest->n_images; i++)
		if (is_listed(f, &f->forest->images[i]))
			print_overlay(dir, f, i);
	for (size_t i = 0; i < f->forest->n_checkpoints; i++)
		if (!found_inside(f, f->forest->checkpoints[i].dir))
			print_checkpoint(dir, &f->forest->checkpoints[i]);
	for (size_t i = 0; i < f->snapshots.n; i++)
		print_snapshot(dir, f->snapshots.paths[i]);
	return cli_flush(e);
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

static json_t *text_or_nothing(const char *text)
{
	return text ? json_string_of(text) : NULL;
}

static json_t *json_of_set(const struct found_set *s)
{
	json_t *files = json_array();
	char created[MARK_SIZE];

	mark_created(s->mark, created);
	for (size_t i = 0; i < s->files.n; i++)
		json_array_append_new(files, json_string_of(s->files.paths[i]));
	return json_of("{s:s, s:o*, s:I, s:I, s:o}", "created", created, "directory", text_or_nothing(s->dir),
		       "made_files", (json_int_t)mark_files(s->mark), "bytes", (json_int_t)s->bytes, "files", files);
}

static json_t *json_of_overlay(const struct found *f, size_t i)
{
	const struct forest_image *image = &f->forest->images[i];
	_cleanup_free_ char *needed = forest_needed_by(f->forest, i, NULL, NULL);

	return json_of("{s:o, s:o, s:o*, s:o*, s:o*, s:o*}", "path", json_string_of(image->path), "backing_name",
		       json_string_of(image->below_name), "backing",
		       image->below == FOREST_NONE ? NULL : json_string_of(f->forest->images[image->below].path),
		       "backing_format", text_or_nothing(image->below_format), "needed_by", text_or_nothing(needed),
		       "fault", text_or_nothing(image->fault));
}

static json_t *json_of_checkpoint(const struct forest_checkpoint *c)
{
	return json_of("{s:o, s:o, s:o*, s:I, s:o*}", "path", json_string_of(c->dir), "name",
		       json_string_of(forest_checkpoint_name(c)), "created",
		       c->m ? json_string_of(c->m->created) : NULL, "disks", (json_int_t)(c->m ? c->m->n_disks : 0),
		       "fault", text_or_nothing(c->fault));
}

static int print_json(const char *dir, const struct found *f, struct err *e)
{
	json_t *sets = json_array(), *overlays = json_array(), *checkpoints = json_array(), *snapshots = json_array();
	_cleanup_json_ json_t *all = json_of("{s:s, s:o, s:o, s:o, s:o, s:o}", "schema", "mplcr.snap.list/1",
					     "directory", json_string_of(dir), "sets", sets, "overlays", overlays,
					     "checkpoints", checkpoints, "snapshots", snapshots);

	for (size_t i = 0; i < f->n_sets; i++)
		json_array_append_new(sets, json_of_set(&f->sets[i]));
	for (size_t i = 0; i < f->forest->n_images; i++)
		if (is_listed(f, &f->forest->images[i]))
			json_array_append_new(overlays, json_of_overlay(f, i));
	for (size_t i = 0; i < f->forest->n_checkpoints; i++)
		if (!found_inside(f, f->forest->checkpoints[i].dir))
			json_array_append_new(checkpoints, json_of_checkpoint(&f->forest->checkpoints[i]));
	for (size_t i = 0; i < f->snapshots.n; i++)
		json_array_append_new(snapshots, json_of("{s:o, s:b}", "path", json_string_of(f->snapshots.paths[i]),
							 "read_only", subvolume_is_read_only(f->snapshots.paths[i])));
	return json_print(all, e);
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

static int list(char *dir, bool json, struct err *e)
{
	_cleanup_free_ char *real = path_real(dir);
	struct found f = { 0 };
	int result;

	if (!real)
		return err_sys(e, errno, "cannot read '%s'", dir);
	result = found_read(&f, &dir, 1, NULL, e);
	if (result == 0)
		result = json ? print_json(real, &f, e) : print_lines(real, &f, e);
	found_release(&f);
	return result;
}

static int list_main(int argc, char **argv)
{
	char here[] = ".";
	struct options o = { 0 };
	struct err e;
	int first = cli_parse(&verb_list, argc, argv, &o, NULL, &e), result = -1;

	if (first >= 0 && argc - first > 1)
		err_usage(&e, "list takes one directory");
	else if (first >= 0)
		result = list(argc > first ? argv[first] : here, o.json, &e);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_list = {
	.tool = "mplcr-snap",
	.verb = "list",
	.summary = "the sets and overlays of a directory",
	.usage = "[OPTION]... [DIR]",
	.about = "Lists the sets of copies, overlays, checkpoints and snapshots below DIR (default: here).",
	.options = option_table,
	.operands = CLI_DIRECTORIES,
	.most_operands = 1,
	.run = list_main,
};
