/* SPDX-License-Identifier: MIT */
/* mplcr-chain tree: all images and checkpoints below directories, and which is the overlay of which. */
#include "tree/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/number.h"
#include "tool.h"

struct options {
	bool dot, json;
};

static const struct cli_option option_table[] = {
	{ "dot", 0, NULL, "print a graph for dot(1) of graphviz", TO_FLAG(struct options, dot) },
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

const char *tree_name(const struct tree *t, const char *path)
{
	const char *below = path_below(t->common, path);

	return below ? below : path;
}

/* Shortens `common` (NULL: nothing yet) to the directory that `path` lies in, too. */
static void narrow(char **common, const char *path)
{
	if (!*common)
		*common = path_dir(path);
	while (strcmp(*common, "/") != 0 && !path_below(*common, path)) {
		char *up = path_dir(*common);

		free(*common);
		*common = up;
	}
}

static char *common_directory(const struct forest *f)
{
	char *common = NULL;

	for (size_t i = 0; i < f->n_images; i++)
		if (!f->images[i].outside)
			narrow(&common, f->images[i].path);
	for (size_t i = 0; i < f->n_checkpoints; i++)
		narrow(&common, f->checkpoints[i].dir);
	return common ? common : text_of("/");
}

static void find_frozen(struct tree *t)
{
	const struct forest *f = t->forest;
	size_t room = 0, n = 0;

	for (size_t c = 0; c < f->n_checkpoints; c++)
		room += f->checkpoints[c].m ? f->checkpoints[c].m->n_disks : 0;
	t->frozen = memory_of(room, sizeof(*t->frozen));
	t->first_frozen = memory_of(f->n_images, sizeof(*t->first_frozen));
	for (size_t i = 0; i < f->n_images; i++)
		t->first_frozen[i] = FOREST_NONE;
	for (size_t c = f->n_checkpoints; c-- > 0;) { /* so that the first comes first */
		const struct manifest *m = f->checkpoints[c].m;

		for (size_t d = 0; m && d < m->n_disks; d++) {
			size_t i = forest_find(f, m->disks[d].chain[0].path);

			if (i == FOREST_NONE || m->disks[d].read_only)
				continue;
			t->frozen[n] = (struct frozen){ c, t->first_frozen[i] };
			t->first_frozen[i] = n++;
		}
	}
}

/* What there is, in a line; and what could not be seen. */
static void tell(const struct forest *f, struct in_use *use)
{
	uint64_t stored = 0;
	size_t broken = 0;
	char bytes[16];

	for (size_t i = 0; i < f->n_images; i++) {
		stored += f->images[i].allocated;
		broken += f->images[i].fault != NULL;
	}
	for (size_t i = 0; i < f->n_checkpoints; i++)
		broken += f->checkpoints[i].fault != NULL;
	cli_note("%zu image%s (%s stored), %zu checkpoint%s, %zu broken", f->n_images, f->n_images == 1 ? "" : "s",
		 number_bytes(stored, bytes), f->n_checkpoints, f->n_checkpoints == 1 ? "" : "s", broken);
	if (f->n_claims_unread > 0)
		cli_warn("%zu claims could not be read: whom they protect is not known", f->n_claims_unread);
	if (f->n_unread > 0)
		cli_warn("%zu director%s could not be read: the picture is incomplete", f->n_unread,
			 f->n_unread == 1 ? "y" : "ies");
	if (in_use_blind(use))
		cli_note("processes of other users cannot be seen, which may use the images: root sees them");
}

static int tree(char *const *dirs, size_t n, const struct options *o, struct err *e)
{
	struct in_use use = { 0 };
	struct forest *f = forest_read(dirs, n, &use, e);
	struct tree t = { .forest = f };
	int result;

	if (!f) {
		in_use_release(&use);
		return -1;
	}
	t.common = common_directory(f);
	find_frozen(&t);
	result = o->json ? tree_draw_json(&t, e) : o->dot ? tree_draw_dot(&t, e) : tree_draw(&t, e);
	if (result == 0)
		result = cli_flush(e);
	if (result == 0)
		tell(f, &use);
	free(t.common);
	free(t.frozen);
	free(t.first_frozen);
	in_use_release(&use);
	forest_free(f);
	return result;
}

static int tree_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_tree, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && o.dot && o.json)
		result = err_usage(&e, "--dot and --json exclude each other");
	else if (first >= 0 && first == argc)
		result = err_usage(&e, "which directories?");
	if (result >= 0)
		result = tree(argv + first, (size_t)(argc - first), &o, &e);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_tree = {
	.tool = "mplcr-chain",
	.verb = "tree",
	.summary = "all images and checkpoints below a directory",
	.usage = "[OPTION]... DIR...",
	.about = "Draws all images and checkpoints below the directories: an image appears below its\n"
		 "backing file, in the same column or as a branch.",
	.options = option_table,
	.operands = CLI_DIRECTORIES,
	.run = tree_main,
};
