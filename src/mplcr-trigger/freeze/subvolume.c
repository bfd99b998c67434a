/* SPDX-License-Identifier: MIT */
/*
 * Freezes disks with one snapshot of the btrfs subvolume of all their images, at disks/ in the checkpoint. The snapshot
 * is writable until the names in the image headers are corrected, and read-only from then on. (A snapshot leaves out
 * the subvolumes below its source, so the checkpoint may lie in the source, too.)
 */
#include "freeze/freeze.h"
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "image/subvolume.h"

/* Checks that the file is in the same subvolume as the others; `*to` (malloc'd) gets its path in the checkpoint. */
static int plan_file(struct plan *p, const struct disk *d, const char *path, char **to, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path);
	_cleanup_free_ char *subvolume = subvolume_of(dir);

	if (!subvolume) {
		err_set(e, "disk '%s': '%s' is not on btrfs; only btrfs has subvolumes", d->device, path);
		return err_hint(e, "--disks reflink works on XFS too, overlay on every filesystem");
	}
	if (p->subvolume && strcmp(p->subvolume, subvolume) != 0) {
		err_set(e, "disk '%s': '%s' is not in the subvolume of the other images: it is in '%s', not in '%s'",
			d->device, path, subvolume, p->subvolume);
		return err_hint(
			e, "one snapshot cannot hold them all: move them into one subvolume, or use --disks reflink");
	}
	*to = text_of("%s/%s", CLONES_DIR, path_below(subvolume, path));
	if (!p->subvolume)
		p->subvolume = steal_ptr(subvolume);
	return 0;
}

static int plan_disk(struct plan *p, struct disk_plan *dp, struct err *e)
{
	const struct vm_image *image = &dp->disk->chain[0];

	if (dp->disk->clone_refusal)
		return plan_refuse(dp->disk, dp->disk->clone_refusal, e);
	if (plan_file(p, dp->disk, image->path, &dp->clone, e) < 0)
		return -1;
	return image->data ? plan_file(p, dp->disk, image->data->path, &dp->data, e) : 0;
}

static int plan(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && plan_disk(p, &p->disks[i], e) < 0)
			return -1;
	if (!p->subvolume || subvolume_same_filesystem(p->subvolume, p->dir))
		return 0;
	err_set(e, "a snapshot of '%s' cannot be in '%s': different filesystems", p->subvolume, p->dir);
	return err_hint(e, "choose a directory on that filesystem with --dir");
}

/* Writes back all dirty data of the filesystem. */
static int sync_all(const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && syncfs(fd) == 0 ? 0 : err_sys(e, errno, "cannot write back '%s'", path);
}

static int prepare(const struct freeze *f, struct err *e)
{
	return f->plan->subvolume ? sync_all(f->plan->subvolume, e) : 0;
}

static int run(const struct freeze *f, struct err *e)
{
	_cleanup_free_ char *snapshot = path_join(f->plan->partial, CLONES_DIR);

	return f->plan->subvolume ? subvolume_snapshot(f->plan->subvolume, snapshot, false, e) : 0;
}

/* If the checkpoint lies in the subvolume itself, the snapshot contains half of it, which is not part of any disk. */
static void drop_half_checkpoint(const struct plan *p, const char *snapshot)
{
	const char *below = path_below(p->subvolume, p->partial);
	_cleanup_free_ char *half = below ? path_join(snapshot, below) : NULL;

	if (half)
		dir_remove(half);
}

static int settle(const struct freeze *f, struct err *e)
{
	_cleanup_free_ char *snapshot = path_join(f->plan->partial, CLONES_DIR);

	if (!f->plan->subvolume)
		return 0;
	drop_half_checkpoint(f->plan, snapshot);
	if (freeze_relink(f, e) < 0 || subvolume_set_read_only(snapshot, true, e) < 0)
		return -1;
	return sync_all(f->plan->partial, e);
}

const struct freeze_method freeze_subvolume = {
	.name = "subvolume",
	.help = "snapshot of their btrfs subvolume",
	.recorded = MANIFEST_SUBVOLUME,
	.freezes = true,
	.needs_pause = true,
	.plan = plan,
	.prepare = prepare,
	.run = run,
	.check = freeze_check_same,
	.settle = settle,
};
