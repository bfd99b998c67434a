/* SPDX-License-Identifier: MIT */
/* The claims of an image by what its header says, and of a checkpoint by its manifest. */
#include "checkpoint/claim/impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "checkpoint/manifest.h"
#include "image/chain.h"

/* The backing file that the header of the image names; malloc'd, or NULL. */
static char *base_of(const char *image)
{
	_cleanup_chain_ struct chain *c = chain_read(image, NULL, 1);

	return c->n > 1 ? text_copy(c->images[1].path) : NULL;
}

/* With what is not there, such as by the relative name in a copied header, or in a manifest, nothing is left. */
static int leave(const char *base, const char *user, const char *by, struct err *e)
{
	if (access(base, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	return claim_make(base, user, by, true, e);
}

int claim_make_of(const char *image, const char *by, struct err *e)
{
	_cleanup_free_ char *base = base_of(image);

	return base ? leave(base, image, by, e) : 0;
}

void claim_drop_of(const char *image)
{
	_cleanup_free_ char *base = base_of(image);

	if (base)
		claim_drop(base, image);
}

/* Who changes images in a directory sees there what the first of them needs. */
static int claim_disk(const struct manifest_disk *disk, const char *user, const char *by, struct err *e)
{
	_cleanup_free_ char *last = NULL;

	for (size_t i = 0; i < disk->n_chain; i++) {
		char *place = claim_place(disk->chain[i].path);
		bool same = last && strcmp(last, place) == 0;

		free(last);
		last = place;
		if (!same && leave(disk->chain[i].path, user, by, e) < 0)
			return -1;
	}
	return 0;
}

int claim_make_checkpoint(const struct manifest *m, const char *by, struct err *e)
{
	_cleanup_free_ char *user = text_of("%s/" MANIFEST_NAME, m->checkpoint);
	struct err later;
	int result = 0;

	for (size_t i = 0; i < m->n_disks; i++)
		if (claim_disk(&m->disks[i], user, by, result == 0 ? e : &later) < 0)
			result = -1;
	return result;
}
