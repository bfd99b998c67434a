/* SPDX-License-Identifier: MIT */
/* mplcr-state unpack: the checkpoint that a stream of pack holds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/zstd.h"
#include "pack/pack.h"
#include "tool.h"

static const struct cli_option option_table[] = {
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static ssize_t get(void *ctx, void *buf, size_t room, struct err *e)
{
	return zstd_reader_read(ctx, buf, room, e);
}

static int unpack_from(int from, const char *where, struct err *e)
{
	struct zstd_reader *zstd = zstd_reader_open(from, e);
	struct target t = { .dirfd = -1 };
	int result = zstd ? pack_receive(&t, where, get, zstd, e) : -1;

	cli_progress_end();
	if (result == 0) {
		escape_data(t.final);
		putchar('\n');
	}
	target_release(&t);
	zstd_reader_free(zstd);
	return result;
}

static int unpack(const char *file, const char *where, struct err *e)
{
	bool standard = strcmp(file, "-") == 0;
	_cleanup_close_ int fd = standard ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", file);
	if (isatty(fd))
		return err_usage(e, "a stream of pack is awaited, and '%s' is a terminal", file);
	return unpack_from(fd, where, e) < 0 ? err_prefix(e, "'%s'", file) : 0;
}

static int unpack_main(int argc, char **argv)
{
	char none;
	struct err e = { 0 };
	int first = cli_parse(&verb_unpack, argc, argv, &none, NULL, &e), result = first, n = argc - first;

	if (first >= 0 && (n < 1 || n > 2))
		result = err_usage(&e, "which stream, and into which directory?");
	if (result >= 0)
		result = unpack(argv[first], n == 2 ? argv[first + 1] : ".", &e);
	if (result == 0)
		result = cli_flush(&e);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_unpack = {
	.tool = "mplcr-state",
	.verb = "unpack",
	.summary = "the checkpoint that a stream of pack holds",
	.usage = "[OPTION]... FILE|- [DIR]",
	.about = "Makes a checkpoint of what pack --stream has written, in DIR or, if that does not exist, as DIR. Sums are\n"
		 "checked; what was interrupted is gone on with. Prints the path of the checkpoint.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 2,
	.run = unpack_main,
};
