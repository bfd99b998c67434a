/* SPDX-License-Identifier: MIT */
#include "qemu/vm.h"

#include <stdio.h>
#include <unistd.h>

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

int vm_set_running(struct qmp *q, bool running, struct err *e)
{
	return qmp_run(q, running ? "cont" : "stop", NULL, NULL, e);
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
