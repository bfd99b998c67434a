/* SPDX-License-Identifier: MIT */
/* mplcr-trace/read/rules.h: patterns of lines. */
#include "mplcr-trace/read/rules.h"

#include <string.h>

#include "tap.h"

static const struct rule rules[] = {
	{ "plain", CONTEXT, NULL, NULL },
	{ "n {pending_bytes}", CONTEXT, NULL, NULL },
	{ "n {pending_bytes} r {spent_ms}.", CONTEXT, NULL, NULL },
	{ "t '{name}', f {exact}", CONTEXT, NULL, NULL },
	{ "any {} then {instance}{}", CONTEXT, NULL, NULL },
};

static struct patterns *patterns;

static bool match(size_t i, const char *line, struct event *ev)
{
	*ev = (struct event){ 0 };
	return pattern_match(patterns, i, (struct text){ line, strlen(line) }, ev);
}

static void no(size_t i, const char *line)
{
	struct event ev;

	ok(!match(i, line, &ev) && ev.has == 0, "'%s' is not '%s'", line, rules[i].pattern);
}

int main(void)
{
	struct event ev;

	patterns = patterns_new(rules, sizeof(rules) / sizeof(rules[0]));
	ok(match(0, "plain", &ev) && ev.has == 0, "text alone");
	no(0, "plai");
	no(0, "plain ");
	no(0, "");
	ok(match(1, "n 12", &ev) && event_whole(&ev, FIELD_pending_bytes, 0) == 12, "a whole number");
	ok(match(1, "n -7", &ev) && event_whole(&ev, FIELD_pending_bytes, 0) == -7, "a negative one");
	ok(match(1, "n 9223372036854775807", &ev) && event_whole(&ev, FIELD_pending_bytes, 0) == INT64_MAX,
	   "the largest one");
	ok(match(1, "n 18446744073709551615", &ev) && !event_has(&ev, FIELD_pending_bytes),
	   "one that is too large is left out");
	ok(match(1, "n 99999999999999999999999", &ev) && !event_has(&ev, FIELD_pending_bytes),
	   "one that is far too large");
	no(1, "n ");
	no(1, "n -");
	no(1, "n x");
	no(1, "n 12 ");
	ok(match(2, "n 1 r 2.5e1.", &ev) && event_real(&ev, FIELD_spent_ms, 0) == 25, "a real number");
	ok(match(2, "n 1 r 3.", &ev) == false, "a number takes its point along");
	ok(match(2, "n 1 r 1e999.", &ev) && !event_has(&ev, FIELD_spent_ms), "one without end is left out");
	no(2, "n 1 r .");
	no(2, "n 1 r nan.");
	ok(match(3, "t 'a b', f 1", &ev) && event_text_is(&ev, FIELD_name, "a b") && ev.at[FIELD_exact].flag,
	   "a text and a flag");
	ok(match(3, "t '', f 0", &ev) && event_text_is(&ev, FIELD_name, "") && !ev.at[FIELD_exact].flag,
	   "an empty text");
	no(3, "t 'a, f 1");
	no(3, "t 'a', f 2");
	no(3, "t 'a', f ");
	ok(match(4, "any x y then 3 z", &ev) && event_whole(&ev, FIELD_instance, 0) == 3,
	   "anything between and behind");
	ok(match(4, "any  then 3", &ev), "which may be nothing");
	no(4, "any x the 3");
	patterns_free(patterns);
	return done();
}
