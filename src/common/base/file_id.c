/* SPDX-License-Identifier: MIT */
#include "base/file_id.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"

static void from_stat(const struct stat *st, struct file_id *id)
{
	*id = (struct file_id){ .directory = S_ISDIR(st->st_mode) };
	if (!S_ISREG(st->st_mode) && !id->directory)
		return;
	id->device = st->st_dev;
	id->inode = st->st_ino;
	if (id->directory)
		return;
	id->size = (uint64_t)st->st_size;
	id->ctime_ns = clock_ns_of(st->st_ctim);
}

int file_id_at(int dirfd, const char *name, struct file_id *id)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	from_stat(&st, id);
	return 0;
}

int file_id_of(int fd, struct file_id *id)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	from_stat(&st, id);
	return 0;
}

bool file_id_same(const struct file_id *a, const struct file_id *b)
{
	return a->inode != 0 && a->device == b->device && a->inode == b->inode && a->directory == b->directory;
}

bool file_id_unchanged(const struct file_id *then, const struct file_id *now)
{
	return file_id_same(then, now) && then->size == now->size && then->ctime_ns == now->ctime_ns;
}

void file_id_put(json_t *object, const struct file_id *id)
{
	json_object_set_new(object, "device", json_integer((json_int_t)id->device));
	json_object_set_new(object, "inode", json_integer((json_int_t)id->inode));
}

int file_id_get(const json_t *object, struct file_id *id)
{
	*id = (struct file_id){
		.device = (uint64_t)json_int(object, "device", 0),
		.inode = (uint64_t)json_int(object, "inode", 0),
	};
	return id->inode != 0 && json_is_integer(json_object_get(object, "device")) ? 0 : -1;
}
