/* SPDX-License-Identifier: MIT */
/* One run, from the plan to the VM. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "restore.h"

/* Undoes what was begun: no process and no files stay. */
static void undo(struct plan *p, struct vm *vm, bool listened)
{
	vm_kill(vm);
	if (vm->feed_fd >= 0)
		close(vm->feed_fd);
	if (listened)
		unlink(p->socket);
	prepare_undo(p);
}

int run_start(struct plan *p, struct vm *vm, struct err *e)
{
	struct stat st;
	bool had_socket;

	*vm = (struct vm){ .feed_fd = -1, .interrupt = interrupt_open(e) };
	if (vm->interrupt < 0)
		return -1;
	had_socket = lstat(p->socket, &st) == 0;
	vm->deadline = clock_in_ms((int64_t)p->o->timeout_ms);
	if (prepare_run(p, vm->interrupt, e) == 0 && vm_start(vm, p, e) == 0 && vm_load(vm, p, e) == 0)
		return 0;
	undo(p, vm, !had_socket && vm->pid > 0);
	return -1;
}

void run_undo(struct plan *p, struct vm *vm)
{
	undo(p, vm, true);
}

int run_hand_over(const struct plan *p, struct vm *vm, int64_t began, struct err *e)
{
	qmp_close(vm->qmp);
	vm->qmp = NULL;
	if (report_run(p, vm, clock_ms_between(began, vm->running), e) < 0) {
		err_hint(e, "the VM is running nevertheless: process %d, QMP socket %s", (int)vm->pid, p->socket);
		e->status = EXIT_PARTIAL;
		return -1;
	}
	run_claims_settle(p);
	return p->o->foreground ? vm_attend(vm) : EXIT_DONE;
}
