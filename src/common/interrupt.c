/* SPDX-License-Identifier: MIT */
#include "interrupt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

static void fill(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

int interrupt_open(struct err *e)
{
	sigset_t set;
	int fd;

	fill(&set);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "cannot watch for signals");
	return fd;
}

int interrupt_error(struct err *e)
{
	err_set(e, "interrupted");
	e->sys = EINTR;
	return -1;
}

int interrupt_sleep(int fd, int ms, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0 ? interrupt_error(e) : 0;
}

void interrupt_release(void)
{
	sigset_t set;

	fill(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGPIPE, SIG_DFL);
}
