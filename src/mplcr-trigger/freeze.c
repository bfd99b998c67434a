/* SPDX-License-Identifier: MIT */
/*
 * Disks frozen by overlays: the overlay files are made before the pause (qemu-img), put on top of all images in one
 * transaction inside it (blockdev-snapshot-sync with mode "existing"), and checked after it.
 */
#include "trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fdio.h"
#include "json.h"
#include "process.h"

/*
 * Claims the name before qemu-img writes it, so that nobody's file is overwritten, and hands it to QEMU's user where QEMU
 * runs as another one.
 */
static int claim_file(const char *path, const struct survey *s, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "cannot create the overlay '%s'", path);
	if (s->proc_known && s->uid != geteuid() && fchown(fd, s->uid, s->gid) < 0)
		return err_sys(e, errno, "cannot give the overlay '%s' to QEMU's user", path);
	return 0;
}

/* The size is given and the backing file not opened (-u): QEMU has it locked, and has told its size. */
static int make_overlay(const struct disk_plan *dp, struct err *e)
{
	_cleanup_free_ char *size = text_of("%" PRIu64, dp->disk->virtual_size);
	const char *argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", dp->disk->chain[0].format, "-b",
			       dp->backing, "--", dp->overlay, size, NULL };

	if (process_run(argv, e) < 0)
		return err_prefix(e, "cannot create the overlay '%s'", dp->overlay);
	return path_sync(dp->overlay, e);
}

int freeze_prepare(const struct plan *p, const struct survey *s, struct changes *c, struct err *e)
{
	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];
		struct changed_overlay *o = &c->overlays[c->n_overlays];
		struct stat st;

		if (!dp->freeze)
			continue;
		if (claim_file(dp->overlay, s, e) < 0)
			return -1;
		snprintf(o->path, sizeof(o->path), "%s", dp->overlay);
		snprintf(o->node, sizeof(o->node), "%s", dp->node);
		snprintf(o->below, sizeof(o->below), "%s", dp->disk->node);
		c->n_overlays++;
		if (make_overlay(dp, e) < 0)
			return -1;
		if (stat(dp->overlay, &st) < 0)
			return err_sys(e, errno, "cannot stat '%s'", dp->overlay);
		o->made_ns = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
		/* what the host writes back now, QEMU need not flush inside the pause */
		if (path_sync(dp->disk->chain[0].path, e) < 0)
			return -1;
	}
	return 0;
}

static json_t *overlay_action(const struct disk_plan *dp)
{
	const struct disk *d = dp->disk;

	return json_of("{s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "type", "blockdev-snapshot-sync", "data",
		       d->backend[0] ? "device" : "node-name", d->backend[0] ? d->backend : d->node, "snapshot-file", dp->overlay,
		       "snapshot-node-name", dp->node, "format", "qcow2", "mode", "existing");
}

int freeze_run(const struct plan *p, struct qmp *q, struct err *e)
{
	json_t *actions = json_array();

	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze)
			json_array_append_new(actions, overlay_action(&p->disks[i]));
	if (json_array_size(actions) == 0) {
		json_decref(actions);
		return 0;
	}
	if (qmp_run(q, "transaction", json_of("{s:o}", "actions", actions), NULL, e) < 0)
		return err_prefix(e, "cannot freeze the disks");
	return 0;
}

static int check_disk(const struct disk_plan *dp, const json_t *blocks, struct err *e)
{
	const json_t *inserted = disk_find(blocks, dp->disk);
	const char *node = json_text(inserted, "node-name");

	if (node && strcmp(node, dp->node) == 0)
		return 0;
	return err_set(e, "disk '%s' writes to '%s' and not to its overlay '%s'", dp->disk->device,
		       json_text(inserted, "file") ? json_text(inserted, "file") : "nothing", dp->overlay);
}

int freeze_check(const struct plan *p, struct qmp *q, struct err *e)
{
	json_t *blocks;
	int result = 0;

	if (qmp_run(q, "query-block", NULL, &blocks, e) < 0)
		return -1;
	for (size_t i = 0; i < p->n_disks && result == 0; i++) {
		const struct disk_plan *dp = &p->disks[i];
		_cleanup_free_ char *dir = NULL;

		if (!dp->freeze)
			continue;
		dir = path_dir(dp->overlay);
		if (check_disk(dp, blocks, e) < 0 || path_sync(dp->disk->chain[0].path, e) < 0 || path_sync(dir, e) < 0)
			result = -1;
	}
	json_decref(blocks);
	return result;
}
