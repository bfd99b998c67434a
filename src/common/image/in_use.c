/* SPDX-License-Identifier: MIT */
#include "image/in_use.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

void in_use_look(struct in_use *u)
{
	if (!u->looked)
		image_users_look(&u->users);
	u->looked = true;
}

void in_use_again(struct in_use *u)
{
	image_users_release(&u->users);
	u->looked = false;
}

void in_use_release(struct in_use *u)
{
	in_use_again(u);
}

/* The first user that is not the one that may be; a writer where there is one. */
static const struct image_user *find(struct in_use *u, dev_t device, ino_t inode)
{
	const struct image_user *user, *end;

	in_use_look(u);
	end = u->users.list + u->users.n;
	user = image_users_find(&u->users, device, inode);
	while (user && u->allowed && user->pid == u->allowed)
		user = ++user < end && user->device == device && user->inode == inode ? user : NULL;
	return user;
}

enum image_use in_use_file(struct in_use *u, dev_t device, ino_t inode, pid_t *pid)
{
	const struct image_user *user = find(u, device, inode);

	*pid = user ? user->pid : 0;
	return !user ? IMAGE_UNUSED : user->writes ? IMAGE_WRITTEN : IMAGE_READ;
}

bool in_use_has(struct in_use *u, dev_t device, ino_t inode, pid_t pid)
{
	const struct image_user *user, *end;

	in_use_look(u);
	end = u->users.list + u->users.n;
	for (user = image_users_find(&u->users, device, inode); user && user < end; user++)
		if (user->device != device || user->inode != inode || user->pid == pid)
			return user->device == device && user->inode == inode;
	return false;
}

/* --- what the kernel tells of one file --------------------------------------------------------------------------- */

enum lease { LEASE_REFUSED, LEASE_GIVEN, LEASE_UNKNOWN };

/*
 * A read lease is given where nobody has the file open for writing. It is given back at once; who opens the file for
 * writing meanwhile waits for that, and the signal that asks us for it (SIGIO) would end us.
 */
static enum lease try_lease(int fd)
{
	signal(SIGIO, SIG_IGN);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN ? LEASE_REFUSED : LEASE_UNKNOWN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return LEASE_GIVEN;
}

/* --- one file ---------------------------------------------------------------------------------------------------- */

static enum image_use of_processes(struct in_use *u, int fd)
{
	struct stat st;
	pid_t pid;

	return fstat(fd, &st) == 0 ? in_use_file(u, st.st_dev, st.st_ino, &pid) : IMAGE_UNUSED;
}

static enum image_use more(enum image_use a, enum image_use b)
{
	return a > b ? a : b;
}

enum image_use in_use_fd(struct in_use *u, int fd)
{
	enum image_use use = of_processes(u, fd);

	if (u->processes)
		return use;
	use = more(use, image_lock_use(fd));
	return use != IMAGE_WRITTEN && try_lease(fd) == LEASE_REFUSED ? IMAGE_WRITTEN : use;
}

enum image_use in_use_writers(struct in_use *u, int fd)
{
	enum image_use use = image_lock_use(fd);
	enum lease lease = use == IMAGE_WRITTEN ? LEASE_REFUSED : try_lease(fd);

	if (lease == LEASE_UNKNOWN)
		return more(use, of_processes(u, fd));
	return lease == LEASE_REFUSED ? IMAGE_WRITTEN : use;
}

/* To open a device or a pipe may do something. */
static int open_regular(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
}

enum image_use in_use_path(struct in_use *u, const char *path)
{
	_cleanup_close_ int fd = open_regular(path);
	struct stat st;
	pid_t pid;

	if (fd >= 0)
		return in_use_fd(u, fd);
	return stat(path, &st) == 0 ? in_use_file(u, st.st_dev, st.st_ino, &pid) : IMAGE_UNUSED;
}

enum image_use in_use_writers_path(struct in_use *u, const char *path)
{
	_cleanup_close_ int fd = open_regular(path);

	return fd >= 0 ? in_use_writers(u, fd) : IMAGE_UNUSED;
}

/* --- in words ---------------------------------------------------------------------------------------------------- */

/* QEMU is told from others by its name. */
static char *name_of(const struct image_user *user)
{
	char *name = image_user_name(user);

	if (!strstr(name, "(qemu-system"))
		return name;
	free(name);
	return text_of("the VM of process %d", (int)user->pid);
}

char *in_use_words(struct in_use *u, dev_t device, ino_t inode, enum image_use use)
{
	const struct image_user *user = find(u, device, inode);
	bool seen = user && (user->writes || use != IMAGE_WRITTEN || user->mapped);
	_cleanup_free_ char *who = seen ? name_of(user) : text_copy("a process that cannot be seen");

	if (seen && user->mapped && !user->writes) /* what maps its file privately may have opened it for writing */
		return text_of("%s has it mapped", who);
	return text_of("%s %s", who, use == IMAGE_WRITTEN ? "writes to it" : "has it open");
}

char *in_use_words_path(struct in_use *u, const char *path, enum image_use use)
{
	struct stat st = { 0 };

	(void)!stat(path, &st);
	return in_use_words(u, st.st_dev, st.st_ino, use);
}

int in_use_refuse(struct in_use *u, const char *path, bool written, struct err *e)
{
	enum image_use use = in_use_path(u, path);
	_cleanup_free_ char *words = NULL;

	if (use == IMAGE_UNUSED || (written && use == IMAGE_READ))
		return 0;
	words = in_use_words_path(u, path, use);
	return err_set(e, "'%s' is in use: %s", path, words);
}

int in_use_refuse_below(struct in_use *u, const char *dir, struct err *e)
{
	char *const roots[] = { (char *)dir, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int result = walk ? 0 : err_sys(e, errno, "cannot read '%s'", dir);
	const FTSENT *entry;

	while (result == 0 && (entry = fts_read(walk)) != NULL)
		if (entry->fts_info == FTS_F)
			result = in_use_refuse(u, entry->fts_path, false, e);
	if (walk)
		fts_close(walk);
	return result;
}

bool in_use_blind(struct in_use *u)
{
	in_use_look(u);
	return image_users_blind(&u->users);
}

int in_use_refuse_blind(struct in_use *u, struct err *e)
{
	if (u->assume_unused || !in_use_blind(u))
		return 0;
	err_set(e, "processes of other users cannot be seen, which may use the images");
	return err_hint(e, "run it as root; or, if you know that nobody uses them: --assume-unused");
}
