/* SPDX-License-Identifier: MIT */
/*
 * Disks frozen by overlays: the overlay files are made before the pause (qemu-img), put on top of all images in one
 * transaction inside it (blockdev-snapshot-sync with mode "existing"), and checked after it.
 */
#include "freeze/freeze.h"
#include "plan.h"
#include "changes.h"
#include "survey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/json.h"
#include "qemu/overlay.h"

/* Claims the names of all overlays and puts them on the list of changes. Returns how many there are, or -1. */
static ssize_t claim_files(const struct plan *p, const struct survey *s, struct changes *c, struct overlay *list,
			   struct err *e)
{
	ssize_t n = 0;

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];
		struct changed_overlay *o = &c->overlays[c->n_overlays];

		if (!dp->freeze)
			continue;
		if (overlay_claim(dp->overlay, s->process.uid, s->process.gid, e) < 0)
			return -1;
		snprintf(o->path, sizeof(o->path), "%s", dp->overlay);
		snprintf(o->node, sizeof(o->node), "%s", dp->node);
		snprintf(o->below, sizeof(o->below), "%s", dp->disk->node);
		snprintf(o->below_path, sizeof(o->below_path), "%s", dp->disk->chain[0].path);
		c->n_overlays++;
		list[n++] =
			(struct overlay){ dp->overlay, dp->backing, dp->disk->chain[0].format, dp->disk->virtual_size };
	}
	return n;
}

/* Makes a new overlay durable, and remembers when it was last written. */
static int settle_file(struct changed_overlay *o, struct err *e)
{
	struct stat st;

	if (path_sync(o->path, e) < 0)
		return -1;
	if (stat(o->path, &st) < 0)
		return err_sys(e, errno, "cannot stat '%s'", o->path);
	o->made_ns = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	return 0;
}

/* An encrypted image, for one, can only be frozen by a clone. */
static int plan(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && p->disks[i].disk->overlay_refusal)
			return plan_refuse(p->disks[i].disk, p->disks[i].disk->overlay_refusal, e);
	return 0;
}

/* Makes the overlay files; where QEMU makes them itself, claims their names with empty files. */
static int prepare(const struct freeze *f, struct err *e)
{
	const struct plan *p = f->plan;
	struct changes *c = f->changes;
	_cleanup_free_ struct overlay *list = memory_of(p->n_disks, sizeof(*list));
	ssize_t n = claim_files(p, f->survey, c, list, e);

	if (n < 0)
		return -1;
	if (!p->queued && overlay_create(list, (size_t)n, f->deadline, f->interrupt, e) < 0)
		return -1;
	for (size_t i = 0; i < c->n_overlays; i++)
		if (settle_file(&c->overlays[i], e) < 0)
			return -1;
	/* what the host writes back now, QEMU need not flush inside the pause */
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && path_sync(p->disks[i].disk->chain[0].path, e) < 0)
			return -1;
	return 0;
}

static json_t *freeze_action(const struct disk_plan *dp)
{
	return overlay_action(dp->disk->backend, dp->disk->node, dp->overlay, dp->node);
}

/* One transaction for all disks. */
static int run(const struct freeze *f, struct err *e)
{
	const struct plan *p = f->plan;
	json_t *actions = json_array();

	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze)
			json_array_append_new(actions, freeze_action(&p->disks[i]));
	if (json_array_size(actions) == 0) {
		json_decref(actions);
		return 0;
	}
	if (qmp_run(f->q, "transaction", json_of("{s:o}", "actions", actions), NULL, e) < 0)
		return err_prefix(e, "cannot freeze the disks");
	return 0;
}

/* Whether the disk writes to its overlay now. */
static int check_active(const struct disk_plan *dp, const json_t *inserted, struct err *e)
{
	const char *node = json_text(inserted, "node-name"), *file = json_text(inserted, "file");

	if (dp->node[0] ? node && strcmp(node, dp->node) == 0 : file && strcmp(file, dp->overlay) == 0)
		return 0;
	return err_set(e, "disk '%s' writes to '%s' and not to its overlay '%s'", dp->disk->device,
		       file ? file : "nothing", dp->overlay);
}

/*
 * An overlay that QEMU made by itself stands on the image that was to be frozen; or, where someone had queued others
 * before, on these, made in the same pause. They are the VM's from now on.
 */
static int check_base(const struct disk_plan *dp, const struct survey *s, const json_t *inserted, struct err *e)
{
	const json_t *at = json_path(inserted, "image", "backing-image", NULL);

	for (; at; at = json_object_get(at, "backing-image")) {
		const char *shown = json_text(at, "filename");
		_cleanup_free_ char *path = shown ? vm_image_path(&s->process, shown) : NULL;

		if (path && strcmp(path, dp->disk->chain[0].path) == 0)
			return 0;
		cli_warn("disk '%s': '%s' is between its overlay and the frozen image: it was queued in QEMU before",
			 dp->disk->device, shown ? shown : "?");
	}
	return err_set(e, "the overlay '%s' does not stand on '%s'", dp->overlay, dp->disk->chain[0].path);
}

static int check(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e)
{
	const json_t *inserted = disk_find(blocks, dp->disk);

	if (check_active(dp, inserted, e) < 0)
		return -1;
	return dp->node[0] ? 0 : check_base(dp, f->survey, inserted, e);
}

/* The frozen images, and the names of the overlays. */
static int settle(const struct freeze *f, struct err *e)
{
	for (size_t i = 0; i < f->plan->n_disks; i++) {
		const struct disk_plan *dp = &f->plan->disks[i];
		_cleanup_free_ char *dir = dp->freeze ? path_dir(dp->overlay) : NULL;

		if (dir && (path_sync(dp->disk->chain[0].path, e) < 0 || path_sync(dir, e) < 0))
			return -1;
	}
	return 0;
}

const struct freeze_method freeze_overlay = {
	.name = "overlay",
	.help = "freeze under new overlays",
	.recorded = MANIFEST_OVERLAY,
	.freezes = true,
	.makes_overlays = true,
	.grows_chain = true,
	.plan = plan,
	.prepare = prepare,
	.run = run,
	.check = check,
	.settle = settle,
};
