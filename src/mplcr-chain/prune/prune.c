/* SPDX-License-Identifier: MIT */
/* mplcr-chain prune: the verb, and what it says. */
#include "prune/prune.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/remove.h"
#include "checkpoint/trust.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "change/guard.h"
#include "change/merge.h"
#include "base/number.h"
#include "tool.h"

static int set_keep(void *options, const char *value, struct err *e)
{
	struct prune *p = options;

	p->keep_given = true;
	return number_parse(value, "--keep", 1000000, &p->keep, e);
}

static int set_within(void *options, const char *value, struct err *e)
{
	struct prune *p = options;

	p->within = value;
	return number_parse_duration(value, "--keep-within", &p->within_s, e);
}

static const struct cli_option option_table[] = {
	{ "keep", 'k', "N", "keep the newest N checkpoints", TO_CALL(set_keep) },
	{ "keep-within", 'w', "TIME", "keep checkpoints up to that age: 12h, 7d, 4w (s, m, h, d, w)",
	  TO_CALL(set_within) },
	{ "dry-run", 'n', NULL, "only print what would be done", TO_FLAG(struct prune, dry_run) },
	{ "of", 0, "CKPT", "only checkpoints of the VM that this one is of count, and go",
	  TO_TEXT(struct prune, of, .files = CLI_CHECKPOINTS) },
	{ "socket", 's', "PATH",
	  "let the running VM merge the overlays that it has open; PATH is\nits QMP socket",
	  TO_SOCKET(struct prune, socket) },
	MERGE_BANDWIDTH_OPTION(struct prune, max_bandwidth),
	ASSUME_UNUSED_OPTION(struct prune, use),
	TRUST_PATHS_OPTION(struct prune, trust_paths),
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct prune, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int parse(int argc, char **argv, struct prune *p, struct err *e)
{
	int i = cli_parse(&verb_prune, argc, argv, p, NULL, e);

	if (i < 0)
		return -1;
	if (i == argc)
		return err_usage(e, "DIR is missing");
	if (i + 1 < argc)
		return err_usage(e, "one directory at a time: '%s' is one too many", argv[i + 1]);
	if (!p->keep_given && !p->within) {
		err_usage(e, "--keep or --keep-within is missing");
		return err_hint(e, "--keep 3 --keep-within 7d --dry-run shows what would go");
	}
	p->dir = argv[i];
	return 0;
}

/* --- the work --------------------------------------------------------------------------------------------------- */

/* What an interrupted run left to do. */
static int recover(const struct prune *p, struct err *e)
{
	struct journal_result done = { 0 };
	int result;

	prune_end_live(p);
	result = journal_recover(p->journal, &done, e);

	for (size_t i = 0; i < done.left.n; i++)
		cli_note("%s", done.left.paths[i]);
	if (result == 0 && done.found)
		cli_note(done.obsolete ? "removed useless files of an interrupted run"
				       : "finished the work of an interrupted run");
	journal_result_release(&done);
	return result;
}

struct forest_inside {
	const struct forest *forest;
	size_t checkpoint;
};

/* Removes the file if nothing needs it; else it is no remains, whatever its name says. */
static int remove_unfinished(const struct forest *f, size_t i, struct err *e)
{
	_cleanup_free_ char *why = forest_needed_by(f, i, NULL, NULL);

	if (!why)
		return unlink(f->images[i].path) == 0 ? 0
						      : err_sys(e, errno, "cannot remove '%s'", f->images[i].path);
	cli_note("'%s' has the name of an image that was not finished, but stays: %s", f->images[i].path, why);
	return 0;
}

/* What is in it, and that it is what is left of a checkpoint, needs nothing. */
static bool is_inside(void *ctx, bool checkpoint, size_t i)
{
	const struct forest_inside *in = ctx;

	if (checkpoint)
		return i == in->checkpoint;
	return in->forest->images[i].inside == in->checkpoint && in->forest->images[i].links == 1;
}

static int remove_remains_of(struct prune *p, size_t i, struct err *e)
{
	const struct forest *f = p->forest;
	struct forest_inside in = { f, i };
	_cleanup_free_ char *why = guard_checkpoint(f, i, &p->use, is_inside, &in);

	if (!why)
		return checkpoint_remove(f->checkpoints[i].dir, e);
	cli_note("'%s' has the name of a checkpoint that was removed, but stays: %s", f->checkpoints[i].dir, why);
	return 0;
}

/* What an interrupted run had only prepared, or had begun to remove. */
static int remove_remains(struct prune *p, struct err *e)
{
	const struct forest *f = p->forest;

	for (size_t i = 0; i < f->n_images; i++)
		if (!f->images[i].outside && text_ends_with(f->images[i].path, PRUNE_PARTIAL) &&
		    remove_unfinished(f, i, e) < 0)
			return -1;
	for (size_t i = 0; i < f->n_checkpoints; i++)
		if (checkpoint_is_removed(f->checkpoints[i].dir) && remove_remains_of(p, i, e) < 0)
			return -1;
	return 0;
}

static int read_forest(struct prune *p, struct err *e)
{
	forest_free(p->forest);
	p->forest = forest_read(&p->root, 1, &p->use, e);
	return p->forest ? 0 : -1;
}

/* What a run left that was killed while a VM merged. */
static int renew(struct prune *p, struct err *e)
{
	size_t renewed = 0;

	if (prune_renew(p, p->forest, &renewed, e) < 0)
		return -1;
	if (renewed == 0)
		return 0;
	cli_note("%zu checkpoint%s told what %s images are now", renewed, renewed == 1 ? " is" : "s are",
		 renewed == 1 ? "its" : "their");
	return read_forest(p, e);
}

/* To merge takes a while: VMs may have been started meanwhile. */
static int check_again(struct prune *p, struct err *e)
{
	in_use_again(&p->use);
	p->use.processes = true; /* locks on the images that are replaced are ours */
	for (size_t i = 0; i < p->n_runs; i++)
		if (!p->runs[i].live && in_use_refuse(&p->use, p->runs[i].chain->images[0].path, false, e) < 0)
			return -1;
	for (size_t i = 0; i < p->n; i++)
		if (p->checkpoints[i].drop &&
		    in_use_refuse_below(&p->use, p->forest->checkpoints[p->checkpoints[i].index].dir, e) < 0)
			return -1;
	return 0;
}

static int drop(struct prune *p, struct err *e)
{
	struct journal *j = journal_new(p->journal, e);
	struct journal_result done = { 0 };
	int result = j ? prune_prepare_runs(p, j, e) : -1;

	cli_progress_end();
	for (size_t i = 0; i < p->n && result == 0; i++)
		if (p->checkpoints[i].drop)
			result = journal_remove_checkpoint(j, p->forest->checkpoints[p->checkpoints[i].index].dir, e);
	if (result == 0)
		result = check_again(p, e);
	if (result == 0)
		result = journal_store(j, e);
	if (result < 0 && j)
		journal_abandon(j);
	journal_free(j);
	if (result < 0)
		return -1;
	result = journal_run(p->journal, &done, e);
	for (size_t i = 0; i < done.left.n; i++)
		path_list_add(&p->left, done.left.paths[i]);
	journal_result_release(&done);
	return result;
}

static int prune(struct prune *p, struct err *e)
{
	_cleanup_close_ int lock = journal_lock(p->root, e);

	if (lock < 0 || (!p->dry_run && (in_use_refuse_blind(&p->use, e) < 0 || recover(p, e) < 0)) ||
	    read_forest(p, e) < 0)
		return -1;
	if (!p->dry_run && (remove_remains(p, e) < 0 || read_forest(p, e) < 0))
		return -1;
	if (!p->dry_run && renew(p, e) < 0)
		return -1;
	guard_warn_unread(p->forest);
	if (prune_plan(p, e) < 0)
		return -1;
	prune_find_runs(p);
	if (p->dry_run)
		return 0;
	if (drop(p, e) < 0)
		return -1;
	forest_sweep_claims(p->forest);
	return prune_merge_live(p, e);
}

/* --- the verb ---------------------------------------------------------------------------------------------------- */

static void release(struct prune *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->checkpoints[i].why);
	for (size_t i = 0; i < p->n_runs; i++) {
		if (p->runs[i].hold >= 0)
			close(p->runs[i].hold);
		chain_free(p->runs[i].chain);
		free(p->runs[i].partial);
	}
	free(p->checkpoints);
	free(p->runs);
	forest_free(p->forest);
	path_list_release(&p->left);
	in_use_release(&p->use);
	free(p->journal);
	free(p->root);
}

