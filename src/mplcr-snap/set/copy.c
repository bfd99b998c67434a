/* SPDX-License-Identifier: MIT */
/* Makes the copies of a set, under names that say that it is not whole, and checks that no source changed meanwhile. */
#include "set/set.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "image/clone.h"
#include "image/filesystem.h"
#include "image/header/header.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "base/workers.h"
#include "base/cli.h"

struct copying {
	struct set *s;
	atomic_size_t next; /* the copy to be made next */
	atomic_bool failed; /* one could not be made, */
	struct err why;     /* of which the first is told */

	/* progress of the copies that are made in full */
	_Atomic uint64_t before; /* bytes: of the files that are done */
	uint64_t total;          /* and of all */
	int64_t began, shown;    /* clock.h */
	bool said;               /* that files are copied in full, and why */
};

static void show_progress(const struct copying *p, uint64_t done)
{
	double seconds = (double)(clock_ns() - p->began) / NS_PER_S;
	double share = p->total ? (double)done / (double)p->total : 0;

	cli_progress_line("copying  %3.0f%%  %.0f MB/s  %.1f s left", 100 * share, (double)done / 1e6 / seconds,
			  share > 0.01 ? seconds * (1 - share) / share : 0);
}

static bool keep_copying(void *ctx, uint64_t done)
{
	struct copying *p = ctx;
	struct err ignored;

	if (cli_progress() && clock_ns() - p->shown > 50 * NS_PER_MS) {
		p->shown = clock_ns();
		show_progress(p, p->before + done);
	}
	return interrupt_sleep(p->s->interrupt, 0, &ignored) == 0;
}

/* --- one copy --------------------------------------------------------------------------------------------------- */

/* Whether a clone that failed so can be made up for by a copy. */
static bool is_refusal(int errnum)
{
	return errnum == EXDEV || errnum == EOPNOTSUPP || errnum == ENOTTY || errnum == ENOSYS || errnum == EINVAL;
}

static int copy_in_full(struct copying *p, const struct copy *c, int from, int to, struct err *e)
{
	int (*copy)(int, int, bool (*)(void *, uint64_t), void *) =
		p->s->options->when == REFLINK_NEVER ? clone_copy_apart : clone_copy;

	if (copy(from, to, keep_copying, p) == 0)
		return 0;
	if (interrupt_sleep(p->s->interrupt, 0, e) < 0)
		return -1;
	return err_sys(e, errno, "cannot copy '%s' to '%s'", c->source, c->path);
}

/* Why data cannot be shared is said once, for the first file. */
static void say_refusal(struct copying *p, const struct copy *c, int errnum)
{
	struct err why;

	if (p->said)
		return;
	p->said = true;
	clone_error(c->source, c->path, errnum, &why);
	cli_note("%s; copied in full instead", why.text);
}

static int copy_data(struct copying *p, struct copy *c, int from, int to, struct err *e)
{
	enum reflink_when when = p->s->options->when;

	if (when != REFLINK_NEVER && clone_fd(from, to) == 0) {
		c->shared = true;
		return 0;
	}
	if (when == REFLINK_ALWAYS || (when == REFLINK_AUTO && !is_refusal(errno)))
		return clone_error(c->source, c->path, errno, e);
	if (when == REFLINK_AUTO)
		say_refusal(p, c, errno);
	return copy_in_full(p, c, from, to, e);
}

static char *partial_name(const struct set *s, const struct copy *c)
{
	if (s->direct)
		return text_copy(c->path);
	return s->dir_partial ? text_of("%s/%s", s->dir_partial, path_base(c->path)) : text_of("%s.partial", c->path);
}

static int create_error(const struct set *s, const char *partial, struct err *e)
{
	err_sys(e, errno, "cannot create '%s'", partial);
	if (e->sys == EEXIST && !s->direct)
		err_hint(e, "it was left over by a run that died, or one is under way: remove it if not");
	return -1;
}

/* With the rights of its source, and those that its owner needs until it is done. */
static int create(struct set *s, struct copy *c, struct err *e)
{
	_cleanup_free_ char *partial = partial_name(s, c);
	int fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (c->before.st_mode & 0777) | 0600);

	if (fd < 0)
		return create_error(s, partial, e);
	c->partial = steal_ptr(partial); /* from here on it is ours to remove */
	return fd;
}

