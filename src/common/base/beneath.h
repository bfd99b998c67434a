/* SPDX-License-Identifier: MIT */
/*
 * Opens files that came in a directory from elsewhere: beneath it, and with no symbolic link anywhere on the way, so that
 * nothing in it leads out of it. (openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS; before Linux 5.6, one
 * directory after the other.)
 */
#ifndef MPLCR_BENEATH_H
#define MPLCR_BENEATH_H

/*
 * Opens the file or directory `name` beneath the directory `dirfd` for reading. Returns a descriptor, the caller's, or -1
 * with errno: ELOOP (or ENOTDIR) for a link, EXDEV for a name that leaves, ENXIO for a device, a pipe or a socket, which
 * are not opened.
 */
int beneath_open(int dirfd, const char *name);

/* The same beneath the directory at the path `dir`. */
int beneath_open_at(const char *dir, const char *name);

#endif
