/* SPDX-License-Identifier: MIT */
/*
 * How overlays of running VMs are called: IMAGE.qcow2 goes on in IMAGE_NAME.ovl, where NAME is that of the checkpoint
 * or snapshot that froze it, and IMAGE_NAME.ovl in IMAGE_NEXT.ovl.
 */
#ifndef MPLCR_OVERLAY_NAME_H
#define MPLCR_OVERLAY_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define OVERLAY_NODE_SIZE 32

/* Whether `name` can be a NAME: letters, digits, '.', '_' and '-'. Returns 0, or -1 with a usage error about --name. */
int overlay_name_check(const char *name, struct err *e) __attribute__((warn_unused_result));

/* Whether the file is called as overlays are, *.ovl. */
bool overlay_name_is(const char *path);

/* The image's file name without its last extension; malloc'd. */
char *overlay_name_stem(const char *path);

/*
 * What the name of an overlay on the image `path` begins with: the image's own, where that is not an overlay; else the
 * image's without the name of what froze it, so that snap_01.ovl is followed by snap_x1.ovl and that by snap_x2.ovl.
 * `parent` is that name where it is known (it may have '_' in it), or NULL. Malloc'd.
 */
char *overlay_name_base(const char *path, const char *parent);

/* The name of a device as part of a file name: malloc'd. */
char *overlay_name_device(const char *device);

/* JSON, in which QEMU is told names, has no way to write bytes that are no UTF-8. Returns 0 or -1. */
int overlay_name_utf8(const char *path, struct err *e) __attribute__((warn_unused_result));

/*
 * A node name for disk number `i` that is not among the `n` of `nodes`, of at most 31 bytes: QEMU refuses longer ones
 * (qapi/block-core.json). `salt` begins at 0 and serves for all disks.
 */
void overlay_name_node(char node[OVERLAY_NODE_SIZE], const char *name, size_t i, char *const *nodes, size_t n,
		       unsigned *salt);

#endif
