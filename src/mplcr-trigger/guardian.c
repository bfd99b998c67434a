/* SPDX-License-Identifier: MIT */
#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/file.h"

/* The byte that means: all is well, go. */
#define DISMISSED 'd'

/* Whether the process that we guard has died: its end of the pipe closed without a word. */
static bool has_died(int pipe_end)
{
	char byte;
	ssize_t n;

	do
		n = read(pipe_end, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n != 1 || byte != DISMISSED;
}

static void *drain(void *fd)
{
	fd_drain(*(int *)fd);
	return NULL;
}

__attribute__((noreturn))
static void guard(int pipe_end, struct changes *c, struct qmp *q, int state)
{
	pthread_t drainer;
	struct err e;

	setsid();
	prctl(PR_SET_NAME, "mplcr-guardian");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	close(STDIN_FILENO);
	close(STDOUT_FILENO); /* whoever reads our data must see its end */
	if (!has_died(pipe_end) || !changes_any(c))
		_exit(EXIT_DONE);
	pthread_create(&drainer, NULL, drain, &state);
	qmp_set_watcher(q, NULL, NULL);
	if (changes_undo(c, q, &e) == 0) {
		fputs("mplcr-guardian: mplcr-trigger died; the VM is as it was before\n", stderr);
		_exit(EXIT_DONE);
	}
	err_prefix(&e, "it died, and not everything could be undone");
	_exit(cli_report(&e));
}

int guardian_start(struct guardian *g, struct changes *c, struct qmp *q, const int pipe_ends[2], struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	g->pid = fork();
	if (g->pid < 0) {
		err_sys(e, errno, "cannot start the guardian process");
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	if (g->pid == 0) {
		close(ends[1]);
		close(pipe_ends[1]); /* only QEMU's end may keep it open */
		guard(ends[0], c, q, pipe_ends[0]);
	}
	close(ends[0]);
	g->alive = ends[1];
	return 0;
}

void guardian_dismiss(struct guardian *g)
{
	if (g->pid <= 0)
		return;
	(void)!write(g->alive, &(char){ DISMISSED }, 1);
	close(g->alive);
	waitpid(g->pid, NULL, 0);
	g->pid = 0;
}
