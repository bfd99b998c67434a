/* SPDX-License-Identifier: MIT */
/* mplcr-trace plot: chooses what to draw, and where the picture goes. */
#include "plot/plot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/gnuplot.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "base/number.h"
#include "tool.h"

/* The length of a name in a picture 800 pixels wide, and the size of a terminal that does not give its own. */
enum { LABEL_MAX = 48, USUAL_COLUMNS = 80, USUAL_ROWS = 24, LEAST_COLUMNS = 40, MOST_COLUMNS = 400 };

struct options {
	const char *output;
	enum plot_type type;
	bool terminal, force;
	enum format format;
	unsigned panels;
	uint64_t checkpoint; /* 0: all */
	char **paths;
	size_t n_paths;
};

/* In the order of enum plot_type. */
static const struct cli_word types[] = { { "svg", NULL }, { "png", NULL }, CLI_WORDS_END };

#define ONE_PANEL(name) { #name, NULL },
static const struct cli_word panels[] = { PANELS_X(ONE_PANEL) CLI_WORDS_END };
#undef ONE_PANEL

static const struct cli_option option_table[] = {
	{ "output", 'o', "FILE", "write the picture to FILE (default: standard output)",
	  TO_FILE(struct options, output) },
	{ "type", 0, "TYPE", "svg or png (default: by FILE's suffix, else svg)", TO_WORD(struct options, type, types) },
	{ "force", 0, NULL, "overwrite FILE if it exists", TO_FLAG(struct options, force) },
	{ "terminal", 0, NULL, "draw in characters (default: when standard output is a terminal)",
	  TO_FLAG(struct options, terminal) },
	{ "only", 0, "PANEL", "draw only pending, bandwidth, phases or pause; repeatable",
	  TO_WORDS(struct options, panels, panels) },
	{ "checkpoint", 'c', "N", "draw only checkpoint N of logs with several",
	  TO_NUMBER(struct options, checkpoint, 0, MODEL_MAX_CHECKPOINTS) },
	FORMAT_OPTION(struct options),
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* --- options ---------------------------------------------------------------------------------------------------- */

/* The type of picture by its name or by the file's suffix. Returns 0 or -1. */
static int set_type(struct plot *p, const struct options *o, struct err *e)
{
	const char *dot = o->output ? strrchr(path_base(o->output), '.') : NULL;
	const char *end = dot ? dot + 1 : "svg";

	p->type = o->type;
	if (p->type != PLOT_UNSAID)
		return 0;
	for (p->type = PLOT_SVG; types[p->type].word; p->type++)
		if (strcmp(end, types[p->type].word) == 0)
			return 0;
	err_usage(e, "cannot tell the type of picture from the name '%s'", o->output);
	return err_hint(e, "end it with .svg or .png, or give --type svg");
}

static void set_terminal_size(struct plot *p)
{
	struct winsize w = { 0 };

	p->type = PLOT_TEXT;
	p->columns = USUAL_COLUMNS;
	p->rows = USUAL_ROWS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < LEAST_COLUMNS)
		return;
	p->columns = w.ws_col < MOST_COLUMNS ? w.ws_col : MOST_COLUMNS;
}

static int check(struct options *o, struct plot *p, struct err *e)
{
	bool to_stdout = !o->output || strcmp(o->output, "-") == 0;

	for (size_t i = 0; i < o->n_paths; i++)
		for (size_t n = strlen(o->paths[i]); n > 1 && o->paths[i][n - 1] == '/'; n--)
			o->paths[i][n - 1] = '\0'; /* x2.ckpt/ is drawn as x2.ckpt */
	if (o->terminal && (o->output || o->type != PLOT_UNSAID))
		return err_usage(e, "--terminal does not go with --output and --type");
	if (to_stdout)
		o->output = NULL;
	if (o->terminal || (o->type == PLOT_UNSAID && to_stdout && isatty(STDOUT_FILENO))) {
		set_terminal_size(p);
		return 0;
	}
	if (set_type(p, o, e) < 0)
		return -1;
	if (o->output && !o->force && access(o->output, F_OK) == 0) {
		err_set(e, "'%s' exists", o->output);
		return err_hint(e, "--force overwrites it");
	}
	return 0;
}

/* --- what to draw ----------------------------------------------------------------------------------------------- */

/* Cuts a text in UTF-8 after `max` characters and ends it with three dots. */
static void shorten(char *text, size_t max)
{
	size_t characters = 0;
	char *cut = NULL;

	for (char *at = text; *at; at++) {
		if (((unsigned char)*at & 0xc0) == 0x80)
			continue;
		if (characters++ == max - 3)
			cut = at;
	}
	if (characters > max)
		strcpy(cut, "...");
}

/* The name of a log in the picture: with its directories only if another log has the same name. */
static const char *name_of(const char *path, const struct options *o)
{
	size_t same = 0;

	if (strcmp(path, "-") == 0)
		return "standard input";
	for (size_t i = 0; i < o->n_paths; i++)
		same += strcmp(path_base(path), path_base(o->paths[i])) == 0;
	return same > 1 ? path : path_base(path);
}

