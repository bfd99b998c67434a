/* SPDX-License-Identifier: MIT */
#include "recover/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "checkpoint/manifest.h"
#include "checkpoint/names.h"
#include "checkpoint/remove.h"
#include "checkpoint/store.h"

/* --- what needs no VM ------------------------------------------------------------------------------------------- */

/* Someone has locked it. */
static void find_at_work(struct recover *r, const char *partial, const struct unfinished *u, int known)
{
	struct finding *f;

	if (known == 1 && u->this_boot && procinfo_started(u->tool.pid) == u->tool.started)
		f = finding_add(r, "at-work", partial, "wait until it has ended", "mplcr-trigger is at work on it: process %d",
				(int)u->tool.pid);
	else
		f = finding_add(r, "at-work", partial, "wait until it has ended", "a process is at work on it");
	f->outcome = LEFT;
}

/* The journal is missing, or is none that may be obeyed. */
static void find_foreign(struct recover *r, const char *partial, const char *why)
{
	_cleanup_free_ char *next = text_of("look at it, see that no VM uses its overlays, and rm -r '%s'", partial);

	finding_add(r, "unknown", partial, next, "an unfinished checkpoint, and its journal is not to be obeyed: %s", why)
		->outcome = LEFT;
}

/* A checkpoint that died before it did anything. rmdir(2) removes a directory with nothing else in it. */
static void not_begun(struct recover *r, const char *partial, int dirfd)
{
	size_t from = r->n;
	struct err e;

	finding_add(r, "partial", partial, "remove it", "an empty directory: nothing was begun yet");
	if (!r->yes)
		return;
	(void)!unlinkat(dirfd, UNFINISHED_NAME, 0);
	dir_probe_clean(dirfd);
	found_end_with(r, from, rmdir(partial) == 0 ? 0 : err_sys(&e, errno, "cannot remove '%s'", partial), &e);
}

static void recover_removed(struct recover *r, const char *partial)
{
	size_t from = r->n;
	struct err e;

	finding_add(r, "removed", partial, "remove what is left of it", "a checkpoint that was being removed");
	if (r->yes)
		found_end_with(r, from, checkpoint_remove(partial, &e), &e);
}

/* --- one that only lacks its name ------------------------------------------------------------------------------- */

/* Whether all is there but the name: the manifest is written last, when everything was checked and is durable. */
static bool is_whole(const char *partial)
{
	struct err ignored;
	struct manifest *m = manifest_load_partial(partial, &ignored);
	bool whole = m && layout_is_complete(m) && manifest_check_files(m, partial, false, &ignored) == 0;

	manifest_free(m);
	return whole;
}

static int publish(const char *partial, const char *final, int dirfd, struct err *e)
{
	if (store_publish(dirfd, partial, final, e) < 0)
		return -1;
	(void)!unlinkat(dirfd, UNFINISHED_NAME, 0);
	return 0;
}

static void recover_whole(struct recover *r, const struct unfinished *u, enum reach reach, const char *partial, int dirfd)
{
	_cleanup_free_ char *final =
		text_of("%.*s", (int)(strlen(partial) - strlen(PARTIAL_SUFFIX)), partial);
	_cleanup_free_ char *next = text_of("give it its name, '%s'", final);
	size_t from = r->n;
	struct err e;

	if (reach == VM_GONE)
		(void)name_active(r, u);
	finding_add(r, "whole", partial, next, "the checkpoint of %s is complete, and only lacks its name", u->created);
	if (r->yes)
		found_end_with(r, from, publish(partial, final, dirfd, &e), &e);
}

/* --- any -------------------------------------------------------------------------------------------------------- */

static void find_out_of_reach(struct recover *r, const char *partial, const struct unfinished *u,
			      const struct reached *v)
{
	_cleanup_free_ char *next = text_of("mplcr-trigger recover --socket SOCKET, with the QMP socket of process %d",
					    (int)u->vm.pid);

	finding_add(r, "unreached", partial, next, "its VM runs and cannot be reached: %s", v->why)->outcome = LEFT;
}

static void recover_known(struct recover *r, const struct unfinished *u, const char *partial, int dirfd)
{
	struct reached v;

	vm_reach(&v, u, r->socket);
	if (v.reach == VM_OUT_OF_REACH) {
		find_out_of_reach(r, partial, u, &v);
	} else if (is_whole(partial)) {
		recover_whole(r, u, v.reach, partial, dirfd);
	} else if (v.reach == VM_REACHED) {
		recover_running(r, u, &v);
	} else {
		recover_gone(r, u);
	}
	vm_reached_release(&v);
}

void recover_unfinished(struct recover *r, const char *partial)
{
	_cleanup_close_ int dirfd = open(partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct unfinished u = { 0 };
	struct err e;
	int locked, known;

	if (dirfd < 0) {
		err_sys(&e, errno, "it cannot be opened");
		find_foreign(r, partial, e.text);
		return;
	}
	locked = unfinished_lock(dirfd, &e);
	known = unfinished_read(&u, dirfd, partial, &e);
	if (locked == 1)
		find_at_work(r, partial, &u, known);
	else if (checkpoint_is_removed(partial))
		recover_removed(r, partial);
	else if (known <= 0 && unfinished_not_begun(dirfd))
		not_begun(r, partial, dirfd);
	else if (known <= 0)
		find_foreign(r, partial, known == 0 ? "there is none" : e.text);
	else
		recover_known(r, &u, partial, dirfd);
	unfinished_release(&u);
}
