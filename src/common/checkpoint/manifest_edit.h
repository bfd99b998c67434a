/* SPDX-License-Identifier: MIT */
/*
 * Manifests that are changed: as JSON and not as struct manifest, so that members that only other versions know are
 * kept, and paths as they were recorded.
 */
#ifndef MPLCR_CHECKPOINT_MANIFEST_EDIT_H
#define MPLCR_CHECKPOINT_MANIFEST_EDIT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "checkpoint/manifest.h"

/* The JSON of the manifest at `file`, the caller's, or NULL. It keeps its signature only where that is ours. */
json_t *manifest_edit_load(const char *file, struct err *e);

/*
 * The image `item` of its chains is the file at `path` now, with other content: sets its identity, with the sum of all of
 * it where that was known. Returns 0 or -1.
 */
int manifest_edit_identity(json_t *item, const char *path, struct err *e) __attribute__((warn_unused_result));

/* The text of it, signed anew where we had signed it; malloc'd, or NULL. */
char *manifest_edit_text(const json_t *json, struct err *e);

/*
 * Writes it durably to `file`, which no one reads yet: what an earlier run left there goes. What was signed by us is
 * signed anew; nothing else becomes authentic by an edit. Returns 0 or -1.
 */
int manifest_edit_store(const json_t *json, const char *file, struct err *e);

/* Writes it so to `new`, for the owner of `file`, whose place it is to take. Returns 0 or -1. */
int manifest_edit_beside(const json_t *json, const char *new, const char *file, struct err *e)
	__attribute__((warn_unused_result));

/* Writes it so in place of the manifest at `file`, at once and durably, for the owner of that. Returns 0 or -1. */
int manifest_edit_replace(const json_t *json, const char *file, struct err *e) __attribute__((warn_unused_result));

/* What became of an image of a chain. */
enum manifest_edited { MANIFEST_KEPT, MANIFEST_CHANGED, MANIFEST_GONE };

/* Edits `item`, the JSON of `image`, or says that the image is not in the chain any more. */
typedef enum manifest_edited manifest_edit_image(void *ctx, const struct manifest_image *image, json_t *item);

/*
 * Edits each image of each chain in `json`, of which `m` was loaded; images that `m` has not (merging.h) go. Returns
 * whether anything changed.
 */
bool manifest_edit_chains(json_t *json, const struct manifest *m, manifest_edit_image *edit, void *ctx);

#endif
