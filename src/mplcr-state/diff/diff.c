/* SPDX-License-Identifier: MIT */
/* mplcr-state diff: what differs between two saved VMs. */
#include "diff/diff.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "diff/map.h"
#include "tool.h"

struct options {
	bool summary;
	bool json;
	struct map map;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "summary", 's', NULL, "print no ranges and no fields", TO_FLAG(struct options, summary) },
	{ "map", 'm', "FILE", "draw memory into FILE.svg, FILE.png or FILE.txt; -: on standard output, in letters",
	  TO_FILE(struct options, map.path) },
	{ "force", 0, NULL, "overwrite the map's FILE if it exists", TO_FLAG(struct options, map.force) },
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

static bool differs(const struct memory_diff *m, const json_t *devices)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->blocks[i].pages || m->blocks[i].sizes[0] != m->blocks[i].sizes[1])
			return true;
	return json_array_size(devices) > 0;
}

static json_t *block_to_json(const struct block_diff *b)
{
	json_t *ranges = json_array();

	for (size_t i = 0; i < b->n; i++)
		json_array_append_new(ranges, json_of("{s:I, s:I, s:I, s:I}", "offset", (json_int_t)b->ranges[i].from, "length",
						      (json_int_t)(b->ranges[i].to - b->ranges[i].from), "pages",
						      (json_int_t)((b->ranges[i].to - b->ranges[i].from) / STREAM_PAGE),
						      "bytes", (json_int_t)b->ranges[i].bytes));
	return json_of("{s:o, s:I, s:I, s:I, s:I, s:o}", "name", json_string_of(b->name), "size_a", (json_int_t)b->sizes[0],
		       "size_b", (json_int_t)b->sizes[1], "pages", (json_int_t)b->pages, "bytes", (json_int_t)b->bytes,
		       "ranges", ranges);
}

static int print_json(const struct saved s[2], const struct memory_diff *m, json_t *devices, struct err *e)
{
	json_t *blocks = json_array();
	_cleanup_json_ json_t *whole =
		json_of("{s:s, s:o, s:o, s:b, s:o, s:O}", "schema", "mplcr.state.diff/1", "a", json_string_of(s[0].path),
			"b", json_string_of(s[1].path), "same", !differs(m, devices), "ram_blocks", blocks, "devices",
			devices);

	for (size_t i = 0; i < m->n; i++)
		json_array_append_new(blocks, block_to_json(&m->blocks[i]));
	return json_print(whole, e);
}

static void print_block(const struct block_diff *b, bool summary)
{
	char a_size[16], b_size[16];
	_cleanup_free_ char *line = NULL;

	if (!b->pages && b->sizes[0] == b->sizes[1])
		return;
	line = text_of("%s: %llu of %llu pages differ, %llu bytes%s%s%s%s", b->name, (unsigned long long)b->pages,
		       (unsigned long long)(b->sizes[0] > b->sizes[1] ? b->sizes[0] : b->sizes[1]) / STREAM_PAGE,
		       (unsigned long long)b->bytes, b->sizes[0] != b->sizes[1] ? "; its size is " : "",
		       b->sizes[0] != b->sizes[1] ? number_bytes(b->sizes[0], a_size) : "",
		       b->sizes[0] != b->sizes[1] ? " and " : "",
		       b->sizes[0] != b->sizes[1] ? number_bytes(b->sizes[1], b_size) : "");
	escape_line(line);
	for (size_t i = 0; !summary && i < b->n; i++)
		printf("  0x%010llx-0x%010llx  %8llu page%s  %10llu bytes\n", (unsigned long long)b->ranges[i].from,
		       (unsigned long long)b->ranges[i].to - 1,
		       (unsigned long long)(b->ranges[i].to - b->ranges[i].from) / STREAM_PAGE,
		       b->ranges[i].to - b->ranges[i].from == STREAM_PAGE ? " " : "s",
		       (unsigned long long)b->ranges[i].bytes);
}

