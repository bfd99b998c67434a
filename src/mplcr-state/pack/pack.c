/* SPDX-License-Identifier: MIT */
/* mplcr-state pack: a checkpoint with all that belongs to it, as one directory or one stream. */
#include "pack/pack.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "base/path.h"
#include "base/zstd.h"
#include "checkpoint/names.h"
#include "tool.h"

struct options {
	bool stream;
	uint64_t level;
	bool trust_paths;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "stream", 's', NULL, "write one zstd stream to standard output", TO_FLAG(struct options, stream) },
	{ "level", 'l', "N", "of its compression: 1 (fast) to 19 (small); default 3", TO_NUMBER(struct options, level, ZSTDIO_MIN_LEVEL, ZSTDIO_MAX_LEVEL) },
	TRUST_PATHS_OPTION(struct options, trust_paths),
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

static int fill(struct pack *p, struct target *t, struct err *e)
{
	static const char mark[] = "{}\n"; /* the list of a directory that is being filled is not known yet */

	if (target_claim(t, mark, e) < 0)
		return -1;
	if (pack_fill(p, t, e) == 0)
		return 0;
	if (e->status != EXIT_PARTIAL)
		target_abandon(t);
	return -1;
}

static int pack_into(struct pack *p, const char *where, struct err *e)
{
	_cleanup_free_ char *name = pack_name(p);
	struct target t;
	int result = target_choose(&t, where, name, e) < 0 ? -1 : fill(p, &t, e);

	cli_progress_end();
	if (result == 0) {
		escape_data(t.final);
		putchar('\n');
	}
	target_release(&t);
	return result;
}

static int pack(const char *checkpoint, const char *where, const struct options *o, struct err *e)
{
	struct pack p = { .checkpoint = checkpoint, .trust_paths = o->trust_paths, .dirfd = -1 };
	int result = 0;

	p.interrupt = interrupt_open(e);
	if (p.interrupt < 0 || pack_collect(&p, e) < 0)
		result = -1;
	else
		result = where ? pack_into(&p, where, e) : pack_send(&p, (int)o->level, STDOUT_FILENO, e);
	cli_progress_end();
	pack_release(&p);
	return result;
}

static int check_operands(const struct options *o, int n, struct err *e)
{
	if (n == 0)
		return err_usage(e, "which checkpoint?");
	if (!o->stream && n == 1)
		return err_usage(e, "into which directory? (or --stream)");
	if (n > (o->stream ? 1 : 2))
		return err_usage(e, "there is an operand too many");
	if (o->stream && isatty(STDOUT_FILENO))
		return err_usage(e, "--stream: standard output is a terminal");
	return 0;
}

static int pack_main(int argc, char **argv)
{
	struct options o = { .level = 3 };
	struct err e = { 0 };
	int first = cli_parse(&verb_pack, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0)
		result = check_operands(&o, argc - first, &e);
	if (result >= 0)
		result = pack(argv[first], o.stream ? NULL : argv[first + 1], &o, &e);
	if (result == 0)
		result = cli_flush(&e);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_pack = {
	.tool = "mplcr-state",
	.verb = "pack",
	.summary = "a checkpoint with all its images, as one directory or stream",
	.usage = "[OPTION]... CHECKPOINT DIR\n--stream [OPTION]... CHECKPOINT",
	.about = "Copies a checkpoint and the whole chain of each disk into one directory that needs nothing else, wherever\n"
		 "it is taken; or writes that as a stream, which unpack takes. Prints the path of the packed checkpoint.",
	.options = option_table,
	.operands = CLI_DIRECTORIES,
	.most_operands = 2,
	.run = pack_main,
};
