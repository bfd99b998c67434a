/* SPDX-License-Identifier: MIT */
#include "base/completion/completion.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/completion/impl.h"

const struct cli_option *completion_options(const struct cli *cli)
{
	static const struct cli_option verbless[] = {
		{ "help", 'h', NULL, "print the verbs", { .type = &cli_type_help } },
		{ "version", 'V', NULL, "print the version", { .type = &cli_type_version } },
		CLI_END,
	};

	return cli->options ? cli->options : verbless;
}

const struct cli_option *completion_next(const struct cli_option *o)
{
	while (!o->name && o->help)
		o++;
	return o->name ? o : NULL;
}

bool completion_repeats(const struct cli_option *o)
{
	return o->to.repeats || o->to.type->repeats;
}

bool completion_goes_on(const struct cli_option *o)
{
	const char *word;

	for (size_t i = 0; (word = cli_word_at(&o->to, i).word); i++)
		if (strchr("=:", word[strlen(word) - 1]))
			return true;
	return false;
}

void completion_put_function(const struct cli *tool)
{
	putchar('_');
	for (const char *c = tool->tool; *c; c++)
		putchar(isalnum((unsigned char)*c) ? *c : '_');
}

void completion_put_text(const char *text, const char *special, const char *quote)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\'') {
			fputs(quote, stdout);
			continue;
		}
		if (strchr(special, *c))
			putchar('\\');
		putchar(*c == '\n' ? ' ' : *c);
	}
}

/* --- tables that contradict themselves -------------------------------------------------------------------------- */

static int check_row(const struct cli *cli, const struct cli_option *o, struct err *e)
{
	if (!o->to.type->set)
		return err_set(e, "%s: --%s has no type", cli->tool, o->name);
	if (o->to.type->takes_value != (o->value != NULL))
		return err_set(e, "%s: --%s: the type and the help differ on whether there is a value", cli->tool,
			       o->name);
	for (const struct cli_option *p = completion_next(completion_options(cli)); p < o; p = completion_next(p + 1))
		if (strcmp(p->name, o->name) == 0 || (p->letter && p->letter == o->letter))
			return err_set(e, "%s: --%s and --%s are the same", cli->tool, p->name, o->name);
	return 0;
}

static int check(const struct cli *cli, struct err *e)
{
	for (COMPLETION_EACH(o, cli))
		if (check_row(cli, o, e) < 0)
			return -1;
	for (const struct cli *const *v = cli->verbs; v && *v; v++)
		if (check(*v, e) < 0)
			return -1;
	return 0;
}

int completion_print(const struct cli *tool, const char *shell, struct err *e)
{
	static const struct {
		const char *shell;
		void (*print)(const struct cli *tool);
	} writers[] = { { "bash", completion_bash }, { "zsh", completion_zsh }, { "fish", completion_fish } };

	if (check(tool, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		if (strcmp(writers[i].shell, shell) == 0) {
			writers[i].print(tool);
			return 0;
		}
	return err_usage(e, "--completion: '%s' is not bash, zsh or fish", shell);
}
