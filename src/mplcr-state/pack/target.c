/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "checkpoint/remove.h"
#include "checkpoint/store.h"
#include "checkpoint/unfinished/unfinished.h"
#include "pack/pack.h"

/* --- its name ---------------------------------------------------------------------------------------------------- */

/* Whether checkpoints go into the directory. */
static bool takes_checkpoints(const char *where)
{
	_cleanup_free_ char *manifest = path_join(where, MANIFEST_NAME);
	struct stat st;

	return stat(where, &st) == 0 && S_ISDIR(st.st_mode) && !checkpoint_is_named(where) &&
	       !checkpoint_is_partial(where) && !path_exists(manifest);
}

int target_choose(struct target *t, const char *where, const char *name, struct err *e)
{
	_cleanup_free_ char *trimmed = path_trimmed(where), *asked = NULL;

	*t = (struct target){ .dirfd = -1 };
	asked = takes_checkpoints(trimmed) ? path_join(trimmed, name) : text_copy(trimmed);
	if (!path_is_name(path_base(asked)) || path_base(asked)[0] == '.' || checkpoint_is_partial(asked))
		return err_set(e, "'%s' is not a name for a checkpoint", path_base(asked));
	t->final = path_real_parent(asked);
	if (!t->final)
		return err_sys(e, errno, "cannot find the directory of '%s'", asked);
	t->partial = text_of("%s" PARTIAL_SUFFIX, t->final);
	return 0;
}

void target_release(struct target *t)
{
	if (t->dirfd >= 0)
		close(t->dirfd);
	free(t->final);
	free(t->partial);
	*t = (struct target){ .dirfd = -1 };
}

/* --- what is there ----------------------------------------------------------------------------------------------- */

/* What is at t->partial is what a pack or unpack of this user has left, and t->dirfd it. */
static int check_left(const struct target *t, struct err *e)
{
	struct stat st, named;
	int locked = unfinished_lock(t->dirfd, e);

	if (locked < 0)
		return -1;
	if (locked == 1)
		return err_set(e, "someone else is at work in it");
	if (fstat(t->dirfd, &st) < 0 || lstat(t->partial, &named) < 0 || st.st_ino != named.st_ino ||
	    st.st_dev != named.st_dev)
		return err_set(e, "it was renamed meanwhile");
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return err_set(e, "others can have written it");
	if (!dir_is_empty(t->dirfd, PACK_LIST) && faccessat(t->dirfd, PACK_LIST, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		err_set(e, "mplcr-state did not make it");
		return err_hint(e, "mplcr-trigger recover tells what a checkpoint has left behind");
	}
	return 0;
}

static int take_over(struct target *t, struct err *e)
{
	t->found = true;
	t->dirfd = open(t->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->dirfd < 0)
		return err_sys(e, errno, "cannot open '%s'", t->partial);
	return check_left(t, e) < 0 ? err_prefix(e, "'%s' is in the way", t->partial) : 0;
}

/* The mark is whole, or the one before. */
static int put_mark(const struct target *t, const char *mark, struct err *e)
{
	static const char new[] = PACK_LIST ".new";

	unlinkat(t->dirfd, new, 0);
	if (file_create(t->dirfd, new, mark, strlen(mark), e) < 0)
		return -1;
	return renameat(t->dirfd, new, t->dirfd, PACK_LIST) == 0 ? 0 : err_sys(e, errno, "cannot create '" PACK_LIST "'");
}

int target_claim(struct target *t, const char *mark, struct err *e)
{
	if (path_exists(t->final))
		return err_sys(e, EEXIST, "cannot create '%s'", t->final);
	t->dirfd = store_claim(t->partial, t->final, e);
	if (t->dirfd < 0 && (e->sys != EEXIST || path_exists(t->final) || take_over(t, e) < 0))
		return -1;
	if (!t->found && unfinished_lock(t->dirfd, e) != 0)
		return err_set(e, "someone else is at work in '%s'", t->partial);
	if (put_mark(t, mark, e) == 0)
		return 0;
	err_prefix(e, "'%s'", t->partial);
	if (!t->found)
		target_abandon(t);
	return -1;
}

int target_publish(struct target *t, struct err *e)
{
	if (names_sync(t->dirfd, e) < 0 || store_publish(t->dirfd, t->partial, t->final, e) < 0)
		return -1;
	unlinkat(t->dirfd, PACK_LIST, 0); /* where it stays, it does no harm */
	return 0;
}

void target_abandon(struct target *t)
{
	struct err e;

	if (checkpoint_dir_remove(t->partial, &e) < 0)
		cli_warn("'%s' is left behind: %s", t->partial, e.text);
}
