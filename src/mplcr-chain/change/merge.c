/* SPDX-License-Identifier: MIT */
/*
 * An image made anew on another backing file: a copy of it (which shares its data, where the filesystem can) takes in
 * what differs between the old backing file and the new one (qemu-img rebase in its safe mode). The guest sees the same
 * data in both. (qemu-img convert -B would not do: it takes the new backing file for the one that the image has.)
 */
#include "change/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/backing_name.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "image/clone.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/qemu_img.h"

/* --- names ------------------------------------------------------------------------------------------------------ */

char *merge_name(const struct chain *c, size_t above, size_t below)
{
	_cleanup_free_ char *from = path_real(c->images[above].path), *to = path_real(c->images[below].path);
	_cleanup_free_ char *dir = path_dir(from ? from : c->images[above].path);
	bool relative = from && to;

	for (size_t i = above; i < below; i++) {
		const char *name = c->images[i].header.backing_name;

		relative = relative && name && name[0] != '/';
	}
	return relative ? relative_name(dir, to) : text_copy(to ? to : c->images[below].path);
}

/* --- the copy --------------------------------------------------------------------------------------------------- */

uint64_t merge_bytes(const struct chain *c, size_t above, size_t below)
{
	uint64_t sum = 0, most = c->images[above].header.virtual_size;

	for (size_t i = above; i < below; i++)
		sum += c->images[i].allocated;
	/* its own clusters are copied as they are; of the others each is there once, with 1/512 of tables */
	most += most / 512 + c->images[above].allocated;
	return sum < most ? sum : most;
}

static int copy(int from, int to)
{
	return clone_fd(from, to) == 0 ? 0 : clone_copy(from, to, NULL, NULL);
}

static int copy_image(const struct merge *m, struct err *e)
{
	_cleanup_close_ int from = open(m->path, O_RDONLY | O_CLOEXEC), to = -1;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", m->path);
	if (unlink(m->partial) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot remove '%s'", m->partial);
	to = open(m->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, errno, "cannot create '%s'", m->partial);
	if (copy(from, to) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return err_sys(e, errno, "cannot copy '%s' to '%s'", m->path, m->partial);
	return 0;
}

static int rebase(const struct merge *m, int interrupt, struct err *e)
{
	const char *const argv[] = { "qemu-img",
				     "rebase",
				     "-q",
				     "-f",
				     "qcow2",
				     "-b",
				     m->base ? m->base : "",
				     m->base ? "-F" : "--",
				     m->base ? m->base_format : m->partial,
				     m->base ? "--" : NULL,
				     m->partial,
				     NULL };

	return qemu_img_run(argv, CLOCK_NEVER, interrupt, e);
}

int merge_build(const struct merge *m, int interrupt, struct err *e)
{
	if (copy_image(m, e) == 0 && rebase(m, interrupt, e) == 0 && path_sync(m->partial, e) == 0)
		return 0;
	unlink(m->partial);
	return -1;
}
