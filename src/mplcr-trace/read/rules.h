/* SPDX-License-Identifier: MIT */
/*
 * Lines as patterns. A pattern is the text of a line in which {field} stands for the value of that field of the event
 * (event.h: its type tells what may be there) and {} for anything; both end where the text behind them begins. What a
 * line has behind the end of the pattern makes it another line, unless the pattern ends with {}.
 *
 *     "migrate_transferred transferred {transferred_bytes} time_spent {spent_ms} bandwidth {} max_size {}"
 */
#ifndef MPLCR_TRACE_RULES_H
#define MPLCR_TRACE_RULES_H

#include "event/event.h"

/* In place of an event's kind: the line is known, and has no event of its own. */
#define CONTEXT EVENT_KINDS

struct reader;

/*
 * What else is to be done with a line that matched: may change r->ev before it is given on with reader_emit, or keep
 * it. Returns 0 or -1.
 */
typedef int rule_action(struct reader *r, struct err *e);

struct rule {
	const char *pattern;
	enum event_kind kind;
	const char *step;     /* put into the event's "step", or NULL */
	rule_action *action;  /* NULL: reader_emit, for CONTEXT nothing */
};

/* Patterns in the form in which they are matched; made once for each table. */
struct patterns;

/* Never fails. A pattern that names no field ends the process: the tables are ours. */
struct patterns *patterns_new(const struct rule *rules, size_t n);
void patterns_free(struct patterns *p);

/* Whether `line` matches the pattern of rule number `i`; its fields are then set in `ev`, which keeps the others. */
bool pattern_match(const struct patterns *p, size_t i, struct text line, struct event *ev);

/* Does what the rule says with r->ev, into which its line was matched. Returns 1, or -1 where the sink failed. */
int rule_apply(struct reader *r, const struct rule *rule, struct err *e);

#endif
