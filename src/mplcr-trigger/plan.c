/* SPDX-License-Identifier: MIT */
#include "trigger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fdio.h"
#include "json.h"
#include "number.h"

/* What a checkpoint needs besides memory: device state, manifest, trace; and what an empty overlay needs. */
#define STATE_EXTRA (32ULL << 20)
#define OVERLAY_BYTES (1ULL << 20)

#define MAX_NAME 100
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* --- the disks -------------------------------------------------------------------------------------------------- */

static bool names_disk(const char *name, const struct disk *d)
{
	return strcmp(name, d->device) == 0 || strcmp(name, d->node) == 0 || (d->qdev && strcmp(name, d->qdev) == 0);
}

static const struct device_choice *chosen(const struct options *o, const struct disk *d)
{
	for (size_t i = 0; i < o->n_devices; i++)
		if (names_disk(o->devices[i].device, d))
			return &o->devices[i];
	return NULL;
}

static bool left_out(const struct options *o, const struct disk *d)
{
	for (size_t i = 0; i < o->n_leave_out; i++)
		if (names_disk(o->leave_out[i], d))
			return true;
	return o->no_disks;
}

/* The name of every disk that --device and --leave-out may mean, for a message. */
static int no_such_disk(const char *option, const char *name, const struct survey *s, struct err *e)
{
	char known[256] = "";

	for (size_t i = 0; i < s->n_disks; i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), " %s", s->disks[i].device);
	err_usage(e, "%s: the VM has no disk '%s'", option, name);
	return err_hint(e, "its disks are:%s", known[0] ? known : " none");
}

static int check_disk_options(const struct options *o, const struct survey *s, struct err *e)
{
	for (size_t i = 0; i < o->n_devices + o->n_leave_out; i++) {
		bool is_device = i < o->n_devices;
		const char *name = is_device ? o->devices[i].device : o->leave_out[i - o->n_devices];
		bool found = false;

		for (size_t k = 0; k < s->n_disks; k++)
			found |= names_disk(name, &s->disks[k]);
		if (!found)
			return no_such_disk(is_device ? "--device" : "--leave-out", name, s, e);
	}
	return 0;
}

static int plan_disk(struct disk_plan *dp, const struct options *o, struct err *e)
{
	const struct disk *d = dp->disk;
	const struct device_choice *choice = chosen(o, d);

	if (d->read_only) {
		if (!choice)
			return 0;
		return err_usage(e, "--device: disk '%s' is read-only, there is nothing to freeze", d->device);
	}
	if (left_out(o, d) && !choice)
		return 0;
	if (o->n_devices > 0 && !choice) {
		err_set(e, "writable disk '%s' would be left out: its content would not belong to the checkpoint",
			d->device);
		return err_hint(e, "name it with --device too, or say --leave-out %s", d->device);
	}
	if (d->refusal) {
		err_set(e, "disk '%s' cannot be frozen: %s", d->device, d->refusal);
		return err_hint(e,
				"detach it, or say --leave-out %s: its content then does not belong to the checkpoint",
				d->device);
	}
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

/* --- names ------------------------------------------------------------------------------------------------------ */

static int check_name(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n > MAX_NAME || name[0] == '.' || name[0] == '-' || strspn(name, NAME_BYTES) != n)
		return err_usage(e,
				 "--name: '%s' is not a name: letters, digits, '.', '_' and '-', at most %d of them, "
				 "not beginning with '.' or '-'",
				 name, MAX_NAME);
	return 0;
}

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

