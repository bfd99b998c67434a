/* SPDX-License-Identifier: MIT */
#include "parent.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "checkpoint/names.h"
#include "qemu/overlay_name.h"

enum {
	MANY = 16,   /* newest checkpoints of a directory that are looked into; others only if they have clones */
	LAYERS = 16, /* images of a disk, from the top, whose makers are looked for */
};

static struct manifest *load_quietly(const char *ckpt)
{
	struct err ignored;

	return access(ckpt, F_OK) == 0 ? manifest_load(ckpt, &ignored) : NULL;
}

/* --- what a checkpoint has to do with a disk --------------------------------------------------------------------- */

static bool went_on_with(const struct manifest *m, const char *image)
{
	for (size_t i = 0; i < m->n_disks; i++)
		if (m->disks[i].active && strcmp(m->disks[i].active, image) == 0)
			return true;
	return false;
}

static bool froze(const struct manifest *m, const char *image)
{
	for (size_t i = 0; i < m->n_disks; i++)
		if (m->disks[i].method != MANIFEST_NONE && strcmp(m->disks[i].chain[0].path, image) == 0)
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

/* The checkpoint, if `is` says so of it and the image; else NULL. */
static struct manifest *if_it(struct manifest *m, bool (*is)(const struct manifest *, const char *), const char *image)
{
	if (m && is(m, image))
		return m;
	manifest_free(m);
	return NULL;
}

/* --- by name ----------------------------------------------------------------------------------------------------- */

/* A name may have '_' in it, so each is tried until the checkpoint lists the image as what the VM went on with. */
struct manifest *parent_maker(const char *dir, const char *image)
{
	_cleanup_free_ char *stem = overlay_name_stem(image);
	struct manifest *found = NULL;

	if (!overlay_name_is(image))
		return NULL;
	for (const char *at = strchr(stem, '_'); at && !found; at = strchr(at + 1, '_')) {
		_cleanup_free_ char *ckpt = checkpoint_path(dir, at + 1);

		found = if_it(load_quietly(ckpt), went_on_with, image);
	}
	return found;
}

/* The same beside the new checkpoint, or beside the image. */
static struct manifest *maker_of(const struct plan *p, const char *image)
{
	_cleanup_free_ char *dir = path_dir(image);
	struct manifest *m = parent_maker(p->dir, image);

	return m ? m : parent_maker(dir, image);
}

/* The disk's image is one of a run directory, NAME.RUN: the checkpoint that was restored, in `dir`. */
static struct manifest *restored_in(const char *dir, const char *run, const char *frozen)
{
	struct manifest *found = NULL;

	for (const char *dot = strchr(run, '.'); dot && !found; dot = strchr(dot + 1, '.')) {
		_cleanup_free_ char *name = text_of("%.*s", (int)(dot - run), run), *ckpt = checkpoint_path(dir, name);

		found = if_it(load_quietly(ckpt), froze, frozen);
	}
	return found;
}

/*
 * The checkpoint that the image `overlay` was made for in its run directory, on the image `frozen`: beside that directory,
 * beside the frozen image, or around it, if it was cloned.
 */
static struct manifest *restored(const char *overlay, const char *frozen)
{
	_cleanup_free_ char *run = path_dir(overlay), *beside = path_dir(run);
	_cleanup_free_ char *there = path_dir(frozen), *within = path_dir(there);
	struct manifest *m = restored_in(beside, path_base(run), frozen);

	if (!m)
		m = restored_in(there, path_base(run), frozen);
	return m || !checkpoint_is_named(within) ? m : if_it(load_quietly(within), froze, frozen);
}

/* The VM has its memory mapped from DIR/NAME.ckpt/ram/BLOCK. */
static struct manifest *mapped(const struct survey *s)
{
	_cleanup_free_ char *ram = s->memory_file ? path_dir(s->memory_file) : NULL, *ckpt = ram ? path_dir(ram) : NULL;

	return ram && strcmp(path_base(ram), STATE_RAM_DIR) == 0 && checkpoint_is_named(ckpt) ? load_quietly(ckpt) : NULL;
}

/* By the images that are so far below the top of the disks. */
static struct manifest *find_at(const struct plan *p, size_t layer)
{
	struct manifest *m = NULL;

	for (size_t i = 0; i < p->n_disks && !m; i++) {
		const struct disk *d = p->disks[i].disk;

		if (!p->disks[i].freeze || layer >= d->n_chain || !d->chain[layer].path)
			continue;
		m = maker_of(p, d->chain[layer].path);
		if (!m && layer + 1 < d->n_chain && d->chain[layer + 1].path)
			m = restored(d->chain[layer].path, d->chain[layer + 1].path);
	}
	return m;
}

/* The later one; frees the other. Times of that form sort as texts. */
static struct manifest *later(struct manifest *a, struct manifest *b)
{
	bool is_b = !a || (b && a->created && b->created && strcmp(b->created, a->created) > 0);

	manifest_free(is_b ? a : b);
	return is_b ? b : a;
}

/* Where the last one was removed, it is the one before it. */
static struct manifest *find_by_name(const struct plan *p, const struct survey *s)
{
	struct manifest *m = NULL;

	for (size_t layer = 0; layer < LAYERS && !m; layer++)
		m = find_at(p, layer);
	return later(m, mapped(s));
}

/* --- by what it went on with ------------------------------------------------------------------------------------- */

struct entry {
	char *path;
	int64_t changed;
};

struct entries {
	struct entry *list;
	size_t n;
};

static int64_t changed_ns(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, 0) == 0 && S_ISDIR(st.st_mode) ? clock_ns_of(st.st_mtim) : INT64_MIN;
}

