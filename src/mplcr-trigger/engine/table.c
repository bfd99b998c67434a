/* SPDX-License-Identifier: MIT */
/* All engines, in the order in which they are listed. Only this file names them. */
#include "engine/engine.h"
#include "survey.h"

#include <string.h>

extern const struct engine engine_background, engine_precopy, engine_mplcr, engine_stop;

static const struct engine *const rows[] = { &engine_background, &engine_precopy, &engine_mplcr, &engine_stop };

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(N_ROWS <= ENGINES_MAX, "the table has more engines than the arrays of verdicts have room for");

const struct engines engines_all = { .rows = rows, .n = N_ROWS };

const struct engine *engine_named(const char *name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

const struct engine *engine_of_options(const struct options *o, const char **option)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		*option = rows[i]->own_option ? rows[i]->own_option(o) : NULL;
		if (*option)
			return rows[i];
	}
	return NULL;
}

struct cli_word engine_word(size_t i)
{
	return (struct cli_word){ i == 0 ? "auto" : i <= N_ROWS ? rows[i - 1]->name : NULL, NULL };
}

int engines_probe(struct engines *all, struct survey *s, const char *socket, struct qmp *q, struct changes *c,
		  struct err *e)
{
	const struct engine_probe p = { .survey = s, .socket = socket, .q = q, .changes = c };

	for (size_t i = 0; i < all->n; i++)
		if (all->rows[i]->probe(&p, &s->verdict[i], &all->state[i], e) < 0)
			return -1;
	return 0;
}

void engines_abandon(const struct engines *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->rows[i]->abandon && all->state[i])
			all->rows[i]->abandon(all->state[i]);
}

void engines_release(struct engines *all)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->rows[i]->release && all->state[i])
			all->rows[i]->release(all->state[i]);
		all->state[i] = NULL;
	}
}
