/* SPDX-License-Identifier: MIT */
/*
 * QEMU's own trace log (-trace NAME -D FILE, backend "log"; docs/devel/tracing.rst of QEMU): a probe's name with its
 * arguments; -msg timestamp=on puts the process and the time before it:
 *
 *     4712@1795395596.736479:migrate_set_state new state setup
 *
 * The scripts of contrib/ print the same, and may print stacks between the lines.
 */
#include "read/probes.h"
#include "read/reader.h"

#include <ctype.h>
#include <stdlib.h>

/* Reads digits. Returns the text after them, or NULL without any or with too many. */
static const char *digits(const char *at, const char *end, uint64_t *value)
{
	const char *begin = at;

	for (*value = 0; at < end && isdigit((unsigned char)*at); at++)
		*value = *value * 10 + (uint64_t)(*at - '0');
	return at > begin && at - begin <= 18 ? at : NULL;
}

/* The text after the stamp; *ms gets the time, negative without a stamp. */
static struct text behind_stamp(struct text line, double *ms)
{
	const char *at = line.start, *end = line.start + line.length;
	uint64_t pid, seconds, us;

	*ms = -1;
	if (!(at = digits(at, end, &pid)) || at == end || *at != '@' || !(at = digits(at + 1, end, &seconds)) ||
	    at == end || *at != '.' || !(at = digits(at + 1, end, &us)) || at == end || *at != ':')
		return line;
	*ms = (double)seconds * 1000 + (double)us / 1000;
	return text_behind(line, (size_t)(at + 1 - line.start));
}

static bool recognise(struct text line)
{
	double ms;

	return probes_know(behind_stamp(line, &ms));
}

static int read_line(struct reader *r, struct text line, struct err *e)
{
	double ms;

	line = behind_stamp(line, &ms);
	if (ms >= 0)
		reader_time(r, ms, true);
	else if (probes_frame(r, line))
		return 1;
	return probes_read(r, line, e);
}

const struct log_format format_qemu = { recognise, probes_begin, read_line, probes_end };
