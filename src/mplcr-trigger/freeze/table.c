/* SPDX-License-Identifier: MIT */
/* All methods of freezing disks, in the order in which they are listed. */
#include "freeze/freeze.h"

#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "plan.h"

extern const struct freeze_method freeze_reflink, freeze_subvolume, freeze_none;

static const struct freeze_method *const rows[] = { &freeze_overlay, &freeze_reflink, &freeze_subvolume, &freeze_none };

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct freeze_method *freeze_named(const char *name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

/* The last row, none, freezes nothing, so auto comes before it. */
struct cli_word freeze_word(size_t i)
{
	static const struct cli_word automatic = { "auto", "reflink, or overlay" };
	size_t row = i < N_ROWS - 1 ? i : i - 1;

	if (i == N_ROWS - 1)
		return automatic;
	return i > N_ROWS ? (struct cli_word)CLI_WORDS_END : (struct cli_word){ rows[row]->name, rows[row]->help };
}

static int plan_method(struct plan *p, const struct freeze_method *method, struct err *e)
{
	p->method = method;
	return method->plan(p, e);
}

/* Drops the plan of an impossible method. */
static void forget_clones(struct plan *p)
{
	clones_release(&p->clones);
	for (size_t i = 0; i < p->n_disks; i++) {
		free(p->disks[i].clone);
		free(p->disks[i].data);
		p->disks[i].clone = p->disks[i].data = NULL;
	}
}

/* Takes the first possible method that does not grow the chain; else the default. */
static int plan_auto(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		struct err why;

		if (!rows[i]->because)
			continue;
		if (plan_method(p, rows[i], &why) == 0) {
			cli_note("disks %s: the filesystem of '%s' %s", rows[i]->name, p->dir, rows[i]->because);
			return 0;
		}
		cli_note("disks %s: %s", FREEZE_DEFAULT->name, why.text);
		forget_clones(p);
	}
	return plan_method(p, FREEZE_DEFAULT, e);
}

int freeze_plan(struct plan *p, const struct freeze_method *wanted, struct err *e)
{
	return wanted ? plan_method(p, wanted, e) : plan_auto(p, e);
}
