/* SPDX-License-Identifier: MIT */
#include "base/cli.h"
#include "base/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
	const char *tool;
	bool quiet;
	enum cli_when progress;
	bool line_shown;
} state = { .tool = "mplcr", .progress = CLI_AUTO };

void cli_set_tool(const char *name)
{
	state.tool = name;
}

void cli_set_quiet(void)
{
	state.quiet = true;
	if (state.progress == CLI_ALWAYS)
		state.progress = CLI_AUTO;
}

void cli_set_progress(enum cli_when when)
{
	state.progress = when;
}

bool cli_progress(void)
{
	return state.progress == CLI_AUTO ? !state.quiet && isatty(STDERR_FILENO) : state.progress == CLI_ALWAYS;
}

static void message(const char *kind, const char *text)
{
	char safe[4 * sizeof(((struct err *)0)->text) + 8];

	cli_progress_end();
	fprintf(stderr, "%s%s%s\n", state.tool, kind, escape_into(text, safe, sizeof(safe)));
}

int cli_report(const struct err *e)
{
	char safe[4 * sizeof(e->hint) + 8];

	message(": ", e->text);
	if (e->hint[0])
		fprintf(stderr, "hint: %s\n", escape_into(e->hint, safe, sizeof(safe)));
	return e->status;
}

void cli_note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (state.quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	message(": ", text);
}

void cli_warn(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	message(": warning: ", text);
}

void cli_progress_line(const char *fmt, ...)
{
	char text[256], safe[1024];
	struct winsize w;
	size_t columns = 79;
	va_list ap;

	if (!cli_progress())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1)
		columns = (size_t)w.ws_col - 1;
	escape_into(text, safe, sizeof(safe));
	columns = escape_fit(safe, strnlen(safe, columns));
	fprintf(stderr, "\r\033[K%.*s", (int)columns, safe);
	fflush(stderr);
	state.line_shown = true;
}

void cli_progress_end(void)
{
	if (state.line_shown)
		fputs("\r\033[K", stderr);
	state.line_shown = false;
}

int cli_flush(struct err *e)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_sys(e, errno ? errno : EIO, "cannot write to standard output");
	return 0;
}
