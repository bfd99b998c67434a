/* SPDX-License-Identifier: MIT */
/* The command line of mplcr-trigger. */
#include "checkpoint.h"
#include "patched/patched.h"

#include <string.h>

#include "base/cli.h"

static const struct cli_option option_table[] = {
	{ NULL, 0, NULL, "What and where:" },
	{ "socket", 's', "PATH", "the VM's QMP socket (required)" },
	{ "name", 'n', "NAME", "name of the checkpoint (default: the next free of x1, x2, ...)" },
	{ "dir", 'd', "DIR",
	  "where NAME.ckpt and the overlays go (default: beside the image\nof the VM's first disk)" },
	{ "layout", 0, "LAYOUT", "pages (default; restores lazily) or stream (one file)" },
	{ "compress", 0, "METHOD", "zstd or zstd:LEVEL (1 to 19), for layout stream" },
	{ "disks", 0, "MODE",
	  "overlay (default), reflink or subvolume: clones in NAME.ckpt/disks,\nand the chain does not grow; auto: "
	  "reflink "
	  "where possible, else\noverlay; none: no disk is frozen" },
	{ "device", 0, "DEV[=FILE]", "freeze only this disk, its overlay in FILE; repeatable" },
	{ "leave-out", 0, "DEV", "do not freeze this writable disk; repeatable" },
	{ "include", 0, "FILE", "keep this file too, as it is in the pause; repeatable" },
	{ "include-from", 0, "LIST", "the same for the files named in LIST, one a line; - is standard\ninput" },
	{ NULL, 0, NULL, "How:" },
	{ "engine", 'e', "ENGINE", "auto (default), background, precopy, mplcr or stop" },
	{ "max-bandwidth", 0, "BYTES",
	  "per second, at most (K, M, G allowed; default: no limit);\nQEMU does not limit a background snapshot" },
	{ "max-pause", 0, "MS", "give up, with the VM running, rather than pause longer" },
	{ "at-freeze", 0, "CMD", "run this shell command in the pause; its failure fails the\ncheckpoint" },
	{ "at-freeze-timeout", 0, "SECONDS", "how long it may take (default 5)" },
	{ "passes", 0, "N", "precopy: passes before the pause may grow (default 8)" },
	{ "accept-unsafe-precopy", 0, NULL, "precopy even where QEMU is known to lose guest writes" },
	{ "timeout", 't', "SECONDS", "give up, with the VM running, after this time" },
	{ "leave-paused", 0, NULL, "leave the VM paused at the instant of the checkpoint" },
	{ "dry-run", 0, NULL, "check everything, say what would be done, and do nothing" },
	{ NULL, 0, NULL, "With the MPLCR-patched QEMU (engine mplcr):" },
	{ "mplm", 0, "SETTINGS",
	  "interval=SECONDS,dirty=PERCENT,relax=on|off,\nfirst-nondirty=on|off: how memory is sent" },
	{ "max-rate", 0, NULL, "no limit of bandwidth; its live stage may then never end" },
	{ "extend-live", 0, NULL,
	  "the live stage lasts SECONDS, where given as argument, or until\n'mplcr-trigger end-live', SIGUSR1 or "
	  "SIGINT ends it" },
	{ "uri", 0, "URI", "send the state to tcp:HOST:PORT, where a QEMU waits for it" },
	{ NULL, 0, NULL, "Output:" },
	{ "json", 'j', NULL, "print the manifest as one JSON object" },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

int main(int argc, char **argv)
{
	const struct cli cli = {
		.tool = "mplcr-trigger",
		.usage = "--socket PATH [OPTION]... [SECONDS]\nend-live --socket PATH",
		.about = "Takes a checkpoint of a running QEMU VM: memory and disks of one instant, in NAME.ckpt.\n"
			 "The VM goes on; its disks write to new overlays from that instant on, or, where the\n"
			 "filesystem can clone them, to the same images (--disks reflink).",
		.options = option_table,
		.set = options_set,
	};
	struct options o = OPTIONS_DEFAULT;
	struct err e = { 0 };
	int first, result;

	if (argc > 1 && strcmp(argv[1], "end-live") == 0)
		return live_main(argc - 1, argv + 1);
	first = cli_parse(&cli, argc, argv, &o, NULL, &e);
	result = first < 0 || options_check(&o, argc - first, argv + first, &e) < 0 || checkpoint_take(&o, &e) < 0 ||
				 cli_flush(&e) < 0
			 ? -1
			 : 0;
	options_release(&o);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}
