/* SPDX-License-Identifier: MIT */
/*
 * claim.h, by what it is about:
 *
 *   place.c   where claims are
 *   form.c    what is in them
 *   make.c    leaving one
 *   needs.c   of whom, and with what
 *   read.c    reading them
 *   holds.c   whether they hold
 *   own.c     those of this user: found, taken back, removed
 */
#ifndef MPLCR_CLAIM_IMPL_H
#define MPLCR_CLAIM_IMPL_H

#include <sys/stat.h>

#include "base/key.h"
#include "checkpoint/claim.h"

#define KIND "claim" /* of its signature */
#define SUFFIX ".json"

/* --- place.c ----------------------------------------------------------------------------------------------------- */

/* The name of the claim's file: of any number of users each has its own; malloc'd. */
char *claim_file_name(const char *place, const char *base, const char *user);
/* The path without links, as far as there is anything at it; malloc'd. */
char *claim_canonical(const char *path);
/* The directory of the claims in `place`; -1 with errno. */
int claims_open(const char *place);
/*
 * The same, made where it is not there: for all who may make images in `place`, whose owner gets it. -1 with errno.
 * *owner: of that.
 */
int claims_make_dir(const char *place, struct stat *owner);

/* --- form.c ------------------------------------------------------------------------------------------------------ */

/* The filesystem of the file or directory, as far as it has a number that lasts; else 0. */
uint64_t claim_filesystem(const char *path);
/* The *n bytes, and a NUL behind them; malloc'd, or NULL where it is no hexadecimal. */
char *claim_bytes_of_hex(const char *hex, size_t *n);
/* That of `user` with `base`, both real paths, unsigned; NULL with an error. */
json_t *claim_to_json(const char *place, const char *base, const char *user, const char *by, struct err *e);

/* --- read.c ------------------------------------------------------------------------------------------------------ */

/* Returns 0, or -1 where it is no claim, or cannot be read; with errno ENOENT where it is not there. */
int claim_read(struct claim *c, int dir, const char *place, const char *name, const struct key *k);

/* --- holds.c ----------------------------------------------------------------------------------------------------- */

bool claim_is_of_here(const struct claim *c);
/* Enters where the user is by now. */
void claim_follow_user(struct claim *c);

#endif
