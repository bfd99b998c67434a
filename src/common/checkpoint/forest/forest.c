/* SPDX-License-Identifier: MIT */
#include "checkpoint/forest/forest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/forest/impl.h"

static void free_image(struct forest_image *image)
{
	free(image->path);
	path_list_release(&image->names);
	free(image->below_name);
	free(image->below_format);
	free(image->data_file);
	free(image->found_below);
	free(image->found_data);
	free(image->also);
	free(image->fault);
	free(image->used);
}

void forest_free(struct forest *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_images; i++)
		free_image(&f->images[i]);
	for (size_t i = 0; i < f->n_checkpoints; i++) {
		free(f->checkpoints[i].dir);
		free(f->checkpoints[i].fault);
		free(f->checkpoints[i].images);
		manifest_free(f->checkpoints[i].m);
	}
	for (size_t i = 0; i < f->n_claims; i++) {
		free(f->claims[i].user);
		free(f->claims[i].file);
		free(f->claims[i].by);
	}
	path_list_release(&f->places);
	free(f->claims);
	free(f->images);
	free(f->checkpoints);
	forest_index_free(f->index);
	free(f);
}

/* Who writes to the data file of an image writes to the image. */
static void pass_on_writers(struct forest *f)
{
	for (size_t i = 0; i < f->n_images; i++) {
		struct forest_image *image = &f->images[i];

		for (size_t k = 0; k < image->n_also && image->use != IMAGE_WRITTEN; k++) {
			const struct forest_image *part = &f->images[image->also[k]];

			if (part->use != IMAGE_WRITTEN)
				continue;
			image->use = part->use;
			image->pid = part->pid;
			free(image->used);
			image->used = text_of("it needs '%s': %s", path_base(part->path), part->used);
		}
	}
}

/* Notes who uses the images; also those that we may not open. */
static void find_users(struct forest *f, struct in_use *u)
{
	for (size_t i = 0; i < f->n_images; i++) {
		struct forest_image *image = &f->images[i];
		enum image_use use = in_use_file(u, image->device, image->inode, &image->pid);

		if (use > image->use)
			image->use = use;
		if (image->use != IMAGE_UNUSED)
			image->used = in_use_words(u, image->device, image->inode, image->use);
	}
	pass_on_writers(f);
}

struct forest *forest_read(char *const *dirs, size_t n, struct in_use *use, struct err *e)
{
	struct forest_builder b = { .roots = memory_of(n + 1, sizeof(*b.roots)), .use = use };
	int result = n > 0 ? 0 : -1;

	b.forest = memory_of(1, sizeof(*b.forest));
	for (size_t i = 0; i < n && result == 0; i++) {
		b.roots[i] = path_real(dirs[i]);
		if (!b.roots[i])
			result = err_sys(e, errno, "cannot read '%s'", dirs[i]);
	}
	if (result == 0)
		result = forest_walk(&b, e);
	if (result == 0) {
		forest_link(&b);
		if (use)
			find_users(b.forest, use);
	}
	text_list_free(b.roots);
	if (result == 0)
		return b.forest;
	forest_free(b.forest);
	return NULL;
}

size_t forest_find(const struct forest *f, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? forest_at(f, st.st_dev, st.st_ino) : FOREST_NONE;
}

size_t forest_checkpoint_at(const struct forest *f, dev_t device, ino_t inode)
{
	for (size_t i = 0; i < f->n_checkpoints; i++)
		if (f->checkpoints[i].inode == inode && f->checkpoints[i].device == device)
			return i;
	return FOREST_NONE;
}

size_t forest_checkpoint_find(const struct forest *f, const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 ? forest_checkpoint_at(f, st.st_dev, st.st_ino) : FOREST_NONE;
}

bool forest_image_inside(const struct forest *f, size_t i, size_t checkpoint)
{
	const struct forest_image *image = &f->images[i];

	for (size_t k = 0; k < image->names.n; k++)
		if (path_below(f->checkpoints[checkpoint].dir, image->names.paths[k]))
			return true;
	return image->inside == checkpoint || path_below(f->checkpoints[checkpoint].dir, image->path);
}

const char *forest_checkpoint_name(const struct forest_checkpoint *c)
{
	return c->m ? c->m->name : path_base(c->dir);
}

static bool has(const size_t *list, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (list[k] == i)
			return true;
	return false;
}

/* Who needs it by a claim, as a clause, or NULL. */
static char *claimed_by(const struct forest *f, size_t i, bool (*ignore)(void *ctx, bool checkpoint, size_t index),
			void *ctx)
{
	for (size_t k = 0; k < f->n_claims; k++) {
		const struct forest_claim *c = &f->claims[k];

		if (c->base == i && !c->gone && !c->seen &&
		    !(c->image != FOREST_NONE && ignore && ignore(ctx, false, c->image)))
			return text_of("'%s' needs it, says the claim '%s'", c->user, c->file);
	}
	return NULL;
}

/* How the image `user` needs another one, as a clause; `backs`: as its backing file. */
static char *needs(const struct forest_image *user, bool backs)
{
	if (backs)
		return text_of("it is the backing file of '%s'", user->path);
	if (user->found_below || user->found_data)
		return text_of("'%s' needs it by its header, though that is recorded as raw", user->path);
	return text_of("'%s' needs it", user->path);
}

char *forest_needed_by(const struct forest *f, size_t i, bool (*ignore)(void *ctx, bool checkpoint, size_t index),
		       void *ctx)
{
	char *claimed;

	for (size_t k = 0; k < f->n_images; k++) {
		const struct forest_image *other = &f->images[k];
		bool backs = other->below == i;

		if (k != i && (backs || has(other->also, other->n_also, i)) && !(ignore && ignore(ctx, false, k)))
			return needs(other, backs);
	}
	for (size_t k = 0; k < f->n_checkpoints; k++) {
		const struct forest_checkpoint *c = &f->checkpoints[k];

		if ((has(c->images, c->n_images, i) || forest_image_inside(f, i, k)) && !(ignore && ignore(ctx, true, k)))
			return text_of("checkpoint '%s' needs it", forest_checkpoint_name(c));
	}
	claimed = claimed_by(f, i, ignore, ctx);
	return claimed || !f->images[i].used ? claimed : text_copy(f->images[i].used);
}
