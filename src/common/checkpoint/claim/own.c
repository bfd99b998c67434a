/* SPDX-License-Identifier: MIT */
/* Claims of this user: found, taken back, and removed when their users are gone. */
#include "checkpoint/claim/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"

bool claim_is_left(const char *base, const char *user)
{
	_cleanup_free_ char *real = claim_canonical(base), *real_user = claim_canonical(user), *place = claim_place(real);
	_cleanup_free_ char *name = claim_file_name(place, real, real_user);
	_cleanup_close_ int dir = claims_open(place);

	return dir >= 0 && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The claim of that user with that base, where it is authentic, with the directory that it is in; -1 where not. */
static int find_own(struct claim *c, const char *base, const char *user)
{
	_cleanup_free_ char *real = claim_canonical(base), *real_user = claim_canonical(user), *place = claim_place(real);
	_cleanup_free_ char *name = claim_file_name(place, real, real_user);
	_cleanup_close_ int dir = claims_open(place);
	struct err ignored;
	struct key *k;
	bool own;

	*c = (struct claim){ 0 };
	if (dir < 0)
		return -1;
	k = key_load(false, &ignored);
	own = claim_read(c, dir, place, name, k) == 0 && c->authentic && strcmp(c->base, real) == 0 &&
	      strcmp(c->user, real_user) == 0;
	key_free(k);
	return own ? steal_fd(&dir) : -1;
}

bool claim_vouches(const char *base, const char *user)
{
	struct claim c;
	_cleanup_close_ int dir = find_own(&c, base, user);
	struct stat of_base, of_user;
	bool result = dir >= 0 && claim_is_of_here(&c) && stat(base, &of_base) == 0 && lstat(user, &of_user) == 0 &&
		      of_base.st_dev == c.base_device && of_base.st_ino == c.base_inode &&
		      of_user.st_ino == c.user_inode &&
		      (c.filesystem ? claim_filesystem(user) == c.filesystem : of_user.st_dev == c.user_device);

	claim_release(&c);
	return result;
}

/* The directory, if it is empty. */
static void remove_dir(const char *place)
{
	_cleanup_free_ char *path = text_of("%s/" CLAIMS_DIR, place);

	rmdir(path);
}

void claim_drop(const char *base, const char *user)
{
	_cleanup_free_ char *place = NULL;
	struct claim c;
	_cleanup_close_ int dir = find_own(&c, base, user);

	if (dir >= 0) {
		unlinkat(dir, path_base(c.file), 0);
		place = claim_place(c.base);
		remove_dir(place);
	}
	claim_release(&c);
}

/* What is left of making a claim that was killed; nobody makes one now. */
static void remove_unfinished(const char *place)
{
	int fd = claims_open(place);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] == '.' && strstr(entry->d_name, SUFFIX "."))
			unlinkat(fd, entry->d_name, 0);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

void claims_sweep(const char *place)
{
	_cleanup_close_ int dir = claims_open(place);
	struct claims claims;

	if (dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0) /* the next one does it */
		return;
	claims_read(&claims, place);
	for (size_t i = 0; i < claims.n; i++)
		if (claims.list[i].authentic && claim_is_gone(&claims.list[i]))
			unlinkat(dir, path_base(claims.list[i].file), 0);
	claims_release(&claims);
	remove_unfinished(place);
	remove_dir(place);
}
