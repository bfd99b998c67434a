/* SPDX-License-Identifier: MIT */
/* mplcr-snap overlay: its command line. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "checkpoint/claim.h"
#include "checkpoint/trust.h"
#include "image/header/header.h"

void leave_claim(const char *base, const char *overlay)
{
	struct err e;

	if (claim_make(base, overlay, "mplcr-snap", true, &e) < 0)
		cli_note("%s", e.text);
}

static int add_device(void *options, const char *value, struct err *e)
{
	struct overlay_options *o = options;

	return disk_choices_add(&o->devices, value, e);
}

static struct cli_word format_word(size_t i)
{
	return (struct cli_word){ .word = image_format_name((enum image_format)i) };
}

static const struct cli_option option_table[] = {
	{ "absolute", 'a', NULL, "name the backing file by its absolute path",
	  TO_FLAG(struct overlay_options, absolute) },
	{ "backing-format", 'F', "FORMAT",
	  "the format of BACKING (default: by its content,\n"
	  "if that can be trusted)",
	  TO_TEXT(struct overlay_options, backing_format, .word = format_word) },
	TRUST_PATHS_OPTION(struct overlay_options, trust_paths),
	{ "force", 0, NULL, "allow an image that a running VM writes to", TO_FLAG(struct overlay_options, force) },
	{ NULL, 0, NULL, "On a running VM:", CLI_HEADING },
	{ "socket", 's', "PATH", "the VM's QMP socket", TO_SOCKET(struct overlay_options, socket) },
	{ "name", 'n', "NAME", "the overlays are IMAGE_NAME.ovl (default: x1, or the next\nfree one)",
	  TO_TEXT(struct overlay_options, name) },
	{ "device", 'd', "DEV[=FILE]",
	  "only this disk, repeatable (default: all writable disks);\n"
	  "FILE is its overlay",
	  TO_CALL(add_device, .repeats = true) },
	{ NULL, 0, NULL, "Output:", CLI_HEADING },
	{ "json", 'j', NULL, "print JSON", TO_FLAG(struct overlay_options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int check_options(const struct overlay_options *o, int n_operands, struct err *e)
{
	if (o->socket) {
		if (n_operands > 0)
			return err_usage(e, "--socket takes no operands: the VM names its images");
		if (o->backing_format || o->absolute || o->force || o->trust_paths)
			return err_usage(e, "--backing-format, --absolute, --force and --trust-paths are not for a "
					    "running VM");
		return 0;
	}
	if (o->name || o->devices.n > 0)
		return err_usage(e, "--name and --device are for a running VM: --socket is missing");
	return n_operands == 2 ? 0 : err_usage(e, "overlay takes two files: BACKING OVERLAY");
}

static int overlay_main(int argc, char **argv)
{
	struct overlay_options o = { 0 };
	struct err e;
	int first = cli_parse(&verb_overlay, argc, argv, &o, NULL, &e), result = -1;

	if (first >= 0 && check_options(&o, argc - first, &e) == 0)
		result = o.socket ? overlay_live(&o, &e) : overlay_file(&o, argv[first], argv[first + 1], &e);
	disk_choices_release(&o.devices);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_overlay = {
	.tool = "mplcr-snap",
	.verb = "overlay",
	.summary = "a new overlay, offline or on a running VM",
	.usage = "[OPTION]... BACKING OVERLAY\n--socket PATH [--name NAME] [--device DEV[=FILE]]... [OPTION]...",
	.about = "Makes a qcow2 overlay on an image, which is frozen by that: what is written from then on "
		 "goes into the\n"
		 "overlay. On a running VM: overlays on all its disks, at one instant.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 2,
	.run = overlay_main,
};
