/* SPDX-License-Identifier: MIT */
/* mplcr-state info: what is in a saved VM. */
#include "info/info.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "tool.h"

struct options {
	const char *device; /* NULL: not asked for; "": the list */
	bool json;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "device", 'd', "NAME", "print the fields of this device, NAME or NAME:INSTANCE;\nwithout NAME: list all devices", TO_TEXT(struct options, device) },
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

static void print_pair(const char *name, const char *value)
{
	_cleanup_free_ char *line = text_of("%-12s%s", name, value && *value ? value : "-");

	escape_line(line);
}

static void print_head(const struct saved *s)
{
	_cleanup_free_ char *state = saved_run_state(s), *kind = NULL, *version = NULL;
	const struct manifest *m = s->m;
	const char *packed = s->input.packed;
	char bytes[16];

	kind = text_of("%s%s%s%s", m ? "checkpoint, layout " : s->input.form, m ? m->layout->name : "",
		       packed ? ", " : "", packed ? packed : "");
	if (m)
		version = text_of("%d.%d.%d%s%s%s", m->qemu_version / 10000, m->qemu_version / 100 % 100,
				  m->qemu_version % 100, m->qemu_package && *m->qemu_package ? " (" : "",
				  m->qemu_package ? m->qemu_package : "", m->qemu_package && *m->qemu_package ? ")" : "");
	print_pair("path", s->path);
	print_pair("kind", kind);
	print_pair("QEMU", version);
	print_pair("machine", s->machine);
	print_pair("run state", m && m->run_state ? m->run_state : state);
	print_pair("saved as", state);
	print_pair("stream", number_bytes(s->stream_bytes, bytes));
}

/* The width of a column of names, escaped. */
static int width_of(const char *name, int width)
{
	_cleanup_free_ char *clean = escape(name);
	int length = (int)strlen(clean);

	return length > width ? length : width;
}

static void print_name(const char *name, int width)
{
	_cleanup_free_ char *clean = escape(name);

	printf("%-*s", width, clean);
}

static void print_blocks(const struct saved *s)
{
	int width = 12;
	char size[16], stored[16], zero[16], holes[16];

	for (size_t i = 0; i < s->ram.n; i++)
		width = width_of(s->ram.blocks[i].name, width);
	printf("\n%-*s  %10s  %10s  %10s  %10s\n", width, "RAM block", "size", "stored", "zero", "holes");
	for (size_t i = 0; i < s->ram.n; i++) {
		const struct ram_block *b = &s->ram.blocks[i];
		uint64_t known = (b->stored + b->zero) * STREAM_PAGE;

		print_name(b->name, width);
		printf("  %10s  %10s  %10s  %10s\n", number_bytes(b->length, size),
		       number_bytes(b->stored * STREAM_PAGE, stored), number_bytes(b->zero * STREAM_PAGE, zero),
		       number_bytes(b->length - known, holes));
	}
}

void info_print_devices(const struct saved *s)
{
	int width = 12;

	for (size_t i = 0; i < s->devices.n; i++)
		width = width_of(s->devices.list[i].name, width);
	printf("%-*s  %10s  %10s  %10s\n", width, "device", "instance", "version", "size");
	for (size_t i = 0; i < s->devices.n; i++) {
		const struct device *d = &s->devices.list[i];

		print_name(d->name, width);
		printf("  %10u  %10u  %10zu\n", d->instance, d->version, d->size);
	}
}

static int info(const struct saved *s, bool json, struct err *e)
{
	if (json) {
		_cleanup_json_ json_t *whole = info_to_json(s);

		return json_print(whole, e);
	}
	print_head(s);
	if (s->m && s->m->layout->is_elsewhere)
		return 0;
	print_blocks(s);
	putchar('\n');
	info_print_devices(s);
	return 0;
}

/* That there is nothing to tell the devices by. */
static void note_missing(const struct saved *s)
{
	if (s->m && s->m->layout->is_elsewhere)
		cli_note("the state was sent to '%s': it is in no file", s->m->receiver);
	else if (!s->devices.description)
		cli_note("the state has no description (suppress-vmdesc=on, or a machine type before 2.3): "
			 "its devices are not known");
}

/* `--device` with nothing behind it lists the devices: getopt knows no such option. */
static void allow_bare_device(int argc, char **argv)
{
	static char bare[] = "--device=";

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if ((strcmp(argv[i], "--device") == 0 || strcmp(argv[i], "-d") == 0) &&
		    (i + 1 == argc || argv[i + 1][0] == '-'))
			argv[i] = bare;
}

/* The operand: "--device PATH" alone is the list of devices of PATH. */
static const char *operand(struct options *o, int argc, char **argv, int first, struct err *e)
{
	const char *path = first < argc ? argv[first] : NULL;

	if (!path && o->device && *o->device) {
		path = o->device;
		o->device = "";
	}
	if (!path)
		err_usage(e, "which checkpoint or file?");
	else if (first + 1 < argc) {
		err_usage(e, "one checkpoint or file at a time");
		return NULL;
	}
	return path;
}

static int info_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct saved s = { .dirfd = -1, .input = { .file = -1 }, .ram = { .fd = -1 } };
	struct err e = { 0 };
	const char *path;
	int first, result = -1;

	allow_bare_device(argc, argv);
	first = cli_parse(&verb_info, argc, argv, &o, NULL, &e);
	path = first >= 0 ? operand(&o, argc, argv, first, &e) : NULL;
	if (path && saved_open(&s, path, false, &e) == 0) {
		note_missing(&s);
		result = o.device ? info_device(&s, o.device, o.json, &e) : info(&s, o.json, &e);
	}
	if (result == 0)
		result = cli_flush(&e);
	saved_close(&s);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_info = {
	.tool = "mplcr-state",
	.verb = "info",
	.summary = "what is in a saved VM: machine, memory, devices and their fields",
	.usage = "[OPTION]... CHECKPOINT|FILE",
	.about = "Prints what is in a checkpoint, or in a file with a migration stream: QEMU, machine, RAM blocks and\n"
		 "devices, as the stream describes them.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 1,
	.run = info_main,
};
