/* SPDX-License-Identifier: MIT */
/*
 * Disks frozen by overlays: the overlay files are made before the pause (qemu-img), put on top of all images in one
 * transaction inside it (blockdev-snapshot-sync with mode "existing"), and checked after it.
 */
#include "trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli.h"
#include "clock.h"
#include "fdio.h"
#include "json.h"
#include "overlay.h"

/*
 * Claims the name before qemu-img writes it, so that nobody's file is overwritten, and hands it to QEMU's user where
 * QEMU runs as another one.
 */
static int claim_file(const char *path, const struct survey *s, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "cannot create the overlay '%s'", path);
	if (s->proc_known && file_give(fd, "", s->uid, s->gid) < 0)
		return err_sys(e, errno, "cannot give the overlay '%s' to QEMU's user", path);
	return 0;
}

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
		if (claim_file(dp->overlay, s, e) < 0)
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

int freeze_prepare(const struct plan *p, const struct survey *s, struct changes *c, int64_t deadline, int interrupt,
		   struct err *e)
{
	_cleanup_free_ struct overlay *list = memory_of(p->n_disks, sizeof(*list));
	ssize_t n = claim_files(p, s, c, list, e);

	if (n < 0)
		return -1;
	if (!p->queued && overlay_create(list, (size_t)n, deadline, interrupt, e) < 0)
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

int freeze_run(const struct plan *p, struct qmp *q, struct err *e)
{
	json_t *actions = json_array();

	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze)
			json_array_append_new(actions, freeze_action(&p->disks[i]));
	if (json_array_size(actions) == 0) {
		json_decref(actions);
		return 0;
	}
	if (qmp_run(q, "transaction", json_of("{s:o}", "actions", actions), NULL, e) < 0)
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
		_cleanup_free_ char *path = shown ? disk_image_path(shown, s) : NULL;

		if (path && strcmp(path, dp->disk->chain[0].path) == 0)
			return 0;
		cli_warn("disk '%s': '%s' is between its overlay and the frozen image: it was queued in QEMU before",
			 dp->disk->device, shown ? shown : "?");
	}
	return err_set(e, "the overlay '%s' does not stand on '%s'", dp->overlay, dp->disk->chain[0].path);
}

static int check_disk(const struct disk_plan *dp, const struct survey *s, const json_t *blocks, struct err *e)
{
	const json_t *inserted = disk_find(blocks, dp->disk);

	if (check_active(dp, inserted, e) < 0)
		return -1;
	return dp->node[0] ? 0 : check_base(dp, s, inserted, e);
}

static int check_frozen(const struct disk_plan *dp, const struct survey *s, const json_t *blocks, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(dp->overlay);

	if (check_disk(dp, s, blocks, e) < 0 || path_sync(dp->disk->chain[0].path, e) < 0)
		return -1;
	return path_sync(dir, e);
}

/* Every disk is looked at: the user must know of each where it writes to. */
int freeze_check(const struct plan *p, const struct survey *s, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *blocks = NULL;
	int result = 0;

	if (qmp_run(q, "query-block", NULL, &blocks, e) < 0)
		return -1;
	for (size_t i = 0; i < p->n_disks; i++) {
		size_t used = result < 0 ? strlen(e->text) : 0;
		struct err one;

		if (!p->disks[i].freeze || check_frozen(&p->disks[i], s, blocks, &one) == 0)
			continue;
		if (result == 0)
			*e = one;
		else
			snprintf(e->text + used, sizeof(e->text) - used, "; %s", one.text);
		result = -1;
	}
	return result;
}
