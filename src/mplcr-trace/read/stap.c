/* SPDX-License-Identifier: MIT */
/*
 * SystemTap logs of QEMU's migration probes, as the script of the seed trace prints them: a probe's name with its
 * arguments, a function's name with its stack below it, or a probe as
 *
 *     process("/usr/libexec/qemu-kvm").mark("savevm_state_begin")
 */
#include "read/probes.h"
#include "read/reader.h"

#include <string.h>

static const char mark_head[] = "process(\"", mark_middle[] = "\").mark(\"", mark_tail[] = "\")";

/* The name in such a line, or nothing. Most lines of a log are of this kind, so the search begins at the end. */
static struct text mark_of(struct text line)
{
	const size_t head = sizeof(mark_head) - 1, middle = sizeof(mark_middle) - 1, tail = sizeof(mark_tail) - 1;
	const char *end = line.start + line.length - tail, *quote;

	if (line.length < head + middle + tail || memcmp(line.start, mark_head, head) != 0 ||
	    memcmp(end, mark_tail, tail) != 0)
		return (struct text){ line.start, 0 };
	quote = memrchr(line.start, '"', (size_t)(end - line.start));
	if (quote + 1 < line.start + head + middle || memcmp(quote + 1 - middle, mark_middle, middle) != 0)
		return (struct text){ line.start, 0 };
	return (struct text){ quote + 1, (size_t)(end - quote - 1) };
}

static bool recognise(struct text line)
{
	static const char *const heads[] = { "begin probe", "qmp_migrate uri:", "migrate_pending pending_size:",
					     "migrate_transferred transterred_bytes:" };

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (text_begins(line, heads[i]))
			return true;
	return mark_of(line).length > 0;
}

static int read_line(struct reader *r, struct text line, struct err *e)
{
	struct text mark = mark_of(line);

	if (mark.length > 0)
		return probes_read(r, mark, e);
	if (probes_frame(r, line))
		return 1;
	return probes_read(r, line, e);
}

const struct log_format format_stap = { recognise, probes_begin, read_line, probes_end };
