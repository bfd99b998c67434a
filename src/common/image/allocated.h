/* SPDX-License-Identifier: MIT */
/* How many bytes a file takes up that removing it would give back. */
#ifndef MPLCR_ALLOCATED_H
#define MPLCR_ALLOCATED_H

#include <stdint.h>

/*
 * Bytes that are stored for the regular file `path` and that it shares with no other file (reflinks, snapshots), as the
 * filesystem tells (ioctl FS_IOC_FIEMAP). A file with several names, and what cannot be read, count as nothing.
 */
uint64_t allocated_unshared(const char *path);

/* The sum of it for all files below the directory `dir`; links are not followed. */
uint64_t allocated_below(const char *dir);

#endif
