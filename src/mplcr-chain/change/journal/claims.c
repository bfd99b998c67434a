/* SPDX-License-Identifier: MIT */
/*
 * Claims (checkpoint/claim.h) follow what is done: also where a run was killed and the next one does it. What got its
 * name leaves word with what it is on; what goes takes its word back.
 */
#include "change/claims.h"
#include "change/journal/journal.h"
#include "change/journal/parts.h"

#include "base/cleanup.h"
#include "checkpoint/claim.h"
#include "checkpoint/manifest.h"

static void leave_checkpoint(const char *dir)
{
	struct err ignored; /* proof.c tells */
	struct manifest *m = manifest_load(dir, &ignored);

	for (size_t d = 0; m && d < m->n_disks; d++)
		for (size_t i = 0; i < m->disks[d].n_chain; i++)
			claims_leave(m->disks[d].chain[i].path);
	manifest_free(m);
}

void journal_leave_claims(const struct journal *j)
{
	for (size_t i = 0; i < j->n_renames; i++) {
		_cleanup_free_ char *path = entry_path(j, &j->renames[i].to);

		(j->renames[i].from.id.directory ? leave_checkpoint : claims_leave)(path);
	}
	for (size_t i = 0; i < j->tops.n; i++) {
		_cleanup_free_ char *path = entry_path(j, &j->tops.list[i]);

		claims_leave(path);
	}
}

void journal_sweep_claims(const struct journal *j)
{
	for (size_t i = 0; i < j->n_places; i++)
		if (j->places[i].fd >= 0)
			claims_sweep(j->places[i].dir);
}
