/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "command.h"
#include "fdio.h"
#include "restore.h"

/* Overlays that are made at the same time. */
#define AT_ONCE 8

static int make_parent(struct plan *p, struct err *e)
{
	if (mkdir(p->parent, 0700) == 0) {
		p->made_parent = true;
		return 0;
	}
	return errno == EEXIST ? 0 : err_sys(e, errno, "cannot make directory '%s'", p->parent);
}

/* Claims a run directory, which mkdir gives to one of several who try. */
static int make_dir(struct plan *p, struct err *e)
{
	for (unsigned n = 1;; n++) {
		if (plan_name_run(p, &n, e) < 0)
			return -1;
		if (mkdir(p->dir, 0700) == 0) {
			p->made_dir = true;
			return 0;
		}
		if (errno == EEXIST && !p->o->name)
			continue;
		err_sys(e, errno, "cannot make directory '%s'", p->dir);
		if (e->sys == EEXIST)
			return err_hint(e, "a run of that name is there: choose another --name, or remove it");
		return err_hint(e, "choose another place with --dir DIR");
	}
}

static int start_overlay(const struct plan *p, size_t i, struct command *command, struct err *e)
{
	char **argv = overlay_command(&p->m->disks[i], p->overlays[i], e);
	int result = argv ? command_start(command, argv, e) : -1;

	overlay_command_free(argv);
	return result;
}

static int finish_overlay(struct command *command, int64_t deadline, int interrupt, struct err *e)
{
	_cleanup_free_ char *output = NULL;

	if (command_finish(command, "qemu-img create", deadline, interrupt, &output, e) == 0)
		return 0;
	if (output && strcmp(output, strerror(ENOENT)) == 0)
		err_hint(e, "is qemu-img installed? (package qemu-utils)");
	return -1;
}

/* Makes the overlays of the disks from `from` on, at most AT_ONCE; *next gets the first disk after them. */
static int make_some(const struct plan *p, size_t from, size_t *next, int interrupt, struct err *e)
{
	struct command commands[AT_ONCE] = { 0 };
	int64_t deadline = clock_in_ms((int64_t)p->o->timeout_ms);
	struct err ignored;
	int result = 0;
	size_t n = 0;

	for (*next = from; *next < p->m->n_disks && n < AT_ONCE && result == 0; ++*next)
		if (p->overlays[*next] && p->c.used[*next]) {
			result = start_overlay(p, *next, &commands[n], e);
			n += result == 0;
		}
	for (size_t i = 0; i < n; i++)
		if (finish_overlay(&commands[i], deadline, interrupt, result < 0 ? &ignored : e) < 0)
			result = -1;
	return result;
}

static int make_overlays(const struct plan *p, int interrupt, struct err *e)
{
	size_t next = 0;

	while (next < p->m->n_disks)
		if (make_some(p, next, &next, interrupt, e) < 0)
			return -1;
	return 0;
}

int prepare_run(struct plan *p, int interrupt, struct err *e)
{
	mode_t old = umask(0077);
	int result = -1;

	if (make_parent(p, e) == 0 && make_dir(p, e) == 0 && make_overlays(p, interrupt, e) == 0)
		result = 0;
	umask(old);
	return result;
}

void prepare_undo(struct plan *p)
{
	if (p->made_dir)
		dir_remove(p->dir);
	if (p->made_parent)
		rmdir(p->parent);
	p->made_dir = p->made_parent = false;
}
