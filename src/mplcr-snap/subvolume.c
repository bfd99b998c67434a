/* SPDX-License-Identifier: MIT */
/* mplcr-snap subvolume: a btrfs snapshot of a whole directory of images. */
#include "tool.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "image/subvolume.h"

/* Directories that are open at the same time while a tree is walked. */
#define WALK_FDS 32

struct options {
	bool read_only;
	bool live_ok;
	bool json;
};

static const struct cli_option option_table[] = {
	{ "read-only", 'r', NULL, "nothing in the snapshot can be changed", TO_FLAG(struct options, read_only) },
	{ "live-ok", 0, NULL, "also where a running VM writes to images in it", TO_FLAG(struct options, live_ok) },
	{ "json", 'j', NULL, "print JSON", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* What the walk has found; nftw(3) hands no pointer on. */
static struct {
	char *written; /* an image that a VM writes to, or NULL */
	struct in_use use;
	char *nested;  /* a subvolume in the subvolume, or NULL */
} seen;

static int look(const char *path, const struct stat *st, int type, struct FTW *at)
{
	if (type == FTW_D && at->level > 0 && subvolume_is(path)) {
		if (!seen.nested)
			seen.nested = text_copy(path);
		return FTW_SKIP_SUBTREE;
	}
	if (type != FTW_F || !S_ISREG(st->st_mode) || in_use_writers_path(&seen.use, path) != IMAGE_WRITTEN)
		return FTW_CONTINUE;
	seen.written = text_copy(path);
	return FTW_STOP;
}

static int check_tree(const char *source, struct err *e)
{
	_cleanup_free_ char *written = NULL, *nested = NULL;

	if (nftw(source, look, WALK_FDS, FTW_PHYS | FTW_ACTIONRETVAL) < 0)
		return err_sys(e, errno, "cannot read '%s'", source);
	written = seen.written;
	nested = seen.nested;
	if (written) {
		in_use_error(&seen.use, written, "in the snapshot it would be torn", e);
		return err_hint(e, "freeze it first: mplcr-trigger, or mplcr-snap overlay --socket; or stop the VM. "
				   "--live-ok takes what is there");
	}
	if (nested)
		cli_warn("'%s' is a subvolume of its own: what is in it is not in the snapshot", nested);
	return 0;
}

static int snapshot(const struct options *o, const char *source, const char *dest, struct err *e)
{
	_cleanup_json_ json_t *json = NULL;
	_cleanup_free_ char *path = NULL;

	if (subvolume_is(source) && !o->live_ok && !in_frozen_pause() && check_tree(source, e) < 0)
		return -1;
	if (subvolume_snapshot(source, dest, o->read_only, e) < 0)
		return -1;
	path = path_real(dest);
	if (!o->json) {
		escape_path(path ? path : dest, false);
		return cli_flush(e);
	}
	json = json_of("{s:s, s:o, s:o, s:b}", "schema", "mplcr.snap.subvolume/1", "source", json_string_of(source),
		       "snapshot", json_string_of(path ? path : dest), "read_only", o->read_only);
	return json_print(json, e);
}

static int subvolume_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e;
	int first = cli_parse(&verb_subvolume, argc, argv, &o, NULL, &e), result = -1;

	if (first >= 0 && argc - first != 2)
		err_usage(&e, "subvolume takes two paths: SRC DEST");
	else if (first >= 0)
		result = snapshot(&o, argv[first], argv[first + 1], &e);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_subvolume = {
	.tool = "mplcr-snap",
	.verb = "subvolume",
	.summary = "a btrfs snapshot",
	.usage = "[OPTION]... SRC DEST",
	.about = "Makes a snapshot of the btrfs subvolume SRC, all that is in it at one instant, at the new "
		 "path DEST.",
	.options = option_table,
	.operands = CLI_DIRECTORIES,
	.most_operands = 2,
	.run = subvolume_main,
};
