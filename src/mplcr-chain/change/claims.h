/* SPDX-License-Identifier: MIT */
/* Claims (checkpoint/claim.h) that follow images which change. */
#ifndef MPLCR_CHAIN_CLAIMS_H
#define MPLCR_CHAIN_CLAIMS_H

#include "image/chain.h"

/* Leaves the claim of the image at `user` with its backing file `base`, where it needs one; says why it cannot. */
void claims_leave(const char *base, const char *user);

/* Drops claims whose users are gone from wherever images of the chain have theirs. */
void claims_sweep_chain(const struct chain *c);

#endif
