/* SPDX-License-Identifier: MIT */
/*
 * Who needs images of the forest and lies elsewhere. The user of an authentic claim becomes an image of the forest, and
 * its header tells the rest; of others only the name is told.
 */
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/claim.h"
#include "checkpoint/forest/impl.h"

void forest_add_place(struct forest_builder *b, const char *place)
{
	struct path_list *places = &b->forest->places;

	for (size_t i = 0; i < places->n; i++)
		if (strcmp(places->paths[i], place) == 0)
			return;
	path_list_add(places, place);
}

/* The claims with images inside of a checkpoint are beside it, and so above a root that is in one. */
static void add_places_of_roots(struct forest_builder *b)
{
	for (char **root = b->roots; *root; root++) {
		_cleanup_free_ char *below = text_of("%s/.", *root), *place = claim_place(below);

		forest_add_place(b, place);
	}
}

/* The image that the claim is with, which it makes one; FOREST_NONE where it is not there any more. */
static size_t base_of(struct forest_builder *b, const struct claim *c)
{
	_cleanup_free_ char *real = path_real(c->base);
	struct stat st;

	if (real && stat(real, &st) == 0)
		return S_ISREG(st.st_mode) ? forest_add(b, real, &st, FOREST_BY_NEED) : FOREST_NONE;
	return forest_at(b->forest, c->base_device, c->base_inode); /* it may have got another name */
}

static bool is_manifest(const char *path)
{
	return strcmp(path_base(path), MANIFEST_NAME) == 0;
}

/* The image that needs it. Of a stranger's claim nothing is opened. */
static size_t user_of(struct forest_builder *b, const struct claim *c, bool gone)
{
	struct stat st;

	if (gone || is_manifest(c->user) || lstat(c->user, &st) < 0 || !S_ISREG(st.st_mode))
		return FOREST_NONE;
	return c->authentic ? forest_add(b, c->user, &st, FOREST_BY_NEED) : forest_at(b->forest, st.st_dev, st.st_ino);
}

static void add_claim(struct forest_builder *b, struct claim *c)
{
	struct forest *f = b->forest;
	bool gone = claim_is_gone(c);
	size_t base = base_of(b, c), image = base == FOREST_NONE ? FOREST_NONE : user_of(b, c, gone);

	if (base == FOREST_NONE || base == image)
		return;
	*array_add(f->claims, f->n_claims) = (struct forest_claim){
		.base = base,
		.user = steal_ptr(c->user),
		.file = steal_ptr(c->file),
		.by = steal_ptr(c->by),
		.authentic = c->authentic,
		.gone = gone,
		.image = image,
	};
}

void forest_read_claims(struct forest_builder *b)
{
	struct forest *f = b->forest;

	add_places_of_roots(b);
	for (size_t i = 0; i < f->places.n; i++) {
		struct claims claims;

		claims_read(&claims, f->places.paths[i]);
		f->n_claims_unread += claims.n_unread;
		for (size_t k = 0; k < claims.n; k++)
			add_claim(b, &claims.list[k]);
		claims_release(&claims);
	}
}

static bool names(const struct forest_image *user, size_t base)
{
	if (user->below == base)
		return true;
	for (size_t a = 0; a < user->n_also; a++)
		if (user->also[a] == base)
			return true;
	return false;
}

/* Whether the user is a checkpoint of the forest. */
static bool is_checkpoint(const struct forest *f, const char *user)
{
	_cleanup_free_ char *dir = path_dir(user);

	for (size_t i = 0; is_manifest(user) && i < f->n_checkpoints; i++)
		if (strcmp(f->checkpoints[i].dir, dir) == 0)
			return true;
	return false;
}

void forest_count_claims(struct forest *f)
{
	for (size_t i = 0; i < f->n_claims; i++) {
		struct forest_claim *c = &f->claims[i];

		c->seen = c->image != FOREST_NONE ? names(&f->images[c->image], c->base) : is_checkpoint(f, c->user);
		if (!c->seen && !c->gone)
			f->images[c->base].n_above++;
	}
}

void forest_sweep_claims(const struct forest *f)
{
	for (size_t i = 0; i < f->places.n; i++)
		claims_sweep(f->places.paths[i]);
}
