/* SPDX-License-Identifier: MIT */
#include "process.h"

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
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fdio.h"
#include "interrupt.h"

enum { OUTPUT_MAX = 1 << 20 };

/* In the child: runs the program, or says on its standard error why not. */
static void __attribute__((noreturn)) run_child(int fd, int input, char *const *argv)
{
	if (input < 0)
		input = open("/dev/null", O_RDONLY);
	setpgid(0, 0);
	interrupt_release();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s", strerror(errno));
	_exit(127);
}

int process_start(struct process *p, char *const *argv, int input, struct err *e)
{
	int ends[2];

	*p = (struct process){ .fd = -1 };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	p->pid = fork();
	if (p->pid == 0)
		run_child(ends[1], input, argv);
	close(ends[1]);
	p->fd = ends[0];
	if (p->pid > 0)
		setpgid(p->pid, p->pid); /* here too: it may be killed before it got so far */
	if (p->pid < 0) {
		p->pid = 0;
		close(p->fd);
		return err_sys(e, errno, "cannot start %s", argv[0]);
	}
	return 0;
}

/* Waits until `fd` is readable. Returns 0, or -1 with the reason why not so far. */
static int wait_readable(int fd, const char *name, int64_t deadline, int interrupt, struct err *e)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = interrupt, .events = POLLIN } };

	for (;;) {
		struct timespec left;

		if (ppoll(p, 2, clock_left(deadline, &left), NULL) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for %s", name);
		if (p[1].revents)
			return interrupt_error(e);
		if (p[0].revents)
			return 0;
		if (clock_over(deadline))
			return err_set(e, "%s did not end in time", name);
	}
}

/* Reads until the other end is closed. Returns 0 or -1. */
static int read_output(int fd, const char *name, int64_t deadline, int interrupt, char *buf, size_t *used,
		       struct err *e)
{
	for (;;) {
		char dropped[4096];
		bool full = *used >= OUTPUT_MAX;
		ssize_t n;

		if (wait_readable(fd, name, deadline, interrupt, e) < 0)
			return -1;
		n = full ? read(fd, dropped, sizeof(dropped)) : read(fd, buf + *used, OUTPUT_MAX - *used);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot read from %s", name);
		if (n > 0 && !full)
			*used += (size_t)n;
	}
}

/* It may have closed its output long before it ends. */
static int wait_end(pid_t pid, const char *name, int64_t deadline, int interrupt, struct err *e)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return err_sys(e, errno, "cannot wait for %s", name);
	return wait_readable(fd, name, deadline, interrupt, e);
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
	return err_set(e, "%s failed: %s", name, text[0] ? text : "it said nothing");
}

int process_finish(struct process *p, const char *name, int64_t deadline, int interrupt, char **output, struct err *e)
{
	_cleanup_free_ char *buf = memory_of(OUTPUT_MAX + 1, 1);
	size_t used = 0;
	int result, status = 0;

	result = read_output(p->fd, name, deadline, interrupt, buf, &used, e);
	if (result == 0)
		result = wait_end(p->pid, name, deadline, interrupt, e);
	if (result < 0)
		kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(p->fd);
	*p = (struct process){ .fd = -1 };
	if (result < 0)
		return -1;
	buf[used] = '\0';
	*output = text_of("%s", buf);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return process_failed(name, buf, e);
}
