/* SPDX-License-Identifier: MIT */
/* Which overlays only dropped checkpoints needed, and into what they can go. The lowest image of a chain always stays. */
#include "prune/prune.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "change/guard.h"
#include "checkpoint/trust.h"
#include "image/allocated.h"

static const struct prune_checkpoint *checkpoint_at(const struct prune *p, size_t index)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->checkpoints[i].index == index)
			return &p->checkpoints[i];
	return NULL;
}

/* Whether image `i` is what some disk of the checkpoint was frozen as. */
static bool is_frozen_in(const struct forest *f, const struct forest_checkpoint *c, size_t i)
{
	for (size_t d = 0; c->m && d < c->m->n_disks; d++)
		if (forest_find(f, c->m->disks[d].chain[0].path) == i)
			return true;
	return false;
}

/* Whether the VM of the checkpoint was started with that image: a restore looks for the disk by its name. */
static bool is_named_in(const struct forest_checkpoint *c, const char *path)
{
	const char *name = path_base(path);

	for (char **arg = c->m ? c->m->argv : NULL; arg && *arg; arg++)
		if (strstr(*arg, name))
			return true;
	return false;
}

/*
 * Whether image `i` was put on a disk by an earlier checkpoint: it is in the chain of `c` between what that froze
 * and the image that its VM was started with, under a name as mplcr-trigger gives them.
 */
static bool is_layer_of(const struct prune *p, const struct forest_checkpoint *c, size_t i)
{
	const char *dot = strrchr(p->forest->images[i].path, '.');

	for (size_t d = 0; c->m && dot && strcmp(dot, ".ovl") == 0 && d < c->m->n_disks; d++) {
		const struct manifest_disk *disk = &c->m->disks[d];
		size_t at = 0, named = disk->n_chain;

		for (size_t k = disk->n_chain; k-- > 0;) {
			named = is_named_in(c, disk->chain[k].recorded) ? k : named;
			at = forest_find(p->forest, disk->chain[k].path) == i ? k : at;
		}
		if (at > 0 && named < disk->n_chain && at < named)
			return true;
	}
	return false;
}

/* Whether image `i` is there for dropped checkpoints only, and for what is above it. */
static bool is_layer(const struct prune *p, size_t i)
{
	const struct forest *f = p->forest;
	bool was_frozen = false;

	if (f->images[i].outside || f->images[i].inside != FOREST_NONE || f->images[i].below == FOREST_NONE)
		return false;
	for (size_t k = 0; k < f->n_checkpoints; k++) {
		const struct forest_checkpoint *c = &f->checkpoints[k];
		bool dropped = checkpoint_at(p, k)->drop, frozen = is_frozen_in(f, c, i);

		if (!dropped && (frozen || is_named_in(c, f->images[i].path)))
			return false;
		was_frozen |= dropped ? frozen : is_layer_of(p, c, i);
	}
	return was_frozen;
}

/* Whether it can go into its one overlay. */
static bool is_mergeable(const struct prune *p, size_t i)
{
	return p->forest->images[i].n_above == 1 && is_layer(p, i);
}

/* Says why it stays, and that it does. Always returns false. */
static bool stays(struct prune *p, const char *path, const char *why)
{
	_cleanup_free_ char *text = text_of("'%s' stays: %s", path, why);

	path_list_add(&p->left, text);
	return false;
}

void prune_stays(struct prune *p, const char *path, const struct err *why)
{
	_cleanup_free_ char *text = text_of(why->hint[0] ? "%s (%s)" : "%s", why->text, why->hint);

	stays(p, path, text);
}

/* Who has the images open, and cannot take them in. */
static bool is_free_for(struct prune *p, const struct prune_run *r, const struct forest_image *above, const char *lower)
{
	const struct chain *c = r->chain;
	struct err e;

	if (r->live)
		return true;
	if (above->use != IMAGE_UNUSED)
		return stays(p, lower, p->socket ? "a running VM has it open"
						 : "a running VM has it open; --socket lets it merge it");
	for (size_t i = r->at + 1; i < r->base; i++)
		if (in_use_refuse(&p->use, c->images[i].path, false, &e) < 0)
			return stays(p, lower, e.text);
	return true;
}

/* What is smaller than what it is merged into would show the end of that again. */
static bool is_hidden(const struct prune_run *r)
{
	for (size_t i = r->at + 1; r->down && i < r->base; i++)
		if (r->chain->images[i].header.virtual_size < r->chain->images[i + 1].header.virtual_size)
			return true;
	return false;
}

/* The seal of an image above `below`, which records what that is now; malloc'd, or NULL. */
static char *sealed_above(const struct forest *f, size_t below)
{
	for (size_t k = 0; k < f->n_images; k++)
		for (size_t at = f->images[k].below; at != FOREST_NONE; at = f->images[at].below) {
			char *seal = at == below ? text_of("%s.seal", f->images[k].path) : NULL;

			if (seal && path_exists(seal))
				return seal;
			free(seal);
		}
	return NULL;
}

