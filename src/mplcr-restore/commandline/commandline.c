/* SPDX-License-Identifier: MIT */
#include "commandline/commandline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "commandline/impl.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/keyval.h"

void commandline_note(struct commandline *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*array_add(c->notes, c->n_notes) = text_of_args(fmt, ap);
	va_end(ap);
}

/* Whether something else in the run directory is called `path`. */
static bool taken(const struct commandline *c, const struct commandline_request *r, const char *path)
{
	_cleanup_free_ char *log = text_of("%s/qemu.log", r->run_dir);

	if (strcmp(path, r->socket) == 0 || strcmp(path, log) == 0)
		return true;
	for (size_t i = 0; i < r->m->n_disks; i++)
		if (r->overlays[i] && strcmp(path, r->overlays[i]) == 0)
			return true;
	for (size_t i = 0; i < c->n_moved; i++)
		if (strcmp(path, c->moved[i].to) == 0)
			return true;
	return false;
}

static const char *moved_to(const struct commandline *c, const char *from)
{
	for (size_t i = 0; i < c->n_moved; i++)
		if (strcmp(c->moved[i].from, from) == 0)
			return c->moved[i].to;
	return NULL;
}

static const char *record_move(struct commandline *c, const char *from, const char *to)
{
	struct commandline_move *move = array_add(c->moved, c->n_moved);

	*move = (struct commandline_move){ text_copy(from), text_copy(to) };
	return move->to;
}

const char *commandline_move(struct commandline *c, const struct commandline_request *r, const char *from, bool socket,
			     struct err *e)
{
	_cleanup_free_ char *to = text_of("%s/%s", r->run_dir, path_base(from));
	_cleanup_free_ char *whole = path_join(r->m->cwd ? r->m->cwd : ".", from);
	const char *known = moved_to(c, whole);

	if (known)
		return known;
	for (int i = 2; taken(c, r, to); i++) {
		free(to);
		to = text_of("%s/%s.%d", r->run_dir, path_base(from), i);
	}
	if (socket && strlen(to) > COMMANDLINE_SOCKET_MAX) {
		err_set(e, "the path of a socket can have %d bytes, but the VM's '%s' would become '%s'",
			COMMANDLINE_SOCKET_MAX, from, to);
		err_hint(e, "choose a directory with a shorter path: --dir DIR");
		return NULL;
	}
	return record_move(c, whole, to);
}

/*
 * A recorded QMP socket that would get the very name of the new one in the run directory is the new one: without this,
 * a VM that is checkpointed and restored again and again would get one more monitor each time.
 */
static void merge_monitor(const struct commandline_request *r, struct args *a, struct commandline *c)
{
	for (size_t i = a->n; i > 0; i--) {
		_cleanup_keyval_ struct keyval kv = { 0 };
		_cleanup_free_ char *to = NULL, *whole = NULL;
		const char *value = a->items[i - 1].value, *path;

		if (!arg_is(&a->items[i - 1], "qmp") || !value || strncmp(value, "unix:", 5) != 0)
			continue;
		keyval_parse(&kv, value + 5, "path");
		path = keyval_get(&kv, "path");
		if (!path || !keyval_on(&kv, "server"))
			continue;
		to = text_of("%s/%s", r->run_dir, path_base(path));
		if (strcmp(to, r->socket) != 0)
			continue;
		whole = path_join(r->m->cwd ? r->m->cwd : ".", path);
		record_move(c, whole, to);
		args_remove_at(a, i - 1);
	}
}

static void drop_ended(struct args *a)
{
	static const char *const ended[] = { "S", "incoming", "loadvm", "snapshot", "daemonize", "pidfile",
					     "preconfig" };

	for (size_t i = 0; i < sizeof(ended) / sizeof(*ended); i++)
		args_remove(a, ended[i]);
}

static void set_name(struct args *a, const char *name)
{
	_cleanup_keyval_ struct keyval kv = { 0 };
	struct arg *arg = args_find(a, "name");

	if (!arg) {
		_cleanup_free_ char *value = keyval_escape(name);

		args_add(a, "name", value);
		return;
	}
	keyval_parse(&kv, arg->value ? arg->value : "", "guest");
	keyval_set(&kv, "guest", name);
	arg_set_value(arg, keyval_text(&kv));
}

static void add_started(const struct commandline_request *r, struct args *a)
{
	_cleanup_free_ char *path = keyval_escape(r->socket);
	_cleanup_free_ char *qmp = text_of("unix:%s,server=on,wait=off", path);

	if (r->vm_name)
		set_name(a, r->vm_name);
	args_add(a, "qmp", qmp);
	args_add(a, "incoming", r->incoming);
	if (r->stopped)
		args_add(a, "S", NULL);
}

static int check_own(const struct args *a, struct err *e)
{
	static const char *const ours[] = { "incoming", "daemonize" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		if (!args_find(a, ours[i]))
			continue;
		err_usage(e, "the command line after -- has -%s, which mplcr-restore sets itself", ours[i]);
		return err_hint(e, "leave it out");
	}
	return 0;
}

static int build_own(const struct commandline_request *r, struct args *a, struct commandline *c, struct err *e)
{
	bool ram;

	if (check_own(a, e) < 0 || commandline_placeholders(r, a, c, &ram, e) < 0)
		return -1;
	if (!ram)
		commandline_memory(r, a, c);
	return 0;
}

static int build_recorded(const struct commandline_request *r, struct args *a, struct commandline *c, struct err *e)
{
	drop_ended(a);
	merge_monitor(r, a, c);
	if (commandline_outside(r, a, c, e) < 0 || commandline_disks(r, a, c, e) < 0)
		return -1;
	commandline_included(r, a);
	commandline_memory(r, a, c);
	return 0;
}

int commandline_build(const struct commandline_request *r, struct commandline *c, struct err *e)
{
	_cleanup_args_ struct args a;

	*c = (struct commandline){ .used = memory_of(r->m->n_disks, sizeof(bool)) };
	args_parse(&a, r->argv + 1);
	if (strlen(r->socket) > COMMANDLINE_SOCKET_MAX) {
		err_set(e, "the path of a socket can have %d bytes: '%s' has %zu", COMMANDLINE_SOCKET_MAX, r->socket,
			strlen(r->socket));
		return err_hint(e, "choose a shorter one with --socket PATH, or a directory with a shorter path "
				   "with --dir DIR");
	}
	commandline_machine(r, &a);
	if ((r->own ? build_own : build_recorded)(r, &a, c, e) < 0)
		return -1;
	add_started(r, &a);
	c->argv = args_print(&a, r->binary);
	return 0;
}

void commandline_release(struct commandline *c)
{
	for (size_t i = 0; i < c->n_moved; i++) {
		free(c->moved[i].from);
		free(c->moved[i].to);
	}
	for (size_t i = 0; i < c->n_notes; i++)
		free(c->notes[i]);
	text_list_free(c->argv);
	free(c->moved);
	free(c->notes);
	free(c->used);
	*c = (struct commandline){ 0 };
}
