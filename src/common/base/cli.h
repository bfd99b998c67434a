/* SPDX-License-Identifier: MIT */
/*
 * The output that all tools share: messages on stderr, a progress line, exit statuses. Only main.c, the verbs and
 * base/options.h use it; other common code returns errors.
 *
 * A message waits for a reader of stderr (a full pipe, a terminal that was told to wait), but no longer than until a signal
 * comes (base/interrupt.h); the progress line never waits.
 */
#ifndef MPLCR_CLI_H
#define MPLCR_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* --progress. */
enum cli_when { CLI_ALWAYS, CLI_NEVER, CLI_AUTO };

/* Sets the name that messages begin with; the string must stay valid. */
void cli_set_tool(const char *name);

/* --quiet: no notes, and no progress unless --progress=always follows. */
void cli_set_quiet(void);

/* CLI_AUTO is the default: shown where stderr is a terminal, unless --quiet. */
void cli_set_progress(enum cli_when when);
bool cli_progress(void);

/*
 * For a process that was forked off: it speaks by that name, has nothing left to say of what its parent had, and waits 10 s
 * at most for whoever reads stderr.
 */
void cli_become(const char *name);

/* From now on messages are kept, and none is written; cli_let_go shows them. */
void cli_hold(void);
void cli_let_go(void);

/* Prints "TOOL: …" on stderr even now, unless it would have to wait for a reader: then it is dropped. */
void cli_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints the error and its hint on stderr, control bytes escaped. Returns the exit status of the error. */
int cli_report(const struct err *e);

/* Prints "TOOL: …" on stderr unless --quiet: news for the user when nothing failed. */
void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints "TOOL: warning: …" on stderr, always. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * If progress is on, shows `fmt` as the progress line on stderr, over the previous one. Every message clears it;
 * cli_progress_end removes it.
 */
void cli_progress_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cli_progress_end(void);

/*
 * Flushes stdout; every tool ends with this. Returns 0, or -1 with an error if the data could not be written (a full
 * disk, a closed pipe), which must not pass as success.
 */
int cli_flush(struct err *e);

#endif
