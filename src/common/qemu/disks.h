/* SPDX-License-Identifier: MIT */
/* The disks of a running VM and the image files behind them, as QEMU tells them (qapi/block-core.json). */
#ifndef MPLCR_QEMU_DISKS_H
#define MPLCR_QEMU_DISKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "qemu/qmp.h"
#include "qemu/vm.h"

/* One image of a chain. */
struct vm_image {
	char *path;            /* absolute; NULL where it is no file that can be found */
	char *format;          /* "qcow2", "raw", …, as QEMU calls its driver */
	struct vm_image *data; /* its external data file, an image of format "raw"; NULL where it has none */
};

/* One disk of the VM that has an image in it. */
struct disk {
	char *device;                 /* stable name that users see, the block backend or, without one, the user's node */
	char *backend;                /* block backend name for QMP commands, "" where it has none */
	char *node;                   /* root node name */
	char *qdev;                   /* or NULL */
	char *shown;                  /* the root image's file name as QEMU shows it */
	struct vm_image *chain;       /* top first */
	size_t n_chain;
	uint64_t virtual_size; /* bytes */
	bool read_only;
	char *refusal;         /* why it cannot be frozen, or NULL */
	char *overlay_refusal; /* why not by an overlay, or NULL */
	char *clone_refusal;   /* why not by a clone, or NULL */
	char *backing_name;    /* what the header of its image says of the backing file, or NULL */
	bool sealed;           /* that header cannot be rewritten: the image is encrypted */
};

struct vm_disks {
	struct disk *disks;
	size_t n_disks;
	char **nodes; /* names of all block nodes */
	size_t n_nodes;
};

/*
 * Asks QEMU, the process `vm`, for its disks. Names of images that it shows relative are followed where that is known.
 * Returns 0 or -1. To be released in any case.
 */
int vm_disks_read(struct vm_disks *v, struct qmp *q, const struct vm_process *vm, struct err *e)
	__attribute__((warn_unused_result));

void vm_disks_release(struct vm_disks *v);

/* Whether users may call the disk so: by its device, its node or its guest device. */
bool disk_has_name(const struct disk *d, const char *name);

/* Says in *e, as a usage error about the option, that none of the disks has that name. Always returns -1. */
int disk_unknown(const char *option, const char *name, const struct disk *disks, size_t n, struct err *e);

/* The "inserted" of the disk in query-block's answer `blocks`: found by backend or guest device; NULL where it is gone.
 */
const json_t *disk_find(const json_t *blocks, const struct disk *d);

/*
 * What the header of an overlay at `overlay` names as its backing file, the image that the disk has now: exactly what
 * QEMU calls it, where that name leads to it from the overlay too (else QEMU would show the disk as "json:…" from then
 * on); its absolute path otherwise. Malloc'd.
 */
char *disk_backing_name(const struct disk *d, const char *overlay);

#endif
