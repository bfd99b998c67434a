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

#include "base/err.h"
#include "base/options.h"
#include "image/chain.h"

struct trust {
	bool all;       /* everything is trusted */
	char *tree;     /* absolute, without links; NULL where it does not exist */
	char *top;      /* the image that was given, or the manifest of the checkpoint */
	char *namer;    /* the last image that was allowed: it names the next one */
	char **claimed; /* trees of images that one of the chain, or the checkpoint, has a claim with; NULL-terminated, or NULL */
	size_t n_claimed;
	char *last_dir; /* the directory of the last path that was asked for, and what it is without links */
	char *last_real;
};

/* For the image at `path`, and for the checkpoint directory `dir`. `all`: everything is trusted. */
void trust_image(struct trust *t, const char *path, bool all);
void trust_checkpoint(struct trust *t, const char *dir, bool all);

/* The directory was named by the user, too: what is below it is trusted. */
void trust_also_below(struct trust *t, const char *dir);

/* Whether the file at that absolute path may be opened. */
bool trust_allows(struct trust *t, const char *path);

/* The same where it is known whether that is a symbolic link. */
bool trust_allows_file(struct trust *t, const char *path, bool is_link);

/*
 * What image `i` of a chain that was read with `t` names, or is named, against the rule, in words: "its backing file
 * 'x' does not lie below '/vm': it was not opened"; malloc'd, or NULL. *namer: the path of the image that says so,
 * borrowed.
 */
char *trust_fault(struct trust *t, const struct chain *c, size_t i, const char **namer);

/*
 * The chain of the image at `path`, of format `format` (NULL: not known), for verbs that change or copy images: refuses
 * one that names files against the rule, which are not opened, with E-UNTRUSTED-PATH. NULL then. (Whether it is whole is
 * another question: chain_whole.)
 */
struct chain *trust_chain(struct trust *t, const char *path, const char *format, struct err *e);

/* The same with a rule for this image alone; `all` is --trust-paths. */
struct chain *trust_chain_of(const char *path, const char *format, bool all, struct err *e);

/* Refuses `why` of the file at `path` with E-UNTRUSTED-PATH. Always returns -1. */
int trust_refuse(const char *path, const char *why, struct err *e);

void trust_release(struct trust *t);

/* For option tables of such verbs: --trust-paths, into the flag `member`. */
#define TRUST_PATHS_OPTION(options, member)                                                                            \
	{                                                                                                              \
		"trust-paths", 0, NULL, "also use files outside of the image's tree", TO_FLAG(options, member)         \
	}

#endif
