/* SPDX-License-Identifier: MIT */
#include "checkpoint/layout.h"

#include <string.h>

#include "base/cleanup.h"
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

struct cli_word layout_word(size_t i)
{
	for (size_t k = 0; k < LAYOUTS; k++)
		if (!layouts[k]->is_elsewhere && i-- == 0)
			return (struct cli_word){ layouts[k]->name, layouts[k]->about };
	return (struct cli_word)CLI_WORDS_END;
}

char *layout_choices(void)
{
	char *choices = text_of("%s", layout_word(0).word);

	for (size_t i = 1; layout_word(i).word; i++) {
		_cleanup_free_ char *shorter = choices;

		choices = text_of("%s or %s", shorter, layout_word(i).word);
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
