/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "qemu/versions.h"
#include "qemu/vm.h"
#include "restore.h"

/* The wait between two looks at a load that takes long; it begins at 0 and grows to this. */
#define LOOK_MS 20

/* Most versions of QEMU end when a load fails; this is for those that stay. */
static int check_failed(struct vm *vm, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *status, *why;

	if (qmp_run(vm->qmp, "query-migrate", NULL, &answer, e) < 0)
		return -1;
	status = json_text(answer, "status");
	if (!status || strcmp(status, "failed") != 0)
		return 0;
	why = json_text(answer, "error-desc");
	return err_set(e, "QEMU could not load the state: %s", why ? why : "no reason given");
}

/* Whether the state is loaded: QEMU leaves run state inmigrate. Returns 1, 0, or -1. */
static int is_loaded(struct vm *vm, struct err *e)
{
	struct vm_status status;

	if (vm_status_read(vm->qmp, &status, e) < 0)
		return -1;
	return strcmp(status.state, "inmigrate") != 0 ? 1 : check_failed(vm, e);
}

int vm_wait_loaded(struct vm *vm, struct err *e)
{
	int64_t began = clock_ns();
	int loaded;

	for (int ms = 0; (loaded = is_loaded(vm, e)) == 0; ms = ms < LOOK_MS ? ms + 1 : LOOK_MS) {
		if (ms == LOOK_MS)
			cli_progress_line("loading the state, %.1f s", clock_ms_between(began, clock_ns()) / 1000);
		if (interrupt_sleep(vm->interrupt, ms, e) < 0)
			return -1;
		if (clock_over(vm->deadline))
			return err_set(e, "the state was not loaded in time");
	}
	/* the time may as well be over while QEMU is asked */
	if (loaded < 0 && e->sys != EINTR && !qmp_alive(vm->qmp) && clock_over(vm->deadline))
		return err_set(e, "the state was not loaded in time");
	return loaded < 0 ? -1 : 0;
}

int vm_run_guest(struct vm *vm, struct err *e)
{
	struct vm_status status;

	if (qmp_run(vm->qmp, "cont", NULL, NULL, e) < 0 || vm_status_read(vm->qmp, &status, e) < 0)
		return -1;
	if (strcmp(status.state, "running") == 0)
		return 0;
	return err_set(e, "the guest does not run: QEMU's run state is '%s'", status.state);
}

/* QEMU has opened the memory files by their paths: they must still be what was looked at. */
static int check_memory(const struct plan *p, struct err *e)
{
	for (size_t i = 0; p->lazy && i < p->m->n_files; i++)
		if (p->m->files[i].block &&
		    manifest_check_file(&p->m->files[i], p->m->checkpoint, false, e) != MANIFEST_SOUND)
			return -1;
	return 0;
}

static int load(struct vm *vm, const struct plan *p, struct err *e)
{
	_cleanup_free_ char *uri = text_of("fd:%d", vm->state_fd);

	if (check_memory(p, e) < 0 || vm_check_disks(vm, p, e) < 0)
		return -1;
	if (qmp_run(vm->qmp, "migrate-incoming", json_of("{s:s}", "uri", uri), NULL, e) < 0)
		return -1;
	return vm_wait_loaded(vm, e);
}

/* QEMU's own words where it has ended, else what went wrong here. */
static int explain(struct vm *vm, const struct plan *p, struct err *e)
{
	if (e->sys != EINTR)
		vm_explain(vm, p, qmp_alive(vm->qmp) ? 0 : 2000, e);
	if (clock_over(vm->deadline))
		err_hint(e, "a larger --timeout gives it more time");
	return -1;
}

/* Which pages must be sent although memory is mapped: from QEMU 5.0 on there are none. */
static int find_overwritten(struct vm *vm, const struct plan *p, struct overwritten *o, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	if (!p->lazy || p->version >= QEMU_CLEAN_INCOMING)
		return 0;
	path = text_of("%s/%s", p->m->checkpoint, memory_main_file(p->m)->name);
	if (qmp_peer(vm->qmp, &pid, &uid, &gid, e) == 0 && overwritten_read(o, pid, path, e) == 0)
		return 0;
	return err_hint(e, "--eager does without");
}

static int feed_and_load(struct vm *vm, const struct plan *p, const struct overwritten *o, struct err *e)
{
	struct feed *feed = feed_start(p, o, vm->feed_fd, e);
	struct err why;
	int result, fed;

	vm->feed_fd = -1;
	if (!feed)
		return -1;
	result = load(vm, p, e);
	if (result < 0) {
		explain(vm, p, e);
		vm_kill(vm); /* so that nothing reads any more, and the thread ends */
	}
	fed = feed_finish(feed, &why);
	cli_progress_end();
	if (fed < 0) {
		*e = why; /* the cause of what QEMU says */
		return -1;
	}
	return result;
}

int vm_load(struct vm *vm, const struct plan *p, struct err *e)
{
	struct overwritten o = { 0 };
	int result = find_overwritten(vm, p, &o, e);

	if (result == 0)
		result = feed_and_load(vm, p, &o, e);
	overwritten_release(&o);
	if (result < 0)
		return -1;
	if (!p->o->paused && vm_run_guest(vm, e) < 0)
		return explain(vm, p, e);
	vm->running = clock_ns();
	return 0;
}
