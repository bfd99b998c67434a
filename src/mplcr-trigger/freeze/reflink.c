/* SPDX-License-Identifier: MIT */
/*
 * Freezes disks with clones: in the pause, when QEMU has written everything into the images ("stop" drains and flushes
 * all disks, qcow2's caches included), clones each image and its external data file into the checkpoint. The VM goes on
 * with the same images.
 */
#include "freeze/freeze.h"
#include "plan.h"

#include <string.h>

#include "base/text.h"
#include "qemu/overlay_name.h"

/* Plans a clone in the checkpoint's directory; `*to` (malloc'd) gets its path below that. */
static int plan_clone(struct plan *p, const struct disk *d, const char *from, char **to, struct err *e)
{
	char *tag;

	if (clone_possible(from, p->dir, e) < 0)
		return err_prefix(e, "disk '%s'", d->device);
	tag = overlay_name_device(d->device);
	*to = text_copy(clones_add(&p->clones, CLONES_DIR, from, tag));
	free(tag);
	return overlay_name_utf8(*to, e);
}

static int plan_disk(struct plan *p, struct disk_plan *dp, struct err *e)
{
	const struct vm_image *image = &dp->disk->chain[0];

	if (dp->disk->clone_refusal)
		return plan_refuse(dp->disk, dp->disk->clone_refusal, e);
	if (plan_clone(p, dp->disk, image->path, &dp->clone, e) < 0)
		return -1;
	return image->data ? plan_clone(p, dp->disk, image->data->path, &dp->data, e) : 0;
}

static int plan(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && plan_disk(p, &p->disks[i], e) < 0)
			return -1;
	return 0;
}

static int prepare(const struct freeze *f, struct err *e)
{
	return clones_open(&f->plan->clones, f->plan->partial, f->dirfd, CLONES_DIR, e);
}

static int run(const struct freeze *f, struct err *e)
{
	return clones_make(&f->plan->clones, e);
}

static int settle(const struct freeze *f, struct err *e)
{
	if (freeze_relink(f, e) < 0)
		return -1;
	return clones_close(&f->plan->clones, CLONES_DIR, e);
}

const struct freeze_method freeze_reflink = {
	.name = "reflink",
	.help = "clone the images",
	.recorded = MANIFEST_REFLINK,
	.freezes = true,
	.needs_pause = true,
	.because = "can clone all images",
	.plan = plan,
	.prepare = prepare,
	.run = run,
	.check = freeze_check_same,
	.settle = settle,
};
