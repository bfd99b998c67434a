/* SPDX-License-Identifier: MIT */
/*
 * qemu-img on one image of a chain without the images below it: it is opened through our own descriptor, as the format
 * that the chain says, so that nothing that its header names is looked for, no matter what it is called. No lock is
 * taken: a VM that wants to start is not kept from it.
 */
#ifndef MPLCR_CHAIN_LAYER_H
#define MPLCR_CHAIN_LAYER_H

#include "image/chain.h"
#include "base/err.h"
#include "base/process.h"

/*
 * Starts `qemu-img VERB --output=json` for the image in the open file `fd`, which stays the caller's; of `setup` the
 * input is set. Returns 0 or -1.
 */
int layer_qemu_img(struct process *p, const char *verb, const struct chain_image *image, int fd,
		struct process_setup setup, struct err *e) __attribute__((warn_unused_result));

#endif
