/* SPDX-License-Identifier: MIT */
/*
 * Which checkpoint of this VM came before, without reading all that are there: by the names of the VM's overlays, by the
 * memory file or the run directory of a restored VM. Of those that are newer than that beside the new one, which may have
 * left the VM its images, the newest few are looked into, and those that have clones of such names.
 */
#ifndef TRIGGER_PARENT_H
#define TRIGGER_PARENT_H

#include "checkpoint/manifest.h"
#include "plan.h"

/* Its manifest, the caller's, or NULL where none is found. p->dir and p->disks are set. */
struct manifest *parent_find(const struct plan *p, const struct survey *s);

/*
 * The checkpoint whose overlay `image` is, by its name, STEM_NAME.ovl, if it is DIR/NAME.ckpt: its manifest, the caller's,
 * or NULL.
 */
struct manifest *parent_maker(const char *dir, const char *image);

#endif
