/* SPDX-License-Identifier: MIT */
#include "change/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/mount.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/forest/forest.h"
#include "base/path_list.h"

#define SEAL ".seal"

/* What is in an image of its own, besides the guest's data, and would be lost; or NULL. */
static const char *would_be_lost(const struct image_header *h, bool goes)
{
	if (h->n_snapshots > 0)
		return "internal snapshots";
	if (goes && h->n_bitmaps > 0)
		return "bitmaps";
	return h->data_file ? "an external data file" : NULL;
}

int guard_image(const struct chain_image *image, bool goes, struct err *e)
{
	_cleanup_free_ char *seal = text_of("%s%s", image->path, SEAL);
	const char *lost = would_be_lost(&image->header, goes);
	struct stat st;

	if (goes && lstat(image->path, &st) == 0 && S_ISLNK(st.st_mode))
		return err_set(e, "'%s' is a link, which others may use too", image->path);
	if (stat(image->path, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", image->path);
	if (mount_refuse_below(image->path, e) < 0)
		return -1;
	if (access(seal, F_OK) == 0 || !(st.st_mode & 0222)) {
		err_set(e, "'%s' is %s: it must not change", image->path,
			st.st_mode & 0222 ? "sealed" : "write-protected");
		return err_hint(e,
				st.st_mode & 0222 ? "to allow it after all: rm '%s%s'"
						  : "to allow it after all: "
						    "chmod u+w '%s'",
				image->path, st.st_mode & 0222 ? SEAL : "");
	}
	if (st.st_nlink > 1)
		return err_set(e, "'%s' has another hard link, which would keep the old content", image->path);
	if (image->header.encryption != IMAGE_NOT_ENCRYPTED)
		return err_set(e, "'%s' is encrypted, and its data would be stored in clear", image->path);
	if (lost)
		return err_set(e, "'%s' has %s, which would be lost", image->path, lost);
	return 0;
}

/* --- who needs it ----------------------------------------------------------------------------------------------- */

struct chain_in_forest {
	const struct chain *chain;
	const struct forest *forest;
};

static bool is_of_chain(void *ctx, bool checkpoint, size_t index)
{
	const struct chain_in_forest *in = ctx;

	for (size_t i = 0; !checkpoint && i < in->chain->n; i++)
		if (in->chain->images[i].inode == in->forest->images[index].inode &&
		    in->chain->images[i].device == in->forest->images[index].device)
			return true;
	return false;
}

int guard_readings(const struct forest *f, size_t i, struct err *e)
{
	const struct forest_image *image = &f->images[i];

	if ((!image->found_below && !image->found_data) || image->n_also == 0)
		return 0;
	err_set(e, "'%s' must stay as it is: it is recorded as raw, and has a header by which it needs '%s'", image->path,
		f->images[image->also[0]].path);
	return err_hint(e, "if it is not raw, correct the overlay that says so: qemu-img rebase -u -F FORMAT -b FILE");
}

static int check_needed(struct chain_in_forest *in, size_t i, struct err *e)
{
	const char *path = in->chain->images[i].path;
	size_t at = forest_find(in->forest, path);
	_cleanup_free_ char *why = at == FOREST_NONE ? NULL : forest_needed_by(in->forest, at, is_of_chain, in);

	if (!why)
		return at == FOREST_NONE ? 0 : guard_readings(in->forest, at, e);
	err_set(e, "'%s' must stay as it is: %s", path, why);
	if (in->forest->images[at].use != IMAGE_UNUSED)
		return err_hint(e, "stop the VM, or let it do the work: --socket with its QMP socket");
	return -1;
}

void guard_warn_unread(const struct forest *f)
{
	if (f->n_unread > 0)
		cli_warn("%zu directories could not be read: what is in them may need what is changed", f->n_unread);
	if (f->n_claims_unread > 0)
		cli_warn("%zu claims could not be read: what left them may need what is changed", f->n_claims_unread);
}

int guard_needed(const struct chain *c, const bool *touched, struct in_use *use, struct err *e)
{
	struct chain_in_forest in = { .chain = c };
	struct path_list dirs = { 0 };
	struct forest *forest;
	int result = 0;

	for (size_t i = 0; i < c->n; i++) {
		_cleanup_free_ char *dir = path_dir(c->images[i].path);

		if (dirs.n == 0 || strcmp(dirs.paths[dirs.n - 1], dir) != 0)
			path_list_add(&dirs, dir);
	}
	forest = forest_read(dirs.paths, dirs.n, use, e);
	path_list_release(&dirs);
	if (!forest)
		return -1;
	in.forest = forest;
	guard_warn_unread(forest);
	for (size_t i = 0; i < c->n && result == 0; i++)
		if (touched[i])
			result = check_needed(&in, i, e);
		else if (use)
			result = chain_image_refuse_used(&c->images[i], use, true, e);
	forest_free(forest);
	return result;
}

/* A VM that was restored from it lazily has them mapped. */
char *guard_memory(const struct manifest *m, const char *dir, struct in_use *use)
{
	for (size_t i = 0; i < m->n_files; i++) {
		_cleanup_free_ char *path = path_join(dir, m->files[i].name);
		struct stat st;
		pid_t pid;

		if (!m->files[i].block || stat(path, &st) < 0)
			continue;
		if (in_use_file(use, st.st_dev, st.st_ino, &pid) != IMAGE_UNUSED && pid)
			return text_of("the VM of process %d runs on its memory", (int)pid);
	}
	return NULL;
}

char *guard_checkpoint(const struct forest *f, size_t index, struct in_use *use,
		       bool (*ignore)(void *ctx, bool checkpoint, size_t index), void *ctx)
{
	const struct forest_checkpoint *c = &f->checkpoints[index];
	struct err e;
	char *memory;

	for (size_t i = 0; i < f->n_images; i++) {
		_cleanup_free_ char *why = NULL;

		if (!forest_image_inside(f, i, index))
			continue;
		why = forest_needed_by(f, i, ignore, ctx);
		if (why)
			return text_of("its image '%s' is needed: %s", path_base(f->images[i].path), why);
	}
	memory = c->m ? guard_memory(c->m, c->dir, use) : NULL;
	if (!memory && mount_refuse_below(c->dir, &e) < 0)
		return text_copy(e.text);
	return memory || in_use_refuse_below(use, c->dir, &e) == 0 ? memory : text_copy(e.text);
}

int guard_leftover(const char *path, struct err *e)
{
	_cleanup_free_ char *dir = path_dir(path), *why = NULL;
	struct in_use use = { 0 };
	struct forest *f = forest_read(&dir, 1, &use, e);
	size_t i;

	in_use_release(&use);
	if (!f)
		return -1;
	i = forest_find(f, path);
	why = i == FOREST_NONE ? NULL : forest_needed_by(f, i, NULL, NULL);
	forest_free(f);
	if (!why)
		return 0;
	err_set(e, "'%s' has the name of an image that was not finished, but %s", path, why);
	return err_hint(e, "give it another name, or remove it");
}

int guard_hold(const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	if (image_lock_hold(fd) < 0)
		return err_set(e, "a VM writes to '%s'", path);
	return steal_fd(&fd);
}
