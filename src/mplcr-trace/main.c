/* SPDX-License-Identifier: MIT */
/* The verbs of mplcr-trace. */
#include "tool.h"

int main(int argc, char **argv)
{
	static const struct cli *const verbs[] = {
		&verb_parse, &verb_summary, &verb_compare, &verb_plot, &verb_record, NULL,
	};
	static const struct cli cli = {
		.tool = "mplcr-trace",
		.about = "Turns migration logs into events, tables and pictures: MPLM reports, SystemTap logs, "
			 "QEMU's own\n"
			 "trace log, and the traces of mplcr-trigger.",
		.verbs = verbs,
	};

	return cli_main(&cli, argc, argv);
}
