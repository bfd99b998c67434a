/* SPDX-License-Identifier: MIT */
/* What the three pictures of a forest (picture.c, dot.c, json.c) are drawn from. */
#ifndef MPLCR_CHAIN_TREE_H
#define MPLCR_CHAIN_TREE_H

#include "base/err.h"
#include "checkpoint/forest/forest.h"

/* One image that a checkpoint froze: a disk's top at that time. */
struct frozen {
	size_t checkpoint;
	size_t next; /* another one of the same image, or FOREST_NONE */
};

struct tree {
	const struct forest *forest;
	char *common; /* the directory that everything lies in; names are shown without it */
	struct frozen *frozen;
	size_t *first_frozen; /* of each image: the first of `frozen`, or FOREST_NONE */
};

/* A path as it is shown: below the common directory, or whole. Borrowed from it. */
const char *tree_name(const struct tree *t, const char *path);

/* Each draws the forest on standard output. Returns 0 or -1. */
int tree_draw(const struct tree *t, struct err *e);
int tree_draw_dot(const struct tree *t, struct err *e);
int tree_draw_json(const struct tree *t, struct err *e);

#endif
