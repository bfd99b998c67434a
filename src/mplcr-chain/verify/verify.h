/* SPDX-License-Identifier: MIT */
/*
 * verify, the map of the room:
 *
 *   verify.c             options, operands, what is printed
 *   image.c              one operand that is an image; each image of a chain; each pair of image and backing file
 *   ahead.c              an image that an unfinished checkpoint froze
 *   checkpoint.c         one operand that is a checkpoint
 *   remote.c             what QEMU says of images that are no local files
 *   opinion.c            what the second parser says of all images  (second_opinion.h)
 *   claims.c             who needs the images, and lies elsewhere
 *   deep.c               --deep: what needs the whole of an image   (deep.h)
 *
 * First all operands are read and looked at; then come the parts that need all chains: the second parser's answer, seals
 * (../seal/check.c), and --deep.
 */
#ifndef MPLCR_CHAIN_VERIFY_H
#define MPLCR_CHAIN_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "image/chain.h"
#include "image/in_use.h"
#include "base/err.h"
#include "base/path_list.h"
#include "checkpoint/findings.h"
#include "checkpoint/manifest.h"
#include "checkpoint/trust.h"

struct verify_options {
	uint64_t max_depth; /* images of a chain */
	bool trust_paths;
	bool follow_remote;
	bool sums;
	bool deep;
	uint64_t timeout_ms; /* of --deep, for each image */
	bool strict;
	bool json;
	bool nul_separated;
	struct path_list also; /* directories to look for users of the images in */
};

/* A chain that was read: of an image, or a part of a checkpoint's disk. */
struct verified_chain {
	struct chain *chain;
	const struct manifest_disk *disk; /* of a checkpoint, or NULL */
};

struct verify {
	struct verify_options options;
	struct findings findings;
	struct verified_chain *chains; /* all that were read, for the parts that come last */
	size_t n_chains;
	struct manifest **manifests; /* of the checkpoints; disks of the chains are theirs */
	size_t n_manifests;
	size_t n_images;
	struct in_use use;
	struct opinions *opinions; /* NULL: nobody else is asked */
};

/* Looks at the chain of the image, or at the checkpoint. What is wrong is a finding. */
void verify_image(struct verify *v, const char *path);
void verify_checkpoint(struct verify *v, const char *dir);

/*
 * Reads the chain of `path`, whose format is `format` (NULL: not known), opening only what `trust` allows (NULL: all),
 * and keeps it in v->chains. Nothing is looked at yet.
 */
struct chain *verify_read(struct verify *v, const char *path, const char *format, size_t max_depth,
			  const struct manifest_disk *disk, struct trust *trust);

/*
 * Looks at all images of a chain, and at each image with its backing file; with `times`, also at which was modified
 * last.
 */
void verify_chain(struct verify *v, const struct chain *c, struct trust *trust, bool times);

/* Finds that somebody writes to an image that must not change: `above` is its overlay, or (NULL) it is frozen. */
void verify_not_written(struct verify *v, const struct chain_image *image, const char *above);

/*
 * Whether an unfinished checkpoint beside the image, the top of its chain, froze it, and its disk went on with an overlay that
 * holds data: who starts from the image forks the disk.
 */
void verify_not_behind(struct verify *v, const struct chain_image *top, struct trust *trust);

/* Bytes of the disk that a guest sees, or 0 where that is not known. */
uint64_t verify_disk_size(const struct chain_image *image);

/* Looks at the claims with the images of all chains, and for users below v->options.also. Returns 0 or -1. */
int verify_claims(struct verify *v, struct err *e);

/* Asks qemu-img whether the image, which `namer` names, can be opened. */
void verify_remote(struct verify *v, const char *namer, const struct chain_image *image);

/* The questions to the second parser: asked one by one, compared at the end. */
struct opinions *opinions_new(void);
void opinions_ask(struct opinions *o, const struct chain_image *image, const uint8_t *bytes, size_t n);
void opinions_compare(struct opinions *o, struct findings *f);
void opinions_free(struct opinions *o);

#endif
