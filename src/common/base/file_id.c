/* SPDX-License-Identifier: MIT */
#include "base/file_id.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/filesystem_number.h"
#include "base/json.h"

static void from_stat(int fd, const struct stat *st, struct file_id *id)
{
	*id = (struct file_id){ .directory = S_ISDIR(st->st_mode) };
	if (!S_ISREG(st->st_mode) && !id->directory)
		return;
	id->filesystem = filesystem_number(fd, st);
	id->device = st->st_dev;
	id->inode = st->st_ino;
	if (id->directory)
		return;
	id->size = (uint64_t)st->st_size;
	id->ctime_ns = clock_ns_of(st->st_ctim);
}

int file_id_at(int dirfd, const char *name, struct file_id *id)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -1 : file_id_of(fd, id);
}

int file_id_of(int fd, struct file_id *id)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	from_stat(fd, &st, id);
	return 0;
}

bool file_id_same(const struct file_id *a, const struct file_id *b)
{
	return a->inode != 0 && a->filesystem == b->filesystem && a->inode == b->inode && a->directory == b->directory;
}

bool file_id_unchanged(const struct file_id *then, const struct file_id *now)
{
	return file_id_same(then, now) && then->size == now->size && then->ctime_ns == now->ctime_ns;
}

void file_id_put(json_t *object, const struct file_id *id)
{
	json_object_set_new(object, "filesystem", json_integer((json_int_t)id->filesystem));
	json_object_set_new(object, "inode", json_integer((json_int_t)id->inode));
}

int file_id_get(const json_t *object, struct file_id *id)
{
	*id = (struct file_id){
		.filesystem = (uint64_t)json_int(object, "filesystem", 0),
		.inode = (uint64_t)json_int(object, "inode", 0),
	};
	return id->inode != 0 && json_is_integer(json_object_get(object, "filesystem")) ? 0 : -1;
}
