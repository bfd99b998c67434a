/* SPDX-License-Identifier: MIT */
/* Options that several verbs have. */
#include "tool.h"

#include <string.h>

int set_format(enum format *format, const char *value, struct err *e)
{
	bool known;

	*format = format_named(value, &known);
	return known ? 0 : err_usage(e, "--format: '%s' is not auto, mplm, stap, qemu or mplcr", value);
}

int log_options_set(void *ctx, const char *name, const char *value, struct err *e)
{
	struct log_options *o = ctx;

	if (strcmp(name, "format") == 0)
		return set_format(&o->format, value, e);
	o->unknown = o->unknown || strcmp(name, "unknown") == 0;
	o->json = o->json || strcmp(name, "json") == 0;
	o->csv = o->csv || strcmp(name, "csv") == 0;
	return o->json && o->csv ? err_usage(e, "--json and --csv: one of them") : 0;
}

int log_options_parse(const struct cli *cli, int argc, char **argv, struct log_options *o, const char **path,
		      struct err *e)
{
	int first = cli_parse(cli, argc, argv, o, NULL, e);

	if (first < 0)
		return -1;
	if (argc - first > 1)
		return err_usage(e, "%s takes one log", cli->verb);
	*path = argc > first ? argv[first] : "-";
	return 0;
}
