/* SPDX-License-Identifier: MIT */
#include "plan.h"
#include "changes.h"
#include "freeze/freeze.h"
#include "include.h"
#include "transport/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/image_path.h"
#include "base/json.h"
#include "base/number.h"
#include "qemu/overlay_name.h"

/* What a checkpoint needs besides memory: device state, manifest, trace; and what an empty overlay or a clone needs. */
#define STATE_EXTRA (32ULL << 20)
#define OVERLAY_BYTES (1ULL << 20)

/* --- the disks -------------------------------------------------------------------------------------------------- */

static bool left_out(const struct options *o, const struct disk *d)
{
	for (size_t i = 0; i < o->leave_out.n; i++)
		if (disk_has_name(d, o->leave_out.paths[i]))
			return true;
	return o->disks && !o->disks->freezes;
}

static int check_disk_options(const struct options *o, const struct survey *s, struct err *e)
{
	for (size_t i = 0; i < o->devices.n + o->leave_out.n; i++) {
		bool is_device = i < o->devices.n;
		const char *name = is_device ? o->devices.list[i].device : o->leave_out.paths[i - o->devices.n];
		bool found = false;

		for (size_t k = 0; k < s->n_disks; k++)
			found |= disk_has_name(&s->disks[k], name);
		if (!found)
			return disk_unknown(is_device ? "--device" : "--leave-out", name, s->disks, s->n_disks, e);
	}
	return 0;
}

int plan_refuse(const struct disk *d, const char *why, struct err *e)
{
	err_set(e, "disk '%s' cannot be frozen: %s", d->device, why);
	return err_hint(e, "detach it, or say --leave-out %s: its content then does not belong to the checkpoint",
			d->device);
}

static int plan_disk(struct disk_plan *dp, const struct options *o, struct err *e)
{
	const struct disk *d = dp->disk;
	const struct disk_choice *choice = disk_choices_find(&o->devices, d);

	if (d->read_only) {
		if (!choice)
			return 0;
		return err_usage(e, "--device: disk '%s' is read-only, there is nothing to freeze", d->device);
	}
	if (left_out(o, d) && !choice)
		return 0;
	if (o->devices.n > 0 && !choice) {
		err_set(e, "writable disk '%s' would be left out: its content would not belong to the checkpoint",
			d->device);
		return err_hint(e, "name it with --device too, or say --leave-out %s", d->device);
	}
	if (d->refusal)
		return plan_refuse(d, d->refusal, e);
	dp->freeze = true;
	return 0;
}

static int plan_disks(struct plan *p, const struct options *o, const struct survey *s, struct err *e)
{
	size_t frozen = 0;

	if (check_disk_options(o, s, e) < 0)
		return -1;
	p->disks = memory_of(s->n_disks, sizeof(*p->disks));
	p->n_disks = s->n_disks;
	for (size_t i = 0; i < s->n_disks; i++) {
		p->disks[i].disk = &s->disks[i];
		if (plan_disk(&p->disks[i], o, e) < 0)
			return -1;
		frozen += p->disks[i].freeze;
	}
	if (frozen > MAX_FROZEN)
		return err_set(e, "the VM has %zu disks to freeze, more than %d", frozen, MAX_FROZEN);
	return 0;
}

/* --- where it goes ------------------------------------------------------------------------------------------- */

/* The directory of the checkpoint: --dir, else that of the first disk's image. */
static int plan_dir(struct plan *p, const struct options *o, const struct survey *s, struct err *e)
{
	_cleanup_free_ char *dir = NULL;

	if (o->dir) {
		dir = text_copy(o->dir);
	} else {
		for (size_t i = 0; i < s->n_disks && !dir; i++)
			if (s->disks[i].chain[0].path && (p->disks[i].freeze || !s->disks[i].read_only))
				dir = path_dir(s->disks[i].chain[0].path);
	}
	if (!dir) {
		err_usage(e, "the VM has no disk beside whose image the checkpoint could be put");
		return err_hint(e, "say where with --dir");
	}
	p->dir = path_real(dir);
	return p->dir ? 0 : err_sys(e, errno, "cannot use the directory '%s'", dir);
}

static int check_dir(const char *dir, uint64_t need, const char *what, struct err *e)
{
	char need_text[16], free_text[16];
	struct statvfs v;
	uint64_t room;

	if (statvfs(dir, &v) < 0)
		return err_sys(e, errno, "cannot use the directory '%s'", dir);
	if (v.f_flag & ST_RDONLY || access(dir, W_OK | X_OK) < 0) {
		err_sys(e, v.f_flag & ST_RDONLY ? EROFS : errno, "cannot write %s into '%s'", what, dir);
		return err_hint(e, "choose another directory with --dir");
	}
	room = (uint64_t)v.f_bavail * v.f_frsize;
	if (room >= need)
		return 0;
	err_sys(e, ENOSPC, "not enough space for %s in '%s': up to %s needed, %s free", what, dir,
		number_bytes(need, need_text), number_bytes(room, free_text));
	return err_hint(e, "free some, or choose another directory with --dir");
}

