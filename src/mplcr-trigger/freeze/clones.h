/* SPDX-License-Identifier: MIT */
/* Clones files in the pause. */
#ifndef TRIGGER_CLONES_H
#define TRIGGER_CLONES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct clone {
	char *from;         /* absolute */
	char *to;           /* below the checkpoint's directory: "disks/vm1.qcow2" */
	bool copy;          /* copy it: the filesystem cannot clone it */
	int from_fd, to_fd; /* from clones_open on, else -1 */
};

struct clones {
	struct clone *list;
	size_t n;
	char *in; /* the checkpoint's directory, for messages; from clones_open on */
};

/*
 * Adds the file at `from`, to be cloned to DIR/NAME with the file's own name, or TAG-NAME or TAG-NUMBER-NAME if that is
 * taken in the list. Returns its `to`, the list's.
 */
const char *clones_add(struct clones *c, const char *dir, const char *from, const char *tag);
/* Whether the filesystem of the directory `dir` can clone the file. Returns 0, or -1 with the reason. */
int clone_possible(const char *from, const char *dir, struct err *e);
/*
 * Makes `sub` below the directory `in`, which is `dirfd`, and the empty files in it; opens both ends and writes dirty
 * data back.
 */
int clones_open(struct clones *c, const char *in, int dirfd, const char *sub, struct err *e);
/* In the pause: clones them all. */
int clones_make(const struct clones *c, struct err *e);
/* Makes the clones durable, and closes both ends. Returns 0 or -1. */
int clones_close(struct clones *c, const char *sub, struct err *e);
void clones_release(struct clones *c);

#endif
