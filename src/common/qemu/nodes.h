/* SPDX-License-Identifier: MIT */
/*
 * The block nodes of a running VM (QEMU qapi/block-core.json, query-named-block-nodes): one for each image and, below
 * it, one for the file that it lies in. They are asked for "flat" where QEMU can: otherwise each node repeats the chain
 * below it, and the answer grows with the square of the depth: at some 200 layers it is longer than any answer may be
 * (qmp.h).
 */
#ifndef MPLCR_QEMU_NODES_H
#define MPLCR_QEMU_NODES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "qemu/qmp.h"
#include "qemu/vm.h"

/* All nodes: an array, the caller's. Returns 0 or -1. */
int nodes_read(struct qmp *q, json_t **nodes, struct err *e) __attribute__((warn_unused_result));

/* Which node is looked for. */
struct node_wanted {
	const char *name;            /* what it is called, or */
	const char *path;            /* its file: as QEMU shows it, or an absolute path that leads there; NULL, "": not asked */
	const char *driver;          /* of this driver alone; NULL: of any */
	bool writable;               /* only one that QEMU may write to */
	const struct vm_process *vm; /* to follow the names that it shows; NULL: names are compared as they stand */
};

/*
 * Whether QEMU uses a file or a node, and by which node: the node of the image, or, where there is none, that of the
 * file it lies in. Borrowed from `nodes`; NULL where it does not.
 */
const json_t *node_find(const json_t *nodes, const struct node_wanted *wanted);

/* Whether the node is only the file that an image lies in, and knows of no format. */
bool node_is_file(const json_t *node);

#endif
