/* SPDX-License-Identifier: MIT */
#include "change/claims.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/text.h"
#include "checkpoint/claim.h"

/* The backing file that the header of the image names; malloc'd, or NULL. */
static char *base_of(const char *path)
{
	_cleanup_chain_ struct chain *c = chain_read(path, NULL, 1);

	return c->n > 1 ? text_copy(c->images[1].path) : NULL;
}

void claims_leave(const char *path)
{
	_cleanup_free_ char *base = base_of(path);
	struct err e;

	if (base && claim_make(base, path, "mplcr-chain", true, &e) < 0)
		cli_note("%s", e.text);
}

void claims_take_back(const char *path)
{
	_cleanup_free_ char *base = base_of(path);

	if (base)
		claim_drop(base, path);
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
