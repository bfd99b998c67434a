/* SPDX-License-Identifier: MIT */
/* The verb verify: options, operands, and what is printed. */
#include "verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "verify/deep.h"
#include "base/json.h"
#include "base/number.h"
#include "base/path_list.h"
#include "seal/seal.h"
#include "tool.h"

#define TIMEOUT_MS 600000

/* clang-format off */
static const struct cli_option option_table[] = {
	MAX_DEPTH_OPTION(struct verify_options),
	{ "trust-paths", 't', NULL, "also open files outside of the image's tree", TO_FLAG(struct verify_options, trust_paths) },
	{ "also", 0, "DIR", "look below DIR for images that need one of these and have\nleft no claim with it; repeatable", TO_LIST(struct verify_options, also, CLI_DIRECTORIES) },
	{ "follow-remote", 0, NULL, "ask QEMU whether it can open images that are not local files", TO_FLAG(struct verify_options, follow_remote) },
	{ "sums", 'S', NULL, "read the files of a checkpoint and compare their checksums", TO_FLAG(struct verify_options, sums) },
	{ "deep", 'D', NULL, "read each image as a whole: qemu-img check, checksums of guest data", TO_FLAG(struct verify_options, deep) },
	{ "timeout", 'T', "SECONDS", "longest time that --deep spends on an image (default: 600)", TO_SECONDS(struct verify_options, timeout_ms, 0) },
	{ "strict", 's', NULL, "count warnings as faults", TO_FLAG(struct verify_options, strict) },
	{ "null", '0', NULL, "paths on standard input are separated by NUL, not by line feeds", TO_FLAG(struct verify_options, nul_separated) },
	{ "json", 'j', NULL, "print JSON", TO_FLAG(struct verify_options, json) },
	{ NULL, 0, NULL, "General:", CLI_HEADING },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

/* --- reading chains --------------------------------------------------------------------------------------------- */

struct reading {
	struct verify *v;
	struct trust *trust;
};

static bool may_open(void *ctx, const char *path, bool is_link)
{
	return trust_allows_file(((struct reading *)ctx)->trust, path, is_link);
}

static void on_image(void *ctx, const struct chain_image *image, const uint8_t *head, size_t n)
{
	opinions_ask(((struct reading *)ctx)->v->opinions, image, head, n);
}

struct chain *verify_read(struct verify *v, const char *path, const char *format, size_t max_depth,
			  const struct manifest_disk *disk, struct trust *trust)
{
	struct reading reading = { v, trust };
	const struct chain_options options = {
		.format = format,
		.max_depth = max_depth,
		.use = &v->use,
		.end = true,
		.may_open = may_open,
		.on_image = on_image,
		.ctx = &reading,
	};
	struct chain *c = chain_read_with(path, &options);

	*array_add(v->chains, v->n_chains) = (struct verified_chain){ c, disk };
	return c;
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Returns 0, or -1 where it was interrupted. */
static int verify_all(struct verify *v, const struct path_list *operands, struct err *e)
{
	v->opinions = opinions_new();
	for (size_t i = 0; i < operands->n; i++) {
		if (is_directory(operands->paths[i]))
			verify_checkpoint(v, operands->paths[i]);
		else
			verify_image(v, operands->paths[i]);
	}
	opinions_compare(v->opinions, &v->findings); /* its process ends while seals are looked for */
	for (size_t i = 0; i < v->n_chains; i++)
		seal_check(&v->findings, v->chains[i].chain);
	if (verify_claims(v, e) < 0)
		return -1;
	return v->options.deep ? deep_verify(v, e) : 0;
}

static bool is_sound(const struct verify *v)
{
	return findings_count(&v->findings, 'E') == 0 && (!v->options.strict || findings_count(&v->findings, 'W') == 0);
}

static int print_json(const struct verify *v, struct err *e)
{
	_cleanup_json_ json_t *object =
		json_of("{s:s, s:b, s:i, s:i, s:i, s:i, s:o}", "schema", "mplcr.chain.verify/1", "sound", is_sound(v),
			"images", (int)v->n_images, "faults", (int)findings_count(&v->findings, 'E'), "warnings",
			(int)findings_count(&v->findings, 'W'), "notes", (int)findings_count(&v->findings, 'N'),
			"findings", findings_to_json(&v->findings));

	return json_print(object, e);
}

static int print(struct verify *v, struct err *e)
{
	size_t faults = findings_count(&v->findings, 'E'), warnings = findings_count(&v->findings, 'W');

	if (v->options.json && print_json(v, e) < 0)
		return -1;
	if (!v->options.json)
		findings_print(&v->findings);
	if (cli_flush(e) < 0)
		return -1;
	if (v->use.looked && in_use_blind(&v->use))
		cli_note("processes of other users cannot be seen, which may write to the images: root sees them");
	cli_note("%zu image%s, %s: %zu fault%s, %zu warning%s", v->n_images, v->n_images == 1 ? "" : "s",
		 is_sound(v) ? "sound" : "not sound", faults, faults == 1 ? "" : "s", warnings,
		 warnings == 1 ? "" : "s");
	return is_sound(v) ? EXIT_DONE : EXIT_NO;
}

static void verify_release(struct verify *v)
{
	for (size_t i = 0; i < v->n_chains; i++)
		chain_free(v->chains[i].chain);
	for (size_t i = 0; i < v->n_manifests; i++)
		manifest_free(v->manifests[i]);
	if (v->opinions)
		opinions_free(v->opinions);
	in_use_release(&v->use);
	free(v->chains);
	free(v->manifests);
	findings_release(&v->findings);
}

static int verify_main(int argc, char **argv)
{
	struct verify v = { .options = { .max_depth = CHAIN_MAX_DEPTH, .timeout_ms = TIMEOUT_MS } };
	struct path_list operands = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_verify, argc, argv, &v.options, NULL, &e), result = first;

	if (first >= 0 && first == argc)
		result = err_usage(&e, "which images?");
	if (result >= 0)
		result = path_list_read(&operands, argv + first, (size_t)(argc - first), v.options.nul_separated, &e);
	if (result >= 0)
		result = verify_all(&v, &operands, &e);
	if (result >= 0)
		result = print(&v, &e);
	verify_release(&v);
	path_list_release(&v.options.also);
	path_list_release(&operands);
	return result < 0 ? cli_report(&e) : result;
}

const struct cli verb_verify = {
	.tool = "mplcr-chain",
	.verb = "verify",
	.summary = "find faults in chains and checkpoints",
	.usage = "[OPTION]... IMAGE|CHECKPOINT|-...",
	.about = "Checks images, their backing files and checkpoints, and prints one line for each finding.\n"
		 "Reads only headers, unless --deep or --sums is given, and writes nothing.",
	.options = option_table,
	.operands = CLI_FILES,
	.run = verify_main,
};
