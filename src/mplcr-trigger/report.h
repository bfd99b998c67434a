/* SPDX-License-Identifier: MIT */
/* The final report to the user. */
#ifndef TRIGGER_REPORT_H
#define TRIGGER_REPORT_H

#include "plan.h"
#include "record.h"

/* Reports on stderr, and prints the checkpoint (which is complete by now, whatever happens). Returns 0 or -1. */
int report_checkpoint(const struct options *o, const struct plan *p, const struct outcome *out,
		      const struct manifest *m, struct err *e);
/* The same for --dry-run. */
int report_plan(const struct options *o, const struct survey *s, const struct choice *ch, const struct plan *p,
		struct err *e);

#endif
