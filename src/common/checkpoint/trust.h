/* SPDX-License-Identifier: MIT */
/*
 * Which files an image may name. A header is written by whoever had the image, and names whatever they like; nothing is
 * opened that does not lie in the image's own tree, links resolved: the directory of the image that was given; for an
 * image in NAME.ckpt/disks/, and for a checkpoint, the directory that holds NAME.ckpt. Where one of our tools made an
 * overlay on an image of another tree, it left a claim with that (checkpoint/claim.h): an authentic one that is about
 * these very two files makes the image trusted, and its tree.
 */
#ifndef MPLCR_TRUST_H
#define MPLCR_TRUST_H

#include <stdbool.h>
#include <stddef.h>

struct trust {
	bool all;       /* everything is trusted */
	char *tree;     /* absolute, without links; NULL where it does not exist */
	char *namer;    /* the last image that was allowed: it names the next one; NULL for a checkpoint */
	char **claimed; /* trees of images that an image of the chain has a claim with; NULL-terminated, or NULL */
	size_t n_claimed;
	char *last_dir; /* the directory of the last path that was asked for, and what it is without links */
	char *last_real;
};

/* For the image at `path`, and for the checkpoint directory `dir`. `all`: everything is trusted. */
void trust_image(struct trust *t, const char *path, bool all);
void trust_checkpoint(struct trust *t, const char *dir, bool all);

/* Whether the file at that absolute path may be opened. */
bool trust_allows(struct trust *t, const char *path);

/* The same where it is known whether that is a symbolic link. */
bool trust_allows_file(struct trust *t, const char *path, bool is_link);

void trust_release(struct trust *t);

#endif
