/* SPDX-License-Identifier: MIT */
/* Options of mplcr-trigger. */
#include "trigger.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fdio.h"
#include "number.h"
#include "zstdio.h"

/* zstd's own default. */
#define USUAL_LEVEL 3

static const struct cli_option option_table[] = {
	{ NULL, 0, NULL, "What and where:" },
	{ "socket", 's', "PATH", "the VM's QMP socket (required)" },
	{ "name", 'n', "NAME", "name of the checkpoint (default: the next free of x1, x2, ...)" },
	{ "dir", 'd', "DIR",
	  "where NAME.ckpt and the overlays go (default: beside the image\nof the VM's first disk)" },
	{ "layout", 0, "LAYOUT", "pages (default; restores lazily) or stream (one file)" },
	{ "compress", 0, "METHOD", "zstd or zstd:LEVEL (1 to 19), for layout stream" },
	{ "disks", 0, "MODE", "overlay (default) or none: no disk is frozen" },
	{ "device", 0, "DEV[=FILE]", "freeze only this disk, its overlay in FILE; repeatable" },
	{ "leave-out", 0, "DEV", "do not freeze this writable disk; repeatable" },
	{ NULL, 0, NULL, "How:" },
	{ "engine", 'e', "ENGINE", "auto (default), background, precopy or stop" },
	{ "max-bandwidth", 0, "BYTES",
	  "per second, at most (K, M, G allowed; default: no limit);\nQEMU does not limit a background snapshot" },
	{ "max-pause", 0, "MS", "give up, with the VM running, rather than pause longer" },
	{ "passes", 0, "N", "precopy: passes before the pause may grow (default 8)" },
	{ "accept-unsafe-precopy", 0, NULL, "precopy even where QEMU is known to lose guest writes" },
	{ "timeout", 't', "SECONDS", "give up, with the VM running, after this time" },
	{ "leave-paused", 0, NULL, "leave the VM paused at the instant of the checkpoint" },
	{ "dry-run", 0, NULL, "check everything, say what would be done, and do nothing" },
	{ NULL, 0, NULL, "Output:" },
	{ "json", 'j', NULL, "print the manifest as one JSON object" },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static int set_engine(struct options *o, const char *value, struct err *e)
{
	const struct engine *engine = engine_named(value);

	if (strcmp(value, "auto") == 0)
		o->engine = ENGINE_AUTO;
	else if (engine)
		o->engine = engine->kind;
	else
		return err_usage(e, "--engine: '%s' is not auto, background, precopy or stop", value);
	return 0;
}

static int set_layout(struct options *o, const char *value, struct err *e)
{
	o->stream = strcmp(value, "stream") == 0;
	if (!o->stream && strcmp(value, "pages") != 0)
		return err_usage(e, "--layout: '%s' is not pages or stream", value);
	return 0;
}

static int set_compress(struct options *o, const char *value, struct err *e)
{
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

static int set_timeout(struct options *o, const char *value, struct err *e)
{
	if (number_parse_seconds(value, "--timeout", &o->timeout_ms, e) < 0)
		return -1;
	if (o->timeout_ms == 0)
		return err_usage(e, "--timeout: '%s' is no time", value);
	return 0;
}

static int set_disks(struct options *o, const char *value, struct err *e)
{
	o->no_disks = strcmp(value, "none") == 0;
	if (!o->no_disks && strcmp(value, "overlay") != 0)
		return err_usage(e, "--disks: '%s' is not overlay or none", value);
	return 0;
}

static int add_device(struct options *o, const char *value, struct err *e)
{
	const char *equals = strchr(value, '=');
	struct device_choice *choice;

	if (!value[0] || equals == value || (equals && !equals[1]))
		return err_usage(e, "--device: '%s' is not DEV or DEV=FILE", value);
	o->devices = realloc(o->devices, (o->n_devices + 1) * sizeof(*o->devices));
	if (!o->devices)
		abort();
	choice = &o->devices[o->n_devices++];
	choice->device = text_of("%.*s", equals ? (int)(equals - value) : (int)strlen(value), value);
	choice->file = text_copy(equals ? equals + 1 : NULL);
	return 0;
}

static int add_leave_out(struct options *o, const char *value)
{
	o->leave_out = realloc(o->leave_out, (o->n_leave_out + 1) * sizeof(*o->leave_out));
	if (!o->leave_out)
		abort();
	o->leave_out[o->n_leave_out++] = text_copy(value);
	return 0;
}

static int set_flag(struct options *o, const char *name)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "accept-unsafe-precopy", &o->accept_unsafe_precopy }, { "dry-run", &o->dry_run },
		{ "leave-paused", &o->leave_paused }, { "json", &o->json },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(name, flags[i].name) == 0)
			*flags[i].flag = true;
	return 0;
}

