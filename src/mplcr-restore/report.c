/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "restore.h"

static json_t *disks_json(const struct plan *p)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < p->m->n_disks; i++) {
		json_t *disk;

		if (!p->overlays[i] || !p->c.used[i])
			continue;
		disk = json_object();
		json_object_set_new(disk, "device", json_string_of(p->m->disks[i].device));
		json_object_set_new(disk, "overlay", json_string_of(p->overlays[i]));
		json_object_set_new(disk, "frozen", json_string_of(p->m->disks[i].chain[0].path));
		json_array_append_new(disks, disk);
	}
	return disks;
}

static json_t *included_json(const struct plan *p)
{
	json_t *included = json_array();

	for (size_t i = 0; i < p->m->n_included && !p->o->receiver; i++) {
		json_t *one = json_object();

		json_object_set_new(one, "path", json_string_of(p->m->included[i].path));
		json_object_set_new(one, "file", json_string_of(p->included[i]));
		json_array_append_new(included, one);
	}
	return included;
}

static json_t *moved_json(const struct plan *p)
{
	json_t *moved = json_array();

	for (size_t i = 0; i < p->c.n_moved; i++) {
		json_t *move = json_object();

		json_object_set_new(move, "from", json_string_of(p->c.moved[i].from));
		json_object_set_new(move, "to", json_string_of(p->c.moved[i].to));
		json_array_append_new(moved, move);
	}
	return moved;
}

static const char *mode_of(const struct plan *p)
{
	return p->o->receiver ? "receiver" : p->lazy ? "lazy" : "eager";
}

static double restore_ms(const struct vm *vm)
{
	return clock_ms_between(vm->greeted, vm->running);
}

static int report_json(const struct plan *p, const struct vm *vm, double total_ms, struct err *e)
{
	_cleanup_json_ json_t *object = json_object();

	json_object_set_new(object, "schema", json_string("mplcr.restore.run/1"));
	json_object_set_new(object, "name", p->made_dir ? json_string_of(p->name) : json_null());
	json_object_set_new(object, "checkpoint", json_string_of(p->m->checkpoint));
	json_object_set_new(object, "pid", json_integer(vm->pid));
	json_object_set_new(object, "qmp", json_string_of(p->socket));
	json_object_set_new(object, "restore_ms", json_real(restore_ms(vm)));
	json_object_set_new(object, "total_ms", json_real(total_ms));
	json_object_set_new(object, "running_ms", p->o->paused ? json_null() : json_real(total_ms));
	json_object_set_new(object, "mode", json_string(mode_of(p)));
	json_object_set_new(object, "running", json_boolean(!p->o->paused));
	json_object_set_new(object, "disks", disks_json(p));
	json_object_set_new(object, "included", included_json(p));
	json_object_set_new(object, "moved", moved_json(p));
	json_object_set_new(object, "foreign", json_boolean(p->foreign));
	json_object_set_new(object, "wants", trust_wants_json(p));
	json_object_set_new(object, "log",
			    p->o->foreground || p->o->receiver ? json_null() : json_string_of(p->log));
	json_object_set_new(object, "dir", p->made_dir ? json_string_of(p->dir) : json_null());
	return json_print(object, e);
}

/* One of many: all in one line. */
static void report_line(const struct plan *p, const struct vm *vm)
{
	_cleanup_free_ char *line = text_of("%s pid %d qmp %s", p->name, (int)vm->pid, p->socket);

	escape_line(line);
}

static void report_text(const struct plan *p, const struct vm *vm)
{
	printf("pid %d\nqmp ", (int)vm->pid);
	escape_line(p->socket);
	for (size_t i = 0; i < p->m->n_disks; i++) {
		_cleanup_free_ char *line = NULL;

		if (!p->overlays[i] || !p->c.used[i])
			continue;
		line = text_of("disk %s %s", p->m->disks[i].device, p->overlays[i]);
		escape_line(line);
	}
}

/* Of many VMs many.c says how many run; where each has its own is in their JSON. */
static void report_notes(const struct plan *p, const struct vm *vm, double total_ms)
{
	if (p->o->count)
		return;
	for (size_t i = 0; i < p->c.n_moved; i++)
		cli_note("'%s' of this VM is '%s'", p->c.moved[i].from, p->c.moved[i].to);
	for (size_t i = 0; i < p->c.n_notes; i++)
		cli_note("%s", p->c.notes[i]);
	if (!p->o->paused && p->m->run_state && strcmp(p->m->run_state, "paused") == 0)
		cli_note("the VM was paused when the checkpoint was taken; it runs now (--paused leaves it so)");
	cli_note("checkpoint '%s' %s in %.1f ms, %s (%.0f ms in all)", p->m->name,
		 p->o->paused ? "is ready" : "runs again", restore_ms(vm),
		 p->o->receiver ? "in its receiver" : p->lazy ? "lazily" : "eagerly", total_ms);
}

int report_run(const struct plan *p, const struct vm *vm, double total_ms, struct err *e)
{
	report_notes(p, vm, total_ms);
	if (p->o->json) {
		if (report_json(p, vm, total_ms, e) < 0)
			return -1;
	} else if (p->o->count) {
		report_line(p, vm);
	} else {
		report_text(p, vm);
	}
	return cli_flush(e);
}
