/* SPDX-License-Identifier: MIT */
/* Where claims are. */
#include "checkpoint/claim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"

static bool is_checkpoint(const char *dir)
{
	_cleanup_free_ char *manifest = text_of("%s/%s", dir, MANIFEST_NAME);

	return checkpoint_is_named(dir) || text_ends_with(dir, CHECKPOINT_SUFFIX PARTIAL_SUFFIX) ||
	       access(manifest, F_OK) == 0;
}

char *claim_place(const char *base)
{
	char *place = path_dir(base);
	_cleanup_free_ char *at = text_copy(place);

	while (strcmp(at, "/") != 0 && strcmp(at, ".") != 0) { /* of one checkpoint in another the outer one counts */
		char *above = path_dir(at);

		if (is_checkpoint(at)) {
			free(place);
			place = text_copy(above);
		}
		free(at);
		at = above;
	}
	return place;
}

bool claim_needed(const char *base, const char *user)
{
	_cleanup_free_ char *place = claim_place(base);

	return !path_below(place, user);
}

/* The name of the claim's file: of any number of users each has its own. */
char *claim_file_name(const char *place, const char *base, const char *user)
{
	const char *below = path_below(place, base);
	_cleanup_free_ char *both = text_of("%s%c%s", below ? below : base, '\n', user);
	char hex[DIGEST_HEX];

	digest_bytes(both, strlen(both), hex);
	return text_of("%s" SUFFIX, hex);
}

/* The path without links, as far as there is anything at it; malloc'd. */
char *claim_canonical(const char *path)
{
	char *real = path_real(path);

	if (!real)
		real = path_real_parent(path);
	return real ? real : text_copy(path);
}

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* The directory of the claims in `place`; -1 with errno. */
int claims_open(const char *place)
{
	_cleanup_close_ int above = open(place, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);

	return above < 0 ? -1 : open_dir(above, CLAIMS_DIR);
}

/*
 * The same, made where it is not there: for all who may make images in `place`, whose owner gets it. -1 with errno.
 * *owner: of that.
 */
int claims_make_dir(const char *place, struct stat *owner)
{
	_cleanup_close_ int above = open(place, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC), fd = -1;
	bool made;

	if (above < 0 || fstat(above, owner) < 0)
		return -1;
	made = mkdirat(above, CLAIMS_DIR, 0700) == 0;
	if (!made && errno != EEXIST)
		return -1;
	fd = open_dir(above, CLAIMS_DIR);
	if (fd < 0)
		return -1;
	if (made && geteuid() == 0)
		(void)!fchown(fd, owner->st_uid, owner->st_gid);
	if (made)
		(void)!fchmod(fd, (owner->st_mode & 01777) | 0700);
	return steal_fd(&fd);
}
