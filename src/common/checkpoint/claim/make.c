/* SPDX-License-Identifier: MIT */
/* Leaving a claim. */
#include "checkpoint/claim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/key.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"

#define LOCK_TRIES 50 /* of a millisecond */

/* A moment of whoever removes claims may be waited for; a stranger who keeps the lock is not. */
static void lock(int fd)
{
	for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_SH | LOCK_NB) < 0; i++)
		clock_sleep_ms(1);
}

/* Without a key it is left unsigned, and protects all the same. */
static void sign(json_t *json)
{
	struct err ignored;
	struct key *k = key_load(true, &ignored);

	if (k)
		key_sign(k, KIND, json);
	key_free(k);
}

static int write_new(int dir, const char *new, const char *text, const struct stat *owner, bool durable)
{
	_cleanup_close_ int fd = -1;

	unlinkat(dir, new, 0); /* of a process that had our number, and was killed */
	fd = openat(dir, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (geteuid() == 0)
		(void)!fchown(fd, owner->st_uid, owner->st_gid);
	/* who may read the directory may know who needs what is in it */
	if (fchmod(fd, 0600 | (owner->st_mode & 044)) < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		return -1;
	return durable ? fsync(fd) : 0;
}

/* The name of the claim, and that of the directory. */
static int sync_names(int dir, const char *place)
{
	_cleanup_close_ int above = open(place, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);

	return above < 0 || fsync(dir) < 0 ? -1 : fsync(above);
}

static int put(const char *place, const char *name, const char *text, bool durable)
{
	_cleanup_free_ char *new = text_of(".%s.%d", name, (int)getpid());
	_cleanup_close_ int dir = -1;
	struct stat owner;
	int saved;

	dir = claims_make_dir(place, &owner);
	if (dir < 0)
		return -1;
	lock(dir);
	if (write_new(dir, new, text, &owner, durable) == 0 && renameat(dir, new, dir, name) == 0)
		return durable ? sync_names(dir, place) : 0;
	saved = errno;
	unlinkat(dir, new, 0);
	errno = saved;
	return -1;
}

int claim_make(const char *base, const char *user, const char *by, bool durable, struct err *e)
{
	_cleanup_free_ char *real_base = path_real(base), *real_user = path_real(user), *place = NULL;
	_cleanup_free_ char *name = NULL, *text = NULL;
	_cleanup_json_ json_t *json = NULL;

	if (!real_base || !real_user)
		return err_sys(e, errno, "cannot note with '%s' that '%s' needs it", base, user);
	place = claim_place(real_base);
	if (path_below(place, real_user))
		return 0;
	json = claim_to_json(place, real_base, real_user, by, e);
	if (!json)
		return err_prefix(e, "cannot note with '%s' that '%s' needs it", real_base, real_user);
	sign(json);
	text = memory_checked(json_dumps(json, JSON_INDENT(2)));
	name = claim_file_name(place, real_base, real_user);
	if (put(place, name, text, durable) == 0)
		return 0;
	return err_sys(e, errno, "cannot note with '%s' that '%s' needs it", real_base, real_user);
}

int claim_settle(const char *base, const char *user, struct err *e)
{
	_cleanup_free_ char *real = claim_canonical(base), *real_user = claim_canonical(user), *place = claim_place(real);
	_cleanup_free_ char *name = claim_file_name(place, real, real_user);
	_cleanup_close_ int dir = claims_open(place), fd = -1;

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open the claims in '%s'", place);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open the claim of '%s'", user);
	if (fsync(fd) == 0 && sync_names(dir, place) == 0)
		return 0;
	return err_sys(e, errno, "cannot make the claim of '%s' durable", user);
}
