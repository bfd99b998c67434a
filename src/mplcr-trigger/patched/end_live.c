/* SPDX-License-Identifier: MIT */
/*
 * An extended live stage, and the call that ends it. A QMP socket has one client at a time, and that is the
 * mplcr-trigger that takes the checkpoint; so `mplcr-trigger end-live` talks to it and not to QEMU: over a UNIX socket
 * beside the QMP socket, SOCKET.live, which only its user can connect to. Who cannot write in that directory cannot take
 * its name first, and each end asks the kernel who the other one is. The address leads through a descriptor of the
 * directory (/proc/self/fd), since a path in an address is at most 107 bytes long (unix(7)).
 */
#include "patched/end_live.h"
#include "changes.h"
#include "patched/commands.h"
#include "patched/patched.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/options.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/interrupt.h"
#include "base/path.h"
#include "base/text.h"

/* How long end-live waits for the other's word: the live stage is looked at twenty times a second and more. */
#define ANSWER_MS 5000

struct live {
	struct changes *changes;
	int listener;  /* -1: end-live cannot reach us */
	int signals;   /* SIGINT and SIGUSR1 */
	int interrupt; /* where SIGINT was taken from */
	int64_t until;
};

/* --- where the two meet ----------------------------------------------------------------------------------------- */

struct meeting {
	char *path; /* SOCKET.live, absolute */
	uid_t owner; /* whose the QMP socket is */
	int dirfd;
	struct sockaddr_un address; /* good while dirfd is open */
};

static void meeting_release(struct meeting *m)
{
	if (m->dirfd >= 0)
		close(m->dirfd);
	free(m->path);
}

/* For the VM of that QMP socket; to be released in any case. Returns 0 or -1. */
static int meeting_of(struct meeting *m, const char *socket, struct err *e)
{
	_cleanup_free_ char *real = path_real(socket);
	_cleanup_free_ char *dir = real ? path_dir(real) : NULL;
	struct stat st;
	int n;

	*m = (struct meeting){ .dirfd = -1, .address.sun_family = AF_UNIX };
	if (!real || stat(real, &st) < 0)
		return err_sys(e, errno, "cannot use the socket '%s'", socket);
	m->path = text_of("%s.live", real);
	m->owner = st.st_uid;
	m->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->dirfd < 0)
		return err_sys(e, errno, "cannot use '%s'", dir);
	n = snprintf(m->address.sun_path, sizeof(m->address.sun_path), "/proc/self/fd/%d/%s", m->dirfd,
		     path_base(m->path));
	return (size_t)n < sizeof(m->address.sun_path) ? 0 : err_set(e, "the name of '%s' is too long", m->path);
}

static int meeting_connect(const struct meeting *m, int fd)
{
	return connect(fd, (const struct sockaddr *)&m->address, sizeof(m->address));
}

/* Whether the process at the other end is root's, ours, or that of the user `also`. */
static bool is_trusted(int fd, uid_t also)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() || peer.uid == also;
}

/* --- the one that waits ----------------------------------------------------------------------------------------- */

/* Removes a socket that one which was killed has left there: nobody listens. Returns 0 or -1. */
static int remove_left_over(const struct meeting *m, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fstatat(m->dirfd, path_base(m->path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot use '%s'", m->path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "'%s' is not a socket of mplcr-trigger", m->path);
	if (fd < 0 || meeting_connect(m, fd) == 0 || errno != ECONNREFUSED)
		return err_set(e, "another process listens at '%s'", m->path);
	return unlinkat(m->dirfd, path_base(m->path), 0) == 0 ? 0 : err_sys(e, errno, "cannot remove '%s'", m->path);
}

/* Linux makes the socket's file with the mode that the socket itself has (net/unix/af_unix.c, unix_bind). */
static int bind_at(const struct meeting *m, int fd, struct err *e)
{
	const struct sockaddr *address = (const struct sockaddr *)&m->address;

	if (fchmod(fd, 0600) == 0 && bind(fd, address, sizeof(m->address)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return err_sys(e, errno, "cannot make '%s'", m->path);
	if (remove_left_over(m, e) < 0)
		return -1;
	return bind(fd, address, sizeof(m->address)) == 0 ? 0 : err_sys(e, errno, "cannot make '%s'", m->path);
}

static int listen_at(const struct meeting *m, struct changes *c, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	if (bind_at(m, fd, e) < 0)
		return -1;
	snprintf(c->patch.live_socket, sizeof(c->patch.live_socket), "%s", m->path);
	return listen(fd, 4) == 0 ? steal_fd(&fd) : err_sys(e, errno, "cannot listen at '%s'", m->path);
}

static int open_listener(const char *socket, struct changes *c, struct err *e)
{
	struct meeting m;
	int fd = meeting_of(&m, socket, e) == 0 ? listen_at(&m, c, e) : -1;

	meeting_release(&m);
	return fd;
}

static void tell_how_it_ends(const struct live *l, const char *socket, const struct err *why)
{
	if (l->listener >= 0)
		cli_note("the live stage lasts until 'mplcr-trigger end-live --socket %s'", socket);
	else
		cli_warn("end-live cannot end this live stage, SIGUSR1 to process %d can: %s", (int)getpid(), why->text);
}

struct live *live_open(const char *socket, uint64_t ms, struct changes *c, int interrupt, struct err *e)
{
	struct live *l = memory_of(1, sizeof(*l));
	struct err why;

	*l = (struct live){ .changes = c, .interrupt = interrupt, .until = ms ? clock_in_ms((int64_t)ms) : CLOCK_NEVER };
	l->listener = open_listener(socket, c, &why);
	l->signals = interrupt_split(interrupt, e);
	if (l->signals >= 0) {
		tell_how_it_ends(l, socket, &why);
		return l;
	}
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
		if (!is_trusted(fd, geteuid()))
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
	patch_remove_live_socket(l->changes);
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

/* Only root, we ourselves or the owner of the QMP socket may say that the live stage ends. */
static int call(const struct meeting *m, const char *socket_path, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	if (meeting_connect(m, fd) < 0) {
		if (errno == EACCES)
			return err_sys(e, errno, "cannot use '%s'", m->path);
		err_set(e, "no checkpoint of the VM of '%s' is in an extended live stage", socket_path);
		return err_hint(e, "mplcr-trigger --extend-live begins one");
	}
	if (!is_trusted(fd, m->owner))
		return err_set(e, "another user answers for the VM of '%s'", socket_path);
	return read_word(fd, e);
}

static int end_live(const char *socket_path, struct err *e)
{
	struct meeting m;
	int result = meeting_of(&m, socket_path, e) == 0 ? call(&m, socket_path, e) : -1;

	meeting_release(&m);
	return result;
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
