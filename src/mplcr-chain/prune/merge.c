/* SPDX-License-Identifier: MIT */
/*
 * The overlays that only dropped checkpoints needed: what the guest had written between two of them. They are merged
 * upwards, into the first image above them that is needed as it is. That one is made anew under its name with the same
 * guest data, on the backing file of the lowest of them; checkpoints that are kept and have it in their chains get
 * manifests that tell so. The lowest image of a chain always stays.
 */
#include "prune/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/allocated.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "change/guard.h"
#include "checkpoint/trust.h"
#include "change/merge.h"
#include "change/manifest_edit.h"
#include "base/json.h"

/* --- what can be merged ----------------------------------------------------------------------------------------- */

static const struct prune_checkpoint *checkpoint_at(const struct prune *p, size_t index)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->checkpoints[i].index == index)
			return &p->checkpoints[i];
	return NULL;
}

/* Whether image `i` is what some disk of the checkpoint was frozen as. */
static bool is_frozen_in(const struct prune *p, const struct forest_checkpoint *c, size_t i)
{
	for (size_t d = 0; c->m && d < c->m->n_disks; d++)
		if (forest_find(p->forest, c->m->disks[d].chain[0].path) == i)
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
		bool dropped = checkpoint_at(p, k)->drop, frozen = is_frozen_in(p, c, i);

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

static bool stays_for(struct prune *p, const char *path, const struct err *e)
{
	_cleanup_free_ char *why = text_of(e->hint[0] ? "%s (%s)" : "%s", e->text, e->hint);

	return stays(p, path, why);
}

/*
 * Whether the images of the run can be made anew, and go; else says why not. A running VM can do it where it is its own
 * active image that takes them in: an image that it only reads must not change under it.
 */
static bool can_merge(struct prune *p, const struct prune_run *r, size_t into)
{
	const struct forest_image *image = &p->forest->images[into];
	const char *lower = r->chain->images[1].path;
	struct err e;

	if (image->outside || image->inside != FOREST_NONE)
		return stays(p, lower, "its overlay must not be changed here");
	for (size_t i = 0; i < r->base; i++)
		if (guard_image(&r->chain->images[i], i > 0, &e) < 0)
			return stays(p, lower, e.text);
	if (image->use != IMAGE_UNUSED && !r->live)
		return stays(p, lower,
			     image->use == IMAGE_READ ? "a running VM has it open"
						      : "a running VM has it open; --socket lets it merge it");
	for (size_t i = 1; i < r->base && !r->live; i++)
		if (in_use_refuse(&p->use, r->chain->images[i].path, false, &e) < 0)
			return stays(p, lower, e.text);
	return true;
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

/* The run of images below `into`; false where there is none, or it cannot be merged. */
static bool find_run(struct prune *p, size_t into, struct prune_run *r)
{
	const struct forest *f = p->forest;
	size_t at = f->images[into].below;
	struct err e;

	*r = (struct prune_run){ .base = 1, .live = p->socket && f->images[into].use == IMAGE_WRITTEN };
	if (at == FOREST_NONE || is_mergeable(p, into))
		return false;
	for (; is_mergeable(p, at); at = f->images[at].below)
		r->base++;
	tell_claimed(p, into, at);
	if (r->base == 1)
		return false;
	r->chain = read_chain(p, f->images[into].path, &e);
	if (!r->chain || chain_whole(r->chain, &e) < 0)
		return stays_for(p, f->images[f->images[into].below].path, &e);
	if (r->chain->n <= r->base || forest_find(f, r->chain->images[r->base].path) != at)
		return stays(p, r->chain->images[0].path, "its chain changed just now");
	return can_merge(p, r, into);
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
		r->hold = -1;
		r->partial = text_of("%s" PRUNE_PARTIAL, r->chain->images[0].path);
		for (size_t k = 1; k < r->base; k++)
			r->freed += allocated_unshared(r->chain->images[k].path);
		p->n_runs++;
	}
}

/* --- the manifests ---------------------------------------------------------------------------------------------- */

static bool is_file_of(const struct chain_image *image, const struct stat *st)
{
	return image->device == st->st_dev && image->inode == st->st_ino;
}

/* Image `item` of a manifest, the file at `path`: gets a new identity, or goes. Returns whether it stays. */
static bool edit_image(const struct prune *p, json_t *item, const char *path, bool *changed)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return true;
	for (size_t r = 0; r < p->n_runs; r++) {
		const struct prune_run *run = &p->runs[r];
		struct identity now;
		struct err ignored;

		if (run->live)
			continue;
		for (size_t i = 1; i < run->base; i++)
			if (is_file_of(&run->chain->images[i], &st))
				return !(*changed = true);
		if (is_file_of(&run->chain->images[0], &st) && identity_read(run->partial, &now, &ignored) == 0) {
			json_object_set_new(item, "identity", identity_to_json(&now));
			*changed = true;
		}
	}
	return true;
}

