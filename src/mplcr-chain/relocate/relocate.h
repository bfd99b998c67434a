/* SPDX-License-Identifier: MIT */
/*
 * relocate, which moves or copies a set of images: set.c finds what belongs to it and where it goes, copy.c makes the
 * copies, with names that resolve where they are.
 */
#ifndef MPLCR_CHAIN_RELOCATE_H
#define MPLCR_CHAIN_RELOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "checkpoint/manifest.h"
#include "image/in_use.h"
#include "checkpoint/trust.h"

/* One file of the set. */
struct set_file {
	char *from, *to; /* absolute paths: now, and then */
	char *staged;    /* and until all of them are complete */
	bool image;
	bool inside;     /* it is in the checkpoint directory */
	bool rewrite;    /* its header would not lead to the right files any more */
	size_t below;    /* its backing file, or SIZE_MAX */
	size_t data;     /* its external data file, or SIZE_MAX */
	char *data_name; /* as its header names it */
	char *format;    /* of an image, as QEMU calls it */
	uint64_t bytes;  /* stored */
};

struct set {
	const char *operand; /* as given */
	const char *to;
	bool copy, json;
	struct in_use use; /* --assume-unused */
	bool trust_paths; /* files of other trees may belong to the set */
	bool made; /* the directory `to` was made for it */
	int interrupt;

	char *from; /* the operand: absolute, without links */
	char *root; /* the directory that it lies in; what is below it keeps its place below dest */
	char *dest, *staging, *journal;
	struct manifest *m;     /* of a checkpoint, else NULL */
	struct trust trust;     /* what may belong to the set */
	struct set_file *files; /* images after their backing files */
	size_t n;
	uint64_t bytes, done;
};

/* Finds what belongs to the set, and where each file goes. Returns 0 or -1. */
int set_collect(struct set *s, struct err *e);

/* The file of the set that is the file `path` now, or SIZE_MAX. */
size_t set_find(const struct set *s, const char *path);

/* Makes and checks the new set in the staging directory, which is empty. Returns 0 or -1. */
int set_stage(struct set *s, struct err *e);

#endif
