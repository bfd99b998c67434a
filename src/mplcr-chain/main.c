/* SPDX-License-Identifier: MIT */
/* The verbs of mplcr-chain. */
#include "tool.h"

int main(int argc, char **argv)
{
	static const struct cli *const verbs[] = {
		&verb_walk,    &verb_verify, &verb_seal,     &verb_tree, &verb_usage,
		&verb_shorten, &verb_prune,  &verb_relocate, NULL,
	};
	static const struct cli cli = {
		.tool = "mplcr-chain",
		.about = "Walks, verifies, draws, shortens and prunes backing chains of disk images, and checkpoints.",
		.verbs = verbs,
	};

	return cli_main(&cli, argc, argv);
}
