/* SPDX-License-Identifier: MIT */
/* mplcr-snap reflink: copies of a set of files that share their data, all or none. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "checkpoint/claim.h"
#include "checkpoint/trust.h"
#include "set/set.h"

struct reflink {
	struct set_options set;
	bool nul_separated;
	bool json;
};

/* In the order of enum reflink_when. */
static const struct cli_word whens[] = {
	{ "always", "fail if data cannot be shared" },
	{ "auto", "then copy in full" },
	{ "never", "copy in full" },
	CLI_WORDS_END,
};

static const struct cli_option option_table[] = {
	{ "to", 't', "DIR", "put the copies into DIR, made if missing", TO_DIRECTORY(struct reflink, set.to) },
	{ "suffix", 's', "SUF", "put each copy beside its file, with SUF appended to the name",
	  TO_TEXT(struct reflink, set.suffix) },
	{ "reflink", 0, "WHEN",
	  "always: fail if data cannot be shared (default);\n"
	  "auto: then copy in full; never: copy in full",
	  TO_WORD(struct reflink, set.when, whens) },
	{ "chain", 'c', NULL,
	  "take the whole backing chain of each image, and its data file,\n"
	  "and name the copies in the headers of the copies",
	  TO_FLAG(struct reflink, set.chain) },
	TRUST_PATHS_OPTION(struct reflink, set.trust_paths),
	{ "live-ok", 0, NULL, "also copy files that a running VM writes to", TO_FLAG(struct reflink, set.live_ok) },
	{ "null", '0', NULL, "separate names by NUL on standard input and output",
	  TO_FLAG(struct reflink, nul_separated) },
	{ "json", 'j', NULL, "print JSON", TO_FLAG(struct reflink, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int check_options(const struct reflink *r, struct err *e)
{
	const struct set_options *o = &r->set;

	if (!o->to == !o->suffix) {
		err_usage(e, o->to ? "--to and --suffix exclude each other" : "--to or --suffix is missing");
		return err_hint(e, "--to DIR puts them into a directory, --suffix SUF beside their files");
	}
	if (o->to && !o->to[0])
		return err_usage(e, "--to: the directory's name is empty");
	if (o->suffix && (!o->suffix[0] || strchr(o->suffix, '/')))
		return err_usage(e, "--suffix: '%s' cannot end a file's name", o->suffix);
	return 0;
}

/* --- what is printed -------------------------------------------------------------------------------------------- */

static int print_json(const struct set *s, struct err *e)
{
	json_t *files = json_array();
	_cleanup_json_ json_t *all = NULL;
	char created[MARK_SIZE];

	mark_created(s->mark, created);
	for (size_t i = 0; i < s->n; i++) {
		const struct copy *c = &s->copies[i];

		json_array_append_new(files, json_of("{s:o, s:o, s:I, s:b}", "source", json_string_of(c->source),
						     "copy", json_string_of(c->path), "bytes",
						     (json_int_t)c->before.st_size, "shared", c->shared));
	}
	all = json_of("{s:s, s:s, s:o*, s:o}", "schema", "mplcr.snap.reflink/1", "created", created, "directory",
		      s->dir ? json_string_of(s->dir) : NULL, "files", files);
	return json_print(all, e);
}

static int print_paths(const struct set *s, bool nul_separated, struct err *e)
{
	for (size_t i = 0; i < s->n; i++)
		escape_path(s->copies[i].path, nul_separated);
	return cli_flush(e);
}

/* --- the way ---------------------------------------------------------------------------------------------------- */

static int make(struct set *s, struct err *e)
{
	struct err left;

	if (set_copy(s, e) == 0 && set_rewrite(s, e) == 0 && set_publish(s, e) == 0)
		return 0;
	cli_progress_end();
	if (set_undo(s, &left) < 0) {
		size_t used = strlen(e->text);

		snprintf(e->text + used, sizeof(e->text) - used, "; and %s", left.text);
		e->status = EXIT_PARTIAL;
	}
	return -1;
}

/* A copy of an overlay is an overlay, too. */
static void leave_claims(const struct set *s)
{
	struct err e;

	for (size_t i = 0; i < s->n; i++) {
		_cleanup_free_ char *path = s->copies[i].names_backing ? set_final_path(s, &s->copies[i]) : NULL;

		if (path && claim_make_of(path, "mplcr-snap", &e) < 0)
			cli_note("%s", e.text);
	}
}

static int run(const struct reflink *r, struct set *s, char *const *operands, size_t n, struct err *e)
{
	struct path_list sources = { 0 };
	int result;

	s->interrupt = interrupt_open(e);
	if (s->interrupt < 0)
		return -1;
	result = path_list_read(&sources, operands, n, r->nul_separated, e);
	if (result == 0)
		result = set_plan(s, &r->set, &sources, e);
	path_list_release(&sources);
	if (result < 0 || make(s, e) < 0)
		return -1;
	leave_claims(s);
	if (!s->marked)
		cli_note("the filesystem keeps no user attributes: mplcr-snap list will not know the set");
	if ((r->json ? print_json(s, e) : print_paths(s, r->nul_separated, e)) == 0)
		return 0;
	e->status = EXIT_PARTIAL;
	return err_prefix(e, "the set was copied, but");
}

static int reflink_main(int argc, char **argv)
{
	struct reflink r = { 0 };
	struct set s = { 0 };
	struct err e;
	int first = cli_parse(&verb_reflink, argc, argv, &r, NULL, &e), result = -1;

	if (first >= 0 && check_options(&r, &e) == 0)
		result = run(&r, &s, argv + first, (size_t)(argc - first), &e);
	set_release(&s);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_reflink = {
	.tool = "mplcr-snap",
	.verb = "reflink",
	.summary = "copies of files that share their data, all or none",
	.usage = "--to DIR [OPTION]... FILE... | -\n--suffix SUF [OPTION]... FILE... | -",
	.about = "Copies a set of files, all or none, sharing their data: each copy is made at once and costs "
		 "no space\n"
		 "until one side is written to. Prints the paths of the copies. '-' reads names from standard "
		 "input.",
	.options = option_table,
	.operands = CLI_FILES,
	.run = reflink_main,
};