/* The image's file name without its last extension. */
static char *stem_of(const char *path)
{
	const char *base = path_base(path), *dot = strrchr(base, '.');

	return text_of("%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

static bool is_overlay_name(const char *path)
{
	size_t n = strlen(path);

	return n > 4 && strcmp(path + n - 4, ".ovl") == 0;
}

/*
 * The checkpoint whose overlay `path` is, by its name, STEM_NAME.ovl: malloc'd NAME, or NULL. A name may have '_' in
 * it, so each is tried until DIR/NAME.ckpt lists the image as what the VM went on with.
 */
static char *parent_of(const char *dir, const char *path)
{
	_cleanup_free_ char *stem = stem_of(path);

	if (!is_overlay_name(path))
		return NULL;
	for (const char *at = strchr(stem, '_'); at; at = strchr(at + 1, '_')) {
		_cleanup_free_ char *ckpt = text_of("%s/%s.ckpt", dir, at + 1);
		struct manifest *m;
		struct err ignored;
		bool found = false;

		if (access(ckpt, F_OK) < 0 || !(m = manifest_load(ckpt, &ignored)))
			continue;
		for (size_t i = 0; i < m->n_disks; i++)
			found |= m->disks[i].active && strcmp(m->disks[i].active, path) == 0;
		manifest_free(m);
		if (found)
			return text_copy(at + 1);
	}
	return NULL;
}

/*
 * What the overlay's name begins with: the image's own, where that is not an overlay; else the image's without the name
 * of the checkpoint that made it, so that snap_01.ovl is followed by snap_x1.ovl and that by snap_x2.ovl.
 */
static char *overlay_stem(const struct plan *p, const char *path)
{
	char *stem = stem_of(path), *cut;
	size_t n = strlen(stem), parent = p->parent ? strlen(p->parent) : 0;

	if (!is_overlay_name(path))
		return stem;
	if (parent && n > parent + 1 && stem[n - parent - 1] == '_' && strcmp(stem + n - parent, p->parent) == 0)
		cut = stem + n - parent - 1;
	else
		cut = strrchr(stem, '_');
	if (cut && cut > stem)
		*cut = '\0';
	return stem;
}

static bool overlay_taken(const struct plan *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->disks[k].freeze && strcmp(p->disks[k].overlay, p->disks[i].overlay) == 0)
			return true;
	return false;
}

/* The device's name as part of a file name. */
static char *safe_device(const char *device)
{
	char *name = text_copy(device);

	for (char *c = name; *c; c++)
		if (!strchr(NAME_BYTES, *c))
			*c = '-';
	return name;
}

/* QMP and the manifest are JSON, which has no way to write other bytes. */
static int check_text(const char *path, struct err *e)
{
	json_t *text = json_string_of(path);
	bool same = strcmp(json_string_value(text), path) == 0;

	json_decref(text);
	return same ? 0 : err_set(e, "'%s' is not valid UTF-8: QEMU cannot be told that name", path);
}

/* Fills in the path of each overlay for the checkpoint name `name`. */
static int name_overlays(struct plan *p, const struct options *o, const char *name, struct err *e)
{
	for (size_t i = 0; i < p->n_disks; i++) {
		struct disk_plan *dp = &p->disks[i];
		const struct device_choice *choice = chosen(o, dp->disk);
		_cleanup_free_ char *stem = NULL;

		if (!dp->freeze)
			continue;
		free(dp->overlay);
		if (choice && choice->file) {
			dp->overlay = path_real_parent(choice->file);
			if (!dp->overlay)
				return err_sys(e, errno, "cannot use the directory of the overlay '%s'", choice->file);
		} else {
			stem = overlay_stem(p, dp->disk->chain[0].path);
			dp->overlay = text_of("%s/%s_%s.ovl", p->dir, stem, name);
			if (overlay_taken(p, i)) {
				_cleanup_free_ char *device = safe_device(dp->disk->device);

				free(dp->overlay);
				dp->overlay = text_of("%s/%s-%s_%s.ovl", p->dir, stem, device, name);
			}
		}
		if (overlay_taken(p, i))
			return err_usage(e, "two disks would get the same overlay '%s'", dp->overlay);
		if (check_text(dp->overlay, e) < 0)
			return -1;
		if (strlen(dp->overlay) >= PATH_MAX || strlen(path_base(dp->overlay)) > NAME_MAX)
			return err_set(e, "the overlay's path is too long: '%s'", dp->overlay);
	}
	return 0;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* The first of the names that this checkpoint needs and that is there already, or NULL. */
static const char *name_in_use(const struct plan *p)
{
	if (exists(p->final))
		return p->final;
	if (exists(p->partial))
		return p->partial;
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && exists(p->disks[i].overlay))
			return p->disks[i].overlay;
	return NULL;
}

static int try_name(struct plan *p, const struct options *o, const char *name, struct err *e)
{
	free(p->name);
	free(p->final);
	free(p->partial);
	p->name = text_copy(name);
	p->final = text_of("%s/%s.ckpt", p->dir, name);
	p->partial = text_of("%s/%s.ckpt.partial", p->dir, name);
	if (strlen(p->partial) >= PATH_MAX)
		return err_set(e, "the directory's path is too long: '%s'", p->dir);
	if (check_text(p->final, e) < 0)
		return -1;
	return name_overlays(p, o, name, e);
}

static int plan_names(struct plan *p, const struct options *o, struct err *e)
{
	for (size_t i = 0; i < p->n_disks && !p->parent; i++)
		if (p->disks[i].freeze)
			p->parent = parent_of(p->dir, p->disks[i].disk->chain[0].path);
	if (o->name) {
		if (check_name(o->name, e) < 0 || try_name(p, o, o->name, e) < 0)
			return -1;
		if (!name_in_use(p))
			return 0;
		err_set(e, "'%s' exists", name_in_use(p));
		if (exists(p->partial))
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
		for (size_t i = 0; i < o->n_devices; i++)
			if (o->devices[i].file && exists(o->devices[i].file)) {
				err_set(e, "'%s' exists", o->devices[i].file);
				return err_hint(e, "an overlay is never written over another file");
			}
	}
	return err_set(e, "no free name from x1 on in '%s'", p->dir);
}

/* Node names of at most 31 bytes that the VM does not have: QEMU refuses longer ones (qapi/block-core.json). */
static void name_nodes(struct plan *p, const struct survey *s)
{
	unsigned salt = 0;

	for (size_t i = 0; i < p->n_disks; i++) {
		bool taken;

		do {
			taken = false;
			if (strlen(p->name) <= 16 && salt == 0)
				snprintf(p->disks[i].node, sizeof(p->disks[i].node), "mplcr-%.16s-%u", p->name,
					 (unsigned)i % 1000);
			else
				snprintf(p->disks[i].node, sizeof(p->disks[i].node), "mplcr-%.10s-%u-%u", p->name,
					 salt % 100000, (unsigned)i % 1000);
			for (size_t k = 0; k < s->n_nodes; k++)
				taken |= strcmp(s->nodes[k], p->disks[i].node) == 0;
			salt += taken;
		} while (taken);
	}
}

/*
 * What the overlay's header names as its backing file: exactly what QEMU calls the image, where that name leads to it
 * from the overlay too (else QEMU would show the disk as "json:…" from then on); its absolute path otherwise.
 */
static char *backing_name(const struct disk_plan *dp)
{
	const struct disk *d = dp->disk;
	_cleanup_free_ char *dir = path_dir(dp->overlay);
	_cleanup_free_ char *there = path_join(dir, d->shown);
	_cleanup_free_ char *real = path_real(there);

	if (real && strcmp(real, d->chain[0].path) == 0 && !strchr(d->shown, ':'))
		return text_copy(d->shown);
	return text_copy(d->chain[0].path);
}

/* --- space and rights ------------------------------------------------------------------------------------------- */

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

		if (!p->disks[i].freeze)
			continue;
		dir = path_dir(p->disks[i].overlay);
		if (check_dir(dir, OVERLAY_BYTES, "an overlay", e) < 0)
			return -1;
	}
	return 0;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

