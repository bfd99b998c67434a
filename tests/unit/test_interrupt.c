/* SPDX-License-Identifier: MIT */
/* interrupt.h: signals as something that can be waited for, and the polite ones apart. */
#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Takes a signal that waits, so that the next test begins without it. */
static void forget(int number)
{
	struct timespec now = { 0, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigtimedwait(&set, NULL, &now);
}

static void each_signal(int fd)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct err e = { 0 };

	for (size_t i = 0; i < 3; i++) {
		raise(numbers[i]);
		ok(readable(fd) && readable(fd), "signal %d is seen, and again", numbers[i]);
		ok(interrupt_sleep(fd, 5000, &e) == -1 && e.sys == EINTR && strcmp(e.text, "interrupted") == 0,
		   "it ends a sleep");
		forget(numbers[i]);
		ok(!readable(fd), "and is over");
	}
	raise(SIGUSR1);
	ok(!readable(fd), "SIGUSR1 does nothing by itself");
	forget(SIGUSR1);
	ok(interrupt_sleep(fd, 1, &e) == 0, "a sleep without a signal");
}

static void split(int fd)
{
	struct err e = { 0 };
	int polite = interrupt_split(fd, &e);

	ok(polite >= 0 && !readable(polite) && !readable(fd), "split: nothing has come");
	raise(SIGINT);
	ok(readable(polite) && !readable(fd), "SIGINT is a polite one now");
	forget(SIGINT);
	raise(SIGUSR1);
	ok(readable(polite) && !readable(fd), "so is SIGUSR1");
	raise(SIGINT);
	interrupt_join(fd, polite);
	ok(!readable(fd), "joined: what came meanwhile counts no more");
	raise(SIGINT);
	ok(readable(fd), "SIGINT is one to give up for again");
	forget(SIGINT);
	polite = interrupt_split(fd, &e);
	ok(!readable(polite), "split again: the old SIGUSR1 is gone");
	raise(SIGTERM);
	ok(readable(fd) && !readable(polite), "SIGTERM gives up in a split too");
	interrupt_join(fd, polite);
	ok(readable(fd), "and is kept by the join");
	forget(SIGTERM);
}

int main(void)
{
	struct err e = { 0 };
	sigset_t set;
	int fd = interrupt_open(&e);

	if (!ok(fd >= 0, "opened"))
		return done();
	each_signal(fd);
	split(fd);
	interrupt_release();
	sigprocmask(SIG_BLOCK, NULL, &set);
	ok(!sigismember(&set, SIGINT) && !sigismember(&set, SIGTERM) && !sigismember(&set, SIGHUP) &&
		   !sigismember(&set, SIGUSR1),
	   "released for a child: nothing is blocked");
	close(fd);
	return done();
}
