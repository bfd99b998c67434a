/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "image/clone.h"
#include "restore.h"

static int make_parent(struct plan *p, struct err *e)
{
	if (mkdir(p->parent, 0700) == 0) {
		p->made_parent = true;
		return 0;
	}
	return errno == EEXIST ? 0 : err_sys(e, errno, "cannot make directory '%s'", p->parent);
}

/* Claims a run directory, which mkdir gives to one of several who try. */
static int make_dir(struct plan *p, struct err *e)
{
	for (unsigned n = 1;; n++) {
		if (plan_name_run(p, &n, e) < 0)
			return -1;
		if (mkdir(p->dir, 0700) == 0) {
			p->made_dir = true;
			return 0;
		}
		if (errno == EEXIST && !p->wish)
			continue;
		err_sys(e, errno, "cannot make directory '%s'", p->dir);
		if (e->sys == EEXIST)
			return err_hint(e, "a run of that name is there: choose another --name, or remove it");
		return err_hint(e, "choose another place with --dir DIR");
	}
}

static int copy_overlays(const struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->m->n_disks; i++) {
		_cleanup_close_ int to = -1;

		if (p->templates[i] < 0)
			continue;
		to = open(p->overlays[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (to < 0 || clone_copy(p->templates[i], to, NULL, NULL) < 0)
			return err_sys(e, errno, "cannot create the overlay '%s'", p->overlays[i]);
	}
	return 0;
}

static int make_overlays(const struct plan *p, int interrupt, struct err *e)
{
	size_t n;
	struct overlay *list = run_overlays(p, &n, e);
	int result = list ? overlay_create(list, n, clock_in_ms((int64_t)p->o->timeout_ms), interrupt, e) : -1;

	if (list)
		run_overlays_free(list, n);
	return result;
}

int prepare_run(struct plan *p, int interrupt, struct err *e)
{
	mode_t old = umask(0077);
	int result = -1;

	if (make_parent(p, e) == 0 && make_dir(p, e) == 0 &&
	    (p->templates ? copy_overlays(p, e) : make_overlays(p, interrupt, e)) == 0 && included_copy_all(p, e) == 0)
		result = 0;
	if (result == 0)
		run_claims_leave(p);
	umask(old);
	return result;
}

void prepare_undo(struct plan *p)
{
	if (p->made_dir) {
		dir_remove(p->dir);
		run_claims_drop(p);
	}
	if (p->made_parent)
		rmdir(p->parent);
	p->made_dir = p->made_parent = false;
}
