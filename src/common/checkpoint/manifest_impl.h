/* SPDX-License-Identifier: MIT */
/* The two halves of manifest_load (manifest.h); private to them. */
#ifndef MPLCR_MANIFEST_IMPL_H
#define MPLCR_MANIFEST_IMPL_H

#include "checkpoint/manifest.h"

/*
 * Fills *m, whose `checkpoint` is set and which is empty else, from the content of `file`. Returns 0, or -1 with the
 * first fault; *m is to be freed in any case.
 */
int manifest_read(struct manifest *m, const json_t *json, const char *file, struct err *e)
	__attribute__((warn_unused_result));

#endif
