/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "qemu/secrets.h"
#include "restore.h"

enum {
	RETRY_MS = 1,
	PIPE_BYTES = 1 << 20,
	LOG_TAIL = 700, /* bytes of QEMU's output in a message */
};

/* What the child says about a failed start. */
struct failure {
	int sys;
	char what[32];
};

static void __attribute__((noreturn)) give_up(int report_fd, const char *what)
{
	struct failure f = { .sys = errno };

	snprintf(f.what, sizeof(f.what), "%s", what);
	if (write(report_fd, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(127);
}

static void detach(const struct plan *p, int report_fd)
{
	int null = open("/dev/null", O_RDONLY);
	int log = open(p->log, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND, 0600);

	if (null < 0 || log < 0)
		give_up(report_fd, "create its log");
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	close(null);
	close(log);
}

static void __attribute__((noreturn)) run_child(const struct plan *p, int state_fd, int report_fd)
{
	sigset_t none;

	interrupt_release();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(0077);
	if (!p->o->foreground)
		detach(p, report_fd);
	if (p->cwd && chdir(p->cwd) < 0)
		give_up(report_fd, "enter its directory");
	fcntl(state_fd, F_SETFD, 0);
	execv(p->binary, p->c.argv);
	give_up(report_fd, "run it");
}

/* Waits until the child has become QEMU, or has said why not. */
static int check_exec(const struct plan *p, int report_fd, struct err *e)
{
	struct failure f;

	if (read(report_fd, &f, sizeof(f)) != (ssize_t)sizeof(f))
		return 0;
	return err_sys(e, f.sys, "cannot start '%s': cannot %s", p->binary, f.what);
}

static int spawn(struct vm *vm, const struct plan *p, struct err *e)
{
	_cleanup_close_ int report_in = -1, report_out = -1, state_fd = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	report_out = ends[0];
	report_in = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	state_fd = vm->state_fd = ends[0];
	vm->feed_fd = ends[1];
	fcntl(vm->feed_fd, F_SETPIPE_SZ, PIPE_BYTES);
	vm->pid = fork();
	if (vm->pid < 0)
		return err_sys(e, errno, "cannot start QEMU");
	if (vm->pid == 0)
		run_child(p, state_fd, report_in);
	close(steal_fd(&report_in));
	return check_exec(p, report_out, e);
}

static bool has_ended(struct vm *vm)
{
	if (!vm->ended && waitpid(vm->pid, &vm->status, WNOHANG) == vm->pid)
		vm->ended = true;
	return vm->ended;
}

/* The last lines of QEMU's output, joined into one, with secrets that it cites masked before they are cut; malloc'd. */
static char *log_tail(const struct plan *p)
{
	struct err ignored;
	size_t size;
	_cleanup_free_ char *text = p->o->foreground ? NULL : file_read(AT_FDCWD, p->log, 64 << 20, &size, &ignored);
	_cleanup_free_ char *shown = text ? secrets_hidden(p->c.argv, text) : NULL;
	char *tail;

	if (!shown)
		return text_of("%s", "");
	size = strlen(shown);
	while (size > 0 && (shown[size - 1] == '\n' || shown[size - 1] == '\r'))
		shown[--size] = '\0';
	tail = text_of("%s", size > LOG_TAIL ? shown + size - LOG_TAIL : shown);
	for (char *at = tail; *at; at++)
		if (*at == '\n')
			*at = ';';
	return tail;
}

static void hint_at(const char *words, struct err *e)
{
	static const struct {
		const char *words, *hint;
	} known[] = {
		{ "Address already in use", "another VM has that port or socket: end it, or give another with "
		  "mplcr-restore CKPT -- QEMU ARG…" },
		{ "Could not set up host forwarding rule", "another VM has that port: end it, or give another with "
		  "mplcr-restore CKPT -- QEMU ARG…" },
		{ "\" lock", "another process has an image open that this VM wants to write" },
		{ "Machine type received", "start it with the machine type of the checkpoint" },
		{ "Cannot allocate memory", "the host has not enough free memory for this VM" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strstr(words, known[i].words)) {
			err_hint(e, "%s", known[i].hint);
			return;
		}
}

int vm_explain(struct vm *vm, const struct plan *p, int wait_ms, struct err *e)
{
	int64_t until = clock_in_ms(wait_ms);
	_cleanup_free_ char *tail = NULL;

	while (!has_ended(vm) && !clock_over(until))
		clock_sleep_ms(RETRY_MS);
	if (!vm->ended)
		return -1;
	tail = log_tail(p);
	if (WIFSIGNALED(vm->status))
		err_set(e, "QEMU was killed by signal %d%s%s", WTERMSIG(vm->status), *tail ? ": " : "", tail);
	else
		err_set(e, "QEMU ended with status %d: %s", WEXITSTATUS(vm->status),
			p->o->foreground ? "see its messages above"
			: *tail          ? tail
					 : "it gave no reason");
	hint_at(tail, e);
	return -1;
}

static int left_ms(int64_t deadline)
{
	double ms = clock_ms_between(clock_ns(), deadline);

	return ms > 0 ? (int)ms : 0;
}

static int connect_monitor(struct vm *vm, const struct plan *p, struct err *e)
{
	for (;;) {
		if (has_ended(vm))
			return vm_explain(vm, p, 0, e);
		if (clock_over(vm->deadline))
			return err_set(e, "QEMU's monitor did not come up in time");
		if (access(p->socket, F_OK) == 0) {
			vm->qmp = qmp_connect(p->socket, left_ms(vm->deadline), vm->interrupt, e);
			if (vm->qmp)
				return 0;
			if (e->sys != ECONNREFUSED && e->sys != ENOENT)
				return e->sys == EINTR ? -1 : vm_explain(vm, p, 1000, e);
		}
		if (interrupt_sleep(vm->interrupt, RETRY_MS, e) < 0)
			return -1;
	}
}

int vm_start(struct vm *vm, const struct plan *p, struct err *e)
{
	vm->feed_fd = vm->state_fd = -1;
	if (spawn(vm, p, e) < 0 || connect_monitor(vm, p, e) < 0)
		return -1;
	vm->greeted = clock_ns();
	qmp_set_deadline(vm->qmp, vm->deadline);
	return 0;
}

void vm_kill(struct vm *vm)
{
	qmp_close(vm->qmp);
	vm->qmp = NULL;
	if (vm->pid > 0 && !vm->ended) {
		kill(vm->pid, SIGKILL);
		while (waitpid(vm->pid, &vm->status, 0) < 0 && errno == EINTR)
			;
		vm->ended = true;
	}
}
