/* SPDX-License-Identifier: MIT */
/*
 * Claims (checkpoint/claim.h) that follow images which change: made for what they are on now, dropped with what is gone.
 */
#ifndef MPLCR_CHAIN_CLAIMS_H
#define MPLCR_CHAIN_CLAIMS_H

#include "image/chain.h"

/* Leaves the claim of the image at `path` with its backing file, where it needs one; says why it cannot. */
void claims_leave(const char *path);

/* Leaves the claims of the checkpoint in `dir`, and of the images of its disks. */
void claims_leave_checkpoint(const char *dir);

/* Drops claims whose users are gone from wherever images of the chain have theirs. */
void claims_sweep_chain(const struct chain *c);

#endif
