/* SPDX-License-Identifier: MIT */
/* Whether a claim holds, and where its user is by now. */
#include "checkpoint/claim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/host.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "image/chain.h"

/*
 * The nearest directory above where the user was, which is on the filesystem that the user was on; malloc'd, or NULL: what
 * is not mounted is not gone, nor what may not be looked at.
 */
static char *nearest_directory(const struct claim *c)
{
	_cleanup_free_ char *at = path_dir(c->user);
	struct stat st;

	while (stat(at, &st) < 0) {
		char *above = path_dir(at);

		if ((errno != ENOENT && errno != ENOTDIR) || strcmp(at, above) == 0) {
			free(above);
			return NULL;
		}
		free(at);
		at = above;
	}
	/* a number of the filesystem's own says more than that of its device, which another may have got */
	if (c->filesystem ? claim_filesystem(at) != c->filesystem : st.st_dev != c->user_device)
		return NULL;
	return steal_ptr(at);
}

/* The file of the handle, opened for its path only; -1 where it is gone, or we may not ask (CAP_DAC_READ_SEARCH). */
static int open_handle(const struct claim *c, const char *directory)
{
	_cleanup_close_ int dir = open(directory, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ struct file_handle *h = memory_of(sizeof(*h) + MAX_HANDLE_SZ, 1);
	_cleanup_free_ char *bytes = NULL;
	size_t n;

	bytes = claim_bytes_of_hex(c->handle, &n);
	if (dir < 0 || !bytes || n > MAX_HANDLE_SZ)
		return -1;
	h->handle_bytes = (unsigned)n;
	h->handle_type = c->handle_type;
	memcpy(h->f_handle, bytes, n);
	return open_by_handle_at(dir, h, O_PATH | O_CLOEXEC);
}

/* Where the user is by now, if it got another name on its filesystem; malloc'd, or NULL. */
static char *moved_to(const struct claim *c)
{
	_cleanup_free_ char *directory = c->handle ? nearest_directory(c) : NULL, *link = NULL, *path = NULL;
	_cleanup_close_ int fd = directory ? open_handle(c, directory) : -1;
	struct stat st, there;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink == 0)
		return NULL;
	link = text_of("/proc/self/fd/%d", fd);
	path = memory_of(PATH_MAX, 1);
	n = readlink(link, path, PATH_MAX - 1);
	if (n <= 0 || path[0] != '/' || stat(path, &there) < 0 || there.st_dev != st.st_dev || there.st_ino != st.st_ino)
		return NULL;
	return steal_ptr(path);
}

bool claim_is_of_here(const struct claim *c)
{
	_cleanup_free_ char *host = host_id();

	return strcmp(host, c->host) == 0;
}

void claim_follow_user(struct claim *c)
{
	struct stat st;
	char *now = c->authentic && lstat(c->user, &st) < 0 && errno == ENOENT && claim_is_of_here(c) ? moved_to(c) : NULL;

	if (!now)
		return;
	free(c->user);
	c->user = now;
}

/* In a copy of the directory a claim is with the copy of the base, which its user does not need. */
static bool is_base(const struct claim *c, const char *path)
{
	struct stat st, now;

	if (!path || stat(path, &st) < 0)
		return false;
	if (stat(c->base, &now) == 0)
		return st.st_dev == now.st_dev && st.st_ino == now.st_ino;
	return st.st_dev == c->base_device && st.st_ino == c->base_inode; /* it got another name */
}

static bool leads_to_base(const struct claim *c, const struct chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		if ((i > 0 && is_base(c, chain->images[i].path)) || is_base(c, chain->images[i].data_path))
			return true;
	return false;
}

/* Whether it is an overlay of other images only, or of none: of what cannot be read in full nobody knows. */
static bool leads_elsewhere(const struct claim *c)
{
	_cleanup_chain_ struct chain *top = chain_read(c->user, NULL, 1), *whole = NULL;
	struct err ignored;

	if (top->images[0].state != CHAIN_OK || top->images[0].format != IMAGE_QCOW2 || leads_to_base(c, top))
		return false;
	whole = chain_read(c->user, NULL, 0);
	return chain_whole(whole, &ignored) == 0 && !leads_to_base(c, whole);
}

static bool is_proved_away(const struct claim *c)
{
	_cleanup_free_ char *directory = nearest_directory(c);

	return directory != NULL;
}

bool claim_is_gone(const struct claim *c)
{
	struct stat st;

	if (!claim_is_of_here(c))
		return false;
	if (lstat(c->user, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? is_proved_away(c) : false;
	return c->authentic && S_ISREG(st.st_mode) && leads_elsewhere(c);
}
