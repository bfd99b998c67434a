/* SPDX-License-Identifier: MIT */
/* What processes write to. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

bool in_frozen_pause(void)
{
	const char *set = getenv("MPLCR_AT_FREEZE");

	return set && strcmp(set, "1") == 0;
}

int in_use_error(struct in_use *use, const char *path, const char *why, struct err *e)
{
	_cleanup_free_ char *words = in_use_words_path(use, path, IMAGE_WRITTEN);

	return err_set(e, "'%s' is in use: %s: %s", path, words, why);
}

void in_use_say_blind(struct in_use *use)
{
	if (use->looked && in_use_blind(use))
		cli_note("processes of other users cannot be seen, which may write to the files: root sees them");
}
