/* SPDX-License-Identifier: MIT */
/*
 * cat, the map of the room:
 *
 *   cat.c     options, operands; the state as a stream on standard output
 *   virsh.c   --virsh: the head of libvirt's save format before it
 */
#ifndef MPLCR_STATE_CAT_H
#define MPLCR_STATE_CAT_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Writes to `to` what libvirt puts before a stream (saved/input.h): the domain in the file `xml`, and whether the VM is to
 * run after a restore. Returns 0 or -1.
 */
int virsh_head(const char *xml, bool running, int to, struct err *e) __attribute__((warn_unused_result));

#endif
