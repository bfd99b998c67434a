/* SPDX-License-Identifier: MIT */
/* The options of mplcr-trigger: each one read, and what goes together checked. */
#include "options.h"
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "base/number.h"
#include "base/zstd.h"

/* zstd's own default. */
#define USUAL_LEVEL 3

static int set_engine(struct options *o, const char *value, struct err *e)
{
	const struct engine *engine = engine_named(value);

	if (strcmp(value, "auto") == 0)
		o->engine = ENGINE_AUTO;
	else if (engine)
		o->engine = engine->kind;
	else
		return err_usage(e, "--engine: '%s' is not auto, background, precopy, mplcr or stop", value);
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

static int set_time(const char *option, const char *value, uint64_t *ms, struct err *e)
{
	if (number_parse_seconds(value, option, ms, e) < 0)
		return -1;
	return *ms ? 0 : err_usage(e, "%s: '%s' is no time", option, value);
}

static int set_disks(struct options *o, const char *value, struct err *e)
{
	static const struct {
		const char *name;
		enum disks_mode mode;
	} modes[] = {
		{ "overlay", DISKS_OVERLAY },     { "auto", DISKS_AUTO }, { "reflink", DISKS_REFLINK },
		{ "subvolume", DISKS_SUBVOLUME }, { "none", DISKS_NONE },
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		o->disks = modes[i].mode;
		if (strcmp(value, modes[i].name) == 0)
			return 0;
	}
	return err_usage(e, "--disks: '%s' is not overlay, reflink, subvolume, auto or none", value);
}

/* The paths in the file `list`, one a line. */
static int add_includes(struct options *o, const char *list, struct err *e)
{
	_cleanup_close_ int fd = strcmp(list, "-") == 0 ? dup(STDIN_FILENO) : open(list, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "--include-from: cannot open '%s'", list);
	return path_list_read_fd(&o->include, fd, "--include-from", false, e);
}

static int add_device(struct options *o, const char *value, struct err *e)
{
	const char *equals = strchr(value, '=');
	struct device_choice *choice;

	if (!value[0] || equals == value || (equals && !equals[1]))
		return err_usage(e, "--device: '%s' is not DEV or DEV=FILE", value);
	choice = array_add(o->devices, o->n_devices);
	choice->device = text_of("%.*s", equals ? (int)(equals - value) : (int)strlen(value), value);
	choice->file = text_copy(equals ? equals + 1 : NULL);
	return 0;
}

static int add_leave_out(struct options *o, const char *value)
{
	*array_add(o->leave_out, o->n_leave_out) = text_copy(value);
	return 0;
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

static int set_mplm(struct options *o, const char *value, struct err *e)
{
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

static int set_uri(struct options *o, const char *value, struct err *e)
{
	const char *port = strrchr(value, ':');
	uint64_t number;

	if (strncmp(value, "tcp:", 4) != 0 || port <= value + 4)
		return err_usage(e, "--uri: '%s' is not tcp:HOST:PORT", value);
	if (number_parse(port + 1, "--uri", 65535, &number, e) < 0)
		return -1;
	o->uri = value;
	return number ? 0 : err_usage(e, "--uri: there is no port 0");
}

static int set_flag(struct options *o, const char *name)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "accept-unsafe-precopy", &o->accept_unsafe_precopy },
		{ "dry-run", &o->dry_run },
		{ "leave-paused", &o->leave_paused },
		{ "json", &o->json },
		{ "max-rate", &o->max_rate },
		{ "extend-live", &o->extend_live },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(name, flags[i].name) == 0)
			*flags[i].flag = true;
	return 0;
}

int options_set(void *ctx, const char *name, const char *value, struct err *e)
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
	else if (strcmp(name, "include") == 0)
		path_list_add(&o->include, value);
	else if (strcmp(name, "include-from") == 0)
		return add_includes(o, value, e);
	else if (strcmp(name, "max-bandwidth") == 0)
		return number_parse_bytes(value, "--max-bandwidth", &o->max_bandwidth, e);
	else if (strcmp(name, "max-pause") == 0)
		return number_parse(value, "--max-pause", 2000000, &o->max_pause_ms, e);
	else if (strcmp(name, "passes") == 0)
		return number_parse(value, "--passes", 1000000, &o->passes, e);
	else if (strcmp(name, "timeout") == 0)
		return set_time("--timeout", value, &o->timeout_ms, e);
	else if (strcmp(name, "at-freeze") == 0)
		o->at_freeze = value;
	else if (strcmp(name, "at-freeze-timeout") == 0)
		return set_time("--at-freeze-timeout", value, &o->at_freeze_ms, e);
	else if (strcmp(name, "mplm") == 0)
		return set_mplm(o, value, e);
	else if (strcmp(name, "uri") == 0)
		return set_uri(o, value, e);
	return 0;
}

const char *options_of_mplcr(const struct options *o)
{
	return o->mplm.given    ? "--mplm"
	       : o->max_rate    ? "--max-rate"
	       : o->extend_live ? "--extend-live"
	       : o->uri         ? "--uri"
				: NULL;
}

/* What only the engine mplcr has asks for that engine. */
static int check_mplcr(struct options *o, struct err *e)
{
	const char *option = options_of_mplcr(o);

	if (!option)
		return 0;
	if (o->engine != ENGINE_AUTO && o->engine != ENGINE_MPLCR)
		return err_usage(e, "%s goes with --engine mplcr", option);
	o->engine = ENGINE_MPLCR;
	if (o->max_rate && o->max_bandwidth)
		return err_usage(e, "--max-rate does not go with --max-bandwidth");
	if (o->uri && o->disks != DISKS_OVERLAY && o->disks != DISKS_NONE)
		return err_usage(
			e, "--uri goes with --disks overlay: the receiver's own overlays stand on the VM's images");
	if (o->uri && o->stream)
		return err_usage(e, "--layout does not go with --uri: the state is not stored here");
	return 0;
}

/* The one operand that there can be: how long the live stage lasts. */
static int take_operands(struct options *o, int n, char **operands, struct err *e)
{
	if (n == 0)
		return 0;
	if (n == 1 && o->extend_live)
		return set_time("--extend-live", operands[0], &o->extend_ms, e);
	err_usage(e, "unexpected argument '%s'", operands[n - 1]);
	return err_hint(e, "the VM is named with --socket; mplcr-trigger --help");
}

static int check_disks(const struct options *o, struct err *e)
{
	if (o->disks == DISKS_NONE && o->n_devices > 0)
		return err_usage(e, "--device does not go with --disks none");
	for (size_t i = 0; i < o->n_devices; i++)
		if (o->devices[i].file && o->disks != DISKS_OVERLAY)
			return err_usage(e, "--device %s=%s names an overlay, which goes with --disks overlay only",
					 o->devices[i].device, o->devices[i].file);
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
	if (o->zstd_level && !o->stream)
		return err_usage(e, "--compress goes with --layout stream");
	if (check_disks(o, e) < 0)
		return -1;
	if (o->at_freeze && !o->at_freeze[0])
		return err_usage(e, "--at-freeze: the command is empty");
	return check_mplcr(o, e);
}

void options_release(struct options *o)
{
	for (size_t i = 0; i < o->n_devices; i++) {
		free(o->devices[i].device);
		free(o->devices[i].file);
	}
	for (size_t i = 0; i < o->n_leave_out; i++)
		free(o->leave_out[i]);
	free(o->devices);
	free(o->leave_out);
	path_list_release(&o->include);
}
