/* SPDX-License-Identifier: MIT */
/* The verbs of mplcr-snap. */
#include "tool.h"

#include "base/cli.h"

int main(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "overlay", "a new overlay, offline or on a running VM", verb_overlay },
		{ "reflink", "copies of files that share their data, all or none", verb_reflink },
		{ "subvolume", "a btrfs snapshot", verb_subvolume },
		{ "list", "the sets and overlays of a directory", verb_list },
		{ "remove", "remove what nothing else stands on", verb_remove },
		{ "probe", "what a filesystem can do", verb_probe },
		CLI_VERBS_END,
	};

	return cli_main("mplcr-snap",
			"Freezes disk images: overlays, copies that share their data, snapshots of subvolumes.", verbs,
			argc, argv);
}
