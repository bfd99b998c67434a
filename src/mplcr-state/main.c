/* SPDX-License-Identifier: MIT */
/* The verbs of mplcr-state. */
#include "tool.h"

int main(int argc, char **argv)
{
	static const struct cli *const verbs[] = {
		&verb_info,
		&verb_cat,
		&verb_verify,
		&verb_diff,
		&verb_split,
		&verb_read,
		&verb_pack,
		&verb_unpack,
		NULL,
	};
	static const struct cli cli = {
		.tool = "mplcr-state",
		.about = "Looks into saved VMs: checkpoints, and migration streams that others saved.",
		.verbs = verbs,
	};

	return cli_main(&cli, argc, argv);
}
