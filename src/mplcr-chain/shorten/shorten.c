/* SPDX-License-Identifier: MIT */
/* mplcr-chain shorten: what is to be merged into what, and the report. */
#include "shorten/shorten.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "change/claims.h"
#include "change/guard.h"
#include "change/merge.h"
#include "change/journal/journal.h"
#include "checkpoint/trust.h"
#include "base/json.h"
#include "base/number.h"
#include "tool.h"

static const struct cli_option option_table[] = {
	{ "keep", 'k', "N",
	  "merge the images between the N - 1 lowest and IMAGE into IMAGE;\n1 leaves it without a backing file",
	  TO_NUMBER(struct shorten, keep, 1, UINT32_MAX) },
	{ "into", 'i', "BASE", "merge the images between IMAGE and BASE, an image of its chain,\ninto BASE",
	  TO_FILE(struct shorten, into) },
	{ "leave", 'l', NULL, "leave the files of merged layers where they are", TO_FLAG(struct shorten, leave) },
	{ "socket", 's', "PATH", "let the running VM do it; PATH is its QMP socket",
	  TO_SOCKET(struct shorten, socket) },
	MERGE_BANDWIDTH_OPTION(struct shorten, max_bandwidth),
	ASSUME_UNUSED_OPTION(struct shorten, use),
	TRUST_PATHS_OPTION(struct shorten, trust_paths),
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct shorten, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int parse(int argc, char **argv, struct shorten *s, struct err *e)
{
	int i = cli_parse(&verb_shorten, argc, argv, s, NULL, e);

	if (i < 0)
		return -1;
	if (i == argc)
		return err_usage(e, "IMAGE is missing");
	if (i + 1 < argc)
		return err_usage(e, "one image at a time: '%s' is one too many", argv[i + 1]);
	if (s->keep && s->into)
		return err_usage(e, "--keep and --into exclude each other");
	if (!s->keep && !s->into) {
		err_usage(e, "--keep or --into is missing");
		return err_hint(e, "--keep 2 leaves IMAGE and its base, --keep 1 only IMAGE; mplcr-chain usage IMAGE "
				   "shows the saving");
	}
	s->image = argv[i];
	return 0;
}

/* --- the plan --------------------------------------------------------------------------------------------------- */

/* The image of the chain that is the file `path`, or 0. */
static size_t find_in_chain(const struct chain *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	for (size_t i = 1; i < c->n; i++)
		if (c->images[i].device == st.st_dev && c->images[i].inode == st.st_ino)
			return i;
	return 0;
}

/* Where --into BASE leads. */
static int plan_into(struct shorten *s, struct err *e)
{
	const struct chain *c = s->chain;

	s->base = find_in_chain(c, s->into);
	if (s->base == 0)
		return err_set(e, "'%s' is not below '%s'", s->into, s->image);
	s->down = true;
	s->first = 1;
	s->end = s->base;
	for (size_t i = 1; i < s->base; i++) {
		if (c->images[i].header.virtual_size >= c->images[i + 1].header.virtual_size)
			continue;
		err_set(e, "'%s' is smaller than its backing file '%s', which cannot take its place", c->images[i].path,
			c->images[i + 1].path);
		return err_hint(e, "--keep %zu merges upwards, which can", c->n - s->base + 1);
	}
	return 0;
}

/* Where --keep N leads. The base itself always stays: images elsewhere may be overlays of it, too. */
static void plan_keep(struct shorten *s)
{
	size_t n = s->chain->n;

	s->base = s->keep >= n ? 1 : n - (size_t)s->keep + 1;
	s->first = 1;
	s->end = s->base < n ? s->base : n - 1;
}

bool shorten_touches(const struct shorten *s, size_t i)
{
	if (i >= s->first && i < s->end)
		return !s->leave || s->down;
	return i == s->at || (s->down && i == s->base);
}

/* What is changed, or goes, can be. */
static int check(struct shorten *s, struct err *e)
{
	_cleanup_free_ bool *touched = memory_of(s->chain->n, sizeof(*touched));

	for (size_t i = 0; i < s->chain->n; i++)
		touched[i] = shorten_touches(s, i);
	for (size_t i = 0; i < s->chain->n; i++)
		if (touched[i] && guard_image(&s->chain->images[i], i >= s->first && i < s->end, e) < 0)
			return -1;
	for (size_t i = 0; i < s->chain->n; i++)
		if (s->chain->images[i].header.encryption != IMAGE_NOT_ENCRYPTED)
			return err_set(e, "'%s' is encrypted, and its data would be stored in clear",
				       s->chain->images[i].path);
	return guard_needed(s->chain, touched, s->socket ? NULL : &s->use, e);
}

static int plan(struct shorten *s, struct err *e)
{
	s->chain = trust_chain_of(s->top, NULL, s->trust_paths, e);
	if (!s->chain || chain_whole(s->chain, e) < 0)
		return -1;
	if (s->into)
		return plan_into(s, e);
	plan_keep(s);
	if (s->base < s->chain->n && s->chain->images[s->base].json)
		return err_set(e, "'%s' is named with json: options, which a new name would lose",
			       s->chain->images[s->base].path);
	return 0;
}

/* --- the report ------------------------------------------------------------------------------------------------- */

static json_t *paths_to_json(const struct path_list *l)
{
	json_t *array = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(array, json_string_of(l->paths[i]));
	return array;
}

static int report(const struct shorten *s, size_t images, const struct journal_result *done, struct err *e)
{
	_cleanup_chain_ struct chain *now = chain_read(s->top, NULL, 0);
	char freed[16];

	for (size_t i = 0; i < done->left.n; i++)
		cli_note("%s", done->left.paths[i]);
	if (images > now->n)
		cli_note("'%s' had %zu images and has %zu now; %s freed", s->image, images, now->n,
			 number_bytes(done->freed, freed));
	else
		cli_note("'%s' has %zu images: nothing to merge", s->image, now->n);
	if (s->json) {
		_cleanup_json_ json_t *chain = json_array(), *object = NULL;

		for (size_t i = 0; i < now->n; i++)
			json_array_append_new(
				chain, json_string_of(now->images[i].path ? now->images[i].path : now->images[i].name));
		object = json_of("{s:s, s:o, s:I, s:O, s:o, s:I}", "schema", "mplcr.chain.shorten/1", "image",
				 json_string_of(s->top), "images_before", (json_int_t)images, "chain", chain, "removed",
				 paths_to_json(&done->removed), "freed_bytes", (json_int_t)done->freed);
		return json_print(object, e);
	}
	return 0;
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

/* What an interrupted run had only prepared goes, if it is no more than that. */
static int remove_partial(const struct shorten *s, struct err *e)
{
	struct stat st;

	if (lstat(s->partial, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open '%s'", s->partial);
	if (guard_leftover(s->partial, e) < 0)
		return -1;
	return unlink(s->partial) == 0 ? 0 : err_sys(e, errno, "cannot remove '%s'", s->partial);
}

/* What an interrupted run left to do comes first. */
static int recover(const struct shorten *s, struct journal_result *done, struct err *e)
{
	if (journal_recover(s->journal, done, e) < 0)
		return -1;
	if (done->found)
		cli_note(done->obsolete ? "removed useless files of an interrupted run"
					: "finished the work of an interrupted run");
	return remove_partial(s, e);
}

struct journal *shorten_journal(const struct shorten *s, const char *partial, struct err *e)
{
	struct journal *j = journal_new(s->journal, e);
	int result = j ? journal_top(j, s->top, e) : -1;

	if (result == 0 && partial)
		result = journal_rename(j, partial, s->top, e);
	for (size_t i = s->first; i < s->end && !s->leave && result == 0; i++)
		result = journal_remove(j, s->chain->images[i].path, e);
	if (result == 0)
		return j;
	journal_free(j);
	return NULL;
}

int shorten_store_journal(const struct shorten *s, struct err *e)
{
	struct journal *j = shorten_journal(s, NULL, e);
	int result = j ? journal_store(j, e) : -1;

	journal_free(j);
	return result;
}

/* The layers that nothing needs any more go, the top one first. */
static int finish(const struct shorten *s, struct journal_result *done, struct err *e)
{
	if (journal_run(s->journal, done, e) < 0)
		return -1;
	claims_sweep_chain(s->chain);
	if (s->base == s->chain->n && s->chain->n > 1)
		cli_note("the base '%s' stays: it may be the backing file of images elsewhere",
			 s->chain->images[s->chain->n - 1].path);
	return 0;
}

static int merge(struct shorten *s, struct journal_result *done, struct err *e)
{
	_cleanup_close_ int hold = -1;

	if (check(s, e) < 0)
		return -1;
	if (s->socket)
		return shorten_live(s, e) < 0 ? -1 : finish(s, done, e);
	if (!s->down) { /* a VM that came now would write to a file that is about to go */
		hold = guard_hold(s->top, e);
		if (hold < 0)
			return -1;
	}
	return shorten_offline(s, e) < 0 ? -1 : finish(s, done, e);
}

static int shorten(struct shorten *s, struct journal_result *done, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(s->top);
	_cleanup_close_ int lock = journal_lock(dir, e);

	if (lock < 0 || in_use_refuse_blind(&s->use, e) < 0 || recover(s, done, e) < 0 || plan(s, e) < 0)
		return -1;
	if (s->base > 1 && merge(s, done, e) < 0)
		return -1;
	return report(s, s->chain->n, done, e);
}

static int find_top(struct shorten *s, struct err *e)
{
	struct stat st;

	s->top = path_real_parent(s->image);
	if (!s->top || lstat(s->top, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", s->image);
	if (S_ISLNK(st.st_mode)) {
		_cleanup_free_ char *real = path_real(s->image);

		err_set(e, "'%s' is a link", s->image);
		return err_hint(e, "name the image itself: %s", real ? real : "it does not exist");
	}
	s->journal = text_of("%s.shorten", s->top);
	s->partial = text_of("%s.shorten.partial", s->top);
	return 0;
}

static int shorten_main(int argc, char **argv)
{
	struct journal_result done = { 0 };
	struct shorten s = { 0 };
	struct err e = { 0 };
	int status = EXIT_DONE;

	if (parse(argc, argv, &s, &e) < 0)
		return cli_report(&e);
	s.interrupt = interrupt_open(&e);
	if (s.interrupt < 0)
		return cli_report(&e);
	if (find_top(&s, &e) < 0 || shorten(&s, &done, &e) < 0 || cli_flush(&e) < 0)
		status = cli_report(&e);
	journal_result_release(&done);
	in_use_release(&s.use);
	chain_free(s.chain);
	free(s.journal);
	free(s.partial);
	free(s.top);
	return status;
}

const struct cli verb_shorten = {
	.tool = "mplcr-chain",
	.verb = "shorten",
	.summary = "merge layers of a chain",
	.usage = "--keep N [OPTION]... IMAGE\n--into BASE [OPTION]... IMAGE",
	.about = "Merges layers of the chain of IMAGE. The guest sees the same data in IMAGE before and after, and\n"
		 "whenever it is interrupted; nothing is changed that another image, a checkpoint or a VM needs.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 1,
	.run = shorten_main,
};
