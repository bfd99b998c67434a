/* SPDX-License-Identifier: MIT */
/* What the checkpoint, its overlays and their nodes are called, and which checkpoint it follows. */
#include "plan.h"
#include "freeze/freeze.h"
#include "parent.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/overlay_name.h"

/* --- the checkpoint before -------------------------------------------------------------------------------------- */

/* The one that the user names, or the one that is found. Returns 0 or -1. */
static int find_parent(struct plan *p, const struct options *o, const struct survey *s, struct err *e)
{
	int64_t began = clock_ns();

	manifest_free(p->before);
	p->before = o->parent ? manifest_load(o->parent, e) : parent_find(p, s);
	p->parent_ms = clock_ms_between(began, clock_ns());
	if (!o->parent)
		return 0;
	if (!p->before)
		return err_prefix(e, "--parent");
	if (p->before->layout->can_begin)
		return 0;
	err_set(e, "--parent: checkpoint '%s' has layout '%s': memory cannot begin with it", o->parent,
		p->before->layout->name);
	return err_hint(e, "choose one of layout pages, or leave out --parent");
}

/* The name of the one that made the overlays that the VM writes to now; malloc'd, or NULL. */
static char *find_maker(const struct plan *p)
{
	struct manifest *m = NULL;
	char *name;

	for (size_t i = 0; i < p->n_disks && !m; i++)
		if (p->disks[i].freeze)
			m = parent_maker(p->dir, p->disks[i].disk->chain[0].path);
	name = m ? text_copy(m->name) : NULL;
	manifest_free(m);
	return name;
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
	if (find_parent(p, o, s, e) < 0)
		return -1;
	free(p->maker);
	p->maker = find_maker(p);
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
