/* SPDX-License-Identifier: MIT */
/* Manifest and publication. */
#ifndef TRIGGER_RECORD_H
#define TRIGGER_RECORD_H

#include "checkpoint/manifest.h"
#include "checkpoint/trace.h"
#include "choose.h"
#include "plan.h"
#include "state/sink.h"

struct outcome {
	double pause_ms;
	double total_ms;
	json_t *phases; /* array of {name, ms} */
	int64_t passes;
	uint64_t sent_bytes;              /* of the migration stream */
	const struct sink_result *result; /* NULL where the state went elsewhere (--uri) */
};

/*
 * Builds the manifest, with the identities of the frozen images as they are now; `dirfd` is the checkpoint's directory.
 * Returns it, the caller's, or NULL.
 */
struct manifest *record_build(const struct options *o, const struct survey *s, const struct choice *ch,
			      const struct plan *p, const struct outcome *out, int dirfd, struct err *e);

/*
 * Writes trace and manifest, signed with this user's key (or, with a warning, not at all), into the partial directory,
 * makes it durable and gives it its final name. Sets m->json to what was written.
 */
int record_publish(struct manifest *m, struct trace *t, const struct plan *p, int dirfd, struct err *e);

#endif
