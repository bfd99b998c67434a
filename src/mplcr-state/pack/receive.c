/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "image/filesystem.h"
#include "pack/pack.h"

enum {
	CHUNK = 1 << 20,
	PAGE = 4096, /* zeros of which no room is taken */
};

struct receiving {
	struct tar_reader tar;
	struct target *t;
	char *prefix;        /* "NAME.ckpt" */
	struct list list;
	bool *there;         /* each file: it is whole */
	size_t n_there;
	uint64_t bytes, done;
	char *buf;           /* of CHUNK bytes */
};

/* --- one file ---------------------------------------------------------------------------------------------------- */

/* Writes the bytes, but for whole pages of zeros, which the new file has. */
static int write_sparsely(int fd, const char *data, size_t n, uint64_t at)
{
	size_t first = 0, i = 0; /* what is not written yet begins at `first` */

	while (i < n) {
		size_t page = PAGE - (size_t)((at + i) % PAGE), length = page < n - i ? page : n - i;

		if (length == PAGE && memory_is_zero(data + i, length)) {
			if (fd_write_at(fd, data + first, i - first, at + first) < 0)
				return -1;
			first = i + length;
		}
		i += length;
	}
	return fd_write_at(fd, data + first, n - first, at + first);
}

static void show(struct receiving *r, size_t n)
{
	r->done += n;
	cli_progress_line("unpacking: %d %%", (int)(r->bytes ? 100 * (double)r->done / (double)r->bytes : 100));
}

/* Reads `length` bytes into the file at `at`; fd -1: nowhere. */
static int take_extent(struct receiving *r, int fd, struct digest *d, uint64_t at, uint64_t length, struct err *e)
{
	while (length > 0) {
		ssize_t n = tar_read_data(&r->tar, r->buf, length < CHUNK ? (size_t)length : CHUNK, e);

		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(e, "it is cut");
		digest_update(d, r->buf, (size_t)n);
		if (fd >= 0 && write_sparsely(fd, r->buf, (size_t)n, at) < 0)
			return err_sys(e, errno, "cannot write");
		at += (uint64_t)n;
		length -= (uint64_t)n;
		show(r, (size_t)n);
	}
	return 0;
}

static int take_data(struct receiving *r, int fd, const struct tar_member *m, char sum[DIGEST_HEX], struct err *e)
{
	struct digest *d = digest_new();
	uint64_t at = 0;
	int result = 0;

	for (size_t i = 0; result == 0 && i < m->n_data; i++) {
		digest_zeros(d, m->data[i].at - at);
		result = take_extent(r, fd, d, m->data[i].at, m->data[i].length, e);
		at = m->data[i].at + m->data[i].length;
	}
	if (result == 0)
		digest_zeros(d, m->size - at);
	digest_hex(d, sum);
	digest_free(d);
	return result;
}

/* The file is whole: as durable as it will be, and of its time. */
static int settle(int fd, const struct tar_member *m, struct err *e)
{
	struct timespec t = { .tv_sec = m->mtime_ns / NS_PER_S, .tv_nsec = m->mtime_ns % NS_PER_S };

	if (futimens(fd, (struct timespec[]){ t, t }) < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "cannot make it durable");
	return 0;
}

static int take_file(struct receiving *r, const struct list_file *f, const struct tar_member *m, struct err *e)
{
	_cleanup_close_ int fd = name_create(r->t->dirfd, f->name, e);
	char sum[DIGEST_HEX];

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)f->size) < 0)
		return err_sys(e, errno, "cannot write");
	if (take_data(r, fd, m, sum, e) < 0)
		return -1;
	if (strcmp(sum, f->xxh3) != 0)
		return err_set(e, "its sum is %s, and should be %s: the pack is damaged", sum, f->xxh3);
	return settle(fd, m, e);
}

/* What is there already only passes by. */
static int pass_file(struct receiving *r, const struct tar_member *m, struct err *e)
{
	char sum[DIGEST_HEX];

	return take_data(r, -1, m, sum, e);
}

