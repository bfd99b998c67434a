/* SPDX-License-Identifier: MIT */
/*
 * Manifests that are changed: as JSON and not as struct manifest, so that members that only other versions know are
 * kept, and paths as they were recorded.
 */
#ifndef MPLCR_CHAIN_MANIFEST_EDIT_H
#define MPLCR_CHAIN_MANIFEST_EDIT_H

#include <jansson.h>

#include "base/err.h"

/* The JSON of the manifest at `file`, the caller's, or NULL. It keeps its signature only where that is ours. */
json_t *manifest_edit_load(const char *file, struct err *e);

/*
 * Writes it durably to `file`, which no one reads yet: what an earlier run left there goes. What was signed by us is
 * signed anew; nothing else becomes authentic by an edit. Returns 0 or -1.
 */
int manifest_edit_store(const json_t *json, const char *file, struct err *e);

#endif
