/* SPDX-License-Identifier: MIT */
/*
 * How the header of an image names another file. QEMU takes what is before a ':' for a protocol, unless a '/' comes
 * first: then the names made here begin with "./".
 */
#ifndef MPLCR_BACKING_NAME_H
#define MPLCR_BACKING_NAME_H

#include <stdbool.h>

/*
 * The name under which the image at `image` finds `backing` (both absolute, as path_real_parent gives them; `image`
 * need not exist). It is relative to the directory of the image where both are in one tree: on one filesystem, below a
 * directory other than "/" that they have in common; so that the tree can be moved. Else, or with `absolute`, the
 * absolute path. Malloc'd.
 */
char *backing_name(const char *image, const char *backing, bool absolute);

/* How the file `to` is called from the directory `dir` (both absolute, without links); malloc'd. */
char *relative_name(const char *dir, const char *to);

#endif
