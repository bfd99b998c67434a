/* SPDX-License-Identifier: MIT */
/* The plan: disks, names, space. Everything is decided, nothing is done yet. */
#ifndef TRIGGER_PLAN_H
#define TRIGGER_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint/manifest.h"
#include "choose.h"
#include "freeze/clones.h"
#include "options.h"
#include "survey.h"

/* What happens to one disk of the survey. */
struct disk_plan {
	const struct disk *disk;
	bool freeze;
	char *overlay; /* absolute path, where the VM goes on with one, else NULL */
	char *backing; /* what the overlay's header says of its backing file */
	char node[32]; /* node name of the overlay, where we give it one */
	char *clone;   /* of its image, below the checkpoint's directory, where that is what is frozen, else NULL */
	char *data;    /* the same of its external data file */
};

struct plan {
	char *name;
	char *dir;     /* absolute, holds the checkpoint directory */
	char *final;   /* dir/NAME.ckpt */
	char *partial; /* dir/NAME.ckpt.partial */
	struct manifest *before; /* the checkpoint before, or NULL */
	double parent_ms;        /* how long it took to find it */
	char *maker;   /* name of the one that made the overlays that the VM writes to now, or NULL */
	const struct freeze_method *method;
	struct disk_plan *disks; /* one per disk of the survey */
	size_t n_disks;
	char *subvolume;        /* that a snapshot is made of, or NULL */
	struct clones clones;   /* of the images */
	struct clones includes; /* of other files */
	bool queued;            /* QEMU itself makes the overlays */
	uint64_t space;         /* bytes that the state may need */
};

/* Decides all, for the engine chosen. Returns 0 or -1; plan_release in any case. */
int plan_make(struct plan *p, const struct options *o, const struct survey *s, const struct choice *c, struct err *e);
void plan_release(struct plan *p);

/*
 * Chooses names again, since someone else took those of the plan. With --name that fails, and says which one it is.
 * Returns 0 or -1.
 */
int plan_names_anew(struct plan *p, const struct options *o, const struct survey *s, const struct choice *c,
		    struct err *e);

/* Chooses the names that are free; p->dir, p->disks and p->method are set. Returns 0 or -1. */
int plan_names(struct plan *p, const struct options *o, const struct survey *s, struct err *e);

/* The absolute path of what is frozen of the disk, once the checkpoint has its name; malloc'd. */
char *plan_frozen(const struct plan *p, const struct disk_plan *dp);
/* What the VM writes to after the checkpoint. */
const char *plan_active(const struct disk_plan *dp);
/* Whether the disk's image is one of the files that are included. */
bool plan_includes(const struct plan *p, const struct disk *d);
/* The checkpoint whose memory the new one may begin with, or NULL. */
const struct manifest *plan_parent(const struct plan *p, const struct options *o);
/* Whether there is anything to do in the pause but to put overlays on. */
bool plan_needs_pause(const struct plan *p, const struct options *o);
/* That the disk cannot be frozen, and `why`. Always returns -1. */
int plan_refuse(const struct disk *d, const char *why, struct err *e);

/* The plan for --dry-run: one JSON object, the caller's. */
json_t *plan_to_json(const struct plan *p, const struct options *o, const struct survey *s, const struct choice *c);

#endif
