/* SPDX-License-Identifier: MIT */
/* The types of options: reading a value, and the error message for a bad one. */
#include "base/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

/* Of an option in messages, with its dashes. */
struct label {
	char text[64];
};

static struct label label_of(const struct cli_given *g)
{
	struct label label;

	snprintf(label.text, sizeof(label.text), "--%s", g->option->name);
	return label;
}

/* --- words ------------------------------------------------------------------------------------------------------ */

struct cli_word cli_word_at(const struct cli_target *to, size_t i)
{
	if (to->words)
		return to->words[i];
	return to->word ? to->word(i) : (struct cli_word)CLI_WORDS_END;
}

void cli_list_words(const struct cli_target *to, const char *mark, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; cli_word_at(to, i).word && used < size; i++) {
		const char *before = i == 0 ? "" : cli_word_at(to, i + 1).word ? ", " : " or ";

		used += (size_t)snprintf(buf + used, size - used, "%s%s%s", before, cli_word_at(to, i).word,
					 i == 0 ? mark : "");
	}
}

/* Finds the word that the value is. Returns 0 or -1. */
static int find_word(const struct cli_given *g, unsigned *index, struct err *e)
{
	const struct cli_target *to = &g->option->to;
	char words[256];

	for (*index = 0; cli_word_at(to, *index).word; ++*index)
		if (strcmp(cli_word_at(to, *index).word, g->value) == 0)
			return 0;
	cli_list_words(to, "", words, sizeof(words));
	return err_usage(e, "--%s: '%s' is not %s", g->option->name, g->value, words);
}

static int set_word(const struct cli_given *g, void *at, struct err *e)
{
	unsigned index;

	if (find_word(g, &index, e) < 0)
		return -1;
	*(unsigned *)at = index;
	return 0;
}

static int set_words(const struct cli_given *g, void *at, struct err *e)
{
	unsigned index;

	if (find_word(g, &index, e) < 0)
		return -1;
	*(unsigned *)at |= 1u << index;
	return 0;
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

static int set_bytes(const struct cli_given *g, void *at, struct err *e)
{
	return number_parse_bytes(g->value, label_of(g).text, at, e);
}

static int set_number(const struct cli_given *g, void *at, struct err *e)
{
	const struct cli_target *to = &g->option->to;
	uint64_t value;

	if (number_parse(g->value, label_of(g).text, to->most, &value, e) < 0)
		return -1;
	if (value < to->least)
		return err_usage(e, "--%s: at least %" PRIu64, g->option->name, to->least);
	*(uint64_t *)at = value;
	return 0;
}

static int set_seconds(const struct cli_given *g, void *at, struct err *e)
{
	uint64_t most = g->option->to.most, ms;

	if (number_parse_seconds(g->value, label_of(g).text, &ms, e) < 0)
		return -1;
	if (most && (ms == 0 || ms > most * 1000))
		return err_usage(e, "--%s: '%s' is not between 0.001 and %" PRIu64, g->option->name, g->value, most);
	if (ms == 0)
		return err_usage(e, "--%s: '%s' is too short", g->option->name, g->value);
	*(uint64_t *)at = ms;
	return 0;
}

/* --- the others ------------------------------------------------------------------------------------------------- */

static int set_flag(const struct cli_given *g, void *at, struct err *e)
{
	(void)g;
	(void)e;
	*(bool *)at = true;
	return 0;
}

static int set_text(const struct cli_given *g, void *at, struct err *e)
{
	(void)e;
	*(const char **)at = g->value;
	return 0;
}

static int add_to_list(const struct cli_given *g, void *at, struct err *e)
{
	(void)e;
	path_list_add(at, g->value);
	return 0;
}

static int call(const struct cli_given *g, void *at, struct err *e)
{
	return g->option->to.call(at, g->value, e);
}

/* --- options of every command ----------------------------------------------------------------------------------- */

static int set_quiet(const struct cli_given *g, void *at, struct err *e)
{
	(void)g;
	(void)at;
	(void)e;
	cli_set_quiet();
	return 0;
}

/* In the order of enum cli_when. */
const struct cli_word cli_progress_words[] = {
	{ "always", NULL },
	{ "never", NULL },
	{ "auto", "when stderr is a terminal" },
	CLI_WORDS_END,
};

static int set_progress(const struct cli_given *g, void *at, struct err *e)
{
	unsigned when;

	(void)at;
	if (find_word(g, &when, e) < 0)
		return -1;
	cli_set_progress((enum cli_when)when);
	return 0;
}

static int print_help(const struct cli_given *g, void *at, struct err *e)
{
	(void)at;
	cli_print_help(g->cli);
	exit(cli_flush(e) < 0 ? cli_report(e) : EXIT_DONE);
}

static int print_version(const struct cli_given *g, void *at, struct err *e)
{
	(void)at;
	cli_print_version(g->cli);
	exit(cli_flush(e) < 0 ? cli_report(e) : EXIT_DONE);
}

const struct cli_type cli_type_flag = { .set = set_flag };
const struct cli_type cli_type_text = { .takes_value = true, .set = set_text };
const struct cli_type cli_type_word = { .takes_value = true, .set = set_word };
const struct cli_type cli_type_words = { .takes_value = true, .repeats = true, .set = set_words };
const struct cli_type cli_type_bytes = { .takes_value = true, .set = set_bytes };
const struct cli_type cli_type_number = { .takes_value = true, .set = set_number };
const struct cli_type cli_type_seconds = { .takes_value = true, .set = set_seconds };
const struct cli_type cli_type_list = { .takes_value = true, .repeats = true, .set = add_to_list };
const struct cli_type cli_type_call = { .takes_value = true, .set = call };
const struct cli_type cli_type_quiet = { .set = set_quiet };
const struct cli_type cli_type_progress = { .takes_value = true, .set = set_progress };
const struct cli_type cli_type_help = { .ends = true, .set = print_help };
const struct cli_type cli_type_version = { .ends = true, .set = print_version };
const struct cli_type cli_type_none = { .set = NULL };

const char *cli_help_of(const struct cli_option *o, char *buf, size_t size)
{
	if (o->help)
		return o->help;
	cli_list_words(&o->to, " (default)", buf, size);
	return buf;
}
