/* SPDX-License-Identifier: MIT */
/* Whether the state of a checkpoint is whole: what is wrong with it becomes findings. For mplcr-chain and mplcr-state. */
#ifndef MPLCR_CHECKPOINT_CHECK_H
#define MPLCR_CHECKPOINT_CHECK_H

#include <stdbool.h>

#include "checkpoint/findings.h"
#include "checkpoint/manifest.h"

/* That the manifest lists what its layout needs; notes what is not in the checkpoint at all. */
void check_listed(struct findings *f, const struct manifest *m);

/* That the files that it lists are there, of their sizes and, with `sums`, which reads all of them, of their contents. */
void check_files(struct findings *f, const struct manifest *m, bool sums);

#endif
