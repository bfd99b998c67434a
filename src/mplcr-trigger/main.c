/* SPDX-License-Identifier: MIT */
/* The command line of mplcr-trigger. */
#include "checkpoint.h"
#include "patched/patched.h"
#include "recover/recover.h"

#include "base/options.h"

static const struct cli tool;

static int trigger_main(int argc, char **argv)
{
	struct options o = OPTIONS_DEFAULT;
	struct err e = { 0 };
	int first = cli_parse(&tool, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0)
		result = options_check(&o, argc - first, argv + first, &e);
	if (result >= 0)
		result = checkpoint_take(&o, &e);
	if (result >= 0)
		result = cli_flush(&e);
	options_release(&o);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

static const struct cli *const verbs[] = { &verb_end_live, &verb_recover, NULL };

static const struct cli tool = {
	.tool = "mplcr-trigger",
	.usage = "--socket PATH [OPTION]... [SECONDS]\nend-live --socket PATH\nrecover [--socket PATH] [--yes] [DIR]",
	.about = "Takes a checkpoint of a running QEMU VM: memory and disks of one instant, in NAME.ckpt.\n"
		 "The VM goes on. From that instant its disks write to new overlays or, with --disks reflink\n"
		 "on a filesystem that can clone, to the same images.",
	.options = trigger_options,
	.run = trigger_main,
	.verbs = verbs,
};

int main(int argc, char **argv)
{
	return cli_main(&tool, argc, argv);
}
