/* SPDX-License-Identifier: MIT */
/* Disks of a VM that a user names with --device DEV[=FILE], and where their overlays go. */
#ifndef MPLCR_QEMU_DISK_CHOICE_H
#define MPLCR_QEMU_DISK_CHOICE_H

#include <stddef.h>

#include "base/err.h"
#include "qemu/disks.h"

struct disk_choice {
	char *device;
	char *file; /* where its overlay goes, or NULL */
};

struct disk_choices {
	struct disk_choice *list;
	size_t n;
};

/* Adds what `value`, "DEV" or "DEV=FILE", says. Returns 0, or -1 with a usage error. */
int disk_choices_add(struct disk_choices *c, const char *value, struct err *e) __attribute__((warn_unused_result));

/* What was said of the disk, or NULL. Borrowed. */
const struct disk_choice *disk_choices_find(const struct disk_choices *c, const struct disk *d);

void disk_choices_release(struct disk_choices *c);

#endif
