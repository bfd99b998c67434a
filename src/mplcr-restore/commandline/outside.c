/* SPDX-License-Identifier: MIT */
/* Rule "outside" of commandline.h: what only one QEMU process can have. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "commandline/impl.h"
#include "base/path.h"
#include "base/text.h"
#include "commandline/optvalue.h"
#include "qemu/secrets.h"

/* What the functions below need and fill. */
struct outside {
	const struct commandline_request *r;
	struct commandline *c;
	struct err *e;
};

/* Devices and the like are not ours to move. */
static bool is_device(const char *path)
{
	return (path_below("/dev", path) && !path_below("/dev/shm", path)) || path_below("/proc", path) ||
	       path_below("/sys", path);
}

/* Moves the path at `key`. Returns 1 where it did, 0 where there is nothing to move, -1 on failure. */
static int move_member(struct outside *o, struct optvalue *v, const char *key, bool socket)
{
	const char *from = optvalue_get(v, key), *to;

	if (!from || !*from || is_device(from))
		return 0;
	to = commandline_move(o->c, o->r, from, socket, o->e);
	if (!to)
		return -1;
	optvalue_set(v, key, to);
	return 1;
}

static int move_listener(struct outside *o, struct optvalue *v, const char *key)
{
	int moved;

	if (!optvalue_on(v, "server"))
		return 0;
	moved = move_member(o, v, key, true);
	if (moved <= 0)
		return moved;
	optvalue_remove(v, "abstract");
	optvalue_remove(v, "tight");
	return 1;
}

/* Nobody may be there to connect, and QEMU would not start before. */
static void dont_wait(struct optvalue *v)
{
	if (optvalue_on(v, "server"))
		optvalue_set_flag(v, "wait", false);
}

static int outside_chardev(struct outside *o, struct optvalue *v)
{
	const char *backend = optvalue_get(v, "backend");
	int moved = 0;

	if (backend && strcmp(backend, "socket") == 0) {
		moved = move_listener(o, v, "path");
		dont_wait(v);
	} else if (backend && strcmp(backend, "file") == 0) {
		moved = move_member(o, v, "path", false);
	}
	return moved < 0 || move_member(o, v, "logfile", false) < 0 ? -1 : 0;
}

static int outside_netdev(struct outside *o, struct optvalue *v)
{
	const char *remote = optvalue_get(v, "addr.type"), *local = optvalue_get(v, "local.type");

	if (remote && strcmp(remote, "unix") == 0 && move_listener(o, v, "addr.path") < 0)
		return -1;
	if (local && strcmp(local, "unix") == 0 && move_member(o, v, "local.path", true) < 0)
		return -1;
	return 0;
}

static int outside_spice(struct outside *o, struct optvalue *v)
{
	return optvalue_on(v, "unix") && move_member(o, v, "addr", true) < 0 ? -1 : 0;
}

