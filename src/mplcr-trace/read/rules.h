/* SPDX-License-Identifier: MIT */
/*
 * Patterns for lines. A pattern is the text of a line with {field} for the value of that field of the event (of its
 * type in event.h) and {} for anything; both extend to the text after them. A line that goes on after the end of the
 * pattern does not match, unless the pattern ends with {}.
 *
 *     "migrate_transferred transferred {transferred_bytes} time_spent {spent_ms} bandwidth {} max_size {}"
 */
#ifndef MPLCR_TRACE_RULES_H
#define MPLCR_TRACE_RULES_H

#include "event/event.h"

/* Instead of an event's kind: the line is known, but has no event of its own. */
#define CONTEXT EVENT_KINDS

struct reader;

/*
 * The action for a matching line: may change r->ev before passing it on with reader_emit, or keep it. Returns 0 or -1.
 */
typedef int rule_action(struct reader *r, struct err *e);

struct rule {
	const char *pattern;
	enum event_kind kind;
	const char *step;     /* put into the event's "step", or NULL */
	rule_action *action;  /* NULL: reader_emit, for CONTEXT nothing */
};

/* Compiled patterns; made once per table. */
struct patterns;

/* Never fails. A pattern that names no field ends the process: the tables are ours. */
struct patterns *patterns_new(const struct rule *rules, size_t n);
void patterns_free(struct patterns *p);

/* Whether `line` matches the pattern of rule number `i`; if so, sets the fields of the pattern in `ev`. */
bool pattern_match(const struct patterns *p, size_t i, struct text line, struct event *ev);

/* Applies the rule to r->ev, filled in from its line. Returns 1, or -1 if the sink failed. */
int rule_apply(struct reader *r, const struct rule *rule, struct err *e);

#endif
