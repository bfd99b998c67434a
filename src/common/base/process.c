/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "base/pulse.h"

enum { OUTPUT_MAX = 1 << 20 };

/* The hard limit is above the soft one: if they are equal, Linux kills without a reason. */
static void limit(int resource, uint64_t most)
{
	const struct rlimit both = { most, most + 1 };

	if (most > 0)
		setrlimit(resource, &both);
}

/* The first descriptor of sd_listen_fds(3). */
#define LISTEN_FD 3

static void hand_over(int listening)
{
	char pid[16];

	if (dup2(listening, LISTEN_FD) == listening)
		fcntl(LISTEN_FD, F_SETFD, 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
}

/* In the child: runs the program, or prints the reason of a failure on standard error. */
static void __attribute__((noreturn))
run_child(int out, int errors, const struct process_setup *setup, char *const *argv)
{
	int input = setup->input >= 0 ? setup->input : open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	interrupt_release();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	if (setup->listening > 0)
		hand_over(setup->listening);
	limit(RLIMIT_AS, setup->memory);
	limit(RLIMIT_CPU, setup->cpu_seconds);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s", strerror(errno));
	_exit(127);
}

/* Closes our ends; the process is not ended. */
static void release(struct process *p)
{
	close(p->fd);
	if (p->errors >= 0)
		close(p->errors);
	*p = (struct process){ .fd = -1, .errors = -1 };
}

int process_start_as(struct process *p, char *const *argv, const struct process_setup *setup, struct err *e)
{
	int out[2], errors[2] = { -1, -1 };

	*p = (struct process){ .fd = -1, .errors = -1 };
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	if (setup->errors_apart && pipe2(errors, O_CLOEXEC) < 0) {
		err_sys(e, errno, "cannot make a pipe");
		close(out[0]);
		close(out[1]);
		return -1;
	}
	p->pid = fork();
	if (p->pid == 0)
		run_child(out[1], setup->errors_apart ? errors[1] : out[1], setup, argv);
	close(out[1]);
	if (setup->errors_apart)
		close(errors[1]);
	p->fd = out[0];
	p->errors = errors[0];
	if (p->pid > 0) {
		setpgid(p->pid, p->pid); /* here too: we may kill it before it gets that far */
		return 0;
	}
	err_sys(e, errno, "cannot start %s", argv[0]);
	release(p);
	return -1;
}

int process_start(struct process *p, char *const *argv, int input, struct err *e)
{
	return process_start_as(p, argv, &(struct process_setup){ .input = input }, e);
}

/*
 * Waits until one of the descriptors (-1: none) is readable. Returns the bits of the readable ones, 1 and 2, or -1 with
 * the reason why the wait ended without one.
 */
static int wait_readable(int fd, int other, const char *name, int64_t deadline, int interrupt, struct err *e)
{
	struct pollfd p[3] = { { .fd = fd, .events = POLLIN },
			       { .fd = other, .events = POLLIN },
			       { .fd = interrupt, .events = POLLIN } };

	for (;;) {
		if (pulse_poll(p, 3, deadline) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for %s", name);
		if (p[2].revents)
			return interrupt_error(e);
		if (p[0].revents || p[1].revents)
			return (p[0].revents ? 1 : 0) | (p[1].revents ? 2 : 0);
		if (clock_over(deadline))
			return err_set(e, "%s did not end in time", name);
	}
}

/* Output from a pipe, bounded and NUL-terminated. */
struct output {
	int fd; /* -1 once the other end is closed */
	char *text;
	size_t used;
};

/* Reads the available bytes. Returns 0 or -1. */
static int read_some(struct output *o, const char *name, struct err *e)
{
	char dropped[4096];
	bool full = o->used >= OUTPUT_MAX;
	ssize_t n = full ? read(o->fd, dropped, sizeof(dropped)) : read(o->fd, o->text + o->used, OUTPUT_MAX - o->used);

	if (n < 0 && errno != EINTR)
		return err_sys(e, errno, "cannot read from %s", name);
	if (n == 0)
		o->fd = -1;
	if (n > 0 && !full)
		o->used += (size_t)n;
	return 0;
}

/* Reads until the other ends are closed. Returns 0 or -1. */
static int read_outputs(struct output *out, struct output *errors, const char *name, int64_t deadline, int interrupt,
			struct err *e)
{
	while (out->fd >= 0 || errors->fd >= 0) {
		int ready = wait_readable(out->fd, errors->fd, name, deadline, interrupt, e);

		if (ready < 0 || (ready & 1 && read_some(out, name, e) < 0) ||
		    (ready & 2 && read_some(errors, name, e) < 0))
			return -1;
	}
	return 0;
}

/* It may have closed its output long before it ends. */
static int wait_end(pid_t pid, const char *name, int64_t deadline, int interrupt, struct err *e)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return err_sys(e, errno, "cannot wait for %s", name);
	return wait_readable(fd, -1, name, deadline, interrupt, e) < 0 ? -1 : 0;
}

int process_failed(const char *name, const char *output, struct err *e)
{
	_cleanup_free_ char *lines = text_copy(output ? output : "");
	_cleanup_free_ char *text = text_of("%s", "");
	char *rest = lines;

	for (char *line; strlen(text) < sizeof(e->text) && (line = strsep(&rest, "\n")) != NULL;) {
		_cleanup_free_ char *before = text;

		text = line[0] ? text_of("%s%s%s", before, before[0] ? "; " : "", line) : steal_ptr(before);
	}
	return err_set(e, "%s failed: %s", name, text[0] ? text : "it gave no reason");
}

/* Sets the error for a process that ended so. Always returns -1. */
static int bad_end(const char *name, int status, const char *words, struct err *e)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return err_set(e, "%s used more processor time than it may", name);
	if (WIFSIGNALED(status) && !words[0])
		return err_set(e, "%s failed: it was ended by a signal: %s", name, strsignal(WTERMSIG(status)));
	return process_failed(name, words, e);
}

/* Waits for its end, which is certain. Returns its status as waitpid has it. */
static int reap(struct process *p)
{
	int status = 0;

	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	release(p);
	return status;
}

void process_kill(struct process *p)
{
	kill(-p->pid, SIGKILL);
	reap(p);
}

int process_finish(struct process *p, const char *name, int64_t deadline, int interrupt, char **output, struct err *e)
{
	_cleanup_free_ char *out_text = memory_of(OUTPUT_MAX + 1, 1);
	_cleanup_free_ char *errors_text = p->errors >= 0 ? memory_of(OUTPUT_MAX + 1, 1) : NULL;
	struct output out = { .fd = p->fd, .text = out_text }, errors = { .fd = p->errors, .text = errors_text };
	int result, status;

	result = read_outputs(&out, &errors, name, deadline, interrupt, e);
	if (result == 0)
		result = wait_end(p->pid, name, deadline, interrupt, e);
	if (result < 0) {
		process_kill(p);
		return -1;
	}
	status = reap(p);
	*output = text_of("%s", out_text);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return bad_end(name, status, errors_text ? errors_text : out_text, e);
}
