/* SPDX-License-Identifier: MIT */
/*
 * What this user on this host wrote itself, and may therefore obey: records of work that was interrupted. The signature is
 * in key.h; here is what keeps a record that was copied from passing for one of here.
 */
#ifndef MPLCR_OWN_H
#define MPLCR_OWN_H

#include <jansson.h>

#include "base/err.h"
#include "base/key.h"

/* This time that the host runs (/proc/sys/kernel/random/boot_id); "" where it does not tell. Malloc'd. */
char *own_boot(void);

/*
 * Whether the file `name` below `dirfd` can be one that we wrote: a regular file of this user, with one name, that others
 * cannot write. Returns 0, or -1 with what it is.
 */
int own_file(int dirfd, const char *name, struct err *e) __attribute__((warn_unused_result));

/* Whether the key (NULL: there is none) signed the record as that `kind` (key.h). Returns 0, or -1 with what it is. */
int own_signed(const struct key *k, const char *kind, const json_t *record, struct err *e)
	__attribute__((warn_unused_result));

/* Whether its members "host" and "uid" are those of this host and user. Returns 0, or -1 with what it is. */
int own_written_here(const json_t *record, struct err *e) __attribute__((warn_unused_result));

#endif
