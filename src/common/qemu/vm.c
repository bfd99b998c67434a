/* SPDX-License-Identifier: MIT */
#include "qemu/vm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "qemu/image_path.h"

void vm_process_read(struct vm_process *p, const struct qmp *q)
{
	struct err ignored;

	*p = (struct vm_process){ .gid = getegid() };
	p->known = qmp_peer(q, &p->pid, &p->uid, &p->gid, &ignored) == 0 &&
		   procinfo_read(p->pid, &p->proc, &ignored) == 0;
	if (p->known)
		return;
	p->uid = geteuid();
	p->proc = (struct procinfo){ 0 };
}

void vm_process_release(struct vm_process *p)
{
	procinfo_release(&p->proc);
	*p = (struct vm_process){ 0 };
}

char *vm_image_path(const struct vm_process *p, const char *shown)
{
	return image_path(shown, p ? p->proc.cwd : NULL, p ? p->pid : 0);
}

int vm_status_read(struct qmp *q, struct vm_status *status, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *state;

	*status = (struct vm_status){ 0 };
	if (qmp_run(q, "query-status", NULL, &answer, e) < 0)
		return -1;
	state = json_text(answer, "status");
	if (!state)
		return err_set(e, "QEMU does not tell the run state of its VM");
	snprintf(status->state, sizeof(status->state), "%s", state);
	status->running = json_flag(answer, "running");
	return 0;
}

bool vm_migration_is_over(const char *status)
{
	return !status || strcmp(status, "none") == 0 || strcmp(status, "completed") == 0 ||
	       strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0;
}

int vm_set_running(struct qmp *q, bool running, struct err *e)
{
	return qmp_run(q, running ? "cont" : "stop", NULL, NULL, e);
}

/* How long a guest that QEMU stops for an I/O error is started again and again. */
#define IO_ERROR_MS 15000

static bool is_io_error(const struct vm_status *s)
{
	return strcmp(s->state, "io-error") == 0;
}

/* Whether `cont` changes nothing any more (QEMU system/runstate.c, runstate_needs_reset, and an error that comes again). */
static bool is_stopped_for_good(const struct vm_status *s, int64_t since)
{
	static const char *const final[] = { "shutdown", "internal-error", "guest-panicked" };

	for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
		if (strcmp(s->state, final[i]) == 0)
			return true;
	return is_io_error(s) && clock_ms_between(since, clock_ns()) > IO_ERROR_MS;
}

int vm_insist(struct qmp *q, bool running, bool leave_io_error, struct err *e)
{
	const char *verb = running ? "run" : "pause";
	int64_t since = clock_ns();

	for (unsigned n = 0;; n++) {
		struct err why = { .text = "it does not settle" };
		struct vm_status status;
		char what[300];

		if (vm_status_read(q, &status, e) < 0)
			return -1;
		if (status.running == running || (leave_io_error && is_io_error(&status)))
			return 0;
		if (vm_set_running(q, running, &why) < 0 && !qmp_alive(q)) {
			*e = why;
			return -1;
		}
		if (running && is_stopped_for_good(&status, since))
			return err_set(e, "cannot make the VM run: it is in the state '%s'", status.state);
		snprintf(what, sizeof(what), "does not let the VM %s ('%s'): %.200s", verb, status.state, why.text);
		if (qmp_try_again(q, n, what, e) < 0)
			return -1;
	}
}

int vm_hold(struct qmp *q, bool *held, struct err *e)
{
	struct vm_status status;

	*held = false;
	if (vm_status_read(q, &status, e) < 0)
		return -1;
	*held = status.running;
	return status.running ? vm_set_running(q, false, e) : 0;
}

int vm_release(struct qmp *q, bool held, struct err *e)
{
	return held ? vm_set_running(q, true, e) : 0;
}
