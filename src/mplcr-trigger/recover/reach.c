/* SPDX-License-Identifier: MIT */
#include "recover/recover.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/users.h"
#include "qemu/image_path.h"

/* How long another client may hold the socket, and QEMU may be silent. */
#define GREETING_MS 5000
#define ANSWER_MS 60000

static bool is_alive(const struct unfinished *u)
{
	return u->this_boot && u->vm.pid > 0 && procinfo_started(u->vm.pid) == u->vm.started;
}

/* Whether the process has run since before the checkpoint began. */
static bool is_older(const struct unfinished *u, pid_t pid)
{
	uint64_t started = procinfo_started(pid);

	return u->this_boot && started > 0 && started <= u->tool.started;
}

static void out_of_reach(struct reached *v, const char *why)
{
	v->reach = VM_OUT_OF_REACH;
	v->why = text_copy(why);
}

/* Whether the VM has any of the images. */
static bool has_images(const struct vm_disks *v, const struct unfinished *u)
{
	for (size_t d = 0; d < v->n_disks; d++)
		for (size_t i = 0; i < v->disks[d].n_chain; i++)
			for (size_t k = 0; k < u->n_disks && v->disks[d].chain[i].path; k++)
				if (image_same(v->disks[d].chain[i].path, u->disks[k].overlay) ||
				    image_same(v->disks[d].chain[i].path, u->disks[k].frozen))
					return true;
	return false;
}

/*
 * Whether it is the VM of the journal that answers: that process, or, since there may be a program between it and the socket, one
 * that has its images and has had them since before.
 */
static bool is_it(const struct reached *v, const struct unfinished *u)
{
	if (v->process.pid == u->vm.pid && is_alive(u))
		return true;
	return has_images(&v->disks, u) && is_older(u, v->process.pid);
}

/* Returns whether it is the VM of the journal that listens there. */
static bool connect_to(struct reached *v, const struct unfinished *u, const char *socket, struct err *e)
{
	v->q = qmp_connect(socket, GREETING_MS, -1, e);
	if (!v->q || qmp_take_turn(v->q, GREETING_MS, e) < 0)
		return false;
	qmp_set_deadline(v->q, clock_in_ms(ANSWER_MS));
	vm_process_read(&v->process, v->q);
	if (vm_disks_read(&v->disks, v->q, &v->process, e) < 0)
		return false;
	if (is_it(v, u))
		return true;
	err_set(e, "another VM listens on '%s'", socket);
	return false;
}

/* A process that has one of the images open for writing, and had it before; or 0. *path: which image. */
static pid_t user_of(const struct unfinished *u, const char **path)
{
	for (size_t i = 0; i < u->n_disks; i++) {
		const char *paths[] = { u->disks[i].overlay, u->disks[i].frozen };

		for (size_t k = 0; k < 2; k++) {
			pid_t pid = image_users_pid(paths[k], true);

			*path = paths[k];
			if (pid && is_older(u, pid))
				return pid;
		}
	}
	return 0;
}

/* It did not answer on its socket: it is gone, unless its process or its use of the images shows otherwise. */
static void find_gone(struct reached *v, const struct unfinished *u, const char *why)
{
	const char *path;
	pid_t pid;

	v->reach = VM_GONE;
	if (is_alive(u)) {
		out_of_reach(v, why);
		return;
	}
	pid = user_of(u, &path);
	if (pid) {
		_cleanup_free_ char *text = text_of("process %d has '%s'; %s", (int)pid, path, why);

		out_of_reach(v, text);
	}
}

void vm_reach(struct reached *v, const struct unfinished *u, const char *socket)
{
	struct err e = { 0 };

	*v = (struct reached){ .reach = VM_REACHED };
	if ((socket || u->this_boot) && connect_to(v, u, socket ? socket : u->socket, &e))
		return;
	qmp_close(v->q);
	v->q = NULL;
	find_gone(v, u, e.text);
}

void vm_reached_release(struct reached *v)
{
	qmp_close(v->q);
	vm_disks_release(&v->disks);
	vm_process_release(&v->process);
	free(v->why);
}