static int set(void *ctx, const char *name, const char *value, struct err *e)
{
	struct options *o = ctx;

	if (!value)
		return set_flag(o, name);
	if (strcmp(name, "socket") == 0)
		o->socket = value;
	else if (strcmp(name, "name") == 0)
		o->name = value;
	else if (strcmp(name, "dir") == 0)
		o->dir = value;
	else if (strcmp(name, "engine") == 0)
		return set_engine(o, value, e);
	else if (strcmp(name, "layout") == 0)
		return set_layout(o, value, e);
	else if (strcmp(name, "compress") == 0)
		return set_compress(o, value, e);
	else if (strcmp(name, "disks") == 0)
		return set_disks(o, value, e);
	else if (strcmp(name, "device") == 0)
		return add_device(o, value, e);
	else if (strcmp(name, "leave-out") == 0)
		return add_leave_out(o, value);
	else if (strcmp(name, "max-bandwidth") == 0)
		return number_parse_bytes(value, "--max-bandwidth", &o->max_bandwidth, e);
	else if (strcmp(name, "max-pause") == 0)
		return number_parse(value, "--max-pause", 2000000, &o->max_pause_ms, e);
	else if (strcmp(name, "passes") == 0)
		return number_parse(value, "--passes", 1000000, &o->passes, e);
	else if (strcmp(name, "timeout") == 0)
		return set_timeout(o, value, e);
	return 0;
}

static int check(const struct options *o, int operands, struct err *e)
{
	if (operands > 0) {
		err_usage(e, "unexpected argument");
		return err_hint(e, "the VM is named with --socket; mplcr-trigger --help");
	}
	if (!o->socket) {
		err_usage(e, "which VM? --socket is missing");
		return err_hint(e,
				"mplcr-trigger --socket PATH, the socket of QEMU's -qmp unix:PATH,server=on,wait=off");
	}
	if (o->zstd_level && !o->stream)
		return err_usage(e, "--compress goes with --layout stream");
	if (o->no_disks && o->n_devices > 0)
		return err_usage(e, "--device does not go with --disks none");
	return 0;
}

static void release(struct options *o)
{
	for (size_t i = 0; i < o->n_devices; i++) {
		free(o->devices[i].device);
		free(o->devices[i].file);
	}
	for (size_t i = 0; i < o->n_leave_out; i++)
		free(o->leave_out[i]);
	free(o->devices);
	free(o->leave_out);
}

int main(int argc, char **argv)
{
	const struct cli cli = {
		.tool = "mplcr-trigger",
		.usage = "--socket PATH [OPTION]...",
		.about = "Takes a checkpoint of a running QEMU VM: memory and disks of one instant, in NAME.ckpt.\n"
			 "The VM goes on; its disks write to new overlays from that instant on.",
		.options = option_table,
		.set = set,
	};
	struct options o = { .passes = 8 };
	struct err e = { 0 };
	int first, result;

	first = cli_parse(&cli, argc, argv, &o, NULL, &e);
	result = first < 0 || check(&o, argc - first, &e) < 0 || checkpoint_take(&o, &e) < 0 || cli_flush(&e) < 0 ? -1
														  : 0;
	release(&o);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}
