/* SPDX-License-Identifier: MIT */
/* Freezing disks in the pause: calls the chosen method, and the code that several methods share. */
#include "freeze/freeze.h"
#include "plan.h"
#include "qemu/qmp.h"
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/backing_name.h"
#include "image/name.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "qemu/qemu_img.h"

int freeze_prepare(const struct freeze *f, struct err *e)
{
	return f->plan->method->prepare(f, e);
}

int freeze_run(const struct freeze *f, struct err *e)
{
	return f->plan->method->run(f, e);
}

/* --- after the pause -------------------------------------------------------------------------------------------- */

int freeze_check_same(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e)
{
	const json_t *inserted = disk_find(blocks, dp->disk);
	const char *file = json_text(inserted, "file");

	(void)f;
	if (file && strcmp(file, dp->disk->shown) == 0)
		return 0;
	return err_set(e, "disk '%s' writes to '%s' and no longer to '%s': someone else changed it meanwhile",
		       dp->disk->device, file ? file : "nothing", dp->disk->shown);
}

/* Checks every disk: the user must know where each one writes. */
static int check_all(const struct freeze *f, const json_t *blocks, struct err *e)
{
	const struct plan *p = f->plan;
	int result = 0;

	for (size_t i = 0; i < p->n_disks; i++) {
		size_t used = result < 0 ? strlen(e->text) : 0;
		struct err one;

		if (!p->disks[i].freeze || p->method->check(f, &p->disks[i], blocks, &one) == 0)
			continue;
		if (result == 0)
			*e = one;
		else
			snprintf(e->text + used, sizeof(e->text) - used, "; %s", one.text);
		result = -1;
	}
	return result;
}

int freeze_check(const struct freeze *f, struct err *e)
{
	_cleanup_json_ json_t *blocks = NULL;

	if (qmp_run(f->q, "query-block", NULL, &blocks, e) < 0)
		return -1;
	return check_all(f, blocks, e) < 0 ? -1 : f->plan->method->settle(f, e);
}

/* --- the names in the headers of clones ------------------------------------------------------------------------- */

/* The clone's name for the file at `path`: relative to its own directory if both are in one tree; malloc'd. */
static char *name_from_clone(const struct plan *p, const struct disk_plan *dp, const char *path)
{
	_cleanup_free_ char *clone = path_join(p->final, dp->clone), *dir = path_dir(clone);

	return path_below(p->dir, path) ? relative_name(dir, path) : text_copy(path);
}

/* Rewrites the backing file's name. A sealed header keeps its own, which is valid anywhere: see vm_disks.c. */
static int relink_backing(const struct plan *p, const struct disk_plan *dp, const struct qemu_img_header *h,
			  struct err *e)
{
	const struct disk *d = dp->disk;
	_cleanup_free_ char *name = NULL;

	if (d->n_chain < 2 || d->sealed || !d->backing_name || image_name_is_json(d->backing_name))
		return 0;
	name = name_from_clone(p, dp, d->chain[1].path);
	return qemu_img_set_backing(h, name, d->chain[1].format, e);
}

/* Rewrites the data file's name: absolute, since QEMU takes it relative to its own working directory. */
static int relink_data(const struct plan *p, const struct disk_plan *dp, const struct qemu_img_header *h, struct err *e)
{
	_cleanup_free_ char *data = dp->data ? path_join(p->final, dp->data) : NULL;

	return data ? qemu_img_set_data(h, data, e) : 0;
}

/* Opens the clone with the clone of its data file, whatever its header says. */
static int relink(const struct freeze *f, const struct disk_plan *dp, struct err *e)
{
	const struct plan *p = f->plan;
	_cleanup_free_ char *image = path_join(p->partial, dp->clone);
	_cleanup_free_ char *data = dp->data ? path_join(p->partial, dp->data) : NULL;
	const struct qemu_img_header h = {
		.path = image,
		.format = dp->disk->chain[0].format,
		.data = data,
		.deadline = f->deadline,
		.interrupt = f->interrupt,
	};

	return relink_backing(p, dp, &h, e) < 0 ? -1 : relink_data(p, dp, &h, e);
}

int freeze_relink(const struct freeze *f, struct err *e)
{
	const struct plan *p = f->plan;

	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].clone && relink(f, &p->disks[i], e) < 0)
			return err_prefix(e, "cannot correct the names in the clone '%s'", p->disks[i].clone);
	return 0;
}
