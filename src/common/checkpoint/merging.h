/* SPDX-License-Identifier: MIT */
/*
 * Layers that a running VM merges (mplcr-chain prune --socket). What a guest reads from a frozen image stays the same all
 * the time, but files below it change, and headers come to name others. Each manifest with these images in a chain tells
 * of it before it begins: "merging": true in each of them. When it is over, the manifest is written anew, without that,
 * and with what the images are then.
 *
 * A marked image is known by device and inode alone. Where the header of one leads past the next marked ones, those have
 * been merged already, and are not in the chain any more, whatever the manifest lists.
 */
#ifndef MPLCR_CHECKPOINT_MERGING_H
#define MPLCR_CHECKPOINT_MERGING_H

#include <stdbool.h>

#include "checkpoint/manifest.h"
#include "image/identity.h"

#define MERGING_KEY "merging" /* in the JSON of an image */

/* What differs so that `now` is not what the manifest lists: a short text for a message, or NULL. */
const char *merging_difference(const struct manifest_image *image, const struct identity *now);

/* The same of the image as it is now, of all that is known of it. Returns 0, or -1 where it cannot be read. */
int merging_check(const struct manifest_image *image, const char **difference, struct err *e)
	__attribute__((warn_unused_result));

/* Whether any image of the disk is marked. */
bool merging_disk(const struct manifest_disk *disk);

/*
 * Drops the images that the chains of the manifest do not have any more. Opens only those that lie in the checkpoint's
 * own tree, unless this user signed the manifest.
 */
void merging_settle(struct manifest *m);

#endif