static int prune_main(int argc, char **argv)
{
	struct prune p = { 0 };
	struct err e = { 0 };
	int status = EXIT_DONE;

	if (parse(argc, argv, &p, &e) < 0)
		return cli_report(&e);
	p.interrupt = interrupt_open(&e);
	if (p.interrupt < 0)
		return cli_report(&e);
	p.root = path_real(p.dir);
	if (!p.root) {
		err_sys(&e, errno, "cannot open '%s'", p.dir);
		return cli_report(&e);
	}
	p.journal = text_of("%s/.mplcr-prune", p.root);
	if (prune(&p, &e) < 0 || prune_report(&p, &e) < 0)
		status = cli_report(&e);
	release(&p);
	return status;
}

const struct cli verb_prune = {
	.tool = "mplcr-chain",
	.verb = "prune",
	.summary = "drop old checkpoints and merge their overlays",
	.usage = "--keep N|--keep-within TIME [OPTION]... DIR",
	.about = "Drops the old checkpoints below DIR and merges the overlays that nothing else needs. Keeps\n"
		 "everything that other checkpoints, images or running VMs need, and, with both options, the\n"
		 "checkpoints that either one keeps.",
	.options = option_table,
	.operands = CLI_DIRECTORIES,
	.most_operands = 1,
	.run = prune_main,
};
