/* SPDX-License-Identifier: MIT */
/* options.c: what is only for the patched QEMU, and the command in the pause. */
#include "mplcr-trigger/options.h"

#include "mplcr-trigger/engine/engine.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

/* Parses --NAME=VALUE, or, with value NULL, --NAME. Returns 0 or -1. */
static int set(struct options *o, const char *name, const char *value, struct err *e)
{
	const struct cli cli = { .tool = "mplcr-trigger", .options = trigger_options };
	static char option[256];
	char *argv[] = { "mplcr-trigger", option, NULL };

	snprintf(option, sizeof(option), "--%s%s%s", name, value ? "=" : "", value ? value : "");
	optind = 0; /* getopt starts anew */
	return cli_parse(&cli, 2, argv, o, NULL, e) < 0 ? -1 : 0;
}

/* Whether the value is refused as bad usage, with a message that names the option. */
static bool bad(const char *name, const char *value)
{
	struct options o = OPTIONS_DEFAULT;
	struct err e = { 0 };
	char option[40];
	int result = set(&o, name, value, &e);

	snprintf(option, sizeof(option), "--%s", name);
	options_release(&o);
	if (result == 0)
		printf("# taken: --%s '%s'\n", name, value);
	return result == -1 && e.status == EXIT_USAGE && strstr(e.text, option);
}

/* Whether --mplm VALUE is taken and means this. */
static bool mplm_is(const char *value, unsigned interval, unsigned dirty, bool relax, bool first)
{
	struct options o = OPTIONS_DEFAULT;
	struct err e = { 0 };
	int result = set(&o, "mplm", value, &e);
	const struct mplm *m = &o.mplm;

	if (result < 0)
		printf("# %s\n", e.text);
	return result == 0 && m->given && m->interval_s == interval && m->dirty_percent == dirty && m->relax == relax &&
	       m->first_nondirty == first;
}

static void mplm(void)
{
	static const char *const refused[] = {
		"",
		",",
		"interval=3,",
		",interval=3",
		"interval",
		"interval=",
		"interval=0",
		"interval=3601",
		"interval=-1",
		"interval=3s",
		"interval=0x3",
		"interval= 3",
		"interval=99999999999999999999",
		"dirty=0",
		"dirty=100",
		"dirty=5=6",
		"dirty=5.5",
		"relax=",
		"relax=yes",
		"relax=ON",
		"relax=1",
		"first-nondirty",
		"first-nondirty=onn",
		"first_nondirty=on",
		"Interval=3",
		"intervals=3",
		"=3",
		"enable=on",
		"interval=3;dirty=50",
		"interval=3,dirty=50,relax=on,first-nondirty=on,x=1",
	};
	struct options o = OPTIONS_DEFAULT;

	ok(!o.mplm.given && o.mplm.interval_s == 3 && o.mplm.dirty_percent == 50 && o.mplm.relax &&
		   o.mplm.first_nondirty,
	   "without --mplm, it is QEMU's own");
	ok(mplm_is("interval=3,dirty=50,relax=on,first-nondirty=on", 3, 50, true, true), "all of it");
	ok(mplm_is("first-nondirty=off,interval=3600,relax=off,dirty=1", 3600, 1, false, false), "in any order");
	ok(mplm_is("dirty=99", 3, 99, true, true), "what is not named stays as it is");
	ok(mplm_is("interval=5,interval=1", 1, 50, true, true), "the last one counts");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		ok(bad("mplm", refused[i]), "--mplm '%s' is refused", refused[i]);
}

static void uri(void)
{
	static const char *const taken[] = { "tcp:host:1", "tcp:127.0.0.1:65535", "tcp:[::1]:4444", "tcp:a.b-c:4444" };
	static const char *const refused[] = {
		"",
		"tcp:",
		"tcp::",
		"tcp:4444",
		"tcp::4444",
		"tcp:host",
		"tcp:host:",
		"tcp:host:0",
		"tcp:host:65536",
		"tcp:host:-1",
		"tcp:host:4444x",
		"tcp:host: 4444",
		"tcp:host:http",
		"host:4444",
		"TCP:host:4444",
		"unix:/tmp/x",
		"fd:x",
		"exec:cat >x",
		"cptcp:host:4444",
		" tcp:host:4444",
	};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct options o = OPTIONS_DEFAULT;
		struct err e = { 0 };

		ok(set(&o, "uri", taken[i], &e) == 0 && o.uri && strcmp(o.uri, taken[i]) == 0, "--uri %s", taken[i]);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		ok(bad("uri", refused[i]), "--uri '%s' is refused", refused[i]);
}

static void times(void)
{
	struct options o = OPTIONS_DEFAULT;
	struct err e = { 0 };

	ok(o.at_freeze_ms == 5000 && !o.at_freeze, "no command; it would have 5 s");
	ok(set(&o, "at-freeze-timeout", "0.25", &e) == 0 && o.at_freeze_ms == 250, "--at-freeze-timeout 0.25");
	ok(bad("at-freeze-timeout", "0") && bad("at-freeze-timeout", "") && bad("at-freeze-timeout", "-1") &&
		   bad("at-freeze-timeout", "never"),
	   "what is no time is refused");
}

