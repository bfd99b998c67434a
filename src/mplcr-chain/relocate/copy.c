/* SPDX-License-Identifier: MIT */
/*
 * The new set in a staging directory inside of the new one, in the places that its files will have relative to each
 * other. What moves within a filesystem and keeps its content is linked, so that nothing is copied; else files share
 * their data where the filesystem can.
 */
#include "relocate/relocate.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/backing_name.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "image/clone.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "checkpoint/manifest_edit.h"
#include "base/json.h"
#include "qemu/qemu_img.h"
#include "image/chain.h"

/* --- one file --------------------------------------------------------------------------------------------------- */

struct copying {
	struct set *s;
	const struct set_file *file;
};

/* Shows how far the whole is; false where a signal came. */
static bool progress(void *ctx, uint64_t done)
{
	const struct copying *c = ctx;
	struct pollfd p = { .fd = c->s->interrupt, .events = POLLIN };
	uint64_t all = c->s->done + (done < c->file->bytes ? done : c->file->bytes);

	cli_progress_line("copying: %d %%", (int)(100.0 * (double)all / (double)(c->s->bytes ? c->s->bytes : 1)));
	return poll(&p, 1, 0) <= 0;
}

static int copy_data(struct set *s, const struct set_file *f, int from, int to, struct err *e)
{
	struct copying c = { .s = s, .file = f };

	if (clone_fd(from, to) == 0 || clone_copy(from, to, progress, &c) == 0)
		return 0;
	return errno == EINTR ? interrupt_error(e) : err_sys(e, errno, "cannot copy '%s' to '%s'", f->from, f->to);
}

/* Owner, mode and time are the original's: by the time, a checkpoint knows its images. */
static int copy_attributes(const struct set_file *f, const struct stat *st, struct err *e)
{
	_cleanup_close_ int fd = open(f->staged, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", f->staged);
	if (fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM)
		return err_sys(e, errno, "cannot give '%s' to its owner", f->staged);
	if (fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, (struct timespec[]){ st->st_atim, st->st_mtim }) < 0 ||
	    fsync(fd) < 0)
		return err_sys(e, errno, "cannot make '%s' durable", f->staged);
	return 0;
}

static int copy_file(struct set *s, const struct set_file *f, struct err *e)
{
	_cleanup_close_ int from = open(f->from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), to = -1;

	if (from < 0)
		return err_sys(e, errno, "cannot open '%s'", f->from);
	to = open(f->staged, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, errno, "cannot create '%s'", f->staged);
	return copy_data(s, f, from, to, e);
}

/* --- headers ---------------------------------------------------------------------------------------------------- */

static int rewrite_backing(const struct set *s, const struct set_file *f, const struct qemu_img_header *h,
			   struct err *e)
{
	const struct set_file *below = &s->files[f->below];
	_cleanup_free_ char *dir = path_dir(f->to), *name = relative_name(dir, below->to);

	return qemu_img_set_backing(h, name, below->format, e);
}

static int rewrite(const struct set *s, const struct set_file *f, struct err *e)
{
	bool has_data = f->data != SIZE_MAX;
	const struct qemu_img_header h = {
		.path = f->staged,
		.format = f->format,
		.data = has_data ? s->files[f->data].from : NULL,
		.deadline = CLOCK_NEVER,
		.interrupt = s->interrupt,
	};

	if (f->below != SIZE_MAX && rewrite_backing(s, f, &h, e) < 0)
		return -1;
	return has_data && f->data_name[0] == '/' ? qemu_img_set_data(&h, s->files[f->data].to, e) : 0;
}

