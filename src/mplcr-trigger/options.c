/* SPDX-License-Identifier: MIT */
/* The options of mplcr-trigger: parsing, and checking their combinations. */
#include "options.h"
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/number.h"
#include "base/zstd.h"

/* zstd's own default. */
#define USUAL_LEVEL 3

/* Fails: the value is none of the possible ones. Always returns -1. */
static int not_a_word(const char *option, const char *value, struct cli_word (*word)(size_t), struct err *e)
{
	const struct cli_target to = { .word = word };
	char words[200];

	cli_list_words(&to, "", words, sizeof(words));
	return err_usage(e, "%s: '%s' is not %s", option, value, words);
}

static int set_engine(void *options, const char *value, struct err *e)
{
	struct options *o = options;

	o->engine = engine_named(value);
	return o->engine || strcmp(value, "auto") == 0 ? 0 : not_a_word("--engine", value, engine_word, e);
}

static int set_layout(void *options, const char *value, struct err *e)
{
	_cleanup_free_ char *choices = layout_choices();
	struct options *o = options;

	o->layout = layout_named(value);
	if (o->layout && !o->layout->is_elsewhere)
		return 0;
	return err_usage(e, "--layout: '%s' is not %s", value, choices);
}

static int set_compress(void *options, const char *value, struct err *e)
{
	struct options *o = options;
	uint64_t level = USUAL_LEVEL;

	if (strncmp(value, "zstd:", 5) == 0) {
		if (number_parse(value + 5, "--compress", ZSTDIO_MAX_LEVEL, &level, e) < 0)
			return -1;
		if (level < ZSTDIO_MIN_LEVEL)
			return err_usage(e, "--compress: the level is %d to %d", ZSTDIO_MIN_LEVEL, ZSTDIO_MAX_LEVEL);
	} else if (strcmp(value, "zstd") != 0) {
		return err_usage(e, "--compress: '%s' is not zstd or zstd:LEVEL", value);
	}
	o->zstd_level = (int)level;
	return 0;
}

static int set_disks(void *options, const char *value, struct err *e)
{
	struct options *o = options;

	o->disks = freeze_named(value);
	return o->disks || strcmp(value, "auto") == 0 ? 0 : not_a_word("--disks", value, freeze_word, e);
}

/* The paths in the file `list`, one a line. */
static int add_includes(void *options, const char *list, struct err *e)
{
	struct options *o = options;
	_cleanup_close_ int fd = strcmp(list, "-") == 0 ? dup(STDIN_FILENO) : open(list, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "--include-from: cannot open '%s'", list);
	return path_list_read_fd(&o->include, fd, "--include-from", false, e);
}

static int add_device(void *options, const char *value, struct err *e)
{
	struct options *o = options;

	return disk_choices_add(&o->devices, value, e);
}

/* A part "NAME=VALUE" of --mplm, `n` bytes of `text`. */
static int set_mplm_part(struct mplm *m, const char *text, size_t n, struct err *e)
{
	_cleanup_free_ char *part = text_of("%.*s", (int)n, text);
	char *value = strchr(part, '=');
	const struct {
		const char *name;
		bool *flag;
		uint64_t *number;
		uint64_t least, most;
	} parts[] = {
		{ "interval", NULL, &m->interval_s, 1, 3600 },
		{ "dirty", NULL, &m->dirty_percent, 1, 99 },
		{ "relax", &m->relax, NULL, 0, 0 },
		{ "first-nondirty", &m->first_nondirty, NULL, 0, 0 },
	};

	if (value)
		*value++ = '\0';
	for (size_t i = 0; value && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(part, parts[i].name) != 0)
			continue;
		if (parts[i].flag) {
			*parts[i].flag = strcmp(value, "on") == 0;
			if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
				return err_usage(e, "--mplm: %s: '%s' is not on or off", part, value);
			return 0;
		}
		if (number_parse(value, "--mplm", parts[i].most, parts[i].number, e) < 0)
			return -1;
		if (*parts[i].number < parts[i].least)
			return err_usage(e, "--mplm: %s is %" PRIu64 " to %" PRIu64, part, parts[i].least,
					 parts[i].most);
		return 0;
	}
	return err_usage(e, "--mplm: '%s' is not interval=, dirty=, relax= or first-nondirty=", part);
}

static int set_mplm(void *options, const char *value, struct err *e)
{
	struct options *o = options;
	o->mplm.given = true;
	for (;;) {
		size_t n = strcspn(value, ",");

		if (set_mplm_part(&o->mplm, value, n, e) < 0)
			return -1;
		if (!value[n])
			return 0;
		value += n + 1;
	}
}

static int set_keep_within(void *options, const char *value, struct err *e)
{
	struct options *o = options;
	uint64_t seconds;

	o->keep_within = value;
	return number_parse_duration(value, "--keep-within", &seconds, e);
}

static int set_uri(void *options, const char *value, struct err *e)
{
	struct options *o = options;
	const char *port = strrchr(value, ':');
	uint64_t number;

	if (strncmp(value, "tcp:", 4) != 0 || port <= value + 4)
		return err_usage(e, "--uri: '%s' is not tcp:HOST:PORT", value);
	if (number_parse(port + 1, "--uri", 65535, &number, e) < 0)
		return -1;
	o->uri = value;
	return number ? 0 : err_usage(e, "--uri: port 0 is not valid");
}

