/* SPDX-License-Identifier: MIT */
#include "checkpoint/check.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "checkpoint/layout.h"

static void check_file(struct findings *f, const struct manifest *m, const struct manifest_file *file, bool sums)
{
	static const enum code codes[] = {
		[MANIFEST_MISSING] = E_STATE_MISSING,
		[MANIFEST_SIZE] = E_STATE_SIZE,
		[MANIFEST_SUM] = E_STATE_SUM,
	};

	_cleanup_free_ char *path = text_of("%s/%s", m->checkpoint, file->name);
	struct err e;
	enum manifest_fault fault = manifest_check_file(file, m->checkpoint, sums, &e);

	if (fault != MANIFEST_SOUND)
		findings_add(f, codes[fault], path, "%s", e.text);
}

void check_files(struct findings *f, const struct manifest *m, bool sums)
{
	for (size_t i = 0; i < m->n_files; i++)
		check_file(f, m, &m->files[i], sums);
	for (size_t i = 0; i < m->n_included; i++)
		check_file(f, m, &m->included[i].copy, sums);
}

void check_listed(struct findings *f, const struct manifest *m)
{
	if (m->layout->is_elsewhere)
		findings_add(f, N_RECEIVER, m->checkpoint, "its state was sent to '%s': it is in no file", m->receiver);
	for (size_t i = 0; m->layout->missing(m, i); i++)
		findings_add(f, E_STATE_INCOMPLETE, m->checkpoint, "its manifest lists no %s", m->layout->missing(m, i));
	for (char **name = m->left_out; name && *name; name++)
		findings_add(f, N_LEFT_OUT, m->checkpoint, "disk '%s' is not in it, at the user's request", *name);
}
