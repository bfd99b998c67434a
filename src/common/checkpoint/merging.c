/* SPDX-License-Identifier: MIT */
#include "checkpoint/merging.h"

#include <string.h>

#include "checkpoint/disk_chain.h"
#include "checkpoint/trust.h"
#include "image/chain.h"

const char *merging_difference(const struct manifest_image *image, const struct identity *now)
{
	if (!image->merging)
		return identity_difference(&image->id, now);
	return image->id.device == now->device && image->id.inode == now->inode
		       ? NULL
		       : "it is another file than the one that a VM was to merge layers into";
}

int merging_check(const struct manifest_image *image, const char **difference, struct err *e)
{
	struct identity now;

	if (!image->merging)
		return identity_check(&image->id, image->path, false, difference, e);
	if (identity_read(image->path, &now, e) < 0)
		return -1;
	*difference = merging_difference(image, &now);
	return 0;
}

bool merging_disk(const struct manifest_disk *disk)
{
	for (size_t i = 0; i < disk->n_chain; i++)
		if (disk->chain[i].merging)
			return true;
	return false;
}

/* The image that follows `i` by its header, over marked ones only; else the next one that is listed. */
static size_t follows(const struct manifest_disk *disk, size_t i)
{
	_cleanup_chain_ struct chain *c = disk_image_read(&disk->chain[i]);
	size_t next = i + 1;

	while (c->n > 1 && next < disk->n_chain) {
		if (disk_image_is(&c->images[1], &disk->chain[next]))
			return next;
		if (!disk->chain[next].merging)
			break;
		next++;
	}
	return i + 1;
}

static void drop(struct manifest_disk *disk, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		manifest_image_release(&disk->chain[i]);
	memmove(&disk->chain[first], &disk->chain[end], (disk->n_chain - end) * sizeof(*disk->chain));
	disk->n_chain -= end - first;
}

static void settle_disk(struct manifest_disk *disk, struct trust *t)
{
	for (size_t i = 0; i + 1 < disk->n_chain; i++)
		if (disk->chain[i].merging && disk->chain[i + 1].merging && trust_allows(t, disk->chain[i].path))
			drop(disk, i + 1, follows(disk, i));
}

void merging_settle(struct manifest *m)
{
	struct trust t;

	trust_checkpoint(&t, m->checkpoint, m->verdict == KEY_AUTHENTIC);
	for (size_t i = 0; i < m->n_disks; i++)
		settle_disk(&m->disks[i], &t);
	trust_release(&t);
}
