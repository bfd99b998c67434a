/* SPDX-License-Identifier: MIT */
/*
 * How a forest is read, in this order:
 *
 *   walk.c     the directories: image files and checkpoints
 *   claims.c   who has left word that it needs them
 *   link.c     the images that those name, and which is the backing file of which
 *   set.c      the set of images, found by device and inode
 *   forest.c   what the rest of the project calls
 */
#ifndef MPLCR_FOREST_IMPL_H
#define MPLCR_FOREST_IMPL_H

#include <sys/stat.h>

#include "checkpoint/forest/forest.h"

/* A forest while it is read. */
struct forest_builder {
	struct forest *forest;
	char **roots; /* the directories, absolute, without links; NULL-terminated */
	struct in_use *use;
};

/* What says that a file is an image. */
enum forest_reason {
	FOREST_BY_LOOK, /* its name or its content, if one of them does */
	FOREST_BY_NEED, /* something needs it */
	FOREST_AS_RAW,  /* the same, which opens it as raw, whatever is in it */
};

/* --- set.c ------------------------------------------------------------------------------------------------------- */

/* The image with that device and inode, or FOREST_NONE. */
size_t forest_at(const struct forest *f, dev_t device, ino_t inode);

/*
 * Adds the regular file at `path` (absolute, without links), of which `st` is known, and reads its header. Returns its
 * index, also where it was there already; FOREST_NONE where it is no image.
 */
size_t forest_add(struct forest_builder *b, const char *path, const struct stat *st, enum forest_reason why);

/* Whether the path is one of the roots, or below one. */
bool forest_is_inside(const struct forest_builder *b, const char *path);

/*
 * The image is opened as raw: whatever it says of itself may be a guest's data. What it names is kept all the same, as
 * found_below and found_data.
 */
void forest_make_raw(struct forest_image *image);

void forest_index_free(struct forest_index *index);

/* --- walk.c ------------------------------------------------------------------------------------------------------ */

/* Adds what is below the roots. Returns 0 or -1. */
int forest_walk(struct forest_builder *b, struct err *e);

/* --- link.c ------------------------------------------------------------------------------------------------------ */

/* Adds the images that checkpoints and images name, and links all of them. */
void forest_link(struct forest_builder *b);

/* --- claims.c ---------------------------------------------------------------------------------------------------- */

/* Notes that the directory has claims. */
void forest_add_place(struct forest_builder *b, const char *place);

/* Reads the claims, and adds the images that they speak of: before all images are linked. */
void forest_read_claims(struct forest_builder *b);

/* Counts those that tell of needs which no header does: when all are linked. */
void forest_count_claims(struct forest *f);

#endif
