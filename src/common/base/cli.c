/* SPDX-License-Identifier: MIT */
#include "base/cli.h"
#include "base/cleanup.h"
#include "base/escape.h"
#include "base/interrupt.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a process that was forked off waits for a reader. */
#define FORKED_MS 10000

static struct {
	const char *tool;
	bool quiet;
	enum cli_when progress;
	bool line_shown;
	int wait_ms; /* for a reader; -1: until there is one, or a signal */
	bool hold;
	char *held; /* messages that are kept, or NULL */
	size_t held_used, held_room;
} state = { .tool = "mplcr", .progress = CLI_AUTO, .wait_ms = -1 };

/* --- writing ---------------------------------------------------------------------------------------------------- */

/*
 * The same terminal or pipe, opened anew so that a write never waits: with O_NONBLOCK on stderr itself, others who have
 * it would not wait, either. -1 for what is none, or cannot be opened.
 */
static int open_apart(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return -1;
	return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* What fits, as far as that is known; the wait is in put. */
static ssize_t write_some(int apart, const char *text, size_t n)
{
	ssize_t done = send(STDERR_FILENO, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done >= 0 || errno != ENOTSOCK)
		return done;
	if (apart >= 0)
		return write(apart, text, n);
	if (!interrupt_writable(STDERR_FILENO, 0)) {
		errno = EAGAIN;
		return -1;
	}
	return write(STDERR_FILENO, text, n < PIPE_BUF ? n : PIPE_BUF);
}

/* Writes the text to stderr; what no reader makes room for within `ms` is dropped. */
static void put(const char *text, int ms)
{
	_cleanup_close_ int apart = open_apart();
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t done = write_some(apart, text, n);

		if (done > 0) {
			text += done;
			n -= (size_t)done;
		} else if (errno == EAGAIN ? !interrupt_writable(STDERR_FILENO, ms) : errno != EINTR) {
			return;
		}
	}
}

static void keep(const char *text)
{
	size_t n = strlen(text) + 1;

	while (state.held_used + n > state.held_room) {
		state.held_room = state.held_room ? 2 * state.held_room : 4096;
		state.held = memory_resize(state.held, state.held_room, 1);
	}
	memcpy(state.held + state.held_used, text, n);
	state.held_used += n - 1;
}

void cli_hold(void)
{
	cli_progress_end();
	state.hold = true;
}

/* Takes what was kept; the caller's. */
static char *take_held(void)
{
	char *held = state.held;

	state.hold = false;
	state.held = NULL;
	state.held_used = state.held_room = 0;
	return held;
}

void cli_let_go(void)
{
	_cleanup_free_ char *held = take_held();

	if (held) {
		cli_progress_end();
		put(held, state.wait_ms);
	}
}

void cli_become(const char *name)
{
	free(take_held());
	state.line_shown = state.quiet = false;
	state.tool = name;
	state.progress = CLI_NEVER;
	state.wait_ms = FORKED_MS;
}

/* --- settings --------------------------------------------------------------------------------------------------- */

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

/* --- messages --------------------------------------------------------------------------------------------------- */

/* A line of those words. */
static void line(const char *before, const char *between, const char *text)
{
	char safe[4 * sizeof(((struct err *)0)->text) + 8], all[sizeof(safe) + 100];

	snprintf(all, sizeof(all), "%s%s%s\n", before, between, escape_into(text, safe, sizeof(safe)));
	if (state.hold) {
		keep(all);
		return;
	}
	cli_progress_end();
	put(all, state.wait_ms);
}

static void message(const char *kind, const char *text)
{
	line(state.tool, kind, text);
}

int cli_report(const struct err *e)
{
	cli_let_go();
	message(": ", e->text);
	if (e->hint[0])
		line("hint", ": ", e->hint);
	return e->status;
}

void cli_tell(const char *fmt, ...)
{
	char text[1024], safe[4 * sizeof(text)], all[sizeof(safe) + 100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%s: %s\n", state.tool, escape_into(text, safe, sizeof(safe)));
	put(all, 0);
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
	char text[256], safe[1024], all[sizeof(safe) + 8];
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
	snprintf(all, sizeof(all), "\r\033[K%.*s", (int)columns, safe);
	put(all, 0);
	state.line_shown = true;
}

void cli_progress_end(void)
{
	if (state.line_shown)
		put("\r\033[K", 0);
	state.line_shown = false;
}

int cli_flush(struct err *e)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_sys(e, errno ? errno : EIO, "cannot write to standard output");
	return 0;
}
