/* SPDX-License-Identifier: MIT */
/* What the checkpoint, its overlays and their nodes are called, and which checkpoint it follows. */
#include "plan.h"
#include "freeze/freeze.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/overlay_name.h"

/* --- the checkpoint before -------------------------------------------------------------------------------------- */

static struct manifest *load_quietly(const char *ckpt)
{
	struct err ignored;

	return access(ckpt, F_OK) == 0 ? manifest_load(ckpt, &ignored) : NULL;
}

static bool went_on_with(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->n_disks; i++)
		if (m->disks[i].active && strcmp(m->disks[i].active, path) == 0)
			return true;
	return false;
}

static bool is_before(const struct manifest *m, const struct plan *p)
{
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && went_on_with(m, p->disks[i].disk->chain[0].path))
			return true;
	return false;
}

/* The newest checkpoint beside this one after which the VM went on with an image that is frozen now: its name. */
static char *parent_of(const struct plan *p)
{
	DIR *dir = opendir(p->dir);
	struct manifest *newest = NULL;
	struct dirent *entry;
	char *name;

	while (dir && (entry = readdir(dir)) != NULL) {
		_cleanup_free_ char *ckpt = path_join(p->dir, entry->d_name);
		struct manifest *m = checkpoint_is_named(ckpt) ? load_quietly(ckpt) : NULL;

		/* times of that form sort as texts */
		if (m && m->created && is_before(m, p) && (!newest || strcmp(m->created, newest->created) > 0)) {
			manifest_free(newest);
			newest = m;
		} else {
			manifest_free(m);
		}
	}
	if (dir)
		closedir(dir);
	name = newest ? text_copy(newest->name) : NULL;
	manifest_free(newest);
	return name;
}

/*
 * The checkpoint whose overlay `path` is, by its name, STEM_NAME.ovl: malloc'd NAME, or NULL. A name may have '_' in
 * it, so each is tried until DIR/NAME.ckpt lists the image as what the VM went on with.
 */
static char *maker_of(const char *dir, const char *path)
{
	_cleanup_free_ char *stem = overlay_name_stem(path);

	if (!overlay_name_is(path))
		return NULL;
	for (const char *at = strchr(stem, '_'); at; at = strchr(at + 1, '_')) {
		_cleanup_free_ char *ckpt = checkpoint_path(dir, at + 1);
		struct manifest *m = load_quietly(ckpt);
		bool found = m && went_on_with(m, path);

		manifest_free(m);
		if (found)
			return text_copy(at + 1);
	}
	return NULL;
}

/* --- overlays --------------------------------------------------------------------------------------------------- */

/* Fills in the path of each overlay for the checkpoint name `name`. */
static int name_overlays(struct plan *p, const struct options *o, const char *name, struct err *e)
{
	_cleanup_free_ struct overlay_wish *list = memory_of(p->n_disks, sizeof(*list));
	size_t n = 0;
	int result;

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk *d = p->disks[i].disk;
		const struct disk_choice *choice = disk_choices_find(&o->devices, d);

		if (p->disks[i].freeze)
			list[n++] = (struct overlay_wish){
				.image = d->chain[0].path,
				.device = d->device,
				.file = choice ? choice->file : NULL,
				.dir = p->dir,
			};
	}
	result = overlay_name_paths(list, n, name, p->maker, e);
	n = 0;
	for (size_t i = 0; i < p->n_disks; i++) {
		if (!p->disks[i].freeze)
			continue;
		free(p->disks[i].overlay);
		p->disks[i].overlay = list[n++].path;
	}
	return result;
}

/* --- the checkpoint ---------------------------------------------------------------------------------------------- */

/* The first of the names that this checkpoint needs and that is there already, or NULL. */
static const char *name_in_use(const struct plan *p)
{
	if (path_exists(p->final))
		return p->final;
	if (path_exists(p->partial))
		return p->partial;
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].overlay && path_exists(p->disks[i].overlay))
			return p->disks[i].overlay;
	return NULL;
}

static int try_name(struct plan *p, const struct options *o, const char *name, struct err *e)
{
	free(p->name);
	free(p->final);
	free(p->partial);
	p->name = text_copy(name);
	p->final = checkpoint_path(p->dir, name);
	p->partial = checkpoint_path_partial(p->dir, name);
	if (strlen(p->partial) >= PATH_MAX)
		return err_set(e, "the directory's path is too long: '%s'", p->dir);
	if (overlay_name_utf8(p->final, e) < 0)
		return -1;
	return p->method->makes_overlays ? name_overlays(p, o, name, e) : 0;
}

static int choose_name(struct plan *p, const struct options *o, struct err *e)
{
	if (o->name) {
		if (overlay_name_check(o->name, e) < 0 || try_name(p, o, o->name, e) < 0)
			return -1;
		if (!name_in_use(p))
			return 0;
		err_set(e, "'%s' exists", name_in_use(p));
		if (path_exists(p->partial))
			return err_hint(
				e, "it was left over by a checkpoint that died, or one is under way: remove it if not");
		return err_hint(e, "choose another --name, or none: then the next free one is taken");
	}
	for (int n = 1; n < 1000000; n++) {
		char name[16];

		snprintf(name, sizeof(name), "x%d", n);
		if (try_name(p, o, name, e) < 0)
			return -1;
		if (!name_in_use(p))
			return 0;
		for (size_t i = 0; i < o->devices.n; i++)
			if (o->devices.list[i].file && path_exists(o->devices.list[i].file)) {
				err_set(e, "'%s' exists", o->devices.list[i].file);
				return err_hint(e, "an overlay is never written over another file");
			}
	}
	return err_set(e, "no free name from x1 on in '%s'", p->dir);
}

static void name_nodes(struct plan *p, const struct survey *s)
{
	unsigned salt = 0;

	for (size_t i = 0; i < p->n_disks; i++)
		overlay_name_node(p->disks[i].node, p->name, i, s->nodes, s->n_nodes, &salt);
}

int plan_names(struct plan *p, const struct options *o, const struct survey *s, struct err *e)
{
	free(p->parent);
	p->parent = parent_of(p);
	for (size_t i = 0; i < p->n_disks && !p->maker; i++)
		if (p->disks[i].freeze)
			p->maker = maker_of(p->dir, p->disks[i].disk->chain[0].path);
	if (choose_name(p, o, e) < 0)
		return -1;
	if (!p->method->makes_overlays)
		return 0;
	name_nodes(p, s);
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze) {
			free(p->disks[i].backing);
			p->disks[i].backing = disk_backing_name(p->disks[i].disk, p->disks[i].overlay);
		}
	return 0;
}
