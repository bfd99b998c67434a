/* SPDX-License-Identifier: MIT */
/* The verbs of mplcr-snap. */
#include "tool.h"

int main(int argc, char **argv)
{
	static const struct cli *const verbs[] = {
		&verb_overlay, &verb_reflink, &verb_subvolume, &verb_list, &verb_remove, &verb_probe, NULL,
	};
	static const struct cli cli = {
		.tool = "mplcr-snap",
		.about = "Freezes disk images: overlays, copies that share their data, snapshots of subvolumes.",
		.verbs = verbs,
	};

	return cli_main(&cli, argc, argv);
}
