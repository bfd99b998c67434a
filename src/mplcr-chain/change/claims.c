/* SPDX-License-Identifier: MIT */
#include "change/claims.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "checkpoint/claim.h"
#include "checkpoint/manifest.h"

void claims_leave(const char *path)
{
	struct err e;

	if (claim_make_of(path, "mplcr-chain", &e) < 0)
		cli_note("%s", e.text);
}

static void leave_images(const struct manifest *m)
{
	for (size_t d = 0; d < m->n_disks; d++)
		for (size_t i = 0; i < m->disks[d].n_chain; i++)
			claims_leave(m->disks[d].chain[i].path);
}

void claims_leave_checkpoint(const char *dir)
{
	struct err e; /* what is no checkpoint, others tell */
	struct manifest *m = manifest_load(dir, &e);

	if (!m)
		return;
	leave_images(m);
	if (claim_make_checkpoint(m, "mplcr-chain", &e) < 0)
		cli_note("%s", e.text);
	manifest_free(m);
}

void claims_sweep_chain(const struct chain *c)
{
	_cleanup_free_ char *last = NULL;

	for (size_t i = 0; i < c->n; i++) {
		char *place = c->images[i].path ? claim_place(c->images[i].path) : NULL;

		if (place && (!last || strcmp(last, place) != 0))
			claims_sweep(place);
		if (!place)
			continue;
		free(last);
		last = place;
	}
}
