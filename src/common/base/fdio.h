/* SPDX-License-Identifier: MIT */
/*
 * Files and descriptors: whole reads and writes, strings of paths, and what makes a change durable.
 * Paths are the caller's; returned strings are malloc'd and the caller's to free.
 */
#ifndef MPLCR_FDIO_H
#define MPLCR_FDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Writes all `size` bytes. Returns 0, or -1 with errno set. */
int fd_write_all(int fd, const void *data, size_t size) __attribute__((warn_unused_result));

/*
 * pread of `size` bytes from `offset` on, or of what there is up to the end of the file. Returns how many, or -1 with
 * errno.
 */
ssize_t fd_read_at(int fd, void *data, size_t size, uint64_t offset) __attribute__((warn_unused_result));

/* Reads and drops what comes until the end of file or an error. */
void fd_drain(int fd);

/*
 * Reads the whole file `path` below directory `dirfd` (AT_FDCWD allowed), which must be a regular file (or one of
 * /proc) of at most `max` bytes. Returns a NUL-terminated malloc'd buffer and its length in *size, or NULL.
 */
char *file_read(int dirfd, const char *path, size_t max, size_t *size, struct err *e);

/* Creates `path` below `dirfd` with O_EXCL and mode 0600 and writes the bytes durably (fsync). Returns 0 or -1. */
int file_create(int dirfd, const char *path, const void *data, size_t size, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Writes a whole file of that mode, or none: into PATH.partial, which is made durable and then renamed. `replace`: a
 * file that is there is replaced; else that is a failure (errno EEXIST in e->sys). Returns 0 or -1.
 */
int file_publish(const char *path, const void *data, size_t size, mode_t mode, bool replace, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Hands `name` below `dirfd` (a link itself, not what it leads to), or with "" the file `dirfd` itself, to a user and
 * group; nothing is done where that user is ours. Returns 0, or -1 with errno.
 */
int file_give(int dirfd, const char *name, uid_t uid, gid_t gid) __attribute__((warn_unused_result));

/* fsync of the file or directory at `path`. Returns 0 or -1. */
int path_sync(const char *path, struct err *e) __attribute__((warn_unused_result));

/* asprintf that ends the process when memory is out: a tool of this size has nothing better to do then. */
char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* As text_of: a copy of `s`, or NULL for NULL. */
char *text_copy(const char *s);

/* Frees a NULL-terminated list of malloc'd strings. NULL is allowed. */
void text_list_free(char **list);

/* calloc that ends the process when memory is out. */
void *memory_of(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* The directory part of `path` ("." where it has none) and the part behind the last '/'. */
char *path_dir(const char *path);
const char *path_base(const char *path);

/* `name` itself where it is absolute, else `dir`/`name`. */
char *path_join(const char *dir, const char *name);

/* The absolute path of `path` without links, dots and double slashes, or NULL with errno where it does not exist. */
char *path_real(const char *path);

/*
 * As path_real, for a path whose last part need not exist: its directory is resolved. Returns NULL with errno where the
 * directory does not exist.
 */
char *path_real_parent(const char *path);

/* What of `path` is below `dir` (both absolute, as path_real gives them), or NULL where it is not below. */
const char *path_below(const char *dir, const char *path);

/*
 * Removes a directory that we made: the files directly in it, and those in its directories, one level deep; nothing
 * else is ever in a checkpoint or a run directory. Links are removed, not followed. Errors are ignored but returned as
 * -1 with errno.
 */
int dir_remove(const char *path);

#endif
