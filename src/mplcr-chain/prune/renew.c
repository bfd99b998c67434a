/* SPDX-License-Identifier: MIT */
/*
 * What manifests say of images while a VM merges layers, and afterwards (checkpoint/merging.h). That it is over, and how
 * the chain is then, is asked of the images alone: it may be another run that asks.
 */
#include "prune/prune.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "change/claims.h"
#include "checkpoint/manifest_edit.h"
#include "checkpoint/merging.h"

/* Edits the manifest of the checkpoint. Returns 1 where anything changed, 0, or -1. */
static int edit(const struct forest_checkpoint *c, manifest_edit_image *image, void *ctx, struct err *e)
{
	_cleanup_free_ char *file = path_join(c->dir, MANIFEST_NAME);
	_cleanup_json_ json_t *json = manifest_edit_load(file, e);

	if (!json)
		return -1;
	if (!manifest_edit_chains(json, c->m, image, ctx))
		return 0;
	if (manifest_edit_replace(json, file, e) < 0)
		return -1;
	claims_leave_checkpoint(c->dir);
	return 1;
}

/* --- before ------------------------------------------------------------------------------------------------------ */

static enum manifest_edited mark_image(void *ctx, const struct manifest_image *image, json_t *item)
{
	const struct prune_run *r = ctx;
	struct stat st;

	if (stat(image->path, &st) < 0)
		return MANIFEST_KEPT;
	for (size_t i = r->at; i <= r->base; i++) {
		const struct chain_image *touched = &r->chain->images[i];

		if (touched->device != st.st_dev || touched->inode != st.st_ino)
			continue;
		json_object_set_new(item, MERGING_KEY, json_true());
		return MANIFEST_CHANGED;
	}
	return MANIFEST_KEPT;
}

int prune_mark(const struct forest *f, const struct prune_run *r, struct err *e)
{
	for (size_t i = 0; i < f->n_checkpoints; i++)
		if (f->checkpoints[i].m && edit(&f->checkpoints[i], mark_image, (void *)r, e) < 0)
			return -1;
	return 0;
}

/* --- afterwards -------------------------------------------------------------------------------------------------- */

/* It holds nothing new for those who need it, and must not look newer than what is above it. */
static void keep_time(const struct manifest_image *image, const struct identity *now)
{
	const struct timespec times[] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = image->id.mtime_ns / NS_PER_S, .tv_nsec = image->id.mtime_ns % NS_PER_S },
	};

	if (image->id.mtime_ns >= 0 && now->mtime_ns > image->id.mtime_ns)
		(void)!utimensat(AT_FDCWD, image->path, times, 0);
}

static enum manifest_edited renew_image(void *ctx, const struct manifest_image *image, json_t *item)
{
	struct identity now;
	struct err ignored;

	(void)ctx;
	if (!image->merging || identity_read(image->path, &now, &ignored) < 0 || merging_difference(image, &now))
		return MANIFEST_KEPT;
	keep_time(image, &now);
	if (manifest_edit_identity(item, image->path, &ignored) < 0)
		return MANIFEST_KEPT;
	json_object_del(item, MERGING_KEY);
	return MANIFEST_CHANGED;
}

/* Who is still at work on a marked image of the checkpoint, in words; malloc'd, or NULL. *marked: it has any. */
static char *merged_by(struct prune *p, const struct manifest *m, bool *marked)
{
	*marked = false;
	for (size_t d = 0; d < m->n_disks; d++)
		for (size_t i = 0; i < m->disks[d].n_chain; i++) {
			const struct manifest_image *image = &m->disks[d].chain[i];

			*marked |= image->merging;
			if (image->merging && in_use_path(&p->use, image->path) == IMAGE_WRITTEN)
				return in_use_words_path(&p->use, image->path, IMAGE_WRITTEN);
		}
	return NULL;
}

static int renew_checkpoint(struct prune *p, const struct forest_checkpoint *c, struct err *e)
{
	_cleanup_free_ char *who = NULL;
	bool marked;

	if (!c->m)
		return 0;
	who = merged_by(p, c->m, &marked);
	if (who) {
		_cleanup_free_ char *text = text_of("layers of '%s' are still being merged: %s", c->dir, who);

		path_list_add(&p->left, text);
		return 0;
	}
	return marked ? edit(c, renew_image, NULL, e) : 0;
}

int prune_renew(struct prune *p, const struct forest *f, size_t *renewed, struct err *e)
{
	in_use_again(&p->use);
	for (size_t i = 0; i < f->n_checkpoints; i++) {
		int changed = renew_checkpoint(p, &f->checkpoints[i], e);

		if (changed < 0)
			return -1;
		if (renewed)
			*renewed += (size_t)changed;
	}
	return 0;
}
