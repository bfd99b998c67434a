/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: journals of checkpoints under way. Any bytes may be an undo.jsonl, and what is made of them must hold:
 *
 *  - it is refused with words, or every overlay that it names is a file of a directory, by a name without a slash;
 *  - no more disks than a checkpoint can have, and all texts are there;
 *  - nothing that it says of itself makes it one that is obeyed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "checkpoint/unfinished/unfinished.h"
#include "fuzz.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_disk(const struct unfinished_disk *d)
{
	check(d->device && d->format && d->below && d->node);
	check(d->frozen && d->frozen[0] == '/');
	check(d->overlay && d->overlay[0] == '/' && path_is_name(path_base(d->overlay)));
	check(!d->claimed || d->id.inode != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unfinished u;
	struct err e = { 0 };

	if (size > UNFINISHED_MAX_BYTES)
		return 0;
	if (unfinished_parse(&u, (const char *)data, size, "/nowhere", &e) == 0) {
		check(u.partial && u.created && u.engine && u.socket && u.socket[0] == '/');
		check(u.n_disks <= UNFINISHED_MAX_DISKS);
		check(!u.capabilities || json_is_array(u.capabilities));
		check(!u.parameters || json_is_object(u.parameters));
		for (size_t i = 0; i < u.n_disks; i++)
			check_disk(&u.disks[i]);
	} else {
		check(e.text[0] != '\0');
	}
	unfinished_release(&u);
	return 0;
}