static void print_field(const json_t *field)
{
	const char *a = json_text(field, "a"), *b = json_text(field, "b");
	_cleanup_free_ char *line =
		text_of("  %-40s %s -> %s", json_text(field, "name"), a ? a : "(none)", b ? b : "(none)");

	escape_line(line);
}

static void print_device(const json_t *device, bool summary)
{
	const char *only = json_text(device, "only");
	const json_t *fields = json_object_get(device, "fields"), *field;
	_cleanup_free_ char *line = text_of("%s, instance %lld: ", json_text(device, "name"),
					    (long long)json_int(device, "instance", 0)),
			    *whole = NULL;
	size_t i, n = json_array_size(fields);

	whole = only ? text_of("%sonly in %s", line, only[0] == 'a' ? "the first" : "the second")
		     : text_of("%s%zu field%s", line, n, n == 1 ? " differs" : "s differ");
	escape_line(whole);
	if (summary)
		return;
	json_array_foreach (fields, i, field)
		print_field(field);
}

static void print_text(const struct memory_diff *m, const json_t *devices, bool summary)
{
	const json_t *device;
	size_t i;

	for (i = 0; i < m->n; i++)
		print_block(&m->blocks[i], summary);
	json_array_foreach (devices, i, device)
		print_device(device, summary);
}

/* A map in a file comes first: where it cannot be made, nothing is printed. On the screen it is last. */
static int show(const struct saved s[2], const struct memory_diff *m, json_t *devices, struct options *o, struct err *e)
{
	bool last = o->map.path && strcmp(o->map.path, "-") == 0;

	o->map.s = s;
	o->map.d = m;
	if (o->map.path && !last && map_draw(&o->map, e) < 0)
		return -1;
	if (o->json)
		return print_json(s, m, devices, e);
	print_text(m, devices, o->summary);
	if (!last)
		return 0;
	if (differs(m, devices))
		putchar('\n');
	return map_draw(&o->map, e);
}

static int compare(const struct saved s[2], struct options *o, struct err *e)
{
	struct memory_diff m = { .most_cells = map_most_cells(&o->map) };
	_cleanup_json_ json_t *devices = NULL;
	int result = -1;

	if (diff_memory(&s[0], &s[1], &m, e) == 0 && (devices = diff_devices(&s[0], &s[1], e)) != NULL &&
	    show(s, &m, devices, o, e) == 0)
		result = differs(&m, devices) ? EXIT_NO : EXIT_DONE;
	diff_memory_release(&m);
	return result;
}

static int check(struct options *o, struct err *e)
{
	if (o->map.force && !o->map.path)
		return err_usage(e, "--force goes with --map");
	if (o->json && o->map.path && strcmp(o->map.path, "-") == 0)
		return err_usage(e, "--json and --map - both go to standard output");
	return map_check(&o->map, e);
}

static int diff_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct saved s[2] = {
		{ .dirfd = -1, .input = { .file = -1 }, .ram = { .fd = -1 } },
		{ .dirfd = -1, .input = { .file = -1 }, .ram = { .fd = -1 } },
	};
	struct err e = { 0 };
	int first = cli_parse(&verb_diff, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first + 2 != argc)
		result = err_usage(&e, "which two checkpoints or files?");
	if (result >= 0)
		result = check(&o, &e);
	for (int i = 0; result >= 0 && i < 2; i++)
		result = saved_open(&s[i], argv[first + i], true, &e);
	if (result >= 0)
		result = compare(s, &o, &e);
	if (result >= 0 && cli_flush(&e) < 0)
		result = -1;
	saved_close(&s[0]);
	saved_close(&s[1]);
	return result < 0 ? cli_report(&e) : result;
}

const struct cli verb_diff = {
	.tool = "mplcr-state",
	.verb = "diff",
	.summary = "what differs between two saved VMs: pages, bytes, fields of devices",
	.usage = "[OPTION]... CHECKPOINT|FILE CHECKPOINT|FILE",
	.about = "Compares the memory of two saved VMs page by page, and their devices field by field. The exit status is\n"
		 "0 where they are the same, and 1 where they differ.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 2,
	.run = diff_main,
};
