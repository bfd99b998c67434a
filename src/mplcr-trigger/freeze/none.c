/* SPDX-License-Identifier: MIT */
/* Freezes no disk, at the user's request. */
#include "freeze/freeze.h"

static int plan(struct plan *p, struct err *e)
{
	(void)p;
	(void)e;
	return 0;
}

static int nothing(const struct freeze *f, struct err *e)
{
	(void)f;
	(void)e;
	return 0;
}

const struct freeze_method freeze_none = {
	.name = "none",
	.help = "freeze no disk",
	.recorded = MANIFEST_NONE,
	.plan = plan,
	.prepare = nothing,
	.run = nothing,
	.check = freeze_check_same,
	.settle = nothing,
};
