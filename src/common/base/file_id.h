/* SPDX-License-Identifier: MIT */
/*
 * Which file or directory it is: for records that name files, since somebody else's may have the name by now. They are read
 * after the host was started anew, too; so what is recorded and compared is the filesystem, not the device.
 */
#ifndef MPLCR_FILE_ID_H
#define MPLCR_FILE_ID_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct file_id {
	uint64_t filesystem, inode; /* filesystem_number.h */
	uint64_t device;            /* as it is found, not recorded: st_dev, for whoever compares files that are there */
	uint64_t size;    /* bytes; 0 of a directory, which may change */
	int64_t ctime_ns; /* the same */
	bool directory;
};

/*
 * What `name` in the directory is, a link itself. What is no file or directory has inode 0, and is the same as nothing.
 * Returns 0, or -1 with errno.
 */
int file_id_at(int dirfd, const char *name, struct file_id *id);
/* The same of what is open. */
int file_id_of(int fd, struct file_id *id);

/* Whether it is the same one; and whether nobody has changed it. */
bool file_id_same(const struct file_id *a, const struct file_id *b);
bool file_id_unchanged(const struct file_id *then, const struct file_id *now);

/* Adds "filesystem" and "inode" to `object`; and reads them. Returns 0, or -1 where they are missing. */
void file_id_put(json_t *object, const struct file_id *id);
int file_id_get(const json_t *object, struct file_id *id);

#endif