static int compare_newest(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->changed < y->changed) - (x->changed > y->changed);
}

/* The checkpoints in the directory that were made after that time, the newest first. */
static void list_newer(struct entries *e, const char *path, int64_t than)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		int64_t changed = checkpoint_is_named(entry->d_name) ? changed_ns(dirfd(dir), entry->d_name) : INT64_MIN;

		if (changed > than)
			*array_add(e->list, e->n) = (struct entry){ path_join(path, entry->d_name), changed };
	}
	if (dir)
		closedir(dir);
	if (e->n)
		qsort(e->list, e->n, sizeof(*e->list), compare_newest);
}

static void release_entries(struct entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->list[i].path);
	free(e->list);
}

/* Whether the text of a manifest has the end of the image's path: "…/IMAGE". */
static bool has_name(const char *text, size_t size, const char *image)
{
	_cleanup_json_ json_t *base = json_string_of(path_base(image));
	_cleanup_free_ char *quoted = json_dumps(base, JSON_ENCODE_ANY), *end = quoted ? text_of("/%s", quoted + 1) : NULL;

	return !end || memmem(text, size, end, strlen(end));
}

/* Whether it is worth while to load the manifest: most are of other VMs. */
static bool may_be_before(const char *ckpt, const struct plan *p)
{
	_cleanup_close_ int dirfd = open(ckpt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct err ignored;
	size_t size;

	text = dirfd < 0 ? NULL : file_read(dirfd, MANIFEST_NAME, MANIFEST_MAX_BYTES, &size, &ignored);
	for (size_t i = 0; text && i < p->n_disks; i++)
		if (p->disks[i].freeze && has_name(text, size, p->disks[i].disk->chain[0].path))
			return true;
	return false;
}

/* Whether it has a clone of an image that is frozen now, by its name: one that has made no overlay. */
static bool has_clone(const char *ckpt, const struct plan *p)
{
	for (size_t i = 0; i < p->n_disks; i++) {
		const char *image = p->disks[i].freeze ? path_base(p->disks[i].disk->chain[0].path) : NULL;
		_cleanup_free_ char *clone = image ? text_of("%s/" CLONES_DIR "/%s", ckpt, image) : NULL;

		if (clone && access(clone, F_OK) == 0)
			return true;
	}
	return false;
}

/* The newest after which the VM went on with an image that is frozen now, if it came after `before` (or NULL). */
static struct manifest *find_newer(const struct plan *p, const struct manifest *before)
{
	_cleanup_free_ char *dir = before ? path_dir(before->checkpoint) : NULL;
	struct manifest *found = NULL;
	struct entries newer = { 0 };

	list_newer(&newer, p->dir,
		   dir && strcmp(dir, p->dir) == 0 ? changed_ns(AT_FDCWD, before->checkpoint) : INT64_MIN);
	for (size_t i = 0; i < newer.n && !found; i++) {
		const char *ckpt = newer.list[i].path;

		if ((i < MANY || has_clone(ckpt, p)) && may_be_before(ckpt, p))
			found = load_quietly(ckpt);
		if (found && !is_before(found, p)) {
			manifest_free(found);
			found = NULL;
		}
	}
	release_entries(&newer);
	return found;
}

struct manifest *parent_find(const struct plan *p, const struct survey *s)
{
	struct manifest *named = find_by_name(p, s), *newer = find_newer(p, named);

	if (!newer)
		return named;
	manifest_free(named);
	return newer;
}
