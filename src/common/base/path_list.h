/* SPDX-License-Identifier: MIT */
/*
 * Lists of paths from the command line. "-" stands for the paths on standard input: one per line or, with -0,
 * NUL-separated, as find(1) and mplcr-chain print them.
 */
#ifndef MPLCR_PATH_LIST_H
#define MPLCR_PATH_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct path_list {
	char **paths; /* NULL-terminated; text_list_free, or path_list_release */
	size_t n;
};

/*
 * Reads the operands, with "-" (once) replaced by the paths on standard input. Skips empty lines. At most 1,000,000
 * paths of at most PATH_MAX bytes. Returns 0 or -1. Release *l in any case.
 */
int path_list_read(struct path_list *l, char *const *operands, size_t n, bool nul_separated, struct err *e)
	__attribute__((warn_unused_result));

/* Appends the paths in the open file `fd`, which `what` names in messages. */
int path_list_read_fd(struct path_list *l, int fd, const char *what, bool nul_separated, struct err *e)
	__attribute__((warn_unused_result));

void path_list_add(struct path_list *l, const char *path);
void path_list_release(struct path_list *l);

#endif