/* The name of a checkpoint in the picture: its log's name, and its number if the log has several. */
static char *label_of(const struct plot *p, const struct model *m, const struct checkpoint *c, const struct options *o)
{
	_cleanup_json_ json_t *clean = json_string_of(name_of(m->path, o));
	_cleanup_free_ char *name = text_copy(json_string_value(clean));

	shorten(name, p->type == PLOT_TEXT ? (size_t)p->columns / 4 : LABEL_MAX);
	if (m->stats.checkpoints > 1)
		return text_of("%s #%llu", name, (unsigned long long)c->number);
	return steal_ptr(name);
}

/* Adds the checkpoints of one log. Returns the number left out for lack of room. */
static size_t add_curves(struct plot *p, const struct model *m, const struct options *o)
{
	size_t left = 0;

	for (size_t i = 0; i < m->n_checkpoints; i++) {
		const struct checkpoint *c = &m->checkpoints[i];

		if (o->checkpoint && c->number != o->checkpoint)
			continue;
		if (p->n_curves == PLOT_MAX_CURVES)
			left++;
		else
			p->curves[p->n_curves++] = (struct plot_curve){ c, label_of(p, m, c, o) };
	}
	return left;
}

static int read_logs(struct plot *p, struct model *models, const struct options *o, struct err *e)
{
	size_t left = 0;

	for (size_t i = 0; i < o->n_paths; i++) {
		if (model_read(&models[i], o->paths[i], o->format, e) < 0)
			return -1;
		source_note_unknown(o->paths[i], &models[i].stats);
		left += add_curves(p, &models[i], o);
	}
	if (p->n_curves == 0 && o->checkpoint)
		return err_set(e, "there is no checkpoint %llu", (unsigned long long)o->checkpoint);
	if (p->n_curves == 0)
		return err_set(e, "there is no checkpoint in '%s'", o->paths[0]);
	if (left > 0)
		cli_note("drew %d checkpoints, left out %zu; --checkpoint chooses one", PLOT_MAX_CURVES, left);
	return 0;
}

/* --- where it goes ---------------------------------------------------------------------------------------------- */

/* Prints the text without trailing blanks, form feeds between drawings and empty lines at the top. */
static void print_text(const char *bytes, size_t size)
{
	const char *end = bytes + size, *next;
	bool begun = false;

	for (const char *line = bytes; line < end; line = next + 1) {
		const char *stop;

		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		for (stop = next; stop > line && (stop[-1] == ' ' || stop[-1] == '\f');)
			stop--;
		begun |= stop > line;
		if (begun) {
			_cleanup_free_ char *one = text_of("%.*s", (int)(stop - line), line);

			escape_line(one);
		}
	}
}

static int deliver(const struct plot *p, const struct options *o, const char *bytes, size_t size, struct err *e)
{
	if (o->output)
		return file_publish(o->output, bytes, size, 0600, o->force, e);
	if (p->type == PLOT_TEXT)
		print_text(bytes, size);
	else
		fwrite(bytes, 1, size, stdout);
	return 0;
}

static int write_script(FILE *script, const char *output, const void *ctx, struct err *e)
{
	if (plot_script(script, ctx, output) > 0)
		return 0;
	err_set(e, "nothing to draw");
	return err_hint(e, "mplcr-trace summary shows the contents of the log");
}

static int run(struct plot *p, struct model *models, struct options *o, struct err *e)
{
	_cleanup_free_ char *bytes = NULL;
	size_t size;

	if (check(o, p, e) < 0 || read_logs(p, models, o, e) < 0 ||
	    gnuplot_run(write_script, p, "mplcr-trace summary", &bytes, &size, e) < 0)
		return -1;
	return deliver(p, o, bytes, size, e);
}

static int plot_main(int argc, char **argv)
{
	char dash[] = "-", *standard_input = dash;
	struct options o = { .type = PLOT_UNSAID };
	struct plot p = { 0 };
	struct model *models = NULL;
	struct err e = { 0 };
	int first = cli_parse(&verb_plot, argc, argv, &o, NULL, &e), result = -1;

	if (first >= 0) {
		o.paths = first < argc ? argv + first : &standard_input;
		o.n_paths = first < argc ? (size_t)(argc - first) : 1;
		p.wanted = o.panels ? o.panels : (1u << PANELS) - 1;
		models = memory_of(o.n_paths + 1, sizeof(*models));
		result = run(&p, models, &o, &e);
	}
	for (size_t i = 0; i < p.n_curves; i++)
		free(p.curves[i].label);
	for (size_t i = 0; models && i < o.n_paths; i++)
		model_release(&models[i]);
	free(models);
	return result < 0 || cli_flush(&e) < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_plot = {
	.tool = "mplcr-trace",
	.verb = "plot",
	.summary = "a log as a picture, or in the terminal",
	.usage = "[OPTION]... [FILE]...",
	.about = "Draws logs of migrations: memory still to be sent, bandwidth, phases, and the pause with its\n"
		 "parts; several logs in one picture. A FILE is a log, a checkpoint directory (its trace) or -\n"
		 "for standard input, the default.",
	.options = option_table,
	.operands = CLI_FILES,
	.run = plot_main,
};
