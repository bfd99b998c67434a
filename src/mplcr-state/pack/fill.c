/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "image/clone.h"
#include "image/filesystem.h"
#include "pack/pack.h"

struct copying {
	struct pack *p;
	uint64_t done; /* of the file */
	struct err *e;
};

static bool progress(void *ctx, uint64_t done)
{
	struct copying *c = ctx;
	uint64_t more = done - c->done;

	c->done = done;
	return pack_progress(c->p, more, c->e) == 0;
}

static int copy_data(struct pack *p, const struct pack_file *f, int from, int to, struct err *e)
{
	struct copying c = { p, 0, e };

	if (clone_fd(from, to) == 0)
		return pack_progress(p, f->size, e);
	if (clone_copy(from, to, progress, &c) == 0)
		return 0;
	return errno == EINTR ? -1 : err_sys(e, errno, "cannot copy '%s'", f->from);
}

/* By its time, an image is known without reading all of it. */
static int settle(const struct pack_file *f, int fd, struct err *e)
{
	struct timespec t = { .tv_sec = f->mtime_ns / NS_PER_S, .tv_nsec = f->mtime_ns % NS_PER_S };

	if (futimens(fd, (struct timespec[]){ t, t }) < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "cannot make '%s' durable", f->name);
	return 0;
}

/* The copy is what the original was said to be; or its sum becomes known. */
static int check_sum(struct pack_file *f, int fd, struct err *e)
{
	char sum[DIGEST_HEX];

	if (digest_fd(fd, sum, e) < 0)
		return err_prefix(e, "'%s'", f->name);
	if (f->xxh3[0] && strcmp(f->xxh3, sum) != 0)
		return pack_damaged(f, sum, e);
	strcpy(f->xxh3, sum);
	return 0;
}

static int fill_file(struct pack *p, struct pack_file *f, int dirfd, struct err *e)
{
	_cleanup_close_ int from = pack_open(p, f, e), to = from < 0 ? -1 : name_create(dirfd, f->name, e);

	if (to < 0 || copy_data(p, f, from, to, e) < 0)
		return -1;
	if (image_patch_write(&f->patch, to) < 0)
		return err_sys(e, errno, "cannot write '%s'", f->name);
	return settle(f, to, e) < 0 ? -1 : check_sum(f, to, e);
}

/* What does not share its data needs room of its own. */
static int check_space(const struct pack *p, const struct target *t, struct err *e)
{
	struct clone_abilities abilities;
	struct stat here, there;

	if (fstat(t->dirfd, &there) < 0)
		return err_sys(e, errno, "cannot open '%s'", t->partial);
	if (clone_probe(t->partial, &abilities, e) < 0)
		return -1;
	if (abilities.reflink && fstat(p->dirfd, &here) == 0 && here.st_dev == there.st_dev)
		return 0;
	return filesystem_space(t->partial, p->bytes, e);
}

int pack_fill(struct pack *p, struct target *t, struct err *e)
{
	const struct list nothing = { 0 };

	if (names_keep(t->dirfd, &nothing, e) < 0 || check_space(p, t, e) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++)
		if (fill_file(p, &p->files[i], t->dirfd, e) < 0)
			return -1;
	if (pack_finish(p, e) < 0)
		return -1;
	if (file_create(t->dirfd, p->files[0].name, p->files[0].text, p->files[0].size, e) < 0)
		return -1;
	return target_publish(t, e);
}
