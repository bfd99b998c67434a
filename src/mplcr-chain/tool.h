/* SPDX-License-Identifier: MIT */
/*
 * mplcr-chain, the map of the tool. It reads images and checkpoints through chain.h (one chain), forest.h (all that is
 * below a directory) and manifest.h (a checkpoint), and each verb is a file of its name:
 *
 *   main.c        the verbs
 *   walk.c        a chain, one path a line; walk_json.c: all that is known of it                    (walk.h)
 *   verify.c      finds what is wrong with chains and checkpoints; its parts: verify_*.c, trust.c   (verify.h)
 *   seal.c        records what images are now, as a file: seal_file.c; asked by verify: seal_check.c (seal.h)
 *   tree.c        all images and checkpoints below a directory; how they are drawn: tree_*.c        (tree.h)
 *   usage.c       what each layer of a chain stores, and what of it can still be seen
 *   shorten.c     makes a chain shorter                   \
 *   prune.c       drops old checkpoints                    > their parts, and what they share: change.h
 *   relocate.c    moves or copies a whole set             /
 *
 * What verbs share: alone.c runs qemu-img on one image without those below it (alone.h), columns.c prints names from
 * outside in columns (columns.h).
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
