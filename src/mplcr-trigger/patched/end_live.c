/* SPDX-License-Identifier: MIT */
/*
 * An extended live stage, and the call that ends it. A QMP socket has one client at a time, and that is the
 * mplcr-trigger that takes the checkpoint; so `mplcr-trigger end-live` talks to it and not to QEMU: over a UNIX socket
 * in the abstract namespace (unix(7)), which leaves no file behind whatever dies. Its name is made of the device and
 * the inode of the QMP socket, which both know; each end asks the kernel who the other one is.
 */
#include "patched/end_live.h"
#include "patched/patched.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/interrupt.h"

/* How long end-live waits for the other's word: the live stage is looked at twenty times a second and more. */
#define ANSWER_MS 5000

struct live {
	int listener;
	int signals;   /* SIGINT and SIGUSR1 */
	int interrupt; /* where SIGINT was taken from */
	int64_t until;
};

/* The address for the VM of that QMP socket. Returns its length, or -1. */
static int address_of(const char *socket, struct sockaddr_un *a, struct err *e)
{
	struct stat st;
	int n;

	if (stat(socket, &st) < 0)
		return err_sys(e, errno, "cannot use the socket '%s'", socket);
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "mplcr-live-%jx-%jx", (uintmax_t)st.st_dev,
		     (uintmax_t)st.st_ino);
	return (int)offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

/* Only root and we ourselves may say when the live stage ends, or that it does; to root, anybody may say that. */
static bool is_trusted(int fd, bool calls)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() || (!calls && geteuid() == 0);
}

static int open_listener(const char *socket_path, struct err *e)
{
	struct sockaddr_un address;
	int length = address_of(socket_path, &address, e), fd;

	if (length < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, (socklen_t)length) == 0 && listen(fd, 4) == 0)
		return fd;
	err_sys(e, errno, "cannot wait for end-live");
	if (fd >= 0)
		close(fd);
	return -1;
}

struct live *live_open(const char *socket, uint64_t ms, int interrupt, struct err *e)
{
	struct live *l = memory_of(1, sizeof(*l));

	l->interrupt = interrupt;
	l->until = ms ? clock_in_ms((int64_t)ms) : CLOCK_NEVER;
	l->signals = -1;
	l->listener = open_listener(socket, e);
	if (l->listener >= 0)
		l->signals = interrupt_split(interrupt, e);
	if (l->signals >= 0)
		return l;
	live_close(l);
	return NULL;
}

/* Takes the calls that wait. Returns whether one of them may end the live stage. */
static bool was_called(struct live *l)
{
	bool called = false;

	for (;;) {
		_cleanup_close_ int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return called;
		if (!is_trusted(fd, true))
			continue;
		called = true;
		(void)!write(fd, "ends\n", 5);
	}
}

bool live_ended(struct live *l)
{
	struct pollfd p = { .fd = l->signals, .events = POLLIN };

	return was_called(l) || poll(&p, 1, 0) > 0 || clock_over(l->until);
}

void live_close(struct live *l)
{
	if (!l)
		return;
	if (l->listener >= 0)
		close(l->listener);
	if (l->signals >= 0)
		interrupt_join(l->interrupt, l->signals);
	free(l);
}

/* --- mplcr-trigger end-live ------------------------------------------------------------------------------------- */

struct end_live_options {
	const char *socket;
};

static const struct cli_option option_table[] = {
	{ "socket", 's', "PATH", "the QMP socket that the checkpoint was given (required)",
	  TO_SOCKET(struct end_live_options, socket) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

/* Reads the other's word. Returns 0 where the live stage ends. */
static int read_word(int fd, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char word[8];

	if (poll(&p, 1, ANSWER_MS) > 0 && read(fd, word, sizeof(word)) > 0)
		return 0;
	return err_set(e, "the checkpoint does not answer: it may be over its live stage");
}

static int end_live(const char *socket_path, struct err *e)
{
	struct sockaddr_un address;
	int length = address_of(socket_path, &address, e);
	_cleanup_close_ int fd = -1;

	if (length < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&address, (socklen_t)length) < 0) {
		err_set(e, "no checkpoint of the VM of '%s' is in an extended live stage", socket_path);
		return err_hint(e, "mplcr-trigger --extend-live begins one");
	}
	if (!is_trusted(fd, false))
		return err_set(e, "another user answers for the VM of '%s'", socket_path);
	return read_word(fd, e);
}

static int end_live_main(int argc, char **argv)
{
	struct end_live_options o = { 0 };
	struct err e = { 0 };
	int first = cli_parse(&verb_end_live, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first < argc)
		result = err_usage(&e, "unexpected argument '%s'", argv[first]);
	else if (first >= 0 && !o.socket)
		result = err_usage(&e, "which VM? --socket is missing");
	if (result < 0 || end_live(o.socket, &e) < 0)
		return cli_report(&e);
	cli_note("the live stage ends; the other mplcr-trigger completes the checkpoint");
	return EXIT_DONE;
}

const struct cli verb_end_live = {
	.tool = "mplcr-trigger",
	.verb = "end-live",
	.summary = "end the live stage of --extend-live",
	.usage = "--socket PATH",
	.about = "Ends the live stage of the checkpoint that another mplcr-trigger --extend-live takes of this VM.",
	.options = option_table,
	.run = end_live_main,
};
