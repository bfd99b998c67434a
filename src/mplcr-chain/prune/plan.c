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

/* --- whose it is ------------------------------------------------------------------------------------------------- */

static bool has_image(const struct forest *f, const struct forest_checkpoint *c, const char *path)
{
	size_t i = forest_find(f, path);

	for (size_t k = 0; k < c->n_images; k++)
		if (c->images[k] == i)
			return true;
	return false;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool same_command(char *const *a, char *const *b)
{
	for (; a && b && *a && *b && strcmp(*a, *b) == 0; a++)
		b++;
	return a && b && !*a && !*b;
}

/* Whether the disk is one of the checkpoint `c`, of the same time or later: on what was frozen, or the very image. */
static bool is_disk_of(const struct forest *f, const struct forest_checkpoint *c, const struct manifest_disk *disk)
{
	if (disk->read_only)
		return false;
	if (!manifest_method_keeps_image(disk->method))
		return has_image(f, c, disk->chain[0].path);
	for (size_t d = 0; d < c->m->n_disks; d++)
		if (same_text(c->m->disks[d].active, disk->active))
			return true;
	return false;
}

/* Whether both are of one VM: the later one has a disk of the earlier one or, without disks, the same command line. */
static bool is_of_vm(const struct forest *f, const struct forest_checkpoint *c, const struct forest_checkpoint *later)
{
	bool disks = false;

	for (size_t d = 0; d < c->m->n_disks; d++) {
		if (is_disk_of(f, later, &c->m->disks[d]))
			return true;
		disks |= !c->m->disks[d].read_only;
	}
	return !disks && same_command(c->m->argv, later->m->argv);
}

/* --- the policy -------------------------------------------------------------------------------------------------- */

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

/* The checkpoint of --of; *of is NULL where it is not given. Returns 0 or -1. */
static int find_vm(const struct prune *p, const struct forest_checkpoint **of, struct err *e)
{
	size_t i = p->of ? forest_checkpoint_find(p->forest, p->of) : FOREST_NONE;

	*of = i == FOREST_NONE ? NULL : &p->forest->checkpoints[i];
	if (p->of && (!*of || !(*of)->m))
		return err_set(e, "'%s' is not a checkpoint below '%s'", p->of, p->dir);
	return 0;
}

/* Why it is kept, malloc'd, or NULL. One that cannot be read is no one's to judge, and does not count. */
static char *why_kept(const struct prune *p, const struct prune_checkpoint *c, const struct forest_checkpoint *of,
		      uint64_t *rank)
{
	const struct forest_checkpoint *found = &p->forest->checkpoints[c->index];

	if (!found->m)
		return text_of("it cannot be read: %s", found->fault);
	if (of && !is_of_vm(p->forest, found, of))
		return text_of("it is of another VM");
	return kept_by_policy(p, c, (*rank)++);
}

int prune_plan(struct prune *p, struct err *e)
{
	const struct forest *f = p->forest;
	const struct forest_checkpoint *of;
	uint64_t rank = 0;

	if (find_vm(p, &of, e) < 0)
		return -1;

	p->checkpoints = memory_of(f->n_checkpoints, sizeof(*p->checkpoints));
	p->n = f->n_checkpoints;
	for (size_t i = 0; i < p->n; i++)
		p->checkpoints[i] = (struct prune_checkpoint){ .index = i, .created = time_of(&f->checkpoints[i]) };
	qsort_r(p->checkpoints, p->n, sizeof(*p->checkpoints), newer_first, p->forest);
	for (size_t i = 0; i < p->n; i++) {
		struct prune_checkpoint *c = &p->checkpoints[i];

		c->why = why_kept(p, c, of, &rank);
		c->drop = !c->why;
	}
	keep_needed(p);
	for (size_t i = 0; i < p->n; i++)
		if (p->checkpoints[i].drop)
			p->checkpoints[i].stored = allocated_below(f->checkpoints[p->checkpoints[i].index].dir);
	return 0;
}
