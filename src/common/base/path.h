/* SPDX-License-Identifier: MIT */
/* Paths as text, and their resolution. Returned strings are malloc'd and the caller's to free. */
#ifndef MPLCR_PATH_H
#define MPLCR_PATH_H

#include <stdbool.h>

/* The directory part of `path` ("." if it has none) and the part after the last '/'. */
char *path_dir(const char *path);
const char *path_base(const char *path);

/* Whether `name` is that of an entry of a directory, and leads nowhere else: no slash, not "." or "..", not too long. NULL is none. */
bool path_is_name(const char *name);

/* `path` without the slashes at its end; "/" stays. */
char *path_trimmed(const char *path);

/* `name` itself if it is absolute, else `dir`/`name`. */
char *path_join(const char *dir, const char *name);

/* The absolute path of `path` without links, dots and double slashes, or NULL with errno if it does not exist. */
char *path_real(const char *path);

/*
 * As path_real, for a path whose last part need not exist: resolves its directory. Returns NULL with errno if the
 * directory does not exist.
 */
char *path_real_parent(const char *path);

/* Whether there is anything at `path`; a link itself counts, wherever it leads. */
bool path_exists(const char *path);

/*
 * Whether the way to `path` (absolute), through all links on it, leads through the directory `dir` (absolute, from
 * path_real) or ends in it. True, too, where the way cannot be followed to its end.
 */
bool path_passes(const char *path, const char *dir);

/* The part of `path` below `dir` (both absolute, from path_real), or NULL if it is not below. */
const char *path_below(const char *dir, const char *path);

#endif