/* Shared memory of a file belongs to the VM that uses it; one of a directory has no name there. */
static int outside_object(struct outside *o, struct optvalue *v)
{
	const char *type = optvalue_get(v, "qom-type"), *path = optvalue_get(v, "mem-path");
	_cleanup_free_ char *whole = path ? path_join(o->r->m->cwd ? o->r->m->cwd : ".", path) : NULL;
	struct stat st;

	if (type && strcmp(type, "filter-dump") == 0)
		return move_member(o, v, "file", false) < 0 ? -1 : 0;
	if (!type || strcmp(type, "memory-backend-file") != 0 || !whole)
		return 0;
	if (!optvalue_on(v, "share") || optvalue_on(v, "readonly") || (stat(whole, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return move_member(o, v, "mem-path", false) < 0 ? -1 : 0;
}

static int outside_trace(struct outside *o, struct optvalue *v)
{
	return move_member(o, v, "file", false) < 0 ? -1 : 0;
}

static int move_whole(struct outside *o, struct arg *arg, const char *prefix, const char *from)
{
	const char *to;

	if (is_device(from))
		return 0;
	to = commandline_move(o->c, o->r, from, false, o->e);
	if (!to)
		return -1;
	arg_set_value(arg, text_of("%s%s", prefix, to));
	return 0;
}

/* How long the protocol of a socket in the short form is ("unix:"), or 0 where it is no socket. */
static size_t socket_protocol(const char *text)
{
	static const char *const protocols[] = { "unix:", "tcp:", "telnet:", "websocket:", "tn3270:" };

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++)
		if (strncmp(text, protocols[i], strlen(protocols[i])) == 0)
			return strlen(protocols[i]);
	return 0;
}

/* The short form of a character device: "unix:PATH,server=on", "file:PATH", each perhaps behind "mon:". */
static int outside_short(struct outside *o, struct arg *arg)
{
	_cleanup_optvalue_ struct optvalue v = { 0 };
	_cleanup_free_ char *rest = NULL;
	const char *mon = strncmp(arg->value, "mon:", 4) == 0 ? "mon:" : "", *at = arg->value + strlen(mon);
	size_t protocol = socket_protocol(at);

	if (strncmp(at, "file:", 5) == 0) {
		_cleanup_free_ char *prefix = text_of("%sfile:", mon), *from = text_copy(at + 5);

		return move_whole(o, arg, prefix, from);
	}
	if (protocol == 0)
		return 0;
	optvalue_parse(&v, at + protocol, "path");
	if (strncmp(at, "unix:", 5) == 0 && move_listener(o, &v, "path") < 0)
		return -1;
	dont_wait(&v);
	if (move_member(o, &v, "logfile", false) < 0)
		return -1;
	rest = optvalue_text(&v);
	arg_set_value(arg, text_of("%s%.*s%s", mon, (int)protocol, at, rest));
	return 0;
}

/* -vnc unix:PATH,…, and the same behind "vnc=" in -display. */
static int outside_vnc(struct outside *o, struct arg *arg, const char *prefix)
{
	_cleanup_keyval_ struct keyval kv = { 0 };
	_cleanup_free_ char *value = NULL, *rest = NULL;
	const char *where, *to;

	keyval_parse(&kv, arg->value + strlen(prefix), "vnc");
	where = keyval_get(&kv, "vnc");
	if (!where || strncmp(where, "unix:", 5) != 0)
		return 0;
	to = commandline_move(o->c, o->r, where + 5, true, o->e);
	if (!to)
		return -1;
	value = text_of("unix:%s", to);
	keyval_set(&kv, "vnc", value);
	rest = keyval_text(&kv);
	arg_set_value(arg, text_of("%s%s", prefix, rest));
	return 0;
}

static int outside_display(struct outside *o, struct arg *arg)
{
	return strncmp(arg->value, "vnc=", 4) == 0 ? outside_vnc(o, arg, "vnc=") : 0;
}

static int outside_plain_vnc(struct outside *o, struct arg *arg)
{
	return outside_vnc(o, arg, "");
}

static int outside_log(struct outside *o, struct arg *arg)
{
	_cleanup_free_ char *from = text_copy(arg->value);

	return move_whole(o, arg, "", from);
}

/* The checker of each option: for a value in one of its two forms, or for the plain text. */
static const struct {
	const char *name;
	const char *implied;
	int (*members)(struct outside *, struct optvalue *);
	int (*whole)(struct outside *, struct arg *);
} rows[] = {
	{ "chardev", "backend", outside_chardev, NULL },
	{ "netdev", "type", outside_netdev, NULL },
	{ "spice", NULL, outside_spice, NULL },
	{ "object", "qom-type", outside_object, NULL },
	{ "trace", "enable", outside_trace, NULL },
	{ "qmp", NULL, NULL, outside_short },
	{ "qmp-pretty", NULL, NULL, outside_short },
	{ "monitor", NULL, NULL, outside_short },
	{ "serial", NULL, NULL, outside_short },
	{ "parallel", NULL, NULL, outside_short },
	{ "debugcon", NULL, NULL, outside_short },
	{ "gdb", NULL, NULL, outside_short },
	{ "qtest", NULL, NULL, outside_short },
	{ "vnc", NULL, NULL, outside_plain_vnc },
	{ "display", NULL, NULL, outside_display },
	{ "D", NULL, NULL, outside_log },
};

static int look_at(struct outside *o, struct arg *arg)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_optvalue_ struct optvalue v = { 0 };

		if (!arg_is(arg, rows[i].name))
			continue;
		if (rows[i].whole)
			return rows[i].whole(o, arg);
		optvalue_parse(&v, arg->value, rows[i].implied);
		if (rows[i].members(o, &v) < 0)
			return -1;
		arg_set_value(arg, optvalue_text(&v));
	}
	return 0;
}

/* Whether the argument speaks of a descriptor that the recorded process inherited. */
static bool is_inherited(const struct arg *arg)
{
	static const char *const options[] = { "netdev", "nic", "net", "chardev", "device", "object" };
	static const char *const keys[] = { "fd", "fds", "vhostfd", "vhostfds" };

	if (arg_is(arg, "add-fd") || (arg->value && strstr(arg->value, "/dev/fdset/")))
		return true;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		_cleanup_optvalue_ struct optvalue v = { 0 };

		if (!arg_is(arg, options[i]) || !arg->value)
			continue;
		optvalue_parse(&v, arg->value, "");
		for (size_t j = 0; j < sizeof(keys) / sizeof(*keys); j++)
			if (optvalue_has(&v, keys[j]))
				return true;
	}
	return false;
}

int commandline_outside(const struct commandline_request *r, struct args *a, struct commandline *c, struct err *e)
{
	struct outside o = { r, c, e };

	for (size_t i = 0; i < a->n; i++) {
		struct arg *arg = &a->items[i];

		if (is_inherited(arg)) {
			_cleanup_free_ char *value = secret_masked(arg->name, arg->value ? arg->value : "");

			err_set(e,
				"the VM got an open descriptor from whoever started it, which is not available "
				"again: -%s %s",
				arg->name ? arg->name : "", value);
			return err_hint(e, "give the whole command line yourself: mplcr-restore CKPT -- QEMU ARG…, "
					   "with {disk:DEVICE} where images belong");
		}
		if (arg->value && look_at(&o, arg) < 0)
			return -1;
	}
	return 0;
}
