/* SPDX-License-Identifier: MIT */
/*
 * mplcr-chain, the map of the tool. It reads images and checkpoints through chain.h (one chain), forest.h (all that is
 * below a directory) and manifest.h (a checkpoint).
 *
 *   main.c      the verbs
 *
 *   walk/       a chain, one path a line; json.c: all that is known of it
 *   verify/     finds what is wrong with chains and checkpoints                          (verify.h)
 *   seal/       records what images are now (file.c), and says what has changed (check.c)  (seal.h)
 *   tree/       draws all images and checkpoints below a directory                       (tree.h)
 *   usage.c     what each layer of a chain stores, and what of it can still be seen
 *
 *   shorten/    makes a chain shorter                                                    (shorten.h)
 *   prune/      drops old checkpoints, and merges what only they needed                  (prune.h)
 *   relocate/   moves or copies a whole set                                              (relocate.h)
 *   change/     what these three share:
 *     claims          who needs an image elsewhere, when that changes
 *     guard           whether an image may be changed at all
 *     merge           an image made anew on another backing file
 *     journal/        the last step, done as a whole
 *
 *   layer       qemu-img on one image without those below it: for usage and verify
 *   columns     names from outside, in columns: for usage and tree
 *
 * An image that others may see is never written to while anything else needs it. What replaces it is made beside it
 * under another name, made durable, and renamed.
 */
#ifndef MPLCR_CHAIN_TOOL_H
#define MPLCR_CHAIN_TOOL_H

#include "base/cli.h"
#include "base/err.h"
#include "base/options.h"

/* The verbs: main.c's table. */
extern const struct cli verb_walk, verb_verify, verb_seal, verb_tree, verb_usage, verb_shorten, verb_prune,
	verb_relocate;

/* For option tables: --max-depth, into the member max_depth (uint64_t). */
#define MAX_DEPTH 20000 /* that can be asked for */
#define MAX_DEPTH_OPTION(options)                                                                                      \
	{                                                                                                              \
		"max-depth", 'd', "N", "images that a chain may have (default: 512)",                                  \
			TO_NUMBER(options, max_depth, 1, MAX_DEPTH)                                                    \
	}

#endif