static int stage_file(struct set *s, const struct set_file *f, struct err *e)
{
	struct stat st;

	if (dir_make_parents(f->staged, e) < 0)
		return -1;
	if (!s->copy && !f->rewrite && link(f->from, f->staged) == 0)
		return 0;
	if (stat(f->from, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", f->from);
	if (copy_file(s, f, e) < 0 || (f->rewrite && rewrite(s, f, e) < 0))
		return -1;
	return copy_attributes(f, &st, e);
}

/* --- the manifest ----------------------------------------------------------------------------------------------- */

/* An image in the manifest, the file at `path` now: where it is below the new directory, and what it is then. */
static int edit_image(const struct set *s, json_t *item, const char *path, struct err *e)
{
	size_t i = set_find(s, path);

	if (i == SIZE_MAX)
		return err_set(e, "'%s' is in the manifest, but not in the chain that it belongs to", path);
	json_object_set_new(item, "relative", json_string_of(path_below(s->dest, s->files[i].to)));
	return s->files[i].rewrite ? manifest_edit_identity(item, s->files[i].staged, e) : 0;
}

static int edit_manifest(const struct set *s, json_t *json, struct err *e)
{
	json_t *disks = json_object_get(json, "disks");

	for (size_t d = 0; d < s->m->n_disks; d++) {
		const struct manifest_disk *disk = &s->m->disks[d];
		json_t *object = json_array_get(disks, d), *chain = json_object_get(object, "chain");
		size_t frozen = set_find(s, disk->chain[0].path);

		for (size_t i = 0; i < disk->n_chain; i++) {
			json_t *item = json_array_get(chain, i);

			if (edit_image(s, item, disk->chain[i].path, e) < 0)
				return -1;
			if (disk->chain[i].data &&
			    edit_image(s, json_object_get(item, "data_file"), disk->chain[i].data->path, e) < 0)
				return -1;
		}
		if (frozen != SIZE_MAX)
			json_object_set_new(object, "frozen", json_string_of(s->files[frozen].to));
	}
	return 0;
}

/* The new manifest in place of the staged one, which may be a link to the original. */
static int stage_manifest(const struct set *s, struct err *e)
{
	_cleanup_free_ char *file = path_join(s->from, MANIFEST_NAME);
	_cleanup_json_ json_t *json = manifest_edit_load(file, e);
	const struct set_file *f = &s->files[set_find(s, file)];
	struct stat st;

	if (!json || edit_manifest(s, json, e) < 0)
		return -1;
	if (stat(file, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", file);
	return manifest_edit_store(json, f->staged, e) < 0 ? -1 : copy_attributes(f, &st, e);
}

/* --- the check -------------------------------------------------------------------------------------------------- */

/* Whether the staged image leads to the staged files. */
static int check_chain(const struct set *s, const struct set_file *f, struct err *e)
{
	_cleanup_chain_ struct chain *c = chain_read(f->staged, f->format, 0);

	if (chain_whole(c, e) < 0)
		return -1;
	for (size_t k = 1; k < c->n; k++) {
		const struct set_file *below = f->below != SIZE_MAX ? &s->files[f->below] : NULL;
		_cleanup_free_ char *real = path_real(c->images[k].path);

		if (!below || !real || strcmp(real, below->staged) != 0)
			return err_set(e, "the copy of '%s' leads to '%s'", f->from, c->images[k].path);
		f = below;
	}
	return 0;
}

static int check(const struct set *s, struct err *e)
{
	_cleanup_free_ char *staged = path_join(s->staging, path_base(s->from));
	struct manifest *m;
	int result;

	for (size_t i = 0; i < s->n; i++)
		if (s->files[i].image && check_chain(s, &s->files[i], e) < 0)
			return -1;
	if (!s->m)
		return 0;
	m = manifest_load(staged, e);
	if (!m)
		return -1;
	result = manifest_check_files(m, staged, true, e) < 0 || manifest_check_images(m, e) < 0 ? -1 : 0;
	manifest_free(m);
	return result;
}

static int sync_directories(const char *top, struct err *e)
{
	char *const roots[] = { text_copy(top), NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	int result = 0;

	while (walk && result == 0 && (entry = fts_read(walk)) != NULL)
		if (entry->fts_info == FTS_DP)
			result = path_sync(entry->fts_path, e);
	if (walk)
		fts_close(walk);
	free(roots[0]);
	return result;
}

int set_stage(struct set *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		if (stage_file(s, &s->files[i], e) < 0)
			return -1;
		s->done += s->files[i].bytes;
	}
	if (s->m && stage_manifest(s, e) < 0)
		return -1;
	return check(s, e) < 0 ? -1 : sync_directories(s->staging, e);
}
