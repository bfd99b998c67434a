/* SPDX-License-Identifier: MIT */
/* What one run of a checkpoint gets for itself: the names of its directory and of all in it, and its command line. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "qemu/versions.h"
#include "restore.h"

static int choose_socket(struct plan *p, struct err *e)
{
	struct stat st;

	free(p->socket);
	if (!p->o->socket) {
		p->socket = text_of("%s/qmp.sock", p->dir);
		return 0;
	}
	p->socket = path_real_parent(p->o->socket);
	if (!p->socket)
		return err_sys(e, errno, "cannot use socket path '%s'", p->o->socket);
	if (lstat(p->socket, &st) < 0 || p->o->force)
		return 0;
	err_set(e, "'%s' is already there", p->socket);
	return err_hint(e, "another VM may listen on it; if not, remove it");
}

/* An overlay is called after its disk; what could not be in a file's name becomes '_'. */
static char *overlay_name(const struct plan *p, size_t i)
{
	_cleanup_free_ char *name = text_of("%.100s", p->m->disks[i].device);
	char *path;

	for (char *s = name; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			*s = '_';
	path = text_of("%s/%s.ovl", p->dir, name);
	for (size_t j = 0; j < i; j++)
		if (p->overlays[j] && strcmp(p->overlays[j], path) == 0) {
			free(path);
			return text_of("%s/%s.%zu.ovl", p->dir, name, i);
		}
	return path;
}

static void name_overlays(struct plan *p)
{
	for (size_t i = 0; i < p->m->n_disks; i++) {
		free(p->overlays[i]);
		p->overlays[i] = NULL;
		if (!p->m->disks[i].read_only)
			p->overlays[i] = overlay_name(p, i);
	}
}

/* For --print: QEMU reads the state by itself, where a command of the shell can hand it over. */
static int incoming_command(const struct plan *p, char **incoming, struct err *e)
{
	const struct layout *layout = p->m->layout;
	struct layout_command c;

	if (p->lazy && p->version < QEMU_CLEAN_INCOMING)
		return err_usage(e, "no shell command can load layout '%s' with QEMU before 5.0: it needs "
				    "mplcr-restore itself", layout->name);
	if (!layout->shell(p->m, p->lazy, &c)) {
		err_usage(e, "no shell command can load layout '%s' eagerly: it needs mplcr-restore itself",
			  layout->name);
		return err_hint(e, "leave out --eager, or --print");
	}
	if (strchr(p->m->checkpoint, '\''))
		return err_usage(e, "--print cannot quote the path of the checkpoint: it has an apostrophe");
	*incoming = text_of("exec:%s '%s/%s'", c.command, p->m->checkpoint, c.file);
	return 0;
}

static int build_command_line(struct plan *p, struct err *e)
{
	_cleanup_free_ char *incoming = NULL;
	struct commandline_request r = {
		.m = p->m,
		.argv = p->o->own ? p->o->own : p->m->argv,
		.own = p->o->own != NULL,
		.binary = p->binary,
		.version = p->version,
		.lazy = p->lazy,
		.run_dir = p->dir,
		.socket = p->socket,
		.vm_name = p->o->own ? NULL : p->wish,
		.overlays = p->overlays,
		.included = p->included,
		.incoming = "defer",
		.stopped = !p->o->print || p->o->paused,
	};

	if (p->o->print) {
		if (incoming_command(p, &incoming, e) < 0)
			return -1;
		r.incoming = incoming;
	}
	commandline_release(&p->c);
	return commandline_build(&r, &p->c, e);
}

int plan_name_run(struct plan *p, unsigned *n, struct err *e)
{
	struct stat st;

	for (;; ++*n) {
		free(p->name);
		free(p->dir);
		p->name = p->wish ? text_of("%s", p->wish) : text_of("run-%u", *n);
		p->dir = text_of("%s/%s.%s", strcmp(p->parent, "/") == 0 ? "" : p->parent, p->m->name, p->name);
		if (p->wish || lstat(p->dir, &st) < 0)
			break;
	}
	free(p->log);
	p->log = text_of("%s/qemu.log", p->dir);
	name_overlays(p);
	included_name(p);
	if (p->o->receiver)
		return 0;
	if (choose_socket(p, e) < 0)
		return -1;
	return build_command_line(p, e);
}
