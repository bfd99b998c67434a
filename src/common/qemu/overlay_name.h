/* SPDX-License-Identifier: MIT */
/*
 * How overlays of running VMs are called: IMAGE.qcow2 goes on in IMAGE_NAME.ovl, where NAME is that of the checkpoint
 * or snapshot that froze it, and IMAGE_NAME.ovl in IMAGE_NEXT.ovl.
 */
#ifndef MPLCR_OVERLAY_NAME_H
#define MPLCR_OVERLAY_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OVERLAY_NODE_SIZE 32

/* Whether `name` can be a NAME: letters, digits, '.', '_' and '-'. Returns 0, or -1 with a usage error about --name. */
int overlay_name_check(const char *name, struct err *e) __attribute__((warn_unused_result));

/* Whether the file is called as overlays are, *.ovl. */
bool overlay_name_is(const char *path);

/* The image's file name without its last extension; malloc'd. */
char *overlay_name_stem(const char *path);

/* An overlay that is to get a path. The strings are the caller's. */
struct overlay_wish {
	const char *image;  /* that it is for: absolute path */
	const char *device; /* of that disk */
	const char *file;   /* where the user wants it, or NULL */
	const char *dir;    /* else the directory for it, or NULL: beside its image */
	char *path;         /* filled in: absolute, malloc'd; NULL where it has none */
};

/*
 * Fills in the paths of `n` overlays that are made together under the name `name`. Two disks may have images of the
 * same name: then the device tells their overlays apart. `parent` is the name of what made the overlays that are there
 * now, where it is known (it may have '_' in it), or NULL. Returns 0 or -1.
 */
int overlay_name_paths(struct overlay_wish *list, size_t n, const char *name, const char *parent, struct err *e)
	__attribute__((warn_unused_result));

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
