/* SPDX-License-Identifier: MIT */
/*
 * Claims (checkpoint/claim.h) follow what is done: also where a run was killed and the next one does it. What got its
 * name leaves word with what it is on; what goes takes its word back.
 */
#include "change/claims.h"
#include "change/journal/journal.h"
#include "change/journal/parts.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "checkpoint/claim.h"
#include "checkpoint/manifest.h"

/* A checkpoint got its name, or a manifest, or an image. */
static void leave(const char *path, bool directory)
{
	_cleanup_free_ char *dir = path_dir(path);

	if (directory)
		claims_leave_checkpoint(path);
	else if (strcmp(path_base(path), MANIFEST_NAME) == 0)
		claims_leave_checkpoint(dir);
	else
		claims_leave(path);
}

void journal_leave_claims(const struct journal *j)
{
	for (size_t i = 0; i < j->n_renames; i++) {
		_cleanup_free_ char *path = entry_path(j, &j->renames[i].to);

		leave(path, j->renames[i].from.id.directory);
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
