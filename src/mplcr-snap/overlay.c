/* SPDX-License-Identifier: MIT */
/* mplcr-snap overlay: its command line. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

static const struct cli_option option_table[] = {
	{ "absolute", 'a', NULL, "name the backing file by its absolute path" },
	{ "backing-format", 'F', "FORMAT",
	  "the format of BACKING (default: what its content says,\n"
	  "where that can be trusted)" },
	{ "force", 0, NULL, "also on an image that a running VM writes to" },
	{ NULL, 0, NULL, "On a running VM:" },
	{ "socket", 's', "PATH", "the VM's QMP socket" },
	{ "name", 'n', "NAME", "the overlays are IMAGE_NAME.ovl (default: x1, or the next\nfree one)" },
	{ "device", 'd', "DEV[=FILE]",
	  "this disk, repeatable (default: all that can be written);\n"
	  "FILE is its overlay" },
	{ NULL, 0, NULL, "Output:" },
	{ "json", 'j', NULL, "print JSON" },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int add_device(struct overlay_options *o, const char *value, struct err *e)
{
	const char *equals = strchr(value, '=');
	size_t n = equals ? (size_t)(equals - value) : strlen(value);

	if (n == 0 || (equals && !equals[1]))
		return err_usage(e, "--device: '%s' is not DEV or DEV=FILE", value);
	*array_add(o->devices, o->n_devices) = (struct live_device){
		.device = text_of("%.*s", (int)n, value),
		.file = equals ? text_copy(equals + 1) : NULL,
	};
	return 0;
}

static int set_option(void *ctx, const char *name, const char *value, struct err *e)
{
	struct overlay_options *o = ctx;

	if (strcmp(name, "device") == 0)
		return add_device(o, value, e);
	if (strcmp(name, "backing-format") == 0)
		o->backing_format = value;
	if (strcmp(name, "socket") == 0)
		o->socket = value;
	if (strcmp(name, "name") == 0)
		o->name = value;
	o->absolute |= strcmp(name, "absolute") == 0;
	o->force |= strcmp(name, "force") == 0;
	o->json |= strcmp(name, "json") == 0;
	return 0;
}

static int check_options(const struct overlay_options *o, int n_operands, struct err *e)
{
	if (o->socket) {
		if (n_operands > 0)
			return err_usage(e, "with --socket there are no operands: the VM says which its images are");
		if (o->backing_format || o->absolute || o->force)
			return err_usage(e, "--backing-format, --absolute and --force are not for a running VM");
		return 0;
	}
	if (o->name || o->n_devices > 0)
		return err_usage(e, "--name and --device are for a running VM: --socket is missing");
	return n_operands == 2 ? 0 : err_usage(e, "overlay takes two files: BACKING OVERLAY");
}

int verb_overlay(int argc, char **argv)
{
	static const struct cli cli = {
		.tool = "mplcr-snap",
		.verb = "overlay",
		.usage =
			"[OPTION]... BACKING OVERLAY\n--socket PATH [--name NAME] [--device DEV[=FILE]]... [OPTION]...",
		.about = "Makes a qcow2 overlay on an image, which is frozen by that: what is written from then on "
			 "goes into the\n"
			 "overlay. On a running VM: overlays on all its disks, at one instant.",
		.options = option_table,
		.set = set_option,
	};
	struct overlay_options o = { 0 };
	struct err e;
	int first = cli_parse(&cli, argc, argv, &o, NULL, &e), result = -1;

	if (first >= 0 && check_options(&o, argc - first, &e) == 0)
		result = o.socket ? overlay_live(&o, &e) : overlay_file(&o, argv[first], argv[first + 1], &e);
	for (size_t i = 0; i < o.n_devices; i++) {
		free(o.devices[i].device);
		free(o.devices[i].file);
	}
	free(o.devices);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}
