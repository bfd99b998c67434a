/* SPDX-License-Identifier: MIT */
#include "base/cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_OPTIONS 64

static struct {
	const char *tool;
	bool quiet;
	bool progress;
	bool line_shown;
} state = { .tool = "mplcr" };

const char *cli_tool(void)
{
	return state.tool;
}

bool cli_quiet(void)
{
	return state.quiet;
}

bool cli_progress(void)
{
	return state.progress;
}

char *cli_escape(const char *text, char *buf, size_t size)
{
	size_t used = 0;

	for (; *text && used + 5 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			used += (size_t)sprintf(buf + used, "\\x%02x", c);
		else
			buf[used++] = (char)c;
	}
	buf[used] = '\0';
	return buf;
}

static void message(const char *kind, const char *text)
{
	char safe[4 * sizeof(((struct err *)0)->text) + 8];

	cli_progress_end();
	fprintf(stderr, "%s%s%s\n", state.tool, kind, cli_escape(text, safe, sizeof(safe)));
}

int cli_report(const struct err *e)
{
	char safe[4 * sizeof(e->hint) + 8];

	message(": ", e->text);
	if (e->hint[0])
		fprintf(stderr, "hint: %s\n", cli_escape(e->hint, safe, sizeof(safe)));
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

	if (!state.progress)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1)
		columns = (size_t)w.ws_col - 1;
	fprintf(stderr, "\r\033[K%.*s", (int)columns, cli_escape(text, safe, sizeof(safe)));
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

/* Prints `text`, its further lines indented to `column`. */
static void print_indented(const char *text, int column)
{
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n')
			printf("%*s", column, "");
	}
	putchar('\n');
}

static void print_help(const struct cli *cli)
{
	int column = printf("usage: %s%s%s ", cli->tool, cli->verb ? " " : "", cli->verb ? cli->verb : "");

	print_indented(cli->usage, column);
	printf("\n%s\n", cli->about);
	for (const struct cli_option *o = cli->options; o->name || o->help; o++) {
		char left[64];

		if (!o->name) {
			printf("\n%s\n", o->help);
			continue;
		}
		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			 o->letter ? ',' : ' ', o->name, o->value ? " " : "", o->value ? o->value : "");
		if (strlen(left) > 27)
			printf("  %s\n%30s", left, "");
		else
			printf("  %-28s", left);
		print_indented(o->help, 30);
	}
}

/* Fills getopt's own tables from the option table. Returns how many options there are. */
static int build_tables(const struct cli *cli, struct option *longs, const struct cli_option **rows, char *shorts)
{
	int n = 0;

	*shorts++ = ':';
	for (const struct cli_option *o = cli->options; o->name || o->help; o++) {
		if (!o->name)
			continue;
		longs[n] = (struct option){ o->name, o->value ? required_argument : no_argument, NULL, 0 };
		rows[n++] = o;
		if (o->letter) {
			*shorts++ = o->letter;
			if (o->value)
				*shorts++ = ':';
		}
	}
	*shorts = '\0';
	longs[n] = (struct option){ 0 };
	return n;
}

static const struct cli_option *row_of_letter(const struct cli_option **rows, int n, int letter)
{
	for (int i = 0; i < n; i++)
		if (rows[i]->letter == letter)
			return rows[i];
	return NULL;
}

/* Handles the options that all tools share. Returns 1 where `name` is one of them, 0 where not, -1 on error. */
static int set_common(const struct cli *cli, const char *name, const char *value, struct err *e)
{
	if (strcmp(name, "help") == 0) {
		print_help(cli);
		exit(cli_flush(e) < 0 ? EXIT_FAILED : EXIT_DONE);
	}
	if (strcmp(name, "version") == 0) {
		printf("%s %s\n", cli->tool, MPLCR_VERSION);
		exit(cli_flush(e) < 0 ? EXIT_FAILED : EXIT_DONE);
	}
	if (strcmp(name, "quiet") == 0) {
		state.quiet = true;
		state.progress = false;
		return 1;
	}
	if (strcmp(name, "progress") == 0) {
		if (strcmp(value, "always") == 0)
			state.progress = true;
		else if (strcmp(value, "never") == 0)
			state.progress = false;
		else if (strcmp(value, "auto") != 0)
			return err_usage(e, "--progress: '%s' is not always, never or auto", value);
		return 1;
	}
	return 0;
}

