/* SPDX-License-Identifier: MIT */
#include "checkpoint/layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "checkpoint/layout/rows.h"

/* The first is the default. */
static const struct layout *const layouts[] = { &layout_pages, &layout_stream, &layout_receiver };

#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

const struct layout *layout_named(const char *name)
{
	for (size_t i = 0; i < LAYOUTS; i++)
		if (strcmp(layouts[i]->name, name) == 0)
			return layouts[i];
	return NULL;
}

const struct layout *layout_default(void)
{
	return layouts[0];
}

const struct layout *layout_elsewhere(void)
{
	for (size_t i = 0; i < LAYOUTS; i++)
		if (layouts[i]->is_elsewhere)
			return layouts[i];
	return NULL;
}

char *layout_choices(void)
{
	char *choices = NULL;

	for (size_t i = 0; i < LAYOUTS; i++) {
		char *longer;

		if (layouts[i]->is_elsewhere)
			continue;
		longer = choices ? text_of("%s or %s", choices, layouts[i]->name) : text_copy(layouts[i]->name);
		free(choices);
		choices = longer;
	}
	return choices;
}

bool layout_is_complete(const struct manifest *m)
{
	return !m->layout->missing(m, 0);
}

bool layout_can_be_lazy(const struct manifest *m)
{
	return !m->layout->why_eager;
}
