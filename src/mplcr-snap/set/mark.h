/* SPDX-License-Identifier: MIT */
/* The mark by which the files of a set are told from others. */
#ifndef MPLCR_SNAP_MARK_H
#define MPLCR_SNAP_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What tells that a file, or a directory with all that is in it, is a set that reflink made: the extended attribute
 * user.mplcr.set, "CREATED/PROCESS/NUMBER". The first two name the set; NUMBER is how many files it has.
 */
#define MARK_SIZE 80

/* A new one for a set of `n` files. */
void mark_new(char mark[MARK_SIZE], size_t n);
/* Sets it. Returns 0, or -1 with errno. */
int mark_put(int fd, const char *mark);
/* Reads that of `path` (a link is not followed). Returns false where there is none, or none that makes sense. */
bool mark_get(const char *path, char mark[MARK_SIZE]);
/* Its parts. */
void mark_created(const char *mark, char created[MARK_SIZE]);
uint64_t mark_files(const char *mark);

#endif
