/* SPDX-License-Identifier: MIT */
/*
 * The overlays that only dropped checkpoints needed, and that no VM has open: what the guest had written between two of
 * them. They are merged upwards: the first image above them that is needed as it is is made anew under its name with the
 * same guest data, on the backing file of the lowest of them; checkpoints that are kept and have it in their chains get
 * manifests that tell so.
 */
#include "prune/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/path.h"
#include "base/text.h"
#include "change/guard.h"
#include "change/merge.h"
#include "checkpoint/manifest_edit.h"
#include "image/filesystem.h"
#include "base/json.h"

/* --- the manifests ---------------------------------------------------------------------------------------------- */

static bool is_file_of(const struct chain_image *image, const struct stat *st)
{
	return image->device == st->st_dev && image->inode == st->st_ino;
}

/* Image `item` of a manifest gets a new identity, or goes. */
static enum manifest_edited edit_image(void *ctx, const struct manifest_image *image, json_t *item)
{
	const struct prune *p = ctx;
	struct stat st;

	if (stat(image->path, &st) < 0)
		return MANIFEST_KEPT;
	for (size_t r = 0; r < p->n_runs; r++) {
		const struct prune_run *run = &p->runs[r];
		struct err ignored;

		if (run->live)
			continue;
		for (size_t i = 1; i < run->base; i++)
			if (is_file_of(&run->chain->images[i], &st))
				return MANIFEST_GONE;
		if (is_file_of(&run->chain->images[0], &st) &&
		    manifest_edit_identity(item, run->partial, &ignored) == 0)
			return MANIFEST_CHANGED;
	}
	return MANIFEST_KEPT;
}

static int write_manifest(struct prune *p, const struct forest_checkpoint *c, struct journal *j, struct err *e)
{
	_cleanup_free_ char *file = path_join(c->dir, MANIFEST_NAME), *new = text_of("%s.new", file);
	_cleanup_json_ json_t *json = manifest_edit_load(file, e);

	if (!json)
		return -1;
	if (!manifest_edit_chains(json, c->m, edit_image, p))
		return 0;
	return journal_rename(j, new, file, e) < 0 ? -1 : manifest_edit_beside(json, new, file, e);
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
	if (enter(r, j, e) < 0 || filesystem_space(path, merge_bytes(c, 0, r->base), e) < 0 ||
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
