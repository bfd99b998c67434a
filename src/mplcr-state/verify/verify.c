/* SPDX-License-Identifier: MIT */
/*
 * mplcr-state verify: whether saved VMs are whole. What is wrong is a finding, with the codes of mplcr-chain verify: the
 * files of a checkpoint with their sizes and sums, which reads every page; then the stream in it, with its RAM blocks and
 * devices, against the manifest and its own description.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/path_list.h"
#include "base/text.h"
#include "checkpoint/check.h"
#include "checkpoint/layout.h"
#include "saved/saved.h"
#include "tool.h"

struct options {
	bool fast;
	bool nul_separated;
	bool json;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "no-sums", 0, NULL, "do not compare checksums: pages of memory are not read", TO_FLAG(struct options, fast) },
	{ "null", '0', NULL, "paths on standard input are separated by NUL, not by line feeds", TO_FLAG(struct options, nul_separated) },
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

/* The RAM blocks that the manifest lists against those of the stream. */
static void check_blocks(struct findings *f, const struct saved *s)
{
	const struct manifest *m = s->m;

	for (size_t i = 0; i < m->n_blocks; i++) {
		const struct ram_block *b = ram_find(&s->ram, m->blocks[i].name);

		if (!b)
			findings_add(f, E_STATE_STREAM, m->checkpoint, "its stream declares no RAM block '%s'",
				     m->blocks[i].name);
		else if (b->length != m->blocks[i].length)
			findings_add(f, E_STATE_STREAM, m->checkpoint,
				     "RAM block '%s' has %llu bytes in its stream, and %llu in the manifest", b->name,
				     (unsigned long long)b->length, (unsigned long long)m->blocks[i].length);
	}
	if (m->n_blocks < s->ram.n)
		findings_add(f, E_STATE_STREAM, m->checkpoint, "its stream declares RAM blocks that the manifest does not list");
}

static int read_field(void *ctx, const struct device_field *field, struct err *e)
{
	(void)ctx;
	(void)field;
	(void)e;
	return 0;
}

static void check_devices(struct findings *f, const struct saved *s)
{
	struct err e;

	for (size_t i = 0; i < s->devices.n; i++)
		if (device_fields(&s->devices.list[i], read_field, NULL, &e) < 0)
			findings_add(f, E_STATE_STREAM, s->path, "device '%s': %s", s->devices.list[i].name, e.text);
	if (s->m && s->m->described && !s->devices.description)
		findings_add(f, E_STATE_STREAM, s->m->checkpoint, "its stream has no description, which the manifest says it has");
	if (s->m && s->machine[0] && strcmp(s->machine, s->m->machine) != 0)
		findings_add(f, E_STATE_STREAM, s->m->checkpoint, "its stream is of machine '%s', and the manifest of '%s'",
			     s->machine, s->m->machine);
}

/* What is in the stream. */
static void check_stream(struct findings *f, const char *path)
{
	struct saved s;
	struct err e;

	if (saved_open(&s, path, false, &e) < 0) {
		findings_add(f, E_STATE_STREAM, path, "%s", e.text);
	} else {
		if (s.m)
			check_blocks(f, &s);
		check_devices(f, &s);
	}
	saved_close(&s);
}

static void verify_checkpoint(struct findings *f, const char *dir, bool sums)
{
	struct manifest *m;
	size_t faults;
	struct err e;

	if (checkpoint_is_partial(dir)) {
		findings_add(f, E_PARTIAL, dir, "it is a checkpoint that was not finished, and cannot be used");
		return;
	}
	m = manifest_load(dir, &e);
	if (!m) {
		findings_add(f, E_CHECKPOINT, dir, "%s", e.text);
		return;
	}
	faults = findings_count(f, 'E');
	check_listed(f, m);
	check_files(f, m, sums);
	/* Of files that are not what they were, this has been said. */
	if (!m->layout->is_elsewhere && (findings_count(f, 'E') == faults))
		check_stream(f, dir);
	manifest_free(m);
}

static void verify_path(struct findings *f, const char *path, bool sums)
{
	struct stat st;

	if (stat(path, &st) < 0)
		findings_add(f, E_MISSING, path, "%s", strerror(errno));
	else if (S_ISDIR(st.st_mode))
		verify_checkpoint(f, path, sums);
	else if (S_ISREG(st.st_mode))
		check_stream(f, path);
	else
		findings_add(f, E_NOT_REGULAR, path, "it is neither a checkpoint nor a file");
}

static int print_json(const struct findings *f, size_t n, struct err *e)
{
	size_t faults = findings_count(f, 'E');
	_cleanup_json_ json_t *object =
		json_of("{s:s, s:b, s:I, s:I, s:I, s:I, s:o}", "schema", "mplcr.state.verify/1", "sound", faults == 0,
			"states", (json_int_t)n, "faults", (json_int_t)faults, "warnings",
			(json_int_t)findings_count(f, 'W'), "notes", (json_int_t)findings_count(f, 'N'), "findings",
			findings_to_json(f));

	return json_print(object, e);
}

static int print(const struct findings *f, size_t n, bool json, struct err *e)
{
	size_t faults = findings_count(f, 'E');

	if (json && print_json(f, n, e) < 0)
		return -1;
	if (!json)
		findings_print(f);
	if (cli_flush(e) < 0)
		return -1;
	cli_note("%zu saved VM%s, %s: %zu fault%s", n, n == 1 ? "" : "s", faults ? "not sound" : "sound", faults,
		 faults == 1 ? "" : "s");
	return faults ? EXIT_NO : EXIT_DONE;
}

static int verify_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct path_list operands = { 0 };
	struct findings f = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_verify, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first == argc)
		result = err_usage(&e, "which checkpoints or files?");
	if (result >= 0)
		result = path_list_read(&operands, argv + first, (size_t)(argc - first), o.nul_separated, &e);
	for (size_t i = 0; result >= 0 && i < operands.n; i++) {
		cli_progress_line("%zu of %zu: %s", i + 1, operands.n, operands.paths[i]);
		verify_path(&f, operands.paths[i], !o.fast);
	}
	cli_progress_end();
	if (result >= 0)
		result = print(&f, operands.n, o.json, &e);
	findings_release(&f);
	path_list_release(&operands);
	return result < 0 ? cli_report(&e) : result;
}

const struct cli verb_verify = {
	.tool = "mplcr-state",
	.verb = "verify",
	.summary = "whether saved VMs are whole and readable",
	.usage = "[OPTION]... CHECKPOINT|FILE|-...",
	.about = "Checks that checkpoints and files with a migration stream are whole: reads all files, compares sizes and\n"
		 "checksums, and follows the stream to its end. Prints one line for each finding, with the codes of\n"
		 "mplcr-chain verify.",
	.options = option_table,
	.operands = CLI_FILES,
	.run = verify_main,
};
