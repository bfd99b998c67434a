/* SPDX-License-Identifier: MIT */
/*
 * What belongs together: the chain of an image, or a checkpoint directory and the chains of its disks; with external
 * data files and seals. What lies below the directory of the operand keeps its place relative to it; the rest (a
 * template of another tree) comes directly into the new directory.
 */
#include "relocate/relocate.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/merging.h"
#include "image/backing_name.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/image_path.h"
#include "image/chain.h"

/* --- files ------------------------------------------------------------------------------------------------------ */

size_t set_find(const struct set *s, const char *path)
{
	_cleanup_free_ char *real = path_real(path);

	for (size_t i = 0; real && i < s->n; i++)
		if (strcmp(s->files[i].from, real) == 0)
			return i;
	return SIZE_MAX;
}

/* Adds the file, which exists, if it is not there yet. Returns its index. */
static size_t add(struct set *s, const char *path)
{
	_cleanup_free_ char *real = path_real(path);
	size_t i = set_find(s, path);
	const char *below, *name;

	if (i != SIZE_MAX)
		return i;
	if (!real) /* it went just now: whoever copies it will see */
		real = text_copy(path);
	below = path_below(s->root, real);
	name = below ? below : path_base(real);
	*array_add(s->files, s->n) = (struct set_file){
		.from = text_copy(real),
		.to = path_join(s->dest, name),
		.staged = path_join(s->staging, name),
		.inside = s->m && path_below(s->from, real),
		.below = SIZE_MAX,
		.data = SIZE_MAX,
	};
	return s->n - 1;
}

/* The file lies in the tree of the set, if not the whole system is trusted. Returns 0 or -1. */
static int check_trusted(struct set *s, const char *path, const char *what, struct err *e)
{
	_cleanup_free_ char *why = NULL;

	if (trust_allows(&s->trust, path))
		return 0;
	why = text_of("%s does not lie below '%s': it was not opened", what, s->trust.tree);
	return trust_refuse(path, why, e);
}

/* The seal of the image at that path, if it has one. Returns 0 or -1. */
static int add_seal(struct set *s, const char *image, struct err *e)
{
	_cleanup_free_ char *seal = text_of("%s.seal", image);

	if (access(seal, F_OK) < 0)
		return 0;
	if (check_trusted(s, seal, "this seal", e) < 0)
		return -1;
	add(s, seal);
	return 0;
}

/* Returns its index. */
static size_t add_image(struct set *s, const struct chain_image *image)
{
	size_t i = add(s, image->path);

	s->files[i].image = true;
	free(s->files[i].format);
	s->files[i].format = text_copy(image_format_name(image->format));
	return i;
}

/* --- chains ----------------------------------------------------------------------------------------------------- */

/* Whether the header's name of the file leads to it in its new place, too. */
static bool resolves(const struct set_file *above, const char *name, const struct set_file *below)
{
	_cleanup_free_ char *dir = path_dir(above->to), *expected = relative_name(dir, below->to);

	return name && strcmp(name, expected) == 0;
}

static int add_data_file(struct set *s, size_t i, const struct chain_image *image, struct err *e)
{
	size_t data;

	if (!image->data_name)
		return 0;
	if (!image->data_path || access(image->data_path, F_OK) < 0)
		return err_set(e, "the external data file '%s' of '%s' is not there", image->data_name, image->path);
	data = add(s, image->data_path);
	s->files[i].data = data;
	s->files[i].data_name = text_copy(image->data_name);
	/* QEMU takes a relative one as relative to its own working directory, wherever the image is */
	s->files[i].rewrite |= image->data_name[0] == '/';
	return 0;
}

/* Adds the images of a chain, the lowest first. */
static int add_chain(struct set *s, const char *path, const char *format, struct err *e)
{
	_cleanup_chain_ struct chain *c = trust_chain(&s->trust, path, format, e);
	size_t below = SIZE_MAX;

	if (!c || chain_whole(c, e) < 0)
		return -1;
	for (size_t k = c->n; k-- > 0;) {
		const struct chain_image *image = &c->images[k];
		struct stat st;
		size_t i;

		if (lstat(image->path, &st) == 0 && S_ISLNK(st.st_mode))
			return err_set(e, "'%s' is a link: name the images themselves first (qemu-img rebase -u)",
				       image->path);
		i = add_image(s, image);
		if (add_seal(s, image->path, e) < 0)
			return -1;
		s->files[i].below = below;
		if (below != SIZE_MAX)
			s->files[i].rewrite |= !resolves(&s->files[i], image->header.backing_name, &s->files[below]) ||
					       c->images[k + 1].json;
		if (add_data_file(s, i, image, e) < 0)
			return -1;
		below = i;
	}
	return 0;
}