/* Whether the images of the run can be made anew, and go; else says why not. */
static bool can_merge(struct prune *p, const struct prune_run *r, size_t above)
{
	const struct forest_image *image = &p->forest->images[above];
	const struct chain *c = r->chain;
	const char *lower = c->images[r->at + 1].path;
	_cleanup_free_ char *seal = sealed_above(p->forest, above), *why = NULL;
	struct err e;

	if (seal) {
		why = text_of("'%s' records what is below its image", seal);
		return stays(p, lower, why);
	}
	if (image->outside || image->inside != FOREST_NONE)
		return stays(p, lower, "its overlay must not be changed here");
	for (size_t i = r->at; i < r->base + r->down; i++)
		if (guard_image(&c->images[i], i > r->at && i < r->base, &e) < 0)
			return stays(p, lower, e.text);
	if (is_hidden(r))
		return stays(p, lower, "it is smaller than its backing file, whose end would be seen again");
	if (r->down && c->images[r->base].json)
		return stays(p, lower, "its backing file is named with json: options, which a new name would lose");
	return is_free_for(p, r, image, lower);
}

/* Says of an image that it would be merged into `into`, if not for a claim. */
static void tell_claimed(struct prune *p, size_t into, size_t at)
{
	const struct forest *f = p->forest;

	if (f->images[into].outside || f->images[at].n_above == 1 || !is_layer(p, at))
		return;
	for (size_t i = 0; i < f->n_claims; i++) {
		_cleanup_free_ char *why = text_of("'%s' needs it, says the claim '%s'", f->claims[i].user,
						   f->claims[i].file);

		if (f->claims[i].base == at && !f->claims[i].gone) {
			stays(p, f->images[at].path, why);
			return;
		}
	}
}

/* The chain of the image, as far as it stays below the directory that was given. */
static struct chain *read_chain(const struct prune *p, const char *path, struct err *e)
{
	struct chain *c;
	struct trust t;

	trust_image(&t, path, p->trust_paths);
	trust_also_below(&t, p->root);
	c = trust_chain(&t, path, NULL, e);
	trust_release(&t);
	return c;
}

/* An image that a VM writes to and that is above `i`, or is it; FOREST_NONE: there is none. */
static size_t written_above(const struct forest *f, size_t i)
{
	for (size_t k = 0; k < f->n_images; k++)
		for (size_t at = k; f->images[k].use == IMAGE_WRITTEN && at != FOREST_NONE; at = f->images[at].below)
			if (at == i)
				return k;
	return FOREST_NONE;
}

/* Which VM could do it, and from which image its chain begins: *top, which is `above` where none can. */
static void choose_vm(const struct prune *p, size_t above, struct prune_run *r, size_t *top)
{
	const struct forest *f = p->forest;
	size_t written = p->socket && f->images[above].use != IMAGE_UNUSED ? written_above(f, above) : FOREST_NONE;

	r->live = written != FOREST_NONE;
	r->down = r->live && written != above;
	*top = r->live ? written : above;
}

/* The chain of the run, of which `n` images can be merged that are between `above` and `below`; false: it cannot be. */
static bool read_run(struct prune *p, struct prune_run *r, size_t top, size_t above, size_t n, size_t below)
{
	const struct forest *f = p->forest;
	const struct chain *c;
	struct err e;

	r->chain = read_chain(p, f->images[top].path, &e);
	if (!r->chain || chain_whole(r->chain, &e) < 0) {
		prune_stays(p, f->images[f->images[above].below].path, &e);
		return false;
	}
	c = r->chain;
	while (r->at < c->n && forest_find(f, c->images[r->at].path) != above)
		r->at++;
	r->base = r->at + 1 + n;
	if (c->n <= r->base || forest_find(f, c->images[r->base].path) != below)
		return stays(p, f->images[above].path, "its chain changed just now");
	r->base -= r->down; /* the lowest takes them in */
	return true;
}

/* The run of images below `above`; false where there is none, or it cannot be merged. */
static bool find_run(struct prune *p, size_t above, struct prune_run *r)
{
	const struct forest *f = p->forest;
	size_t below = f->images[above].below, top, n = 0;

	*r = (struct prune_run){ .hold = -1 };
	if (below == FOREST_NONE || is_mergeable(p, above))
		return false;
	for (; is_mergeable(p, below); below = f->images[below].below)
		n++;
	tell_claimed(p, above, below);
	choose_vm(p, above, r, &top);
	if (n <= r->down)
		return false;
	return read_run(p, r, top, above, n, below) && can_merge(p, r, above);
}

bool prune_is_free(const struct forest *f, const char *path)
{
	size_t i = forest_find(f, path);
	bool needed = i == FOREST_NONE || f->images[i].n_above != 1 || f->images[i].outside;

	for (size_t c = 0; c < f->n_checkpoints && !needed; c++)
		needed = is_frozen_in(f, &f->checkpoints[c], i) || is_named_in(&f->checkpoints[c], path);
	return !needed;
}

const struct chain_image *prune_into(const struct prune_run *r)
{
	return &r->chain->images[r->down ? r->base : r->at];
}

void prune_find_runs(struct prune *p)
{
	p->runs = memory_of(p->forest->n_images, sizeof(*p->runs));
	for (size_t i = 0; i < p->forest->n_images; i++) {
		struct prune_run *r = &p->runs[p->n_runs];

		if (!find_run(p, i, r)) {
			chain_free(r->chain);
			r->chain = NULL;
			continue;
		}
		r->partial = text_of("%s" PRUNE_PARTIAL, prune_into(r)->path);
		for (size_t k = r->at + 1; k < r->base; k++)
			r->freed += allocated_unshared(r->chain->images[k].path);
		p->n_runs++;
	}
}

