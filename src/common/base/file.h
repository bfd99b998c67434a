/* SPDX-License-Identifier: MIT */
/* Files and descriptors: whole reads and writes, durable changes. Paths are the caller's. */
#ifndef MPLCR_FILE_H
#define MPLCR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Writes all `size` bytes. Returns 0, or -1 with errno set. */
int fd_write_all(int fd, const void *data, size_t size) __attribute__((warn_unused_result));

/* pread of `size` bytes from `offset` on, or up to the end of the file. Returns their number, or -1 with errno. */
ssize_t fd_read_at(int fd, void *data, size_t size, uint64_t offset) __attribute__((warn_unused_result));

/* pwrite of all `size` bytes. Returns 0, or -1 with errno. */
int fd_write_at(int fd, const void *data, size_t size, uint64_t offset) __attribute__((warn_unused_result));

/*
 * Copies what `from` holds from its offset on to `to`, up to its end; into a pipe without copying the bytes, where the
 * kernel can (splice(2)). Returns 0, or -1: e->sys is EPIPE where nobody reads `to` any more. `name` is what is read.
 */
int fd_pass_on(int from, int to, const char *name, struct err *e) __attribute__((warn_unused_result));

/* Reads and drops everything until the end of file or an error. */
void fd_drain(int fd);

/* The same as a thread's work: `fd` points to the descriptor. Returns NULL. */
void *fd_drain_thread(void *fd);

/*
 * Reads the whole file `path` below directory `dirfd` (AT_FDCWD allowed), which must be a regular file (or one of
 * /proc) of at most `max` bytes. Returns a NUL-terminated malloc'd buffer and its length in *size, or NULL.
 */
char *file_read(int dirfd, const char *path, size_t max, size_t *size, struct err *e);

/* Creates `path` below `dirfd` with O_EXCL and mode 0600, and writes the bytes durably (fsync). Returns 0 or -1. */
int file_create(int dirfd, const char *path, const void *data, size_t size, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Writes a whole file of that mode, or none: writes PATH.new, makes it durable, renames it and makes the name durable.
 * With `replace` it replaces an existing file; without, an existing file is an error (errno EEXIST in e->sys). Returns
 * 0 or -1.
 */
int file_publish(const char *path, const void *data, size_t size, mode_t mode, bool replace, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Renames a file or directory below one directory (AT_FDCWD allowed) to a free name below another, in one filesystem.
 * It never replaces anything: errno is EEXIST then. If the filesystem cannot do that in one step (renameat2(2):
 * RENAME_NOREPLACE is EINVAL on NFS, for one), a file has both names for a moment, and a directory replaces an empty
 * one. Returns 0, or -1 with errno.
 */
int file_rename_new(int from_dir, const char *from, int to_dir, const char *to) __attribute__((warn_unused_result));

/*
 * Whether file_rename_new can rename directories on the filesystem of the directory `dirfd`: tries it there and leaves
 * nothing behind. Returns 0 or -1.
 */
int dir_probe_rename(int dirfd, struct err *e) __attribute__((warn_unused_result));

/* Removes what that leaves in the directory where it is cut short. */
void dir_probe_clean(int dirfd);

/* Renames a file or directory; if `to` exists, `replace` decides as in file_publish. Returns 0 or -1. */
int path_rename(const char *from, const char *to, bool replace, struct err *e) __attribute__((warn_unused_result));

/*
 * Gives `name` below `dirfd` (a link itself, not its target), or with "" the file `dirfd` itself, to a user and group;
 * does nothing if that user is ours. Returns 0, or -1 with errno.
 */
int file_give(int dirfd, const char *name, uid_t uid, gid_t gid) __attribute__((warn_unused_result));

/* fsync of the file or directory at `path`. Returns 0 or -1. */
int path_sync(const char *path, struct err *e) __attribute__((warn_unused_result));

/* fsync of the directory of `path`: makes its name, or its removal, durable. Returns 0 or -1. */
int path_sync_name(const char *path, struct err *e) __attribute__((warn_unused_result));

/* Makes the missing directories above `path`, with access for their owner only. Returns 0 or -1. */
int dir_make_parents(const char *path, struct err *e) __attribute__((warn_unused_result));

/*
 * Removes a directory that we made: the files in it and in its directories, one level deep; a checkpoint or a run
 * directory never holds anything else. Removes links instead of following them. Goes on after an error, and then
 * returns -1 with errno.
 */
int dir_remove(const char *path);

/* The same of what is in it, but for the entry `keep`: the directory stays, too. */
int dir_clear(const char *path, const char *keep) __attribute__((warn_unused_result));

/* The same with everything in it, however deep. A missing directory is not an error. Returns 0 or -1. */
int dir_remove_tree(const char *path, struct err *e) __attribute__((warn_unused_result));

/* Whether the directory, open as `fd`, has nothing in it but the entry `other`, or what dir_probe_rename left in it. */
bool dir_is_empty(int fd, const char *other);

/*
 * Empties the directory `fd`, however deep, and closes it; does not enter or remove other filesystems in it, bind
 * mounts included. Removes links instead of following them. Goes on after an error, and then returns -1 with errno.
 */
int dir_empty(int fd) __attribute__((warn_unused_result));

#endif
