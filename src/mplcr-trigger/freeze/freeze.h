/* SPDX-License-Identifier: MIT */
/*
 * Methods of freezing the disks in the pause. A method is a row that answers questions; nothing outside this folder
 * knows the individual methods, except the default. To add one: write its file, its row in table.c, its name in the
 * manifest (manifest.h), its manual, its tests.
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

/* Everything needed for freezing; borrowed. */
struct freeze {
	struct plan *plan;
	const struct survey *survey;
	struct changes *changes;
	struct qmp *q;
	int dirfd; /* the checkpoint's directory, which is still the partial one */
	int64_t deadline;
	int interrupt;
};

/* One method of freezing the disks: a row. */
struct freeze_method {
	const char *name; /* of --disks */
	const char *help; /* a description, for shells that show it */
	enum manifest_method recorded;
	bool freezes;        /* it freezes disks at all */
	bool makes_overlays; /* the VM goes on with overlays, which need names; else with its images */
	bool grows_chain;    /* the frozen image stays in the VM's chain; else it is a copy in the checkpoint */
	bool needs_pause;    /* we must do its `run`: QEMU cannot do it in a pause of its own */
	const char *because; /* why auto takes it, after "the filesystem of 'DIR'"; NULL: auto does not try it */
	/* Checks that it is possible, and chooses the files; p->dir and p->disks[].freeze are set. Changes nothing. */
	int (*plan)(struct plan *p, struct err *e);
	/* Before the pause: makes the files. */
	int (*prepare)(const struct freeze *f, struct err *e);
	/* In the pause. */
	int (*run)(const struct freeze *f, struct err *e);
	/* After it: checks by QEMU's query-block that the disk writes to the right image. */
	int (*check)(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e);
	/* Makes the frozen images self-contained and durable. */
	int (*settle)(const struct freeze *f, struct err *e);
};

/* The method without --disks, and if auto finds nothing better. */
#define FREEZE_DEFAULT (&freeze_overlay)
extern const struct freeze_method freeze_overlay;

/* The row of that name, or NULL. */
const struct freeze_method *freeze_named(const char *name);
/* The values of --disks: the names and auto (a list of base/options.h). */
struct cli_word freeze_word(size_t i);

/* Sets p->method to `wanted` or, if that is NULL (auto), to a possible one, and makes its plan. Returns 0 or -1. */
int freeze_plan(struct plan *p, const struct freeze_method *wanted, struct err *e);
int freeze_prepare(const struct freeze *f, struct err *e);
int freeze_run(const struct freeze *f, struct err *e);
/* Compares QEMU's own answer with the plan, and makes the frozen images durable. */
int freeze_check(const struct freeze *f, struct err *e);

/* Shared by methods: whether the disk goes on with its image. */
int freeze_check_same(const struct freeze *f, const struct disk_plan *dp, const json_t *blocks, struct err *e);
/*
 * Makes the names in the header of each clone of an image lead from the checkpoint to its backing file and to the clone
 * of its data file.
 */
int freeze_relink(const struct freeze *f, struct err *e);

#endif