/* Asked of the source, which is in the page cache more often than a new copy is. */
static bool names_backing(int source)
{
	struct image_header h;
	struct err ignored;
	bool named = image_header_read(source, &h, &ignored) < 0 || h.fault[0] || h.backing_name;

	image_header_release(&h);
	return named;
}

static int copy_one(struct copying *p, struct copy *c, struct err *e)
{
	_cleanup_close_ int from = c->fd >= 0 ? steal_fd(&c->fd) : set_open_source(c, e);
	_cleanup_close_ int to = -1;

	if (from < 0)
		return -1;
	to = create(p->s, c, e);
	if (to < 0 || copy_data(p, c, from, to, e) < 0)
		return -1;
	if (!p->s->dir_partial && p->s->marked && mark_put(to, p->s->mark) < 0)
		p->s->marked = false;
	p->before += (uint64_t)c->before.st_size;
	if (p->s->options->chain)
		return 0; /* names are still to be written into it */
	c->names_backing = names_backing(from);
	return set_attributes(p->s, c, to, e);
}

/* --- the set ---------------------------------------------------------------------------------------------------- */

/* A new directory is made as a whole, and holds the mark for all files in it. */
static int make_dir(struct set *s, struct err *e)
{
	_cleanup_close_ int fd = -1;

	if (mkdir(s->dir_partial, 0700) < 0)
		return create_error(s, s->dir_partial, e);
	s->dir_made = true;
	fd = open(s->dir_partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", s->dir_partial);
	s->marked = mark_put(fd, s->mark) == 0;
	return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Whether the file is what it was before the first copy was made. */
static bool is_unchanged(const struct copy *c)
{
	struct stat now;

	return stat(c->source, &now) == 0 && now.st_dev == c->before.st_dev && now.st_ino == c->before.st_ino &&
	       now.st_size == c->before.st_size && same_time(now.st_mtim, c->before.st_mtim) &&
	       same_time(now.st_ctim, c->before.st_ctim);
}

/*
 * With --live-ok a VM may go on writing to its images; each clone is what its file was at one moment. A copy in full
 * has not even that, so it is said.
 */
static int check_sources(struct set *s, struct err *e)
{
	size_t live = 0, torn = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct copy *c = &s->copies[i];

		if (is_unchanged(c))
			continue;
		if (!c->in_use || !s->options->live_ok) {
			err_set(e, "'%s' was changed while the set was copied", c->source);
			return err_hint(e, "copy it when nobody writes to it");
		}
		live++;
		torn += !c->shared;
	}
	if (torn)
		cli_warn("running VMs wrote to %zu of the files while they were copied in full: these copies are torn",
			 torn);
	else if (live)
		cli_warn("running VMs wrote to %zu of the files meanwhile: each copy is of its own moment", live);
	return 0;
}

/* The next copy, and the next, until all are made or one fails. */
static void make_copies(void *ctx)
{
	struct copying *p = ctx;
	struct set *s = p->s;
	struct err e;
	size_t i;

	while (!p->failed && (i = p->next++) < s->n)
		if ((copy_one(p, &s->copies[i], &e) < 0 || interrupt_sleep(s->interrupt, 0, &e) < 0) &&
		    !atomic_exchange(&p->failed, true))
			p->why = e;
}

/* A copy in full keeps the disk busy by itself, and shows how far it is. */
static size_t cloners(const struct set *s)
{
	if (s->n <= SET_FEW || s->options->when != REFLINK_ALWAYS)
		return 1;
	return filesystem_of(s->copies[0].source)->cloners;
}

int set_copy(struct set *s, struct err *e)
{
	struct copying p = { .s = s, .began = clock_ns() };

	s->marked = true;
	for (size_t i = 0; i < s->n; i++)
		p.total += (uint64_t)s->copies[i].before.st_size;
	if (s->dir_partial && make_dir(s, e) < 0)
		return -1;
	workers_run(make_copies, &p, cloners(s));
	cli_progress_end();
	if (p.failed) {
		*e = p.why;
		return -1;
	}
	return check_sources(s, e);
}