int plan_make(struct plan *p, const struct options *o, const struct survey *s, struct err *e)
{
	*p = (struct plan){ 0 };
	if (plan_disks(p, o, s, e) < 0 || plan_dir(p, o, s, e) < 0 || plan_names(p, o, e) < 0)
		return -1;
	name_nodes(p, s);
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze)
			p->disks[i].backing = backing_name(&p->disks[i]);
	p->space = (o->uri ? 0 : s->populated) + STATE_EXTRA;
	return check_space(p, e);
}

void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n_disks; i++) {
		free(p->disks[i].overlay);
		free(p->disks[i].backing);
	}
	free(p->disks);
	free(p->name);
	free(p->dir);
	free(p->final);
	free(p->partial);
	free(p->parent);
}

json_t *plan_to_json(const struct plan *p, const struct survey *s, const struct choice *c)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];

		json_array_append_new(disks, json_of("{s:s, s:s, s:o*, s:b, s:o*}", "device", dp->disk->device, "node",
						     dp->disk->node, "frozen",
						     dp->freeze ? json_string_of(dp->disk->chain[0].path) : NULL,
						     "read_only", dp->disk->read_only, "active",
						     dp->freeze ? json_string_of(dp->overlay) : NULL));
	}
	return json_of("{s:s, s:b, s:s, s:o, s:s, s:s, s:f, s:I, s:I, s:o}", "schema", "mplcr.trigger.plan/1",
		       "dry_run", 1, "name", p->name, "checkpoint", json_string_of(p->final), "engine",
		       engine_of(c->engine)->name, "why", c->why, "predicted_pause_ms", choice_predicted_ms(c),
		       "memory_bytes", (json_int_t)s->memory, "space_bytes", (json_int_t)p->space, "disks", disks);
}