static int bad_option(const struct cli *cli, int c, char **argv, struct err *e)
{
	if (optopt && c == ':' && argv[optind - 1][1] != '-')
		err_usage(e, "option '-%c' needs a value", optopt);
	else if (c == ':')
		err_usage(e, "option '%s' needs a value", argv[optind - 1]);
	else if (optopt && argv[optind - 1][1] != '-')
		err_usage(e, "unknown option '-%c'", optopt);
	else if (strchr(argv[optind - 1], '=') && optopt == 0)
		err_usage(e, "option '%s' is unknown or takes no value", argv[optind - 1]);
	else
		err_usage(e, "unknown option '%s'", argv[optind - 1]);
	return err_hint(e, "%s%s%s --help lists the options", cli->tool, cli->verb ? " " : "",
			cli->verb ? cli->verb : "");
}

int cli_parse(const struct cli *cli, int argc, char **argv, void *ctx, bool *dashes, struct err *e)
{
	struct option longs[MAX_OPTIONS + 1];
	const struct cli_option *rows[MAX_OPTIONS];
	char shorts[2 * MAX_OPTIONS + 2];
	int n = build_tables(cli, longs, rows, shorts), c, index;

	state.tool = cli->tool;
	state.progress = isatty(STDERR_FILENO);
	opterr = 0;
	while (index = -1, (c = getopt_long(argc, argv, shorts, longs, &index)) != -1) {
		const struct cli_option *o;
		int handled;

		if (c == '?' || c == ':')
			return bad_option(cli, c, argv, e);
		o = c == 0 ? rows[index] : row_of_letter(rows, n, c);
		handled = set_common(cli, o->name, optarg, e);
		if (handled < 0 || (handled == 0 && cli->set(ctx, o->name, optarg, e) < 0))
			return -1;
	}
	if (dashes)
		*dashes = strcmp(argv[optind - 1], "--") == 0;
	return optind;
}

static int print_verbs(const char *tool, const char *about, const struct cli_verb *verbs)
{
	struct err e;

	printf("usage: %s VERB [OPTION]... [ARGUMENT]...\n\n%s\n\nVerbs (%s VERB --help tells more):\n", tool, about,
	       tool);
	for (const struct cli_verb *v = verbs; v->name; v++)
		printf("  %-10s  %s\n", v->name, v->help);
	return cli_flush(&e) < 0 ? cli_report(&e) : EXIT_DONE;
}

int cli_main(const char *tool, const char *about, const struct cli_verb *verbs, int argc, char **argv)
{
	const char *asked = argc > 1 ? argv[1] : NULL;
	struct err e;

	state.tool = tool;
	for (const struct cli_verb *v = verbs; asked && v->name; v++)
		if (strcmp(v->name, asked) == 0)
			return v->run(argc - 1, argv + 1);
	if (asked && (strcmp(asked, "--help") == 0 || strcmp(asked, "-h") == 0))
		return print_verbs(tool, about, verbs);
	if (asked && (strcmp(asked, "--version") == 0 || strcmp(asked, "-V") == 0)) {
		printf("%s %s\n", tool, MPLCR_VERSION);
		return cli_flush(&e) < 0 ? cli_report(&e) : EXIT_DONE;
	}
	if (asked)
		err_usage(&e, "'%s' is no verb of this tool", asked);
	else
		err_usage(&e, "a verb is missing");
	err_hint(&e, "%s --help lists the verbs", tool);
	return cli_report(&e);
}
