/* SPDX-License-Identifier: MIT */
/* The disks at the pause: the ways of freezing them. */
#ifndef TRIGGER_FREEZE_H
#define TRIGGER_FREEZE_H

#include "changes.h"
#include "checkpoint/manifest.h"
#include "plan.h"

/* All that the freezing needs; borrowed. */
struct freeze {
	struct plan *plan;
	const struct survey *survey;
	struct changes *changes;
	struct qmp *q;
	int dirfd; /* the checkpoint's directory, which is still the partial one */
	int64_t deadline;
	int interrupt;
};

/* One way of freezing the disks. */
struct freeze_method {
	enum disks_mode mode;
	enum manifest_method recorded;
	const char *name;
	/* Whether it can be, and into which files; p->dir and p->disks[].freeze are set. Changes nothing. */
	int (*plan)(struct plan *p, struct err *e);
	/* Before the pause: makes the files. */
	int (*prepare)(const struct freeze *f, struct err *e);
	/* In the pause. */
	int (*run)(const struct freeze *f, struct err *e);
	/* After it: whether the disk writes to what it should, by QEMU's query-block. */
	int (*check)(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e);
	/* Makes what is frozen complete in itself, and durable. */
	int (*settle)(const struct freeze *f, struct err *e);
};

extern const struct freeze_method freeze_overlay, freeze_reflink, freeze_subvolume;

/* The method for p->disks, auto resolved; its own plan is made. Returns 0 or -1. */
int freeze_plan(struct plan *p, const struct options *o, struct err *e);
int freeze_prepare(const struct freeze *f, struct err *e);
int freeze_run(const struct freeze *f, struct err *e);
/* Compares QEMU's own answer with the plan, and makes what is frozen durable. */
int freeze_check(const struct freeze *f, struct err *e);

/* Parts that methods share. Whether the disk goes on with the image that it had. */
int freeze_check_same(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e);
/*
 * Makes the names in the header of each clone of an image lead from the checkpoint to its backing file and to the clone
 * of its data file.
 */
int freeze_relink(const struct freeze *f, struct err *e);

#endif
