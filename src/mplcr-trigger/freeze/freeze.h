/* SPDX-License-Identifier: MIT */
/*
 * The disks at the pause: the ways of freezing them. A way is a row that answers questions; nobody outside this folder
 * knows which there are, but for the default. To add one: its file, its row in table.c, what the manifest calls it
 * (manifest.h), its manual, its tests.
 */
#ifndef TRIGGER_FREEZE_H
#define TRIGGER_FREEZE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/options.h"
#include "checkpoint/manifest.h"

struct changes;
struct disk_plan;
struct plan;
struct qmp;
struct survey;

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

/* One way of freezing the disks: a row. */
struct freeze_method {
	const char *name; /* of --disks */
	const char *help; /* what it does, for shells that show it */
	enum manifest_method recorded;
	bool freezes;        /* disks are frozen at all */
	bool makes_overlays; /* the VM goes on with overlays, which need names; else with the images that it had */
	bool grows_chain;    /* what is frozen stays in the VM's own chain; else it is a copy in the checkpoint */
	bool needs_pause;    /* its `run` is ours to do: QEMU cannot do that by itself in a pause of its own */
	const char *because; /* why auto takes it: what "the filesystem of 'DIR'" does; NULL: auto does not try it */
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

/* What is done without --disks, and where auto finds nothing better. */
#define FREEZE_DEFAULT (&freeze_overlay)
extern const struct freeze_method freeze_overlay;

/* The row of that name, or NULL. */
const struct freeze_method *freeze_named(const char *name);
/* What --disks can be: the names and auto (a list of base/options.h). */
struct cli_word freeze_word(size_t i);

/* Sets p->method to `wanted`, or, where that is NULL (auto), to what can be; its own plan is made. Returns 0 or -1. */
int freeze_plan(struct plan *p, const struct freeze_method *wanted, struct err *e);
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
