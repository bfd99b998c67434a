/* SPDX-License-Identifier: MIT */
/* Which checkpoints are dropped: those that neither the policy nor anything that is there needs. */
#include "prune/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "image/allocated.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/forest/forest.h"
#include "change/guard.h"

/* Seconds since the epoch of a time of RFC 3339 in UTC; where that is not known, when the directory was changed. */
static int64_t time_of(const struct forest_checkpoint *c)
{
	struct tm tm = { 0 };
	struct stat st;

	if (c->m && c->m->created && strptime(c->m->created, "%Y-%m-%dT%H:%M:%S", &tm))
		return timegm(&tm);
	return stat(c->dir, &st) == 0 ? st.st_mtime : 0;
}

/* By name where two were made in the same second. */
static int newer_first(const void *a, const void *b, void *forest)
{
	const struct prune_checkpoint *x = a, *y = b;
	const struct forest *f = forest;
	const struct manifest *m = f->checkpoints[x->index].m, *n = f->checkpoints[y->index].m;

	if (x->created != y->created)
		return x->created < y->created ? 1 : -1;
	if (m && n && m->created && n->created && strcmp(m->created, n->created) != 0)
		return strcmp(n->created, m->created);
	return strcmp(f->checkpoints[y->index].dir, f->checkpoints[x->index].dir);
}

/* Why the policy keeps the `rank`-th newest: malloc'd, or NULL. */
static char *kept_by_policy(const struct prune *p, const struct prune_checkpoint *c, uint64_t rank)
{
	if (p->keep_given && rank < p->keep)
		return p->keep == 1 ? text_of("it is the newest") : text_of("it is one of the newest %d", (int)p->keep);
	if (p->within && c->created >= (int64_t)time(NULL) - (int64_t)p->within_s)
		return text_of("it is not older than %s", p->within);
	return NULL;
}

/* --- who needs it ----------------------------------------------------------------------------------------------- */

static bool is_dropped(const struct prune *p, size_t checkpoint)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->checkpoints[i].index == checkpoint)
			return p->checkpoints[i].drop;
	return false;
}

/* What is dropped needs nothing; but an image stays where it has another hard link. */
static bool ignore_dropped(void *ctx, bool checkpoint, size_t index)
{
	const struct prune *p = ctx;
	size_t in = checkpoint ? index : p->forest->images[index].inside;

	if (!checkpoint && p->forest->images[index].links > 1)
		return false;
	return in != FOREST_NONE && is_dropped(p, in);
}

/* What is kept may need others: until none is kept any more for that. */
static void keep_needed(struct prune *p)
{
	bool changed;

	do {
		changed = false;
		for (size_t i = 0; i < p->n; i++) {
			struct prune_checkpoint *c = &p->checkpoints[i];

			if (!c->drop)
				continue;
			c->why = guard_checkpoint(p->forest, c->index, &p->use, ignore_dropped, p);
			c->drop = !c->why;
			changed |= !c->drop;
		}
	} while (changed);
}

/* --- the plan --------------------------------------------------------------------------------------------------- */

void prune_plan(struct prune *p)
{
	const struct forest *f = p->forest;
	uint64_t rank = 0;

	p->checkpoints = memory_of(f->n_checkpoints, sizeof(*p->checkpoints));
	p->n = f->n_checkpoints;
	for (size_t i = 0; i < p->n; i++)
		p->checkpoints[i] = (struct prune_checkpoint){ .index = i, .created = time_of(&f->checkpoints[i]) };
	qsort_r(p->checkpoints, p->n, sizeof(*p->checkpoints), newer_first, p->forest);
	for (size_t i = 0; i < p->n; i++) {
		struct prune_checkpoint *c = &p->checkpoints[i];

		/* one that cannot be read is no one's to judge, and does not count */
		c->why = f->checkpoints[c->index].m ? kept_by_policy(p, c, rank++)
						    : text_of("it cannot be read: %s", f->checkpoints[c->index].fault);
		c->drop = !c->why;
	}
	keep_needed(p);
	for (size_t i = 0; i < p->n; i++)
		if (p->checkpoints[i].drop)
			p->checkpoints[i].stored = allocated_below(f->checkpoints[p->checkpoints[i].index].dir);
}
