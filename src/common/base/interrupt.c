/* SPDX-License-Identifier: MIT */
#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pulse.h"

/* What interrupt_open returned last. */
static int opened = -1;

/* A signal has come, and was forgotten. */
static bool came;

static void fill(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

/* Signals that may end a wait early. */
static void fill_polite(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
}

int interrupt_open(struct err *e)
{
	sigset_t set, polite;
	int fd;

	fill(&set);
	fill_polite(&polite);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_sigmask(SIG_BLOCK, &polite, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "cannot watch for signals");
	opened = fd;
	return fd;
}

static void empty(int fd)
{
	struct signalfd_siginfo seen;

	while (read(fd, &seen, sizeof(seen)) > 0)
		;
}

void interrupt_forget(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	came |= poll(&p, 1, 0) > 0;
	empty(fd);
}

void interrupt_obey(int fd)
{
	interrupt_forget(fd);
	interrupt_release();
	signal(SIGPIPE, SIG_IGN);
}

bool interrupt_writable(int fd, int ms)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLOUT }, { .fd = opened, .events = POLLIN } };
	int64_t until = came ? 0 : ms < 0 ? CLOCK_NEVER : clock_in_ms(ms);

	return pulse_poll(p, 2, until) > 0 && p[0].revents;
}

int interrupt_split(int fd, struct err *e)
{
	sigset_t rest, polite;
	int split;

	fill(&rest);
	sigdelset(&rest, SIGINT);
	fill_polite(&polite);
	split = signalfd(-1, &polite, SFD_CLOEXEC | SFD_NONBLOCK);
	if (split < 0 || signalfd(fd, &rest, 0) < 0)
		return err_sys(e, errno, "cannot watch for signals");
	return split;
}

void interrupt_join(int fd, int split)
{
	sigset_t set;

	empty(split);
	close(split);
	fill(&set);
	signalfd(fd, &set, 0);
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

	return pulse_poll(&p, 1, clock_in_ms(ms)) > 0 ? interrupt_error(e) : 0;
}

static void add_stops(sigset_t *set)
{
	sigaddset(set, SIGTSTP);
	sigaddset(set, SIGTTIN);
	sigaddset(set, SIGTTOU);
}

void interrupt_hold_stops(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	add_stops(&set);
	pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

void interrupt_release(void)
{
	sigset_t set;

	fill(&set);
	add_stops(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGPIPE, SIG_DFL);
}
