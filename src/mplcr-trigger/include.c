/* SPDX-License-Identifier: MIT */
/*
 * Other files of the same instant: firmware variables, the state of a TPM, anything that a restored VM needs from then.
 * The pause clones them; small ones are copied if the filesystem cannot clone.
 */
#include "include.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/image_path.h"
#include "qemu/overlay_name.h"

/* The most to copy in the pause, all files together: tens of milliseconds. */
#define COPY_MAX_MIB 64

/* Refuses an existing file that cannot be included. */
static int check_file(const struct plan *p, const char *given, const char *path, const struct stat *st, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_usage(e, "--include: '%s' is not a regular file", given);
	for (size_t i = 0; i < p->includes.n; i++)
		if (image_same(p->includes.list[i].from, path))
			return err_usage(e, "--include: '%s' is given twice", given);
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze && image_same(p->disks[i].disk->chain[0].path, path))
			return err_usage(e, "--include: '%s' is the image of disk '%s', which is frozen anyway", given,
					 p->disks[i].disk->device);
	return overlay_name_utf8(path, e);
}

/* Clones the file just added or, if *copied allows it, copies it. */
static int choose_way(struct plan *p, const struct stat *st, uint64_t *copied, struct err *e)
{
	struct clone *c = &p->includes.list[p->includes.n - 1];
	struct err why;

	if (clone_possible(c->from, p->dir, &why) == 0)
		return 0;
	c->copy = true;
	*copied += (uint64_t)st->st_size;
	if (*copied <= (uint64_t)COPY_MAX_MIB << 20) {
		cli_note("'%s' is copied in the pause: %s", c->from, why.text);
		return 0;
	}
	err_set(e, "--include: '%s' would have to be copied, and more than %d MiB would make the pause too long; %s",
		c->from, COPY_MAX_MIB, why.text);
	return err_hint(e, "put it on the filesystem of '%s', if that can clone, or choose another --dir", p->dir);
}

int include_plan(struct plan *p, const struct options *o, struct err *e)
{
	uint64_t copied = 0;

	for (size_t i = 0; i < o->include.n; i++) {
		const char *given = o->include.paths[i];
		_cleanup_free_ char *path = path_real(given);
		struct stat st;

		if (!path || stat(path, &st) < 0)
			return err_sys(e, errno, "cannot include '%s'", given);
		if (check_file(p, given, path, &st, e) < 0)
			return -1;
		clones_add(&p->includes, INCLUDED_DIR, path, "2");
		if (choose_way(p, &st, &copied, e) < 0)
			return -1;
	}
	return 0;
}

static int record_one(struct manifest_included *to, const struct clone *c, int dirfd, struct err *e)
{
	_cleanup_close_ int fd = openat(dirfd, c->to, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char sum[DIGEST_HEX];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", c->to);
	if (digest_fd(fd, sum, e) < 0)
		return err_prefix(e, "'%s'", c->to);
	to->path = text_copy(c->from);
	to->copy = (struct manifest_file){ text_copy(c->to), (uint64_t)st.st_size, text_copy(sum), NULL };
	return 0;
}

int include_record(struct manifest *m, const struct plan *p, int dirfd, struct err *e)
{
	m->included = memory_of(p->includes.n, sizeof(*m->included));
	for (size_t i = 0; i < p->includes.n; i++)
		if (record_one(&m->included[m->n_included++], &p->includes.list[i], dirfd, e) < 0)
			return -1;
	return 0;
}