static int check_space(const struct plan *p, struct err *e)
{
	if (check_dir(p->dir, p->space, "the state", e) < 0)
		return -1;
	for (size_t i = 0; i < p->n_disks; i++) {
		_cleanup_free_ char *dir = NULL;

		if (!p->disks[i].overlay)
			continue;
		dir = path_dir(p->disks[i].overlay);
		if (check_dir(dir, OVERLAY_BYTES, "an overlay", e) < 0)
			return -1;
	}
	return 0;
}

/* What the checkpoint's directory may need, bytes. */
static uint64_t space_needed(const struct plan *p, const struct options *o, const struct survey *s,
			     const struct choice *c)
{
	uint64_t need =
		(transport_for(c->engine, o)->stores ? s->populated : 0) + STATE_EXTRA + p->clones.n * OVERLAY_BYTES;
	struct stat st;

	for (size_t i = 0; i < p->includes.n; i++)
		need += p->includes.list[i].copy && stat(p->includes.list[i].from, &st) == 0 ? (uint64_t)st.st_size
											     : OVERLAY_BYTES;
	return need;
}

/* --- what is asked of a plan ------------------------------------------------------------------------------------ */

char *plan_frozen(const struct plan *p, const struct disk_plan *dp)
{
	return dp->clone ? path_join(p->final, dp->clone) : text_copy(dp->disk->chain[0].path);
}

const char *plan_active(const struct disk_plan *dp)
{
	return dp->overlay ? dp->overlay : dp->disk->chain[0].path;
}

bool plan_includes(const struct plan *p, const struct disk *d)
{
	for (size_t i = 0; i < p->includes.n; i++)
		if (d->chain[0].path && image_same(p->includes.list[i].from, d->chain[0].path))
			return true;
	return false;
}

const struct manifest *plan_parent(const struct plan *p, const struct options *o)
{
	return p->before && o->layout->can_begin && !o->no_parent && p->before->layout->can_begin ? p->before : NULL;
}

bool plan_needs_pause(const struct plan *p, const struct options *o)
{
	return o->at_freeze || p->includes.n > 0 || p->method->needs_pause;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* What the engine needs otherwise. */
static int adjust(struct plan *p, const struct options *o, const struct survey *s, const struct choice *c,
		  struct err *e)
{
	const struct engine_view v = choice_view(c, c->row, o, s);

	return c->engine->adjust_plan ? c->engine->adjust_plan(&v, p, e) : 0;
}

int plan_names_anew(struct plan *p, const struct options *o, const struct survey *s, const struct choice *c,
		    struct err *e)
{
	return plan_names(p, o, s, e) < 0 ? -1 : adjust(p, o, s, c, e);
}

int plan_make(struct plan *p, const struct options *o, const struct survey *s, const struct choice *c, struct err *e)
{
	*p = (struct plan){ 0 };
	if (plan_disks(p, o, s, e) < 0 || plan_dir(p, o, s, e) < 0 || freeze_plan(p, o->disks, e) < 0 ||
	    include_plan(p, o, e) < 0 || plan_names(p, o, s, e) < 0 || adjust(p, o, s, c, e) < 0)
		return -1;
	p->space = space_needed(p, o, s, c);
	return check_space(p, e);
}

void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n_disks; i++) {
		free(p->disks[i].overlay);
		free(p->disks[i].backing);
		free(p->disks[i].clone);
		free(p->disks[i].data);
	}
	clones_release(&p->clones);
	clones_release(&p->includes);
	free(p->disks);
	free(p->subvolume);
	free(p->name);
	free(p->dir);
	free(p->final);
	free(p->partial);
	manifest_free(p->before);
	free(p->maker);
}

static json_t *disks_to_json(const struct plan *p)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];
		_cleanup_free_ char *frozen = dp->freeze ? plan_frozen(p, dp) : NULL;

		json_array_append_new(disks, json_of("{s:s, s:s, s:o*, s:b, s:s*, s:o*}", "device", dp->disk->device,
						     "node", dp->disk->node, "frozen",
						     frozen ? json_string_of(frozen) : NULL, "read_only",
						     dp->disk->read_only, "method", frozen ? p->method->name : NULL,
						     "active", frozen ? json_string_of(plan_active(dp)) : NULL));
	}
	return disks;
}

static json_t *included_to_json(const struct plan *p)
{
	json_t *included = json_array();

	for (size_t i = 0; i < p->includes.n; i++)
		json_array_append_new(included, json_of("{s:o, s:o}", "path", json_string_of(p->includes.list[i].from),
							"file", json_string_of(p->includes.list[i].to)));
	return included;
}

json_t *plan_to_json(const struct plan *p, const struct options *o, const struct survey *s, const struct choice *c)
{
	const struct manifest *parent = plan_parent(p, o);

	return json_of("{s:s, s:b, s:s, s:o, s:o*, s:s, s:s, s:s, s:f, s:I, s:I, s:o, s:o}", "schema", "mplcr.trigger.plan/1",
		       "dry_run", 1, "name", p->name, "checkpoint", json_string_of(p->final), "parent",
		       parent ? json_string_of(parent->checkpoint) : NULL, "engine", c->engine->name,
		       "memory_as_of", c->engine->memory_as_of, "why", c->why, "predicted_pause_ms",
		       choice_predicted_ms(c), "memory_bytes", (json_int_t)s->memory, "space_bytes",
		       (json_int_t)p->space, "disks", disks_to_json(p), "included", included_to_json(p));
}
