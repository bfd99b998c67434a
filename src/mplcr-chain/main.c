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
		.about = "Works on backing chains of disk images and on checkpoints: walk, verify, draw, shorten, "
			 "prune, move.",
		.verbs = verbs,
	};

	return cli_main(&cli, argc, argv);
}
