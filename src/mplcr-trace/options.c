/* SPDX-License-Identifier: MIT */
/* Options shared by verbs. */
#include "tool.h"

int log_options_parse(const struct cli *cli, int argc, char **argv, struct log_options *o, const char **path,
		      struct err *e)
{
	int first = cli_parse(cli, argc, argv, o, NULL, e);

	if (first < 0)
		return -1;
	if (o->json && o->csv)
		return err_usage(e, "--json does not go with --csv");
	if (argc - first > 1)
		return err_usage(e, "%s takes one log", cli->verb);
	*path = argc > first ? argv[first] : "-";
	return 0;
}