/* The chains in the manifest as they will be. Returns whether anything changes. */
static bool edit_manifest(const struct prune *p, const struct manifest *m, json_t *json)
{
	json_t *disks = json_object_get(json, "disks");
	bool changed = false;

	for (size_t d = 0; d < m->n_disks; d++) {
		json_t *disk = json_array_get(disks, d), *chain = json_object_get(disk, "chain"), *left = json_array();

		for (size_t i = 0; i < m->disks[d].n_chain; i++) {
			json_t *item = json_array_get(chain, i);

			if (edit_image(p, item, m->disks[d].chain[i].path, &changed))
				json_array_append(left, item);
		}
		json_object_set_new(disk, "chain", left);
	}
	return changed;
}

static int write_manifest(const struct prune *p, const struct forest_checkpoint *c, struct journal *j, struct err *e)
{
	_cleanup_free_ char *file = path_join(c->dir, MANIFEST_NAME), *new = text_of("%s.new", file);
	_cleanup_json_ json_t *json = manifest_edit_load(file, e);
	struct stat st;

	if (!json)
		return -1;
	if (!edit_manifest(p, c->m, json))
		return 0;
	if (journal_rename(j, new, file, e) < 0 || manifest_edit_store(json, new, e) < 0)
		return -1;
	if (stat(file, &st) == 0 && file_give(AT_FDCWD, new, st.st_uid, st.st_gid) < 0)
		return err_sys(e, errno, "cannot give '%s' to its owner", new);
	return 0;
}

/* --- the merged images ------------------------------------------------------------------------------------------ */

/* The new image's time is the old one's: it holds nothing new, and must not look newer than its overlays. */
static int keep_time(const char *from, const char *to, struct err *e)
{
	struct stat st;

	if (stat(from, &st) < 0 || utimensat(AT_FDCWD, to, (struct timespec[]){ st.st_atim, st.st_mtim }, 0) < 0)
		return err_sys(e, errno, "cannot set the time of '%s'", to);
	return 0;
}

/* What is to be done when the new image is there. */
static int enter(const struct prune_run *r, struct journal *j, struct err *e)
{
	const struct chain *c = r->chain;

	if (journal_rename(j, r->partial, c->images[0].path, e) < 0 || journal_top(j, c->images[0].path, e) < 0)
		return -1;
	for (size_t i = 1; i < r->base; i++)
		if (journal_remove(j, c->images[i].path, e) < 0)
			return -1;
	return 0;
}

static int build(struct prune *p, struct prune_run *r, struct journal *j, struct err *e)
{
	const struct chain *c = r->chain;
	const char *path = c->images[0].path;
	_cleanup_free_ char *name = merge_name(c, 0, r->base);
	struct merge m = {
		.path = path,
		.partial = r->partial,
		.base = name,
		.base_format = image_format_name(c->images[r->base].format),
	};
	struct stat before, after;

	r->hold = guard_hold(path, e);
	if (r->hold < 0)
		return -1;
	cli_progress_line("merging %zu images into '%s'", r->base - 1, path);
	if (enter(r, j, e) < 0 || guard_space(path, merge_bytes(c, 0, r->base), e) < 0 ||
	    merge_build(&m, p->interrupt, e) < 0 || keep_time(path, r->partial, e) < 0)
		return -1;
	if (stat(path, &before) == 0 && stat(r->partial, &after) == 0 && after.st_blocks > before.st_blocks) {
		uint64_t grown = (uint64_t)(after.st_blocks - before.st_blocks) * 512;

		r->freed -= grown < r->freed ? grown : r->freed;
	}
	return 0;
}

int prune_prepare_runs(struct prune *p, struct journal *j, struct err *e)
{
	for (size_t i = 0; i < p->n_runs; i++)
		if (!p->runs[i].live && build(p, &p->runs[i], j, e) < 0)
			return -1;
	for (size_t i = 0; i < p->n; i++)
		if (!p->checkpoints[i].drop && p->forest->checkpoints[p->checkpoints[i].index].m &&
		    write_manifest(p, &p->forest->checkpoints[p->checkpoints[i].index], j, e) < 0)
			return -1;
	return 0;
}
