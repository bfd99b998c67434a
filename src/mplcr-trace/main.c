/* SPDX-License-Identifier: MIT */
/* The verbs of mplcr-trace. */
#include "tool.h"

#include "base/cli.h"

int main(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "parse", "a log as events, one JSON object a line", verb_parse },
		{ "summary", "phases, iterations, figures of each checkpoint of a log", verb_summary },
		{ "compare", "logs side by side, with ratios", verb_compare },
		{ "plot", "a log as a picture, or in the terminal", verb_plot },
		{ "record", "watch the migration of a running VM", verb_record },
		CLI_VERBS_END,
	};

	return cli_main(
		"mplcr-trace",
		"Turns migration logs into events, tables and pictures: reports of MPLM, SystemTap logs, QEMU's own\n"
		"trace log, and the traces of mplcr-trigger.",
		verbs, argc, argv);
}
