/* SPDX-License-Identifier: MIT */
/*
 * mplcr-state, the map of the tool. It looks into saved VMs: checkpoints, and streams that others saved.
 *
 *   main.c      the verbs
 *
 *   saved/      what all of them look at: a saved VM, opened                              (saved.h)
 *   info/       what is in it: machine, memory, devices, their fields
 *   cat/        the whole as one ordinary migration stream                             (cat.h)
 *   verify/     whether it is whole
 *   split/      a checkpoint from what others saved                                   (split.h)
 *   diff/       what differs between two                                              (diff.h)
 *   pack/       all that belongs to a checkpoint in one directory or stream, and back      (pack.h)
 *   read/       bytes of memory, by guest-physical address                             (address.h)
 *
 * Below, in src/common/state: the stream, its memory (ram.h) and its devices (description.h). Saved VMs are only read; split, pack and
 * unpack make new ones.
 */
#ifndef MPLCR_STATE_TOOL_H
#define MPLCR_STATE_TOOL_H

#include "base/cli.h"
#include "base/err.h"
#include "base/options.h"

/* The verbs: main.c's table. */
extern const struct cli verb_info, verb_cat, verb_verify, verb_split, verb_read, verb_diff, verb_pack, verb_unpack;

#endif