/* --- members ----------------------------------------------------------------------------------------------------- */

/* The next member, which must be file `f` of the list. */
static int next_member(struct receiving *r, const struct list_file *f, struct tar_member *m, struct err *e)
{
	_cleanup_free_ char *name = text_of("%s/%s", r->prefix, f->name);
	int there = tar_read_member(&r->tar, m, e);

	if (there < 0)
		return -1;
	if (there == 0)
		return err_set(e, "'%s' is listed, and not there", f->name);
	if (strcmp(m->name, name) != 0)
		return err_set(e, "'%s' is there, where '%s' should be", m->name, name);
	if (m->size != f->size || tar_member_stored(m) > f->stored)
		return err_set(e, "'%s' is larger, or smaller, than the list says", f->name);
	return 0;
}

static int take_member(struct receiving *r, size_t i, struct err *e)
{
	struct tar_member m = { 0 };
	int result = next_member(r, &r->list.files[i], &m, e);

	if (result == 0) {
		result = r->there[i] ? pass_file(r, &m, e) : take_file(r, &r->list.files[i], &m, e);
		if (result < 0)
			err_prefix(e, "'%s'", r->list.files[i].name);
	}
	if (result == 0 && !r->there[i])
		r->n_there += r->there[i] = true;
	tar_member_release(&m);
	return result;
}

/* --- the list ---------------------------------------------------------------------------------------------------- */

/* Reads a member of bounded size as text; malloc'd, or NULL. */
static char *read_text(struct receiving *r, const struct tar_member *m, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t used = 0;

	if (m->size > LIST_MAX_BYTES || tar_member_stored(m) != m->size) {
		err_set(e, "'%s' is too large", m->name);
		return NULL;
	}
	text = memory_of((size_t)m->size + 1, 1);
	while (used < m->size) {
		ssize_t n = tar_read_data(&r->tar, text + used, (size_t)m->size - used, e);

		if (n <= 0)
			return NULL;
		used += (size_t)n;
	}
	return steal_ptr(text);
}

/* "NAME.ckpt/pack.json": what comes before the slash is the name of the checkpoint. */
static int take_prefix(struct receiving *r, const char *name, struct err *e)
{
	const char *slash = strchr(name, '/');

	if (!slash || strcmp(slash + 1, PACK_LIST) != 0)
		return err_set(e, "it is no packed checkpoint: it begins with '%s'", name);
	r->prefix = text_of("%.*s", (int)(slash - name), name);
	if (!path_is_name(r->prefix) || r->prefix[0] == '.' || !checkpoint_is_named(r->prefix))
		return err_set(e, "'%s' is not a name for a checkpoint", r->prefix);
	return 0;
}

/* The list, as text; malloc'd, or NULL. */
static char *take_list(struct receiving *r, struct err *e)
{
	struct tar_member m = { 0 };
	char *text = NULL;
	int there = tar_read_member(&r->tar, &m, e);

	if (there == 0)
		err_set(e, "it is no packed checkpoint: it is empty");
	if (there == 1 && take_prefix(r, m.name, e) == 0)
		text = read_text(r, &m, e);
	if (text && list_read(&r->list, text, strlen(text), e) < 0) {
		free(text);
		text = NULL;
	}
	tar_member_release(&m);
	return text;
}

/* --- what is there already --------------------------------------------------------------------------------------- */

static bool is_whole(const struct receiving *r, const struct list_file *f)
{
	_cleanup_close_ int fd = beneath_open(r->t->dirfd, f->name);
	char sum[DIGEST_HEX];
	struct stat st;
	struct err e;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       (uint64_t)st.st_size == f->size && digest_fd(fd, sum, &e) == 0 && strcmp(sum, f->xxh3) == 0;
}

