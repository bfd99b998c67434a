/* SPDX-License-Identifier: MIT */
/* Reading claims, whoever left them. */
#include "checkpoint/claim/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"

#define MAX_BYTES 65536

/* The JSON in the file `name`, which is small and no link; NULL with errno, 0 where it is something else. */
static json_t *read_json(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	errno = 0;
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_BYTES)
		return NULL;
	text = memory_of((size_t)MAX_BYTES, 1);
	n = fd_read_at(fd, text, MAX_BYTES, 0);
	return n < 0 ? NULL : json_loadb(text, (size_t)n, 0, NULL);
}

/* Devices are numbered anew: while the base's filesystem is the same, its number is the one of today. */
static void find_device(struct claim *c)
{
	_cleanup_free_ char *dir = path_dir(c->base);
	struct stat st;

	if (c->base_filesystem && stat(dir, &st) == 0 && claim_filesystem(dir) == c->base_filesystem)
		c->base_device = st.st_dev;
}

/* Returns 0, or -1 where it is no claim, or cannot be read; with errno ENOENT where it is not there. */
int claim_read(struct claim *c, int dir, const char *place, const char *name, const struct key *k)
{
	_cleanup_json_ json_t *json = read_json(dir, name);

	*c = (struct claim){ 0 };
	if (!json)
		return -1;
	errno = 0;
	if (claim_parse(c, json, place) < 0)
		return -1;
	c->file = text_of("%s/" CLAIMS_DIR "/%s", strcmp(place, "/") == 0 ? "" : place, name);
	c->authentic = key_verify(k, KIND, json) == KEY_AUTHENTIC;
	if (c->authentic)
		find_device(c);
	return 0;
}

static void add_claim(struct claims *c, int dir, const char *place, const char *name, const struct key *k)
{
	struct claim one;

	if (claim_read(&one, dir, place, name, k) == 0) {
		claim_follow_user(&one);
		*array_add(c->list, c->n) = one;
		return;
	}
	c->n_unread += errno != ENOENT; /* it may have gone just now */
	claim_release(&one);
}

static bool is_claim_name(const char *name)
{
	return name[0] != '.' && text_ends_with(name, SUFFIX);
}

static void read_all(struct claims *c, DIR *dir, const char *place)
{
	struct err ignored;
	struct key *k = key_load(false, &ignored);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (is_claim_name(entry->d_name))
			add_claim(c, dirfd(dir), place, entry->d_name, k);
	key_free(k);
}

void claims_read(struct claims *c, const char *place)
{
	int fd = claims_open(place);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	*c = (struct claims){ 0 };
	if (dir) {
		read_all(c, dir, place);
		closedir(dir);
		return;
	}
	c->n_unread = errno != ENOENT;
	if (fd >= 0)
		close(fd);
}

void claims_release(struct claims *c)
{
	for (size_t i = 0; i < c->n; i++)
		claim_release(&c->list[i]);
	free(c->list);
	*c = (struct claims){ 0 };
}
