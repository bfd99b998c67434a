/* SPDX-License-Identifier: MIT */
#include "seal/seal.h"

#include <string.h>

#include "checkpoint/findings.h"

/* One file against what its seal says of it. Returns whether it is the same. */
static bool check_file(struct findings *f, const char *path, const struct seal *s, const struct identity *then)
{
	struct identity now;
	const char *why;
	struct err e;

	if (identity_read(path, &now, &e) < 0) {
		findings_add(f, E_UNREADABLE, path, "%s", e.text);
		return false;
	}
	why = identity_difference(then, &now);
	if (why)
		findings_add(f, E_BACKING_CHANGED, path, "it was changed since it was sealed at %s: %s", s->sealed,
			     why);
	return !why;
}

/* One image of the chain, unless it cannot be read, which is a finding of its own. */
static void check_image(struct findings *f, const struct chain_image *image, const struct seal *s,
			const struct seal_image *then)
{
	if (image->state != CHAIN_OK || !check_file(f, image->path, s, &then->id))
		return;
	if (strcmp(then->format, image_format_name(image->format)) != 0)
		findings_add(f, E_BACKING_CHANGED, image->path, "it was sealed as %s at %s, but is opened as %s now",
			     then->format, s->sealed, image_format_name(image->format));
	if (then->has_data && image->data_path && !findings_has(f, E_UNTRUSTED_PATH, image->path))
		check_file(f, image->data_path, s, &then->data);
}

/* The images from `first` down. */
static void check_chain(struct findings *f, const struct chain *c, size_t first, const struct seal *s)
{
	const struct chain_image *last = &c->images[c->n - 1];
	/* Of a checkpoint that was moved, only the beginning of a chain may be known. */
	bool whole = last->state != CHAIN_OK || !last->header.backing_name;

	if (s->n < c->n - first || (whole && s->n > c->n - first))
		findings_add(f, E_BACKING_CHANGED, c->images[first].path,
			     "its chain has %zu images below it, and had %zu when it was sealed at %s",
			     c->n - first - 1, s->n - 1, s->sealed);
	for (size_t i = 0; i < s->n && first + i < c->n; i++)
		check_image(f, &c->images[first + i], s, &s->images[i]);
}

void seal_check(struct findings *f, const struct chain *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct seal s = { .n = 0 };
		struct err e;
		int found = c->images[i].state == CHAIN_OK ? seal_load(&s, c->images[i].path, &e) : 0;

		if (found < 0)
			findings_add(f, E_SEAL, c->images[i].path, "%s", e.text);
		if (found > 0)
			check_chain(f, c, i, &s);
		seal_release(&s);
		if (found != 0)
			return;
	}
}