/* Sets the options of the NULL-terminated list NAME, VALUE ("": a flag), and checks them with the operands. */
static int check(struct options *o, const char *const *list, int n, const char *const *operands, struct err *e)
{
	*o = (struct options)OPTIONS_DEFAULT;
	*e = (struct err){ 0 };
	o->socket = "vm.qmp";
	for (; *list; list += 2)
		if (set(o, list[0], list[1][0] ? list[1] : NULL, e) < 0)
			return -1;
	return options_check(o, n, (char **)operands, e);
}

#define LIST(...)                                                                                                      \
	(const char *const[])                                                                                          \
	{                                                                                                              \
		__VA_ARGS__ __VA_OPT__(, ) NULL                                                                        \
	}

static bool is_usage(int result, const struct err *e, const char *words)
{
	return result == -1 && e->status == EXIT_USAGE && strstr(e->text, words);
}

static bool is(const struct engine *engine, const char *name)
{
	return engine && strcmp(engine->name, name) == 0;
}

static void operands(void)
{
	struct options o;
	struct err e;

	ok(check(&o, LIST("extend-live", ""), 0, LIST(), &e) == 0 && o.extend_live && o.extend_ms == 0 &&
		   is(o.engine, "mplcr"),
	   "--extend-live: until it is ended, with its engine");
	ok(check(&o, LIST("extend-live", ""), 1, LIST("2.5"), &e) == 0 && o.extend_ms == 2500, "--extend-live 2.5");
	ok(is_usage(check(&o, LIST("extend-live", ""), 1, LIST("0"), &e), &e, "--extend-live"), "0 is no time: %s",
	   e.text);
	ok(is_usage(check(&o, LIST("extend-live", ""), 1, LIST("soon"), &e), &e, "--extend-live"), "nor is a word: %s",
	   e.text);
	ok(is_usage(check(&o, LIST("extend-live", ""), 2, LIST("1", "2"), &e), &e, "unexpected argument '2'"), "%s",
	   e.text);
	ok(is_usage(check(&o, LIST(), 1, LIST("5"), &e), &e, "unexpected argument '5'"), "without it: %s", e.text);
	ok(is_usage(check(&o, LIST("max-rate", ""), 1, LIST("5"), &e), &e, "unexpected argument '5'"),
	   "nor with another: %s", e.text);
}

static void together(void)
{
	const char *option;
	struct options o;
	struct err e;

	ok(check(&o, LIST(), 0, LIST(), &e) == 0 && !o.engine && !engine_of_options(&o, &option), "none of them");
	ok(check(&o, LIST("max-rate", ""), 0, LIST(), &e) == 0 && is(o.engine, "mplcr") &&
		   engine_of_options(&o, &option) == o.engine && strcmp(option, "--max-rate") == 0,
	   "--max-rate asks for its engine");
	ok(check(&o, LIST("uri", "tcp:h:1", "engine", "mplcr"), 0, LIST(), &e) == 0, "by name, too");
	ok(is_usage(check(&o, LIST("mplm", "dirty=5", "engine", "stop"), 0, LIST(), &e), &e, "--mplm goes with"), "%s",
	   e.text);
	ok(is_usage(check(&o, LIST("uri", "tcp:h:1", "engine", "precopy"), 0, LIST(), &e), &e, "--uri goes with"), "%s",
	   e.text);
	ok(is_usage(check(&o, LIST("max-rate", "", "max-bandwidth", "1M"), 0, LIST(), &e), &e, "--max-bandwidth"), "%s",
	   e.text);
	ok(is_usage(check(&o, LIST("uri", "tcp:h:1", "layout", "stream"), 0, LIST(), &e), &e, "--uri"), "%s", e.text);
	ok(check(&o, LIST("at-freeze", "true", "engine", "stop"), 0, LIST(), &e) == 0 && is(o.engine, "stop"),
	   "--at-freeze goes with any engine");
	o = (struct options)OPTIONS_DEFAULT;
	o.socket = "vm.qmp";
	o.at_freeze = "";
	ok(is_usage(options_check(&o, 0, NULL, &e), &e, "--at-freeze"), "%s", e.text);
}

static void disks(void)
{
	static const char *const methods[] = { "overlay", "reflink", "subvolume", "none" };
	struct options o;
	struct err e;

	ok(check(&o, LIST(), 0, LIST(), &e) == 0 && o.disks == FREEZE_DEFAULT && strcmp(o.disks->name, "overlay") == 0,
	   "overlays by default");
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		ok(check(&o, LIST("disks", methods[i]), 0, LIST(), &e) == 0 && o.disks &&
			   strcmp(o.disks->name, methods[i]) == 0,
		   "--disks %s", methods[i]);
	ok(check(&o, LIST("disks", "auto"), 0, LIST(), &e) == 0 && !o.disks, "--disks auto");
	ok(is_usage(check(&o, LIST("disks", "auto", "device", "d=f"), 0, LIST(), &e), &e, "--disks overlay only"), "%s",
	   e.text);
	options_release(&o);
	ok(check(&o, LIST("disks", "auto", "device", "d"), 0, LIST(), &e) == 0,
	   "--device without a file goes with all");
	options_release(&o);
	ok(is_usage(check(&o, LIST("disks", "reflink", "uri", "tcp:h:1"), 0, LIST(), &e), &e, "--uri goes with"), "%s",
	   e.text);
	ok(check(&o, LIST("include", "a", "include", "b"), 0, LIST(), &e) == 0 && o.include.n == 2,
	   "--include repeats");
	options_release(&o);
}

int main(void)
{
	disks();
	mplm();
	uri();
	times();
	operands();
	together();
	return done();
}
