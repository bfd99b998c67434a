/* SPDX-License-Identifier: MIT */
/* Images by the names that a running QEMU shows for them, and the files that those are. */
#ifndef MPLCR_IMAGE_H
#define MPLCR_IMAGE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The absolute path of an image by the name that QEMU shows ("file", "filename" of query-block): a path, which may be
 * relative to QEMU's working directory `cwd`, or "json:{…}". Process `pid` is asked where that is gone; `cwd` NULL:
 * neither is known. Malloc'd, or NULL where it is not a file that can be found.
 */
char *image_path(const char *shown, const char *cwd, pid_t pid);

/* Whether both paths lead to one file. */
bool image_same(const char *a, const char *b);

#endif
