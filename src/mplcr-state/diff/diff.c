/* SPDX-License-Identifier: MIT */
/* mplcr-state diff: what differs between two saved VMs. */
#include "diff/diff.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "tool.h"

struct options {
	bool summary;
	bool json;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "summary", 's', NULL, "print no ranges and no fields", TO_FLAG(struct options, summary) },
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

static int compare(struct saved s[2], const struct options *o, struct err *e)
{
	struct memory_diff m = { 0 };
	_cleanup_json_ json_t *devices = NULL;
	const json_t *device;
	int result = -1;
	size_t i;

	if (diff_memory(&s[0], &s[1], &m, e) == 0 && (devices = diff_devices(&s[0], &s[1], e)) != NULL)
		result = differs(&m, devices) ? EXIT_NO : EXIT_DONE;
	if (result >= 0 && o->json && print_json(s, &m, devices, e) < 0)
		result = -1;
	for (i = 0; result >= 0 && !o->json && i < m.n; i++)
		print_block(&m.blocks[i], o->summary);
	if (result >= 0 && !o->json)
		json_array_foreach (devices, i, device)
			print_device(device, o->summary);
	diff_memory_release(&m);
	return result;
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
