/* SPDX-License-Identifier: MIT */
/* The files that the checkpoint includes: each run has its own copies, below its run directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "image/clone.h"
#include "base/path.h"
#include "restore.h"

void included_name(struct plan *p)
{
	for (size_t i = 0; i < p->m->n_included; i++) {
		free(p->included[i]);
		p->included[i] = path_join(p->dir, p->m->included[i].copy.name);
	}
}

/* A clone or, where the filesystem cannot, a copy, which the VM may write. */
static int copy_one(const char *dir, const char *from, const char *to, struct err *e)
{
	_cleanup_close_ int from_fd = beneath_open_at(dir, from), to_fd = -1;

	if (from_fd < 0)
		return err_sys(e, errno, "cannot open '%s/%s'", dir, from);
	to_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return err_sys(e, errno, "cannot create '%s'", to);
	if (clone_fd(from_fd, to_fd) < 0 && clone_copy(from_fd, to_fd, NULL, NULL) < 0)
		return err_sys(e, errno, "cannot copy '%s/%s' to '%s'", dir, from, to);
	return 0;
}

int included_copy_all(const struct plan *p, struct err *e)
{
	_cleanup_free_ char *dir = path_join(p->dir, INCLUDED_DIR);

	if (p->m->n_included == 0)
		return 0;
	if (mkdir(dir, 0700) < 0)
		return err_sys(e, errno, "cannot make directory '%s'", dir);
	for (size_t i = 0; i < p->m->n_included; i++)
		if (copy_one(p->m->checkpoint, p->m->included[i].copy.name, p->included[i], e) < 0)
			return -1;
	return 0;
}
