/* SPDX-License-Identifier: MIT */
/*
 * A saved VM, opened: a checkpoint of any layout, or a file that others saved (input.h). What is in it is found out once,
 * here; the verbs look at the result.
 *
 *   saved.c   opens one
 *   input.c   a file with a stream                                                                  (input.h)
 *
 * Nothing in it is trusted: files of a checkpoint are opened without following links, and numbers are checked.
 */
#ifndef MPLCR_STATE_SAVED_H
#define MPLCR_STATE_SAVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "checkpoint/manifest.h"
#include "saved/input.h"
#include "state/description.h"
#include "state/ram.h"

struct saved {
	const char *path;       /* as the user gave it */
	struct manifest *m;     /* of a checkpoint; NULL: a file */
	int dirfd;              /* of the checkpoint, or -1 */
	struct input input;     /* what the stream was read from; .file is -1 where there is none */
	char machine[256];      /* "pc-i440fx-7.2", or "" */
	uint64_t stream_bytes;  /* length of the stream, unpacked */
	struct ram ram;
	struct devices devices;
};

/*
 * Opens the checkpoint or file `path`, which must stay valid, and reads its stream. With `memory`, ram_pages can be called
 * then. Returns 0 or -1. saved_close in any case.
 */
int saved_open(struct saved *s, const char *path, bool memory, struct err *e) __attribute__((warn_unused_result));

void saved_close(struct saved *s);

/* The run state that the VM saved, "running"; malloc'd, NULL: it is not in the state. */
char *saved_run_state(const struct saved *s);

/* Opens a file of the checkpoint, for reading; it is a regular file. Returns a descriptor, the caller's, or -1. */
int saved_open_file(int dirfd, const char *name, struct err *e) __attribute__((warn_unused_result));

#endif
