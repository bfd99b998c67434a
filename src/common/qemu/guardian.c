/* SPDX-License-Identifier: MIT */
#include "qemu/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* The byte that means: all is well, go. No tool's own. */
#define DISMISSED '\0'

/* Waits until the tool ends. Returns whether it died; *told gets the last that it said. */
static bool wait_for_end(int pipe_end, char *told)
{
	ssize_t n;
	char byte;

	*told = 0;
	do {
		n = read(pipe_end, &byte, 1);
		if (n == 1 && byte == DISMISSED)
			return false;
		if (n == 1)
			*told = byte;
	} while (n == 1 || (n < 0 && errno == EINTR));
	return true;
}

static void *drain(void *fd)
{
	fd_drain(*(const int *)fd);
	return NULL;
}

/* What ends the tool must not end the guardian. */
static void stand_apart(void)
{
	setsid();
	prctl(PR_SET_NAME, "mplcr-guardian");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	close(STDIN_FILENO);
	close(STDOUT_FILENO); /* whoever reads our data must see its end */
}

__attribute__((noreturn)) static void guard(int pipe_end, const struct guardian_duty *duty, const sigset_t *signals)
{
	pthread_t drainer;
	char told;

	stand_apart();
	sigprocmask(SIG_SETMASK, signals, NULL);
	if (duty->pipe)
		close(duty->pipe[1]); /* only QEMU's end may keep it open */
	if (!wait_for_end(pipe_end, &told))
		_exit(EXIT_DONE);
	if (duty->pipe)
		pthread_create(&drainer, NULL, drain, (void *)&duty->pipe[0]);
	_exit(duty->undo(duty->ctx, told));
}

int guardian_start(struct guardian *g, const struct guardian_duty *duty, struct err *e)
{
	sigset_t all, signals;
	int ends[2], why;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	sigfillset(&all); /* from its first moment on, no signal ends it */
	sigprocmask(SIG_BLOCK, &all, &signals);
	g->pid = fork();
	if (g->pid == 0) {
		close(ends[1]);
		guard(ends[0], duty, &signals);
	}
	why = errno;
	sigprocmask(SIG_SETMASK, &signals, NULL);
	close(ends[0]);
	if (g->pid < 0) {
		err_sys(e, why, "cannot start the guardian process");
		close(ends[1]);
		g->pid = 0;
		return -1;
	}
	g->alive = ends[1];
	return 0;
}

void guardian_tell(const struct guardian *g, char what)
{
	(void)!write(g->alive, &what, 1);
}

void guardian_dismiss(struct guardian *g)
{
	if (g->pid <= 0)
		return;
	guardian_tell(g, DISMISSED);
	close(g->alive);
	waitpid(g->pid, NULL, 0);
	g->pid = 0;
}
