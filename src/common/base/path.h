/* SPDX-License-Identifier: MIT */
/* Paths as text, and what they resolve to. Returned strings are malloc'd and the caller's to free. */
#ifndef MPLCR_PATH_H
#define MPLCR_PATH_H

#include <stdbool.h>

/* The directory part of `path` ("." where it has none) and the part behind the last '/'. */
char *path_dir(const char *path);
const char *path_base(const char *path);

/* `path` without the slashes at its end; "/" stays. */
char *path_trimmed(const char *path);

/* `name` itself where it is absolute, else `dir`/`name`. */
char *path_join(const char *dir, const char *name);

/* The absolute path of `path` without links, dots and double slashes, or NULL with errno where it does not exist. */
char *path_real(const char *path);

/*
 * As path_real, for a path whose last part need not exist: its directory is resolved. Returns NULL with errno where the
 * directory does not exist.
 */
char *path_real_parent(const char *path);

/* Whether there is anything at `path`; a link itself counts, wherever it leads. */
bool path_exists(const char *path);

/* What of `path` is below `dir` (both absolute, as path_real gives them), or NULL where it is not below. */
const char *path_below(const char *dir, const char *path);

#endif
