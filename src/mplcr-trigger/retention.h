/* SPDX-License-Identifier: MIT */
/*
 * --keep, --keep-within: after a checkpoint, older ones of the VM go. That is mplcr-chain's work: it is run from where this
 * tool lies, else from PATH.
 */
#ifndef TRIGGER_RETENTION_H
#define TRIGGER_RETENTION_H

#include "options.h"

/* Whether the user asked for it. */
bool retention_wanted(const struct options *o);

/* Drops what is not to be kept besides the checkpoint, which is complete; the VM's socket is free again. Returns 0, or -1 with status EXIT_PARTIAL. */
int retention_prune(const struct options *o, const char *checkpoint, struct err *e) __attribute__((warn_unused_result));

#endif
