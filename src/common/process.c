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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fdio.h"
#include "interrupt.h"

enum { OUTPUT_MAX = 1 << 20 };

/* In the child: runs the program, or says on its standard error why not. */
static void __attribute__((noreturn)) run_child(int fd, char *const *argv)
{
	int null = open("/dev/null", O_RDONLY);

	interrupt_release();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s", strerror(errno));
	_exit(127);
}

int process_start(struct process *p, char *const *argv, struct err *e)
{
	int ends[2];

	*p = (struct process){ .fd = -1 };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	p->pid = fork();
	if (p->pid == 0)
		run_child(ends[1], argv);
	close(ends[1]);
	p->fd = ends[0];
	if (p->pid < 0) {
		p->pid = 0;
		close(p->fd);
		return err_sys(e, errno, "cannot start %s", argv[0]);
	}
	return 0;
}

/* Reads until the other end is closed. Returns 0, or -1 with the reason why not so far. */
static int read_output(int fd, const char *name, int64_t deadline, int interrupt, char *buf, size_t *used,
		       struct err *e)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = interrupt, .events = POLLIN } };

	for (;;) {
		char dropped[4096];
		bool full = *used >= OUTPUT_MAX;
		struct timespec left;
		ssize_t n;

		if (ppoll(p, 2, clock_left(deadline, &left), NULL) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for %s", name);
		if (p[1].revents)
			return interrupt_error(e);
		if (!p[0].revents && clock_over(deadline))
			return err_set(e, "%s did not end in time", name);
		if (!p[0].revents)
			continue;
		n = full ? read(fd, dropped, sizeof(dropped)) : read(fd, buf + *used, OUTPUT_MAX - *used);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot read from %s", name);
		if (n > 0 && !full)
			*used += (size_t)n;
	}
}

int process_finish(struct process *p, const char *name, int64_t deadline, int interrupt, char **output, struct err *e)
{
	_cleanup_free_ char *buf = memory_of(OUTPUT_MAX + 1, 1);
	size_t used = 0;
	int result, status = 0;

	result = read_output(p->fd, name, deadline, interrupt, buf, &used, e);
	if (result < 0)
		kill(p->pid, SIGKILL);
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
	while (used > 0 && buf[used - 1] == '\n')
		buf[--used] = '\0';
	for (char *at = buf; (at = strchr(at, '\n')) != NULL;)
		*at = ';';
	return err_set(e, "%s failed: %s", name, used ? buf : "it said nothing");
}
