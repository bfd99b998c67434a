/* SPDX-License-Identifier: MIT */
#include "change/journal/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "change/journal/journal.h"

char *entry_path(const struct journal *j, const struct entry *x)
{
	return path_join(j->places[x->place].dir, x->name);
}

char *entry_anchored(const struct journal *j, const struct entry *x)
{
	return text_of("/proc/self/fd/%d/%s", j->places[x->place].fd, x->name);
}

bool entry_now(const struct journal *j, const struct entry *x, struct file_id *now)
{
	int fd = j->places[x->place].fd;

	return fd >= 0 && file_id_at(fd, x->name, now) == 0;
}

static int remove_directory(const struct journal *j, const struct entry *x, struct err *e)
{
	_cleanup_free_ char *path = entry_path(j, x);
	int dirfd = j->places[x->place].fd, fd;
	struct file_id now;

	if (!entry_now(j, x, &now))
		return 0;
	fd = openat(dirfd, x->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || file_id_of(fd, &now) < 0 || !file_id_same(&x->id, &now)) {
		if (fd >= 0)
			close(fd);
		return err_set(e, "the directory '%s' is not the one that was made for this", path);
	}
	if (dir_empty(fd) < 0 || unlinkat(dirfd, x->name, AT_REMOVEDIR) < 0)
		return err_sys(e, errno, "cannot remove '%s'", path);
	return 0;
}

int scratch_remove(const struct journal *j, struct err *e)
{
	for (size_t i = 0; i < j->scratch.n; i++)
		if (remove_directory(j, &j->scratch.list[i], e) < 0)
			return -1;
	return 0;
}

void places_allow_many(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)!setrlimit(RLIMIT_NOFILE, &files);
}

const char *journal_name(const struct journal *j)
{
	return path_base(j->path);
}

static void free_entries(struct entries *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].name);
	free(l->list);
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n_places; i++) {
		free(j->places[i].dir);
		if (j->places[i].fd >= 0)
			close(j->places[i].fd);
	}
	for (size_t i = 0; i < j->n_renames; i++) {
		free(j->renames[i].from.name);
		free(j->renames[i].to.name);
	}
	free_entries(&j->checkpoints);
	free_entries(&j->removals);
	free_entries(&j->tops);
	free_entries(&j->scratch);
	free(j->places);
	free(j->renames);
	free(j->path);
	key_free(j->key);
	free(j);
}
