/* SPDX-License-Identifier: MIT */
/* The saved state on its way into QEMU: a thread writes it into the pipe, as the layout of the checkpoint has it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "checkpoint/layout.h"
#include "restore.h"

struct feed {
	pthread_t thread;
	const struct plan *p;
	const struct overwritten *o;
	int fd; /* closed by the thread */
	int result;
	struct err e;
};

/* Returns 0, 1 where QEMU reads no more, -1 on failure. */
static int feed_all(const struct plan *p, const struct overwritten *o, int to, struct err *e)
{
	_cleanup_close_ int dirfd = open(p->m->checkpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct layout_mapped mapped = { p->lazy ? memory_main_file(p->m) : NULL, o->ranges, o->n };
	int result;

	if (dirfd < 0)
		return err_sys(e, errno, "cannot open '%s'", p->m->checkpoint);
	e->sys = 0;
	result = p->lazy ? p->m->layout->write_unmapped(p->m, dirfd, &mapped, to, e) :
			   p->m->layout->write_state(p->m, dirfd, to, e);
	return result < 0 && e->sys == EPIPE ? 1 : result;
}

static void *feed_thread(void *arg)
{
	struct feed *f = arg;

	f->result = feed_all(f->p, f->o, f->fd, &f->e);
	close(f->fd);
	return NULL;
}

struct feed *feed_start(const struct plan *p, const struct overwritten *o, int fd, struct err *e)
{
	struct feed *f = memory_of(1, sizeof(*f));
	int why;

	f->p = p;
	f->o = o;
	f->fd = fd;
	why = pthread_create(&f->thread, NULL, feed_thread, f);
	if (why == 0)
		return f;
	err_sys(e, why, "cannot start a thread");
	close(fd);
	free(f);
	return NULL;
}

int feed_finish(struct feed *f, struct err *e)
{
	int result;

	pthread_join(f->thread, NULL);
	result = f->result;
	if (result < 0)
		*e = f->e;
	free(f);
	return result;
}
