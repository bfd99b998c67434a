/* SPDX-License-Identifier: MIT */
/* Whether the headers of a disk's images lead where the manifest says. */
#ifndef MPLCR_DISK_CHAIN_H
#define MPLCR_DISK_CHAIN_H

#include <stdbool.h>

#include "checkpoint/manifest.h"
#include "image/chain.h"

/* Whether the image that was found is the one that the manifest lists. */
bool disk_image_is(const struct chain_image *found, const struct manifest_image *listed);

/* Whether it is named where the listed image was when the checkpoint was made, and that was moved since. */
bool disk_image_was(const struct chain_image *found, const struct manifest_image *listed);

/*
 * The image alone, and what its header names, which is looked at as a name: images[1] where there is any. The caller's;
 * never NULL.
 */
struct chain *disk_image_read(const struct manifest_image *image) __attribute__((returns_nonnull));

/*
 * Whether each image of `disk` names the next one of the manifest, and the last one none; the same of data files. Opens
 * nothing that the manifest does not list. Returns 0, or -1 with the first that differs.
 */
int disk_chain_check(const struct manifest *m, const struct manifest_disk *disk, struct err *e)
	__attribute__((warn_unused_result));

#endif
