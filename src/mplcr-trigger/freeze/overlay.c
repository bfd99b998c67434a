/* SPDX-License-Identifier: MIT */
/*
 * Freezes disks with overlays: makes the files before the pause (qemu-img), puts them on top of all images in one
 * transaction inside it (blockdev-snapshot-sync with mode "existing"), and checks them after it.
 */
#include "freeze/freeze.h"
#include "plan.h"
#include "changes.h"
#include "survey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"
#include "checkpoint/claim.h"
#include "checkpoint/unfinished/unfinished.h"
#include "qemu/overlay_set.h"

/* The overlays of the plan; the list is the caller's to free. */
static struct overlay_set set_of(const struct plan *p)
{
	struct overlay_set set = { .list = memory_of(p->n_disks, sizeof(*set.list)) };

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];

		if (dp->freeze)
			set.list[set.n++] = (struct disk_overlay){
				.disk = dp->disk,
				.path = dp->overlay,
				.backing = dp->backing,
				.node = dp->node,
			};
	}
	return set;
}

/* Where claimed files are noted, and why the first of those that could not be was not. */
struct noting {
	struct changes *changes;
	int result;
	struct err why;
};

/* Puts a file on the list of changes, and into the journal. */
static void note_claimed(void *ctx, const struct disk_overlay *claimed)
{
	struct noting *n = ctx;
	struct changes *c = n->changes;
	const struct disk *disk = claimed->disk;

	if (!claimed->claimed) {
		changes_claiming(c, claimed->path);
		return;
	}
	changes_add_overlay(c, claimed->path, claimed->node, disk->node, disk->chain[0].path);
	if (n->result == 0)
		n->result = unfinished_claimed(c->journal, c->n_overlays - 1, claimed->path, &n->why);
	changes_claiming(c, NULL);
}

/* Claims all names. */
static int claim(struct overlay_set *set, const struct freeze *f, struct err *e)
{
	struct noting noting = { .changes = f->changes };

	if (overlay_set_claim(set, &f->survey->process, note_claimed, &noting, e) < 0) {
		changes_claiming(f->changes, NULL);
		return -1;
	}
	if (noting.result < 0)
		*e = noting.why;
	return noting.result;
}

/* Remembers when overlay number `i`, which is new, was last written. */
static int note_time(struct changes *c, size_t i, struct err *e)
{
	struct changed_overlay *o = &c->overlays[i];
	struct stat st;

	if (stat(o->path, &st) < 0)
		return err_sys(e, errno, "cannot stat '%s'", o->path);
	o->made_ns = clock_ns_of(st.st_mtim);
	return unfinished_made(c->journal, i, o->made_ns, e);
}

/* Some images, such as encrypted ones, can only be frozen by a clone. */
static int plan(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && p->disks[i].disk->overlay_refusal)
			return plan_refuse(p->disks[i].disk, p->disks[i].disk->overlay_refusal, e);
	return 0;
}

/* Overlays in other directories leave word of it with what they are on. */
static void leave_claims(const struct overlay_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct err e;

		if (claim_make(set->list[i].disk->chain[0].path, set->list[i].path, "mplcr-trigger", true, &e) < 0)
			cli_note("%s", e.text);
	}
}

/*
 * Durable before the VM is given them. After a power cut one that is no image was not given to it, or the guest has made
 * nothing durable in it (recover/gone.c).
 */
static int sync_overlays(const struct overlay_set *set, struct err *e)
{
	for (size_t i = 0; i < set->n; i++)
		if (path_sync(set->list[i].path, e) < 0)
			return -1;
	return 0;
}

/* Makes the overlay files; if QEMU makes them itself, claims their names with empty files. */
static int prepare(const struct freeze *f, struct err *e)
{
	struct overlay_set set = set_of(f->plan);
	_cleanup_free_ struct disk_overlay *list = set.list;
	struct changes *c = f->changes;

	if (claim(&set, f, e) < 0 || unfinished_sync(c->journal, e) < 0)
		return -1;
	if (!f->plan->queued &&
	    (overlay_set_create(&set, f->deadline, f->interrupt, e) < 0 || sync_overlays(&set, e) < 0))
		return -1;
	for (size_t i = 0; i < c->n_overlays; i++)
		if (note_time(c, i, e) < 0)
			return -1;
	leave_claims(&set);
	/* written back now, QEMU need not flush it inside the pause */
	for (size_t i = 0; i < set.n; i++)
		if (path_sync(list[i].disk->chain[0].path, e) < 0)
			return -1;
	return 0;
}

/* One transaction for all disks. */
static int run(const struct freeze *f, struct err *e)
{
	const struct overlay_set set = set_of(f->plan);
	_cleanup_free_ struct disk_overlay *list = set.list;

	return overlay_set_put(&set, f->q, e);
}

/* Whether the disk writes to its overlay now. */
static int check_active(const struct disk_plan *dp, const json_t *blocks, struct err *e)
{
	const struct disk_overlay o = { .disk = dp->disk, .path = dp->overlay, .node = dp->node };
	const char *file = json_text(disk_find(blocks, dp->disk), "file");

	if (overlay_is_active(&o, blocks))
		return 0;
	return err_set(e, "disk '%s' writes to '%s' and not to its overlay '%s'", dp->disk->device,
		       file ? file : "nothing", dp->overlay);
}

/*
 * The backing file of an overlay that QEMU made itself is the frozen image or, if someone had queued others before, the
 * last of those, made in the same pause. The VM keeps them.
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
	return err_set(e, "'%s' is not the backing file of the overlay '%s'", dp->disk->chain[0].path, dp->overlay);
}

static int check(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e)
{
	if (check_active(dp, blocks, e) < 0)
		return -1;
	return dp->node[0] ? 0 : check_base(dp, f->survey, disk_find(blocks, dp->disk), e);
}

/* The frozen images, and the names of the overlays. */
static int settle(const struct freeze *f, struct err *e)
{
	const struct overlay_set set = set_of(f->plan);
	_cleanup_free_ struct disk_overlay *list = set.list;

	return overlay_set_sync(&set, e);
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