/* --- checkpoints ------------------------------------------------------------------------------------------------ */

/*
 * The overlay that the VM went on with goes with a checkpoint that is moved, if nothing uses it: it is of no use
 * without what is below it.
 */
static int add_active(struct set *s, const struct manifest_disk *disk, struct err *e)
{
	_cleanup_chain_ struct chain *c = NULL;

	if (s->copy || !disk->active || set_find(s, disk->active) != SIZE_MAX || access(disk->active, F_OK) < 0)
		return 0;
	if (manifest_method_keeps_image(disk->method))
		return 0;
	if (check_trusted(s, disk->active, "the overlay that the VM went on with", e) < 0)
		return -1;
	c = chain_read(disk->active, NULL, 1);
	if (c->n < 2 || !c->images[1].path || !image_same(c->images[1].path, disk->chain[0].path))
		return 0;
	return add_chain(s, disk->active, NULL, e);
}

static int add_checkpoint_files(struct set *s, struct err *e)
{
	char *const roots[] = { s->from, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	int result = walk ? 0 : err_sys(e, errno, "cannot read '%s'", s->from);

	while (result == 0 && (entry = fts_read(walk)) != NULL) {
		if (entry->fts_info == FTS_F)
			add(s, entry->fts_path);
		else if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
			result = err_set(e, "'%s' is not a file of a checkpoint", entry->fts_path);
	}
	if (walk)
		fts_close(walk);
	return result;
}

/* Nothing that the manifest names is opened before. */
static int check_manifest(struct set *s, struct err *e)
{
	for (size_t d = 0; d < s->m->n_disks; d++) {
		const struct manifest_disk *disk = &s->m->disks[d];
		_cleanup_free_ char *what = text_of("an image of disk '%s'", disk->device);

		if (merging_disk(disk)) {
			err_set(e, "a running VM merges layers of disk '%s', or was to", disk->device);
			return err_hint(e, "wait for it, or let mplcr-chain prune end it");
		}
		for (size_t i = 0; i < disk->n_chain; i++) {
			const struct manifest_image *image = &disk->chain[i], *data = image->data;

			if (check_trusted(s, image->path, what, e) < 0 ||
			    (data && check_trusted(s, data->path, what, e) < 0))
				return -1;
		}
	}
	return 0;
}

static int add_checkpoint(struct set *s, struct err *e)
{
	if (check_manifest(s, e) < 0 || manifest_check_images(s->m, e) < 0)
		return -1;
	if (s->m->receiver)
		return err_set(e, "the state of checkpoint '%s' is in a QEMU, not in a file", s->m->name);
	for (size_t d = 0; d < s->m->n_disks; d++) {
		const struct manifest_disk *disk = &s->m->disks[d];

		if (add_chain(s, disk->chain[0].path, disk->chain[0].format, e) < 0 || add_active(s, disk, e) < 0)
			return -1;
	}
	return add_checkpoint_files(s, e);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static int check_place(const struct set *s, size_t i, struct err *e)
{
	const struct set_file *f = &s->files[i];

	if (access(f->to, F_OK) == 0)
		return strcmp(f->from, f->to) == 0 ? err_set(e, "'%s' is already there", f->from)
						   : err_set(e, "'%s' exists already", f->to);
	for (size_t k = 0; k < i; k++)
		if (strcmp(s->files[k].to, f->to) == 0)
			return err_set(e, "'%s' and '%s' would get the same name", s->files[k].from, f->from);
	return 0;
}

static int check_seals(const struct set *s, struct err *e)
{
	const struct set_file *seal = NULL, *rewritten = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const char *dot = strrchr(s->files[i].from, '.');

		seal = dot && strcmp(dot, ".seal") == 0 ? &s->files[i] : seal;
		rewritten = s->files[i].rewrite ? &s->files[i] : rewritten;
	}
	if (!seal || !rewritten)
		return 0;
	err_set(e, "'%s' names the image below it by a path that must change, but '%s' says that it must not",
		rewritten->from, seal->from);
	return err_hint(e, "remove the seal, and seal the images in their new place");
}

int set_collect(struct set *s, struct err *e)
{
	struct stat st;

	(s->m ? trust_checkpoint : trust_image)(&s->trust, s->from, s->trust_paths);
	if ((s->m ? add_checkpoint(s, e) : add_chain(s, s->from, NULL, e)) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		if (check_place(s, i, e) < 0)
			return -1;
		if (stat(s->files[i].from, &st) < 0)
			return err_sys(e, errno, "cannot open '%s'", s->files[i].from);
		s->files[i].bytes = (uint64_t)st.st_blocks * 512;
		s->bytes += s->files[i].bytes;
	}
	return check_seals(s, e);
}
