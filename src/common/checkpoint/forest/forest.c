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
#include "image/users.h"

static void free_image(struct forest_image *image)
{
	free(image->path);
	free(image->below_name);
	free(image->below_format);
	free(image->data_file);
	free(image->found_below);
	free(image->found_data);
	free(image->also);
	free(image->fault);
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

/* Notes the process for each image that is in use; one that writes before one that reads. */
static void find_holders(struct forest *f)
{
	struct image_users u = { 0 };
	bool looked = false;

	for (size_t i = 0; i < f->n_images; i++) {
		struct forest_image *image = &f->images[i];
		const struct image_user *user;

		if (image->use == IMAGE_UNUSED)
			continue;
		if (!looked)
			image_users_look(&u);
		looked = true;
		user = image_users_find(&u, image->device, image->inode);
		image->pid = user ? user->pid : 0;
	}
	image_users_release(&u);
}

struct forest *forest_read(char *const *dirs, size_t n, bool with_use, struct err *e)
{
	struct forest_builder b = { .roots = memory_of(n + 1, sizeof(*b.roots)), .with_use = with_use };
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
		find_holders(b.forest);
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

/* What a running VM does with it, or NULL. */
static char *used_by(const struct forest_image *image)
{
	const char *verb = image->use == IMAGE_WRITTEN ? "writes to it" : "has it open";

	if (image->use == IMAGE_UNUSED)
		return NULL;
	return image->pid ? text_of("the VM of process %d %s", image->pid, verb) : text_of("a running VM %s", verb);
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

		if ((has(c->images, c->n_images, i) || f->images[i].inside == k) && !(ignore && ignore(ctx, true, k)))
			return text_of("checkpoint '%s' needs it", forest_checkpoint_name(c));
	}
	claimed = claimed_by(f, i, ignore, ctx);
	return claimed ? claimed : used_by(&f->images[i]);
}
