/* SPDX-License-Identifier: MIT */
/*
 * verify.h: who has left word that it needs one of the images (checkpoint/claim.h) and is gone; and, where it is
 * asked to look, who needs one and has not.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/path_list.h"
#include "checkpoint/claim.h"
#include "checkpoint/forest/forest.h"
#include "verify/verify.h"

/* The image of a chain that is that file, or NULL. */
static const struct chain_image *image_of(const struct verify *v, uint64_t device, uint64_t inode)
{
	for (size_t i = 0; i < v->n_chains; i++) {
		const struct chain *c = v->chains[i].chain;

		for (size_t k = 0; k < c->n; k++)
			if (c->images[k].state == CHAIN_OK && c->images[k].device == device &&
			    c->images[k].inode == inode)
				return &c->images[k];
	}
	return NULL;
}

/* --- claims whose users are gone --------------------------------------------------------------------------------- */

static void check_claim(struct verify *v, const struct claim *c)
{
	const struct chain_image *base;
	struct stat st;

	if (stat(c->base, &st) < 0)
		return;
	base = image_of(v, st.st_dev, st.st_ino);
	if (base && claim_is_gone(c))
		findings_add(&v->findings, N_CLAIM_GONE, base->path, "'%s' does not need it any more, as '%s' says it does",
			     c->user, c->file);
}

static void check_place(struct verify *v, const char *place)
{
	struct claims claims;

	claims_read(&claims, place);
	for (size_t i = 0; i < claims.n; i++)
		check_claim(v, &claims.list[i]);
	claims_release(&claims);
}

static bool is_among(const struct path_list *list, const char *path)
{
	for (size_t i = list->n; i-- > 0;)
		if (strcmp(list->paths[i], path) == 0)
			return true;
	return false;
}

/* Where the claims with the image are, unless it was `seen`. */
static void check_place_of(struct verify *v, const struct chain_image *image, struct path_list *seen)
{
	_cleanup_free_ char *real = path_real(image->path), *place = real ? claim_place(real) : NULL;

	if (!place || is_among(seen, place))
		return;
	path_list_add(seen, place);
	check_place(v, place);
}

static bool is_beside(const struct chain_image *a, const struct chain_image *b)
{
	size_t n = (size_t)(path_base(a->path) - a->path);

	return !a->is_link && !b->is_link && strncmp(a->path, b->path, n) == 0 && path_base(b->path) == b->path + n;
}

/* The images of a chain are nearly always in few directories. */
static void check_places(struct verify *v)
{
	const struct chain_image *last = NULL;
	struct path_list seen = { 0 };

	for (size_t i = 0; i < v->n_chains; i++) {
		const struct chain *c = v->chains[i].chain;

		for (size_t k = 0; k < c->n; k++) {
			const struct chain_image *image = &c->images[k];
			if (image->state == CHAIN_OK && !(last && is_beside(last, image)))
				check_place_of(v, image, &seen);
			last = image->state == CHAIN_OK ? image : NULL;
		}
	}
	path_list_release(&seen);
}

/* --- users without a claim --------------------------------------------------------------------------------------- */

static void check_need(struct verify *v, const struct forest *f, size_t user, size_t needed)
{
	const struct forest_image *above = &f->images[user], *base = &f->images[needed];

	if (claim_needed(base->path, above->path) && image_of(v, base->device, base->inode) &&
	    !claim_is_left(base->path, above->path))
		findings_add(&v->findings, W_NO_CLAIM, base->path,
			     "'%s' needs it and has no claim with it: what changes images here does not know of that",
			     above->path);
}

static int check_users(struct verify *v, struct err *e)
{
	struct forest *f = forest_read(v->options.also.paths, v->options.also.n, NULL, e);

	if (!f)
		return -1;
	for (size_t i = 0; i < f->n_images; i++) {
		const struct forest_image *image = &f->images[i];

		if (image->outside)
			continue;
		if (image->below != FOREST_NONE)
			check_need(v, f, i, image->below);
		for (size_t k = 0; k < image->n_also; k++)
			check_need(v, f, i, image->also[k]);
	}
	forest_free(f);
	return 0;
}

int verify_claims(struct verify *v, struct err *e)
{
	check_places(v);
	return v->options.also.n > 0 ? check_users(v, e) : 0;
}
