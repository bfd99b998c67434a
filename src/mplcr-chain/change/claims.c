/* SPDX-License-Identifier: MIT */
#include "change/claims.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "checkpoint/claim.h"

void claims_leave(const char *path)
{
	struct err e;

	if (claim_make_of(path, "mplcr-chain", &e) < 0)
		cli_note("%s", e.text);
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
