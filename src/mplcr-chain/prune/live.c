/* SPDX-License-Identifier: MIT */
/*
 * Overlays that a running VM merges itself, by shorten's jobs. Downwards, the images that change are in the chains of
 * checkpoints that are kept. So, in this order: the journal says which files go at the end, the manifests are marked, the
 * VM works, the manifests are renewed, the files go. Whatever is killed in between, the chains are sound; the next run
 * ends the job, removes what the journal names and the images do not need, and renews marked manifests.
 */
#include "prune/prune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "change/guard.h"
#include "shorten/shorten.h"

struct live_run {
	struct prune *p;
	struct prune_run *r;
	struct forest *now; /* downwards: what is there since the checkpoints were dropped */
};

void prune_end_live(const struct prune *p)
{
	struct err ignored; /* a VM that is not there any more is at nothing */

	if (p->socket && path_exists(p->journal))
		(void)!shorten_end_job(p->socket, p->interrupt, &ignored);
}

/* Much time may have passed since the plan. */
static int check_needed(const struct live_run *l, struct err *e)
{
	const struct prune_run *r = l->r;
	_cleanup_free_ bool *touched = memory_of(r->chain->n, sizeof(*touched));

	if (!r->down) {
		memset(touched, true, r->base);
		return guard_needed(r->chain, touched, NULL, e);
	}
	for (size_t i = r->at + 1; i <= r->base; i++) {
		if (prune_is_free(l->now, r->chain->images[i].path))
			continue;
		err_set(e, "something needs '%s' now", r->chain->images[i].path);
		e->sys = EBUSY;
		return -1;
	}
	return 0;
}

static int mark(void *ctx, struct err *e)
{
	const struct live_run *l = ctx;

	return l->r->down ? prune_mark(l->now, l->r, e) : 0;
}

static uint64_t stored(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static int run_job(struct live_run *l, const char *journal, struct err *e)
{
	struct prune_run *r = l->r;
	struct shorten s = {
		.image = r->chain->images[0].path,
		.socket = l->p->socket,
		.max_bandwidth = l->p->max_bandwidth,
		.interrupt = l->p->interrupt,
		.top = r->chain->images[0].path,
		.journal = (char *)journal,
		.chain = r->chain,
		.at = r->at,
		.base = r->base,
		.down = r->down,
		.first = r->at + 1,
		.end = r->base,
		.begins = mark,
		.ctx = l,
	};
	uint64_t before = stored(prune_into(r)->path), grown;
	int result = shorten_live(&s, e);

	in_use_release(&s.use);
	grown = stored(prune_into(r)->path) - before;
	if (r->down && grown < UINT64_MAX / 2)
		r->freed -= grown < r->freed ? grown : r->freed;
	return result;
}

/* Whatever became of the job. The first error counts. */
static int renew(struct live_run *l, int result, struct err *e)
{
	struct err why;

	forest_free(l->now);
	l->now = forest_read(&l->p->root, 1, &l->p->use, result == 0 ? e : &why);
	if (!l->now || prune_renew(l->p, l->now, NULL, result == 0 ? e : &why) < 0)
		return -1;
	return result;
}

static int merge(struct live_run *l, struct err *e)
{
	struct prune *p = l->p;
	_cleanup_free_ char *journal = l->r->down ? text_copy(p->journal)
						  : text_of("%s.shorten", l->r->chain->images[0].path);
	struct journal_result done = { 0 };
	int result;

	in_use_again(&p->use);
	l->now = l->r->down ? forest_read(&p->root, 1, &p->use, e) : NULL;
	if ((l->r->down && !l->now) || check_needed(l, e) < 0)
		return -1;
	result = run_job(l, journal, e);
	if (l->r->down)
		result = renew(l, result, e);
	if (result == 0)
		result = journal_run(journal, &done, e);
	for (size_t i = 0; i < done.left.n; i++)
		path_list_add(&p->left, done.left.paths[i]);
	journal_result_release(&done);
	return result;
}

static int merge_one(struct prune *p, struct prune_run *r, struct err *e)
{
	struct live_run l = { .p = p, .r = r };
	const char *lower = r->chain->images[r->at + 1].path;
	int result = merge(&l, e);

	forest_free(l.now);
	if (result == 0)
		return 0;
	if (e->sys == EBUSY) {
		prune_stays(p, lower, e);
		r->stays = true;
		return 0;
	}
	e->status = EXIT_PARTIAL;
	return err_prefix(e, "the checkpoints are dropped, but '%s' is not merged", lower);
}

int prune_merge_live(struct prune *p, struct err *e)
{
	for (size_t i = 0; i < p->n_runs; i++)
		if (p->runs[i].live && merge_one(p, &p->runs[i], e) < 0)
			return -1;
	return 0;
}