/* Finds what an earlier run has left whole, and whether there is room for the rest. */
static int prepare(struct receiving *r, struct err *e)
{
	uint64_t needed = 0;

	r->there = memory_of(r->list.n, sizeof(*r->there));
	if (names_keep(r->t->dirfd, &r->list, e) < 0)
		return -1;
	for (size_t i = 0; i < r->list.n; i++) {
		r->there[i] = r->t->found && is_whole(r, &r->list.files[i]);
		r->n_there += r->there[i];
		r->bytes += r->list.files[i].stored;
		needed += r->there[i] ? 0 : r->list.files[i].stored;
	}
	if (r->n_there)
		cli_note("'%s' is gone on with: %zu of %zu files are there", r->t->partial, r->n_there, r->list.n);
	return filesystem_space(r->t->partial, needed, e);
}

/* --- the manifest ------------------------------------------------------------------------------------------------ */

struct listing {
	const struct list *list;
	struct err *e;
};

static int check_listed(void *ctx, const struct manifest_file *file)
{
	const struct listing *l = ctx;
	const struct list_file *f = list_find(l->list, file->name);

	if (f && f->size == file->size && strcmp(f->xxh3, file->xxh3) == 0)
		return 0;
	return err_set(l->e, "the list and the manifest differ: '%s'", file->name);
}

static int check_inside(const struct manifest_image *image, struct err *e)
{
	if (!image->inside.name)
		return err_set(e, "it is not complete: '%s' is not in it", image->path);
	return image->data ? check_inside(image->data, e) : 0;
}

/* That the manifest, which is there, and the list tell of the same files, and that nothing else is needed. */
static int check_manifest(struct receiving *r, struct err *e)
{
	struct manifest *m = manifest_load_partial(r->t->partial, e);
	struct listing l = { &r->list, e };
	int result = m ? manifest_each_file(m, check_listed, &l) : -1;

	for (size_t d = 0; result == 0 && d < m->n_disks; d++)
		for (size_t i = 0; result == 0 && i < m->disks[d].n_chain; i++)
			result = check_inside(&m->disks[d].chain[i], e);
	if (result == 0 && m->verdict != KEY_AUTHENTIC)
		cli_note("checkpoint '%s' is foreign: mplcr-restore --trust or --adopt, if you believe it", m->name);
	manifest_free(m);
	return result;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static int take_members(struct receiving *r, struct err *e)
{
	struct tar_member more = { 0 };
	int there;

	if (take_member(r, 0, e) < 0 || check_manifest(r, e) < 0)
		return -1;
	for (size_t i = 1; i < r->list.n; i++)
		if (take_member(r, i, e) < 0)
			return -1;
	there = tar_read_member(&r->tar, &more, e);
	if (there == 1)
		err_set(e, "'%s' is there, and not in the list", more.name);
	tar_member_release(&more);
	return there == 0 ? 0 : -1;
}

/* What took a while to come is kept; where there is nothing of the kind, nothing is. */
static int give_up(struct receiving *r, struct err *e)
{
	if (e->status == EXIT_PARTIAL)
		return -1;
	if (r->n_there < 2) {
		target_abandon(r->t);
		return -1;
	}
	e->status = EXIT_PARTIAL;
	if (e->hint[0])
		return -1;
	return err_hint(e, "%zu of %zu files are whole, in '%s': unpack the same again to go on, or remove it",
			r->n_there, r->list.n, r->t->partial);
}

static int receive(struct receiving *r, const char *where, struct err *e)
{
	_cleanup_free_ char *list = take_list(r, e);

	if (!list || target_choose(r->t, where, r->prefix, e) < 0 || target_claim(r->t, list, e) < 0)
		return -1;
	if (prepare(r, e) < 0 || take_members(r, e) < 0 || target_publish(r->t, e) < 0)
		return give_up(r, e);
	return 0;
}

int pack_receive(struct target *t, const char *where, ssize_t (*get)(void *ctx, void *buf, size_t room, struct err *e),
		 void *ctx, struct err *e)
{
	struct receiving r = { .tar = { .get = get, .ctx = ctx }, .t = t, .buf = memory_of(CHUNK, 1) };
	int result;

	*t = (struct target){ .dirfd = -1 };
	result = receive(&r, where, e);
	list_release(&r.list);
	free(r.there);
	free(r.prefix);
	free(r.buf);
	return result;
}
