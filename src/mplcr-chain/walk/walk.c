/* SPDX-License-Identifier: MIT */
/* The verb walk. */
#include "walk/walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/number.h"
#include "base/path_list.h"
#include "tool.h"

struct walk_options {
	uint64_t max_depth;
	bool nul_separated;
	bool json;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	MAX_DEPTH_OPTION(struct walk_options),
	{ "null", '0', NULL, "separate paths by NUL, not by line feeds, on standard input, too", TO_FLAG(struct walk_options, nul_separated) },
	{ "json", 'j', NULL, "print all facts about each image, one JSON object per chain", TO_FLAG(struct walk_options, json) },
	{ NULL, 0, NULL, "General:", CLI_HEADING },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

/* Prints a path, unless it was printed before: chains that share images are one set of files. */
static void print_path(const char *path, json_t *printed, bool nul_separated)
{
	if (json_object_get(printed, path))
		return;
	json_object_set_new_nocheck(printed, path, json_true());
	escape_path(path, nul_separated);
}

/* The files of a chain that are there. */
static void print_chain(const struct chain *c, json_t *printed, bool nul_separated)
{
	struct stat st;

	for (size_t i = 0; i < c->n; i++) {
		const struct chain_image *image = &c->images[i];

		if (image->state != CHAIN_OK)
			continue;
		print_path(image->path, printed, nul_separated);
		if (image->data_path && stat(image->data_path, &st) == 0)
			print_path(image->data_path, printed, nul_separated);
	}
}

/* Whether the chain and its data files are there. Returns 0 or -1. */
static int check_whole(const struct chain *c, struct err *e)
{
	struct stat st;

	if (chain_whole(c, e) < 0)
		return -1;
	for (size_t i = 0; i < c->n; i++) {
		const struct chain_image *image = &c->images[i];

		if (image->data_name && (!image->data_path || stat(image->data_path, &st) < 0))
			return err_sys(e, image->data_path ? errno : ENOTSUP, "cannot open '%s', the data file of '%s'",
				       image->data_name, image->path);
	}
	return 0;
}

/* Walks one chain. Returns 0, 1 where it is broken, or -1. */
static int walk_one(const char *path, const struct walk_options *o, struct in_use *use, json_t *printed, struct err *e)
{
	const struct chain_options options = { .max_depth = o->max_depth, .use = o->json ? use : NULL };
	_cleanup_chain_ struct chain *c = chain_read_with(path, &options);
	_cleanup_json_ json_t *object = NULL;
	struct err why;
	bool whole = check_whole(c, &why) == 0;

	if (o->json) {
		object = walk_json(c, whole ? NULL : why.text);
		if (json_print(object, e) < 0)
			return -1;
	} else {
		print_chain(c, printed, o->nul_separated);
	}
	if (!whole)
		cli_report(&why);
	return !whole;
}

static int walk_all(const struct path_list *images, const struct walk_options *o, struct err *e)
{
	_cleanup_json_ json_t *printed = json_object();
	struct in_use use = { 0 };
	int result = EXIT_DONE;

	for (size_t i = 0; i < images->n && result >= 0; i++) {
		int one = walk_one(images->paths[i], o, &use, printed, e);

		result = one < 0 ? -1 : one ? EXIT_NO : result;
	}
	in_use_release(&use);
	if (result < 0)
		return -1;
	return cli_flush(e) < 0 ? -1 : result;
}

static int walk_main(int argc, char **argv)
{
	struct walk_options o = { .max_depth = CHAIN_MAX_DEPTH };
	struct path_list images = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_walk, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first == argc)
		result = err_usage(&e, "which images?");
	if (result >= 0)
		result = path_list_read(&images, argv + first, (size_t)(argc - first), o.nul_separated, &e);
	if (result >= 0)
		result = walk_all(&images, &o, &e);
	path_list_release(&images);
	return result < 0 ? cli_report(&e) : result;
}

const struct cli verb_walk = {
	.tool = "mplcr-chain",
	.verb = "walk",
	.summary = "the images of a chain, top first",
	.usage = "[OPTION]... IMAGE|-...",
	.about = "Prints the images of a chain, the top first, one path a line; behind an image whose data is "
		 "in\n"
		 "another file, that one. Images that several chains share are printed once.",
	.options = option_table,
	.operands = CLI_FILES,
	.run = walk_main,
};