/* Completions for values with more forms than a list can have. */
static const struct cli_word methods[] = {
	{ "zstd", NULL },   { "zstd:1", NULL },  { "zstd:3", NULL },
	{ "zstd:9", NULL }, { "zstd:19", NULL }, CLI_WORDS_END,
};
static const struct cli_word mplm_settings[] = {
	{ "interval=", NULL },
	{ "dirty=", NULL },
	{ "relax=on", NULL },
	{ "relax=off", NULL },
	{ "first-nondirty=on", NULL },
	{ "first-nondirty=off", NULL },
	CLI_WORDS_END,
};
static const struct cli_word uris[] = { { "tcp:", NULL }, CLI_WORDS_END };

const struct cli_option trigger_options[] = {
	{ NULL, 0, NULL, "What and where:", CLI_HEADING },
	{ "socket", 's', "PATH", "the VM's QMP socket (required)", TO_SOCKET(struct options, socket) },
	{ "name", 'n', "NAME", "name of the checkpoint (default: the next free of x1, x2, ...)",
	  TO_TEXT(struct options, name) },
	{ "dir", 'd', "DIR",
	  "directory for NAME.ckpt and the overlays (default: that of the\nimage of the VM's first disk)",
	  TO_DIRECTORY(struct options, dir) },
	{ "layout", 0, "LAYOUT", "pages (default; restores lazily) or stream (one file)",
	  TO_CALL(set_layout, .word = layout_word) },
	{ "compress", 0, "METHOD", "zstd or zstd:LEVEL (1 to 19), for layout stream",
	  TO_CALL(set_compress, .words = methods) },
	{ "parent", 0, "CKPT",
	  "write of the memory only what changed since this checkpoint\n(default: since the VM's last one, where that can be)",
	  TO_DIRECTORY(struct options, parent) },
	{ "no-parent", 0, NULL, "save the memory whole", TO_FLAG(struct options, no_parent) },
	{ "disks", 0, "MODE",
	  "overlay (default), reflink or subvolume (clones in\nNAME.ckpt/disks, the chain does not grow), auto (reflink if\n"
	  "possible, else overlay) or none (no disk is frozen)",
	  TO_CALL(set_disks, .word = freeze_word) },
	{ "device", 0, "DEV[=FILE]", "freeze only this disk, with its overlay in FILE; repeatable",
	  TO_CALL(add_device, .repeats = true) },
	{ "leave-out", 0, "DEV", "do not freeze this writable disk; repeatable",
	  TO_LIST(struct options, leave_out, CLI_NO_FILES) },
	{ "include", 0, "FILE", "also keep this file as it is in the pause; repeatable",
	  TO_LIST(struct options, include, CLI_FILES) },
	{ "include-from", 0, "LIST", "also keep the files named in LIST, one per line; - is standard\ninput",
	  TO_CALL(add_includes, .files = CLI_FILES, .repeats = true) },
	{ NULL, 0, NULL, "How:", CLI_HEADING },
	{ "engine", 'e', "ENGINE", NULL, TO_CALL(set_engine, .word = engine_word) },
	{ "max-bandwidth", 0, "BYTES",
	  "the most per second (K, M, G allowed; default: no limit);\nQEMU ignores it in a background snapshot",
	  TO_BYTES(struct options, max_bandwidth) },
	{ "max-pause", 0, "MS", "give up and let the VM run rather than pause longer",
	  TO_NUMBER(struct options, max_pause_ms, 0, 2000000) },
	{ "at-freeze", 0, "CMD", "run this shell command in the pause; its failure fails the\ncheckpoint",
	  TO_COMMAND(struct options, at_freeze) },
	{ "at-freeze-timeout", 0, "SECONDS", "time limit of that command (default 5)",
	  TO_SECONDS(struct options, at_freeze_ms, 0) },
	{ "passes", 0, "N", "precopy: passes before the pause limit may grow (default 8)",
	  TO_NUMBER(struct options, passes, 0, 1000000) },
	{ "accept-unsafe-precopy", 0, NULL, "precopy or --extend-live even if QEMU is known to lose guest\nwrites",
	  TO_FLAG(struct options, accept_unsafe_precopy) },
	{ "timeout", 't', "SECONDS", "give up after this time and let the VM run",
	  TO_SECONDS(struct options, timeout_ms, 0) },
	{ "leave-paused", 0, NULL, "leave the VM paused at the instant of the checkpoint",
	  TO_FLAG(struct options, leave_paused) },
	{ "keep", 'k', "N", "then drop older checkpoints of the VM but the newest N, and let it\nmerge their overlays",
	  TO_NUMBER(struct options, keep, 1, 1000000) },
	{ "keep-within", 'w', "TIME", "then drop those older than that: 12h, 7d, 4w (s, m, h, d, w); with\nboth, what either keeps stays",
	  TO_CALL(set_keep_within) },
	{ "dry-run", 0, NULL, "check everything and print the plan, but do nothing", TO_FLAG(struct options, dry_run) },
	{ NULL, 0, NULL, "With the MPLCR-patched QEMU (engine mplcr):", CLI_HEADING },
	{ "mplm", 0, "SETTINGS",
	  "interval=SECONDS,dirty=PERCENT,relax=on|off,\nfirst-nondirty=on|off: how memory is sent",
	  TO_CALL(set_mplm, .words = mplm_settings) },
	{ "max-rate", 0, NULL, "no bandwidth limit; the live stage may then never end",
	  TO_FLAG(struct options, max_rate) },
	{ "extend-live", 0, NULL,
	  "extend the live stage for SECONDS, if given as argument, or until\n'mplcr-trigger end-live', SIGUSR1 or "
	  "SIGINT ends it",
	  TO_FLAG(struct options, extend_live) },
	{ "uri", 0, "URI", "send the state to a QEMU waiting at tcp:HOST:PORT", TO_CALL(set_uri, .words = uris) },
	{ NULL, 0, NULL, "Output:", CLI_HEADING },
	{ "json", 'j', NULL, "print the manifest as one JSON object", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* An option of only one engine selects that engine. */
static int check_engine(struct options *o, struct err *e)
{
	const char *option;
	const struct engine *engine = engine_of_options(o, &option);

	if (!engine)
		return 0;
	if (o->engine && o->engine != engine)
		return err_usage(e, "%s goes with --engine %s", option, engine->name);
	o->engine = engine;
	return engine->check_options ? engine->check_options(o, e) : 0;
}

/* If the state goes elsewhere, the frozen images must be in the VM's own chain. */
static int check_uri(const struct options *o, struct err *e)
{
	if (!o->uri)
		return 0;
	if (!o->disks || (o->disks->freezes && !o->disks->grows_chain))
		return err_usage(e, "--uri goes with --disks overlay: the receiver's own overlays have the VM's images "
				    "as backing files");
	return 0;
}

static int take_seconds(struct options *o, const char *value, struct err *e)
{
	if (number_parse_seconds(value, "--extend-live", &o->extend_ms, e) < 0)
		return -1;
	return o->extend_ms ? 0 : err_usage(e, "--extend-live: '%s' is too short", value);
}

/* The only possible operand: the length of the live stage. */
static int take_operands(struct options *o, int n, char **operands, struct err *e)
{
	if (n == 0)
		return 0;
	if (n == 1 && o->extend_live)
		return take_seconds(o, operands[0], e);
	err_usage(e, "unexpected argument '%s'", operands[n - 1]);
	return err_hint(e, "name the VM with --socket; see mplcr-trigger --help");
}

/* Sets the default layout, and checks the options for it. */
static int check_layout(struct options *o, struct err *e)
{
	if (!o->layout)
		o->layout = layout_default();
	if (o->uri && o->layout != layout_default())
		return err_usage(e, "--layout does not go with --uri: the state is not stored here");
	if (o->uri)
		o->layout = layout_elsewhere();
	if (o->zstd_level && !o->layout->can_compress)
		return err_usage(e, "--compress goes with --layout stream");
	return 0;
}

static int check_parent(const struct options *o, struct err *e)
{
	if (!o->parent)
		return 0;
	if (o->no_parent)
		return err_usage(e, "--parent does not go with --no-parent");
	if (o->uri)
		return err_usage(e, "--parent does not go with --uri: the state is not stored here");
	return o->layout->can_begin ? 0 : err_usage(e, "--parent goes with --layout pages");
}

static int check_disks(const struct options *o, struct err *e)
{
	if (o->disks && !o->disks->freezes && o->devices.n > 0)
		return err_usage(e, "--device does not go with --disks none");
	for (size_t i = 0; i < o->devices.n; i++)
		if (o->devices.list[i].file && !(o->disks && o->disks->makes_overlays))
			return err_usage(e, "--device %s=%s names an overlay, which goes with --disks overlay only",
					 o->devices.list[i].device, o->devices.list[i].file);
	return 0;
}

int options_check(struct options *o, int n_operands, char **operands, struct err *e)
{
	if (take_operands(o, n_operands, operands, e) < 0)
		return -1;
	if (!o->socket) {
		err_usage(e, "which VM? --socket is missing");
		return err_hint(e,
				"mplcr-trigger --socket PATH, the socket of QEMU's -qmp unix:PATH,server=on,wait=off");
	}
	if (check_layout(o, e) < 0 || check_parent(o, e) < 0 || check_disks(o, e) < 0)
		return -1;
	if ((o->keep || o->keep_within) && (o->leave_paused || o->uri))
		return err_usage(e, "--keep and --keep-within do not go with --leave-paused or --uri");
	if (o->at_freeze && !o->at_freeze[0])
		return err_usage(e, "--at-freeze: the command is empty");
	return check_engine(o, e) < 0 ? -1 : check_uri(o, e);
}

void options_release(struct options *o)
{
	disk_choices_release(&o->devices);
	path_list_release(&o->leave_out);
	path_list_release(&o->include);
}
