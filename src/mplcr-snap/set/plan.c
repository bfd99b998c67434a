/* SPDX-License-Identifier: MIT */
/* From the operands of reflink to the list of copies: sources looked at, names chosen, nothing written. */
#include "set/set.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "tool.h"

/* --- the sources ------------------------------------------------------------------------------------------------ */

static void copy_release(struct copy *c)
{
	cleanup_close(&c->fd);
	free(c->source);
	free(c->path);
	free(c->partial);
	free(c->below_format);
}

int set_open_source(const struct copy *c, struct err *e)
{
	/* (O_NONBLOCK: a FIFO must not keep us waiting) */
	int fd = open(c->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(e, errno, "cannot open '%s'", c->source);
}

static int look_at_source(struct set *s, struct copy *c, struct err *e)
{
	_cleanup_close_ int fd = set_open_source(c, e);

	if (fd < 0)
		return -1;
	if (fstat(fd, &c->before) < 0)
		return err_sys(e, errno, "cannot open '%s'", c->source);
	if (!S_ISREG(c->before.st_mode))
		return err_set(e, "'%s' is not a regular file", c->source);
	/* in the pause no time is to be lost */
	c->in_use = (in_frozen_pause() ? image_lock_use(fd) : in_use_writers(&s->use, fd)) == IMAGE_WRITTEN;
	if (c->in_use && !s->options->live_ok && !in_frozen_pause()) {
		in_use_error(&s->use, c->source, "a copy would be torn", e);
		return err_hint(e, "freeze it first: mplcr-trigger, or mplcr-snap overlay --socket; or stop the VM. "
				   "--live-ok copies it as it is");
	}
	if (fd <= s->max_fd)
		c->fd = steal_fd(&fd);
	return 0;
}

/* The same file among those that are there, or SET_NONE. */
static size_t find_source(const struct set *s, const struct copy *c)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->copies[i].before.st_ino == c->before.st_ino && s->copies[i].before.st_dev == c->before.st_dev)
			return i;
	return SET_NONE;
}

static struct copy *set_push(struct set *s)
{
	return array_add(s->copies, s->n);
}

int set_add(struct set *s, const char *source, size_t *index, struct err *e)
{
	struct copy c = { .fd = -1, .below = SET_NONE, .data = SET_NONE };

	c.source = text_copy(source);
	*index = SET_NONE;
	if (look_at_source(s, &c, e) < 0) {
		copy_release(&c);
		return -1;
	}
	if (s->options->chain)
		*index = find_source(s, &c);
	if (*index != SET_NONE) {
		copy_release(&c);
		return 0;
	}
	*index = s->n;
	*set_push(s) = c;
	return 0;
}

static int add_sources(struct set *s, const struct path_list *sources, struct err *e)
{
	size_t index;

	for (size_t i = 0; i < sources->n; i++) {
		int added = s->options->chain ? set_add_chain(s, sources->paths[i], e)
					      : set_add(s, sources->paths[i], &index, e);

		if (added < 0)
			return -1;
	}
	return s->n > 0 ? 0 : err_usage(e, "no files to copy");
}

/* --- names ------------------------------------------------------------------------------------------------------ */

static int plan_dir(struct set *s, struct err *e)
{
	_cleanup_free_ char *dir = text_copy(s->options->to);
	struct stat st;

	for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
		dir[n - 1] = '\0';
	if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "cannot put copies into '%s'", dir);
	s->dir = path_real(dir);
	if (s->dir)
		return 0;
	s->dir = errno == ENOENT ? path_real_parent(dir) : NULL;
	if (!s->dir)
		return err_sys(e, errno, "cannot put copies into '%s'", dir);
	s->dir_partial = text_of("%s.partial", s->dir);
	return 0;
}

static int name_copy(struct set *s, struct copy *c, struct err *e)
{
	struct stat st;

	if (s->dir)
		c->path = text_of("%s/%s", strcmp(s->dir, "/") == 0 ? "" : s->dir, path_base(c->source));
	else
		c->path = text_of("%s%s", c->source, s->options->suffix);
	if (strlen(c->path) >= PATH_MAX || strlen(path_base(c->path)) > NAME_MAX)
		return err_sys(e, ENAMETOOLONG, "cannot copy '%s' to '%s'", c->source, c->path);
	if (s->dir_partial || lstat(c->path, &st) < 0)
		return 0;
	err_set(e, "'%s' exists", c->path);
	return err_hint(e, "a copy never replaces another file: choose another %s", s->dir ? "directory" : "suffix");
}

static int compare_paths(const void *a, const void *b)
{
	const struct copy *x = *(struct copy *const *)a, *y = *(struct copy *const *)b;
	int order = strcmp(x->path, y->path);

	return order ? order : (x > y) - (x < y);
}

static int name_clash(const struct copy *a, const struct copy *b, struct err *e)
{
	err_usage(e, "'%s' and '%s' would get the same name '%s'", a->source, b->source, a->path);
	return err_hint(e, "copy them in two runs, to two directories; or beside themselves, with --suffix");
}

/* Leaves out the copies without a path. (There are none where indexes matter: with --chain each file is there once.) */
static void drop_nameless(struct set *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->copies[i].path)
			s->copies[kept++] = s->copies[i];
		else
			copy_release(&s->copies[i]);
	s->n = kept;
}

/* Two files of one name cannot be; one file that is named twice is copied once. */
static int check_names(struct set *s, struct err *e)
{
	_cleanup_free_ struct copy **sorted = memory_of(s->n, sizeof(*sorted));
	size_t last = 0;

	for (size_t i = 0; i < s->n; i++)
		sorted[i] = &s->copies[i];
	qsort(sorted, s->n, sizeof(*sorted), compare_paths);
	for (size_t i = 1; i < s->n; i++) {
		const struct copy *a = sorted[last];
		struct copy *b = sorted[i];

		if (strcmp(a->path, b->path) != 0) {
			last = i;
			continue;
		}
		if (a->before.st_ino != b->before.st_ino || a->before.st_dev != b->before.st_dev)
			return name_clash(a, b, e);
		free(b->path);
		b->path = NULL;
	}
	drop_nameless(s);
	return 0;
}

char *set_final_path(const struct set *s, const struct copy *c)
{
	return s->dir ? text_copy(c->path) : path_real_parent(c->path);
}

/* So many descriptors are left for all else. */
#define SPARE_FDS 64

/* How many descriptors we may have: as many as the system allows. */
static int may_open(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	return limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

int set_plan(struct set *s, const struct set_options *o, const struct path_list *sources, struct err *e)
{
	*s = (struct set){ .options = o, .interrupt = s->interrupt, .uid = geteuid(), .gid = getegid() };
	s->max_fd = may_open() - SPARE_FDS;
	umask(0); /* copies get the modes of their sources */
	if (o->to && plan_dir(s, e) < 0)
		return -1;
	if (add_sources(s, sources, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		if (name_copy(s, &s->copies[i], e) < 0)
			return -1;
	if (check_names(s, e) < 0)
		return -1;
	s->direct = !s->dir_partial && o->when == REFLINK_ALWAYS && !o->chain && s->n > SET_FEW;
	in_use_say_blind(&s->use);
	mark_new(s->mark, s->n);
	return 0;
}

void set_release(struct set *s)
{
	for (size_t i = 0; i < s->n; i++)
		copy_release(&s->copies[i]);
	free(s->copies);
	in_use_release(&s->use);
	free(s->dir);
	free(s->dir_partial);
}
