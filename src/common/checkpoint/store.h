/* SPDX-License-Identifier: MIT */
/*
 * The directory of a checkpoint: made under a name that no tool takes for one (names.h), and given its own when all is
 * there and durable. So a crash leaves a whole checkpoint or none, and nothing is ever replaced. How one is given up:
 * remove.h.
 */
#ifndef MPLCR_CHECKPOINT_STORE_H
#define MPLCR_CHECKPOINT_STORE_H

#include "base/err.h"

/*
 * Makes the directory `partial`, of mode 0700, which is the claim to it and to the name `final`: of several who try, one
 * gets it. Returns a descriptor of it, the caller's, or -1; then it is not there, or one of the names is somebody else's
 * (e->sys EEXIST). Whether it can be published in this filesystem is found out here, before anything is done.
 */
int store_claim(const char *partial, const char *final, struct err *e) __attribute__((warn_unused_result));

/* Takes back a claim that was cut short, if it was: a directory with anything else in it stays. */
void store_unclaim(const char *partial);

/*
 * Gives the directory `partial`, which is `dirfd`, the name `final` in the same directory. The files in it are durable.
 * Returns 0, or -1: then it still, or again, has the name `partial`; or, with status EXIT_PARTIAL, it is `final` and is
 * not known to be durable.
 */
int store_publish(int dirfd, const char *partial, const char *final, struct err *e) __attribute__((warn_unused_result));

/* Opens the directory of the checkpoint `dir`. Returns a descriptor, the caller's, or -1 with what it is instead. */
int store_open(const char *dir, struct err *e) __attribute__((warn_unused_result));

#endif
