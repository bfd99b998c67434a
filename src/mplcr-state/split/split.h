/* SPDX-License-Identifier: MIT */
/*
 * split, the map of the room:
 *
 *   split.c    options, operands; the way: claim NAME.ckpt.partial, fill it, publish it
 *   blocks.c   which RAM blocks get files of their own
 *   record.c   the manifest of a VM that others saved
 */
#ifndef MPLCR_STATE_SPLIT_H
#define MPLCR_STATE_SPLIT_H

#include "base/path_list.h"
#include "checkpoint/manifest.h"
#include "saved/input.h"
#include "state/sink.h"

/*
 * Reads the beginning of the stream in the file `path` and adds to `ram`, if it is empty, the names of the blocks with the
 * guest's memory; those that it has must be declared. Returns 0 or -1.
 */
int blocks_choose(const char *path, struct path_list *ram, struct err *e) __attribute__((warn_unused_result));

/* What is written into the checkpoint. */
struct record {
	const char *name, *final; /* of the checkpoint; its path */
	const struct input *input;
	const struct sink_result *result;
	double total_ms;
};

/* Writes the domain of libvirt, if there is one, and the manifest. Returns 0 or -1. */
int record_write(const struct record *r, int dirfd, struct err *e) __attribute__((warn_unused_result));

#endif
