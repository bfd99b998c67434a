/* SPDX-License-Identifier: MIT */
/*
 * New qcow2 overlays, made by qemu-img. The backing file is neither opened nor locked (a VM may have it open): its
 * format and virtual size are given.
 */
#ifndef MPLCR_OVERLAY_H
#define MPLCR_OVERLAY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* An overlay to be made. The strings are the caller's. */
struct overlay {
	const char *path;
	const char *backing; /* as the header names the backing file: a path, or "json:{…}" */
	const char *format;  /* of the backing file */
	uint64_t size;       /* virtual size, bytes */
};

/* The longest name of a backing file that a qcow2 header can hold, bytes (QEMU docs/interop/qcow2.txt). */
#define OVERLAY_BACKING_MAX 1023

/* The qemu-img command that makes it: malloc'd, NULL-terminated; text_list_free frees it. */
char **overlay_command(const struct overlay *o);

/*
 * Claims the name of an overlay before qemu-img writes it, with an empty file that nobody else can read, so that
 * nobody's file is overwritten; hands it to the user and group that QEMU runs as. Returns 0, or -1: nothing is left.
 */
int overlay_claim(const char *path, uid_t uid, gid_t gid, struct err *e) __attribute__((warn_unused_result));

/*
 * Makes `n` overlays, several at the same time, each within `deadline` (clock.h) and until `interrupt` (-1: none) is
 * readable. Returns 0, or -1 with the first failure; some may have been made then: the caller removes them.
 */
int overlay_create(const struct overlay *list, size_t n, int64_t deadline, int interrupt, struct err *e)
	__attribute__((warn_unused_result));

/*
 * The action of QMP `transaction` that puts the overlay at `path`, made before, on a disk of a running VM (QEMU
 * qapi/block-core.json, blockdev-snapshot-sync with mode "existing"): the one of the block backend `backend` or, where
 * that is "" or NULL, of the root node `node`. `new_node` is what the overlay's node is called. The caller's.
 */
json_t *overlay_action(const char *backend, const char *node, const char *path, const char *new_node);

#endif
