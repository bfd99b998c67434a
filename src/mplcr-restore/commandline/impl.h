/* SPDX-License-Identifier: MIT */
/* The parts of commandline.h, one for each rule; private to them. */
#ifndef MPLCR_COMMANDLINE_IMPL_H
#define MPLCR_COMMANDLINE_IMPL_H

#include <stdint.h>

#include "commandline/args.h"
#include "commandline/commandline.h"

/* commandline.c */
void commandline_note(struct commandline *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The place in the run directory for the file or socket `from`; the move is recorded. Returns NULL where a socket's
 * path becomes too long. The string belongs to `c`.
 */
const char *commandline_move(struct commandline *c, const struct commandline_request *r, const char *from, bool socket,
			     struct err *e);

/* commandline_outside.c */
int commandline_outside(const struct commandline_request *r, struct args *a, struct commandline *c, struct err *e)
	__attribute__((warn_unused_result));

/* commandline_disks.c, and the part of it for -blockdev */
int commandline_disks(const struct commandline_request *r, struct args *a, struct commandline *c, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Whether the recorded command line means, with `name`, the file that was at the path `recorded` at the checkpoint and
 * is at `now`.
 */
bool path_is_named(const struct commandline_request *r, const char *name, const char *recorded, const char *now);

/* Where in the chain of `disk` the image `filename` is, as the recorded command line names it; -1 where it is not. */
int disk_chain_index(const struct commandline_request *r, const struct manifest_disk *disk, const char *filename);

struct optvalue;

/* Describes the images of `disk` behind the first one as "PREFIXbacking…" members, where some have moved. */
void disk_describe_backing(const struct manifest_disk *disk, struct optvalue *o, const char *prefix);

/*
 * Refuses options at `prefix` that belong to the image and that its overlay cannot have: the window of a raw image
 * (offset, size), keys of an encrypted one, a separate data file. Returns 0 or -1.
 */
int disk_refuse_special(const struct manifest_disk *disk, const struct optvalue *o, const char *prefix, struct err *e)
	__attribute__((warn_unused_result));

/* commandline_blockdev.c: the -blockdev that gives `disk` by its node name, or by image with its chain index. */
struct arg *blockdev_by_name(const struct args *a, const char *name);
int blockdev_chain_index(const struct commandline_request *r, const struct args *a, const struct arg *arg,
			 const struct manifest_disk *disk);
int blockdev_replace(struct args *a, struct arg *arg, const struct manifest_disk *disk, const char *overlay,
		     struct err *e) __attribute__((warn_unused_result));

/* Drops the -blockdev nodes that nothing refers to since blockdev_replace. */
void blockdev_drop_unused(struct args *a);

/* commandline_included.c */
void commandline_included(const struct commandline_request *r, struct args *a);

/* This run's copy of the included file that is called `name`, or NULL. */
const char *included_copy(const struct commandline_request *r, const char *name);

/* commandline_memory.c */
void commandline_memory(const struct commandline_request *r, struct args *a, struct commandline *c);
void commandline_machine(const struct commandline_request *r, struct args *a);

/* commandline_own.c */
int commandline_placeholders(const struct commandline_request *r, struct args *a, struct commandline *c, bool *ram,
			     struct err *e) __attribute__((warn_unused_result));

#endif
