/* SPDX-License-Identifier: MIT */
/* Whether an image may be changed at all. */
#ifndef MPLCR_CHAIN_GUARD_H
#define MPLCR_CHAIN_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "checkpoint/forest/forest.h"
#include "checkpoint/manifest.h"
#include "image/chain.h"
#include "image/in_use.h"

/* Whether the image can be made anew or go: one name, no seal, not encrypted, nothing in it that would be lost. */
int guard_image(const struct chain_image *image, bool goes, struct err *e);

/*
 * Whether the images of `c` that are `touched` (by index) can be, since nothing but images of the chain itself needs
 * them, as far as can be seen below the chain's directories; nor does anyone use them, or write to the others. `use`
 * NULL: who uses them is asked elsewhere, as the VM that has them open does it itself.
 */
int guard_needed(const struct chain *c, const bool *touched, struct in_use *use, struct err *e);

/*
 * Refuses image `i` of the forest where one image records it as raw and it has a header that names others there: who
 * changes or moves it as raw may spoil what it is by its header. Returns 0 or -1.
 */
int guard_readings(const struct forest *f, size_t i, struct err *e);

/* Warns of directories, and claims, that the forest does not know. */
void guard_warn_unread(const struct forest *f);

/*
 * Keeps VMs from opening the image for writing while the returned descriptor is open. Returns -1 where one has it open
 * so already.
 */
int guard_hold(const char *path, struct err *e);

/* Who runs on the memory files of the checkpoint: "the VM of process 42 runs on its memory", malloc'd, or NULL. */
char *guard_memory(const struct manifest *m, const char *dir, struct in_use *use);

/*
 * Why the directory of the checkpoint `index` of the forest must stay: what needs an image in it (`ignore` as in
 * forest_needed_by), who runs on its memory, or uses any other file in it. Malloc'd, or NULL.
 */
char *guard_checkpoint(const struct forest *f, size_t index, struct in_use *use,
		       bool (*ignore)(void *ctx, bool checkpoint, size_t index), void *ctx);

/* Whether the file, which has a name that only unfinished images of ours have, can go as one. */
int guard_leftover(const char *path, struct err *e);

#endif
