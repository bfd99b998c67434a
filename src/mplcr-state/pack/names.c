/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "pack/pack.h"

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The directory of the file `name`, which is made where it is not there. A descriptor, or -1 with errno. */
static int open_parent(int dirfd, const char *name)
{
	_cleanup_free_ char *dir = path_dir(name);

	if (strcmp(dir, ".") != 0 && mkdirat(dirfd, dir, 0700) < 0 && errno != EEXIST)
		return -1;
	return open_dir(dirfd, dir);
}

int name_create(int dirfd, const char *name, struct err *e)
{
	_cleanup_close_ int dir = open_parent(dirfd, name);
	const char *base = path_base(name);
	int fd = -1;

	if (dir >= 0 && (unlinkat(dir, base, 0) == 0 || errno == ENOENT))
		fd = openat(dir, base, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 ? fd : err_sys(e, errno, "cannot create '%s'", name);
}

/* The same of the entry `name`, if it is a directory. */
static int sync_entry(int dirfd, const char *name, struct err *e)
{
	_cleanup_close_ int fd = open_dir(dirfd, name);

	if (fd < 0 ? errno == ENOTDIR : fsync(fd) == 0)
		return 0;
	return err_sys(e, errno, "cannot make '%s' durable", name);
}

int names_sync(int dirfd, struct err *e)
{
	int copy = open_dir(dirfd, "."), result = 0;
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!d)
		return err_sys(e, errno, "cannot read the new directory");
	while (result == 0 && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			result = sync_entry(dirfd, entry->d_name, e);
	closedir(d);
	return result;
}

/* --- removing ---------------------------------------------------------------------------------------------------- */

static int keep_in(int dirfd, const char *dir, const struct list *l);

/* What the entry `name` of the directory `dirfd` is called in the list; what is not there goes. */
static int keep_or_remove(int dirfd, const char *entry, const char *name, const struct list *l)
{
	int child;

	if (list_find(l, name) || strcmp(name, PACK_LIST) == 0 || unlinkat(dirfd, entry, 0) == 0)
		return 0;
	child = open_dir(dirfd, entry);
	if (child < 0)
		return -1;
	if (list_has_dir(l, name))
		return keep_in(child, name, l);
	return dir_empty(child) < 0 ? -1 : unlinkat(dirfd, entry, AT_REMOVEDIR);
}

/* The same for the directory `dirfd`, taken over, which is `dir` in the list ("" the uppermost). */
static int keep_in(int dirfd, const char *dir, const struct list *l)
{
	DIR *d = fdopendir(dirfd);
	struct dirent *entry;
	int result = 0;

	if (!d) {
		close(dirfd);
		return -1;
	}
	while (result == 0 && (entry = readdir(d)) != NULL) {
		_cleanup_free_ char *name = text_of("%s%s%s", dir, *dir ? "/" : "", entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = keep_or_remove(dirfd, entry->d_name, name, l);
	}
	closedir(d);
	return result;
}

int names_keep(int dirfd, const struct list *l, struct err *e)
{
	int copy = open_dir(dirfd, ".");

	return copy < 0 || keep_in(copy, "", l) < 0 ? err_sys(e, errno, "cannot remove what an earlier run has left") : 0;
}
