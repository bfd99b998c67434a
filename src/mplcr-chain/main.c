/* SPDX-License-Identifier: MIT */
/* The verbs of mplcr-chain. */
#include "tool.h"

#include "base/cli.h"

int main(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "walk", "the images of a chain, top first", verb_walk },
		{ "verify", "find what is wrong with chains and checkpoints", verb_verify },
		{ "seal", "record what images are now, for verify", verb_seal },
		{ "tree", "all images and checkpoints below a directory", verb_tree },
		{ "usage", "what each layer of a chain stores and hides", verb_usage },
		{ "shorten", "merge layers of a chain", verb_shorten },
		{ "prune", "drop old checkpoints and merge their overlays", verb_prune },
		{ "relocate", "move or copy a checkpoint or a chain as a whole", verb_relocate },
		CLI_VERBS_END,
	};

	return cli_main("mplcr-chain",
			"Walks, verifies, draws, shortens and prunes backing chains of disk images, and checkpoints.",
			verbs, argc, argv);
}
