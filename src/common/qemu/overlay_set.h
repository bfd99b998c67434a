/* SPDX-License-Identifier: MIT */
/*
 * Overlays for several disks of a running VM, put on all at one instant: the images under them are frozen by that. In
 * this order: claim, create, put, count (or overlay_is_active), sync. Until put has succeeded they can be removed;
 * where its answer did not come, count tells whether QEMU did it: a transaction is whole or nothing.
 */
#ifndef MPLCR_QEMU_OVERLAY_SET_H
#define MPLCR_QEMU_OVERLAY_SET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "qemu/disks.h"
#include "qemu/qmp.h"
#include "qemu/vm.h"

/* The overlay of one disk. All is the caller's. */
struct disk_overlay {
	const struct disk *disk;
	const char *path;    /* absolute */
	const char *backing; /* what its header is to say of the image under it (disk_backing_name) */
	const char *node;    /* what its node is to be called (overlay_name_node); "": QEMU chooses */
	bool claimed;        /* the file is ours: set by overlay_set_claim */
};

struct overlay_set {
	struct disk_overlay *list;
	size_t n;
};

/* Told of each file right before it is claimed, and right after (`claimed` is set). */
typedef void overlay_claimed(void *ctx, const struct disk_overlay *o);

/*
 * Claims all names with empty files, for the user that `vm` runs as; `claimed` (may be NULL) hears of each. Returns 0,
 * or -1: those before are there, for overlay_set_remove.
 */
int overlay_set_claim(struct overlay_set *s, const struct vm_process *vm, overlay_claimed *claimed, void *ctx,
		      struct err *e) __attribute__((warn_unused_result));

/* Makes the overlays in them, durable; deadline and interrupt as in overlay_create. Returns 0 or -1. */
int overlay_set_create(const struct overlay_set *s, int64_t deadline, int interrupt, struct err *e)
	__attribute__((warn_unused_result));

/* Puts all on the disks, in one transaction. Returns 0 or -1. */
int overlay_set_put(const struct overlay_set *s, struct qmp *q, struct err *e) __attribute__((warn_unused_result));

/* Whether the disk writes to its overlay, by query-block's answer `blocks`. */
bool overlay_is_active(const struct disk_overlay *o, const json_t *blocks);

/* How many of the disks do; asks QEMU. Returns 0, or -1 where it does not say. */
int overlay_set_count(const struct overlay_set *s, struct qmp *q, size_t *active, struct err *e)
	__attribute__((warn_unused_result));

/* Makes the frozen images durable, and the names of the overlays. Returns 0 or -1. */
int overlay_set_sync(const struct overlay_set *s, struct err *e) __attribute__((warn_unused_result));

/* Removes the files that were claimed. */
void overlay_set_remove(const struct overlay_set *s);

#endif
