/* SPDX-License-Identifier: MIT */
#include "checkpoint/check.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "checkpoint/layout.h"

struct checking {
	struct findings *f;
	const struct manifest *m;
	bool sums;
};

static int check_file(void *ctx, const struct manifest_file *file)
{
	static const enum code codes[] = {
		[MANIFEST_MISSING] = E_STATE_MISSING,
		[MANIFEST_SIZE] = E_STATE_SIZE,
		[MANIFEST_SUM] = E_STATE_SUM,
	};

	const struct checking *c = ctx;
	_cleanup_free_ char *path = text_of("%s/%s", c->m->checkpoint, file->name);
	struct err e;
	enum manifest_fault fault = manifest_check_file(file, c->m->checkpoint, c->sums, &e);

	if (fault != MANIFEST_SOUND)
		findings_add(c->f, codes[fault], path, "%s", e.text);
	return 0;
}

void check_files(struct findings *f, const struct manifest *m, bool sums)
{
	struct checking c = { f, m, sums };

	manifest_each_file(m, check_file, &c);
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
