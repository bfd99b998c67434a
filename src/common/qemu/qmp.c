/* SPDX-License-Identifier: MIT */
#include "qemu/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "base/pulse.h"
#include "base/json.h"
#include "qemu/turn.h"

#define LINE_MAX_BYTES (16u << 20)
#define READ_BYTES 65536u

/* The longest wait for one answer: QEMU answers at once, but a transaction may have to drain slow disks. */
#define ANSWER_MS 60000

/* How long a new connection may take, where the old one was closed. */
#define RECONNECT_MS 5000

/* And how long, at most, for one who is patient. */
#define RECONNECT_MAX_MS 60000

/* Between two words about a wait, at most. */
#define TELL_MAX_MS 60000

#define NOT_QMP_HINT "is it a monitor (HMP) or another program's socket? QMP is -qmp unix:PATH,server=on,wait=off"

/* Ids of one who took a connection over start here, above those of its former user. */
#define TAKEN_OVER_IDS 1000000000LL

struct qmp {
	char *path;
	int fd;
	int peer; /* pidfd of the process at the other end; -1 where it is not known */
	int turn; /* turn.h; -1: not taken */
	int interrupt;
	int version;
	bool dead;
	bool taken_over;
	pid_t pid;     /* of the process at the other end; 0 where it is not known */
	bool patient;
	bool gave_up;
	int64_t deadline;
	json_int_t last_id;
	char *buf;          /* bytes that came and are not parsed yet */
	size_t used, room;
	size_t scanned;     /* of these, without a line feed */
	json_t *events;     /* array, oldest first */
	qmp_watcher *watcher;
	void *watcher_ctx;
};

/* Marks the connection as broken. Returns -1. */
static int broken(struct qmp *q)
{
	q->dead = true;
	return -1;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * Waits until the socket is ready for `events`, or `until`. Returns 1 when ready, 0 when the time is over, -1 on an
 * interrupt or error.
 */
static int wait_ready(struct qmp *q, short events, int64_t until, struct err *e)
{
	struct pollfd p[2] = { { .fd = q->fd, .events = events }, { .fd = q->interrupt, .events = POLLIN } };

	for (;;) {
		int n = pulse_poll(p, 2, until);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot wait for the QMP socket");
		if (p[1].revents)
			return interrupt_error(e);
		return p[0].revents ? 1 : 0;
	}
}

/* Reads what is there. Returns 0, or -1 where the peer is gone or sends too much. */
static int read_more(struct qmp *q, struct err *e)
{
	ssize_t n;

	if (q->used >= LINE_MAX_BYTES) {
		err_set(e, "QMP peer sent a line of more than %u bytes", LINE_MAX_BYTES);
		return broken(q);
	}
	if (q->room - q->used < READ_BYTES) {
		q->room = q->room ? 2 * q->room : 2 * READ_BYTES;
		q->buf = memory_resize(q->buf, q->room, 1);
	}
	n = recv(q->fd, q->buf + q->used, READ_BYTES, MSG_DONTWAIT);
	if (n > 0) {
		q->used += (size_t)n;
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET) /* which says the same as the end, where something of ours was not read any more */
		err_sys(e, errno, "cannot read from the QMP socket");
	else if (q->used > 0)
		err_set(e, "QMP connection closed in the middle of a message");
	else
		err_set(e, "QMP connection closed: QEMU ended, or another tool closed it");
	return broken(q);
}

/*
 * Parses one line, its line feed included. One that is not an object breaks the connection, or is NULL once taken over.
 */
static int parse_line(struct qmp *q, const char *line, size_t length, json_t **message, struct err *e)
{
	json_error_t why;

	*message = json_loadb(line, length, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(*message))
		return 0;
	json_decref(*message);
	*message = NULL;
	if (q->taken_over)
		return 0;
	err_set(e, "QMP peer sent what is not a JSON object: '%.*s'", (int)(length < 60 ? length - 1 : 60), line);
	return broken(q);
}

/* Takes complete lines out of the buffer up to the first message. *message is NULL where there is none. */
static int take_message(struct qmp *q, json_t **message, struct err *e)
{
	*message = NULL;
	while (!*message && q->used > q->scanned) {
		char *end = memchr(q->buf + q->scanned, '\n', q->used - q->scanned);
		size_t length;
		int result;

		if (!end) {
			q->scanned = q->used;
			return 0;
		}
		length = (size_t)(end - q->buf) + 1;
		result = parse_line(q, q->buf, length, message, e);
		memmove(q->buf, q->buf + length, q->used - length);
		q->used -= length;
		q->scanned = 0;
		if (result < 0)
			return -1;
	}
	if (*message && q->watcher)
		q->watcher(q->watcher_ctx, '<', *message);
	return 0;
}

/* The next message of any kind, or NULL in *message where none came until `until`. */
static int next_message(struct qmp *q, int64_t until, json_t **message, struct err *e)
{
	if (q->dead)
		return err_set(e, "QMP connection is gone");
	for (;;) {
		int ready;

		if (take_message(q, message, e) < 0)
			return -1;
		if (*message)
			return 0;
		ready = wait_ready(q, POLLIN, until, e);
		if (ready < 0)
			return -1;
		if (ready == 0)
			return 0;
		if (read_more(q, e) < 0)
			return -1;
	}
}

static int connect_unix(const char *path, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	if (strlen(path) >= sizeof(address.sun_path)) {
		err_set(e, "socket path is longer than %zu bytes: '%s'", sizeof(address.sun_path) - 1, path);
		return err_hint(e, "go to its directory and name it relative to that");
	}
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return steal_fd(&fd);
	if (errno == EAGAIN) {
		err_set(e, "cannot connect to '%s': too many clients are waiting for it", path);
		return err_hint(
			e, "one client at a time can use a QMP socket: close the others, or give the VM a second one");
	}
	err_sys(e, errno, "cannot connect to '%s'", path);
	if (e->sys == ENOENT)
		return err_hint(e, "start QEMU with -qmp unix:PATH,server=on,wait=off");
	if (e->sys == ECONNREFUSED)
		return err_hint(e, "nobody listens there: has the VM ended, or is this not a QMP socket?");
	return -1;
}

static int read_greeting(struct qmp *q, const char *path, int wait_ms, struct err *e)
{
	_cleanup_json_ json_t *message = NULL;
	json_t *version;

	if (next_message(q, clock_in_ms(wait_ms), &message, e) < 0) {
		if (e->sys == EINTR)
			return -1;
		err_prefix(e, "no QMP at '%s'", path);
		return err_hint(e, NOT_QMP_HINT);
	}
	if (!message && q->used > 0) {
		err_set(e, "no QMP at '%s': '%.*s' came, but no whole line within %d ms", path,
			(int)(q->used < 60 ? q->used : 60), q->buf, wait_ms);
		return err_hint(e, NOT_QMP_HINT);
	}
	if (!message) {
		err_set(e, "no greeting from '%s' within %d ms: another client uses it, or QEMU does not respond", path,
			wait_ms);
		return err_hint(
			e, "one client at a time can use a QMP socket: close the other, or give the VM a second one");
	}
	version = json_path(message, "QMP", "version", "qemu", NULL);
	if (!version) {
		err_set(e, "no QMP at '%s': the first message is not a QMP greeting", path);
		err_hint(e, NOT_QMP_HINT);
		return broken(q);
	}
	q->version = (int)(json_int(version, "major", 0) % 1000 * 10000 + json_int(version, "minor", 0) % 100 * 100 +
			   json_int(version, "micro", 0) % 100);
	return 0;
}

static int open_connection(struct qmp *q, int wait_ms, struct err *e)
{
	q->fd = connect_unix(q->path, e);
	if (q->fd < 0 || read_greeting(q, q->path, wait_ms, e) < 0)
		return -1;
	q->deadline = clock_in_ms(wait_ms);
	if (qmp_run(q, "qmp_capabilities", NULL, NULL, e) < 0)
		return -1;
	q->deadline = CLOCK_NEVER;
	return 0;
}

/* A process of another namespace, or one that has handed the socket on and ended, is not known. */
static void know_peer(struct qmp *q)
{
	struct err ignored;
	uid_t uid;
	gid_t gid;

	if (qmp_peer(q, &q->pid, &uid, &gid, &ignored) < 0)
		q->pid = 0;
	q->peer = q->pid > 0 ? pidfd_open(q->pid, 0) : -1;
	if (q->peer < 0)
		q->pid = 0;
}

struct qmp *qmp_connect(const char *path, int wait_ms, int interrupt, struct err *e)
{
	struct qmp *q = memory_of(1, sizeof(*q));

	q->path = text_copy(path);
	q->deadline = CLOCK_NEVER;
	q->peer = q->turn = -1;
	q->interrupt = interrupt;
	q->events = json_array();
	if (open_connection(q, wait_ms, e) < 0) {
		qmp_close(q);
		return NULL;
	}
	know_peer(q);
	return q;
}

void qmp_close(struct qmp *q)
{
	if (!q)
		return;
	if (q->fd >= 0)
		close(q->fd);
	if (q->peer >= 0)
		close(q->peer);
	if (q->turn >= 0)
		close(q->turn);
	json_decref(q->events);
	free(q->path);
	free(q->buf);
	free(q);
}

const char *qmp_path(const struct qmp *q)
{
	return q->path;
}

int qmp_peer(const struct qmp *q, pid_t *pid, uid_t *uid, gid_t *gid, struct err *e)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);

	if (getsockopt(q->fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
		return err_sys(e, errno, "cannot tell which process owns the QMP socket");
	*pid = cred.pid;
	*uid = cred.uid;
	*gid = cred.gid;
	return 0;
}

int qmp_take_turn(struct qmp *q, int wait_ms, struct err *e)
{
	return q->pid > 0 ? turn_take(q->pid, wait_ms, q->interrupt, &q->turn, e) : 0;
}

void qmp_descriptors(const struct qmp *q, int fds[QMP_DESCRIPTORS])
{
	fds[0] = q->fd;
	fds[1] = q->peer;
	fds[2] = q->turn;
}

int qmp_version(const struct qmp *q)
{
	return q->version;
}

bool qmp_alive(const struct qmp *q)
{
	return !q->dead;
}

void qmp_set_deadline(struct qmp *q, int64_t deadline)
{
	q->deadline = deadline;
}

void qmp_set_interrupt(struct qmp *q, int fd)
{
	q->interrupt = fd;
}

void qmp_set_watcher(struct qmp *q, qmp_watcher *watcher, void *ctx)
{
	q->watcher = watcher;
	q->watcher_ctx = ctx;
}

/* Sends `size` bytes, the descriptor `fd` (where not -1) with the first of them. */
static int send_all(struct qmp *q, const char *bytes, size_t size, int fd, struct err *e)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	int64_t until = sooner(q->deadline, clock_in_ms(ANSWER_MS));

	while (size > 0) {
		struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (fd >= 0) {
			m.msg_control = control.space;
			m.msg_controllen = sizeof(control.space);
			CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
			CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
			CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
		}
		n = sendmsg(q->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			fd = -1;
			bytes += n;
			size -= (size_t)n;
		} else if (errno == EAGAIN) {
			int ready = wait_ready(q, POLLOUT, until, e);

			if (ready == 0)
				err_set(e, "QEMU does not read from its QMP socket");
			if (ready <= 0)
				return broken(q);
		} else if (errno != EINTR) {
			err_sys(e, errno, "cannot write to the QMP socket");
			return broken(q);
		}
	}
	return 0;
}

static int send_command(struct qmp *q, const char *command, json_t *arguments, int fd, struct err *e)
{
	_cleanup_json_ json_t *request = json_of("{s:s, s:I}", "execute", command, "id", ++q->last_id);
	_cleanup_free_ char *line = NULL;
	size_t length;

	if (arguments)
		json_object_set_new(request, "arguments", arguments);
	if (q->watcher)
		q->watcher(q->watcher_ctx, '>', request);
	line = json_dumps(request, JSON_COMPACT);
	if (!line)
		return err_set(e, "cannot encode the QMP command '%s'", command);
	length = strlen(line);
	line[length] = '\n'; /* one message, one write: the NUL is not sent */
	return send_all(q, line, length + 1, fd, e);
}

/* Whether `message` is the answer to the last command: 1 yes, 0 it is to be skipped, -1 it cannot be. */
static int is_answer(struct qmp *q, const json_t *message, const char *command, struct err *e)
{
	json_t *id = json_object_get(message, "id");

	if (json_is_integer(id) && json_integer_value(id) == q->last_id)
		return 1;
	if (q->taken_over)
		return 0;
	if (!id && json_object_get(message, "error"))
		err_set(e, "QEMU could not read '%s': %s", command,
			json_text(json_object_get(message, "error"), "desc"));
	else
		err_set(e, "QMP peer answered '%s' with a wrong id", command);
	return broken(q);
}

/* --- patience --------------------------------------------------------------------------------------------------- */

void qmp_be_patient(struct qmp *q)
{
	q->patient = true;
	q->gave_up = false;
}

bool qmp_gave_up(const struct qmp *q)
{
	return q->gave_up;
}

const char *qmp_peer_name(const struct qmp *q, char text[40])
{
	if (q->pid > 0)
		snprintf(text, 40, "QEMU (process %d)", (int)q->pid);
	else
		snprintf(text, 40, "QEMU");
	return text;
}

/* Whether QEMU has ended, or, where its process is not known, whether its connection is closed. */
static bool is_gone(const struct qmp *q)
{
	struct pollfd p = { .fd = q->peer, .events = POLLIN };

	return q->dead && (q->peer < 0 || poll(&p, 1, 0) > 0);
}

static int give_up(struct qmp *q, const char *what, struct err *e)
{
	char name[40];

	q->gave_up = true;
	err_set(e, "%s %s", qmp_peer_name(q, name), what);
	e->sys = ETIMEDOUT;
	return broken(q);
}

static void tell_waiting(const struct qmp *q, const char *what, int64_t since)
{
	char name[40];

	cli_tell("%s %s; it lives, so this waits for it (%.0f s so far)", qmp_peer_name(q, name), what,
		 clock_ms_between(since, clock_ns()) / 1000);
}

/* Whether the wait has to end: the deadline, or the interrupt, which counts from QMP_QUIET_MS on. */
static bool must_give_up(const struct qmp *q, int64_t since)
{
	struct pollfd p = { .fd = q->interrupt, .events = POLLIN };

	if (clock_over(q->deadline))
		return true;
	return clock_ms_between(since, clock_ns()) >= QMP_QUIET_MS && poll(&p, 1, 0) > 0;
}

/* As next_message, which it calls with its own interrupt; *message is never NULL. */
static int next_message_patiently(struct qmp *q, const char *command, json_t **message, struct err *e)
{
	int interrupt = q->interrupt;
	int64_t since = clock_ns(), step = QMP_QUIET_MS;
	char what[120];

	snprintf(what, sizeof(what), "does not answer '%s'", command);
	for (;; step = 2 * step < TELL_MAX_MS ? 2 * step : TELL_MAX_MS) {
		int result;

		q->interrupt = step == QMP_QUIET_MS ? -1 : interrupt;
		result = next_message(q, sooner(clock_in_ms(step), q->deadline), message, e);
		q->interrupt = interrupt;
		if (result == 0 && *message)
			return 0;
		if (result < 0 && e->sys != EINTR)
			return -1;
		if (result < 0 || must_give_up(q, since))
			return give_up(q, what, e);
		tell_waiting(q, what, since);
	}
}

int qmp_try_again(struct qmp *q, unsigned n, const char *what, struct err *e)
{
	int64_t ms = n < 500 ? 2 : n < 512 ? 2LL << (n - 500) : 10000;
	struct pollfd p = { .fd = n < 500 ? -1 : q->interrupt, .events = POLLIN };

	if (ms >= 1000 && q->patient) {
		char name[40];

		cli_tell("%s %s; this tries again in %d s", qmp_peer_name(q, name), what, (int)(ms / 1000));
	}
	if (pulse_poll(&p, 1, sooner(clock_in_ms(ms), q->deadline)) > 0 || clock_over(q->deadline))
		return give_up(q, what, e);
	return 0;
}

static int reconnect(struct qmp *q, int wait_ms, struct err *e);

/* The connection closed, and QEMU may serve another client, or not get round to serving any. */
static int reconnect_patiently(struct qmp *q, struct err *e)
{
	static const char what[] = "closed its QMP socket, or serves another client";
	int64_t since = clock_ns();

	for (int wait = RECONNECT_MS;; wait = 2 * wait < RECONNECT_MAX_MS ? 2 * wait : RECONNECT_MAX_MS) {
		int64_t next = clock_in_ms(wait / 5);

		if (reconnect(q, wait, e) == 0)
			return 0;
		q->dead = true;
		if (is_gone(q))
			return -1;
		if (must_give_up(q, since))
			return give_up(q, what, e);
		tell_waiting(q, what, since);
		(void)!pulse_poll(NULL, 0, next);
	}
}

/* --- commands --------------------------------------------------------------------------------------------------- */

/* The next message while `command` is not answered. */
static int next_while_waiting(struct qmp *q, const char *command, int64_t until, json_t **message, struct err *e)
{
	return q->patient ? next_message_patiently(q, command, message, e) : next_message(q, until, message, e);
}

static int wait_answer(struct qmp *q, const char *command, json_t **answer, struct err *e)
{
	int64_t until = sooner(q->deadline, clock_in_ms(ANSWER_MS));

	for (;;) {
		json_t *message;
		int mine;

		if (next_while_waiting(q, command, until, &message, e) < 0)
			return e->sys == EINTR ? broken(q) : -1;
		if (!message) {
			err_set(e, "QEMU did not answer '%s' in time%s", command,
				clock_over(q->deadline) ? ": the time limit is over" : "");
			return broken(q);
		}
		if (json_object_get(message, "event")) {
			json_array_append_new(q->events, message);
			continue;
		}
		mine = is_answer(q, message, command, e);
		if (mine > 0) {
			*answer = message;
			return 0;
		}
		json_decref(message);
		if (mine < 0)
			return -1;
	}
}

static int ask_once(struct qmp *q, const char *command, json_t *arguments, int fd, json_t **answer, struct err *e)
{
	if (q->dead)
		return err_set(e, "QMP connection is gone");
	return send_command(q, command, json_incref(arguments), fd, e) < 0 ? -1 : wait_answer(q, command, answer, e);
}

/* Takes the arguments over. */
static int ask(struct qmp *q, const char *command, json_t *arguments, int fd, json_t **answer, struct err *e)
{
	_cleanup_json_ json_t *own = arguments;

	while (ask_once(q, command, own, fd, answer, e) < 0)
		if (!q->patient || q->gave_up || is_gone(q) || reconnect_patiently(q, e) < 0)
			return -1;
	return 0;
}

static int run(struct qmp *q, const char *command, json_t *arguments, int fd, json_t **ret, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *why;
	json_t *value;

	if (ask(q, command, arguments, fd, &answer, e) < 0)
		return -1;
	value = json_object_get(answer, "return");
	if (!value) {
		why = json_text(json_object_get(answer, "error"), "desc");
		return err_set(e, "QEMU refused '%s': %s", command, why ? why : "no reason given");
	}
	if (ret)
		*ret = json_incref(value);
	return 0;
}

int qmp_run(struct qmp *q, const char *command, json_t *arguments, json_t **ret, struct err *e)
{
	return run(q, command, arguments, -1, ret, e);
}

int qmp_run_fd(struct qmp *q, const char *command, json_t *arguments, int fd, struct err *e)
{
	return run(q, command, arguments, fd, NULL, e);
}

int qmp_event(struct qmp *q, int64_t until, json_t **event, struct err *e)
{
	*event = NULL;
	until = sooner(until, q->deadline);
	while (json_array_size(q->events) == 0) {
		json_t *message;

		if (next_message(q, until, &message, e) < 0)
			return -1;
		if (!message) {
			if (clock_ns() >= q->deadline)
				return err_set(e, "the time limit is over");
			return 0;
		}
		if (json_object_get(message, "event")) {
			json_array_append_new(q->events, message);
		} else {
			json_decref(message);
			if (!q->taken_over) {
				err_set(e, "QMP peer answered a command that nobody sent");
				return broken(q);
			}
		}
	}
	*event = json_incref(json_array_get(q->events, 0));
	json_array_remove(q->events, 0);
	return 0;
}

void qmp_forget_events(struct qmp *q)
{
	json_array_clear(q->events);
}

int64_t qmp_event_time_us(const json_t *event)
{
	const json_t *stamp = json_object_get(event, "timestamp");
	int64_t s = json_int(stamp, "seconds", 0), us = json_int(stamp, "microseconds", 0);

	/* QEMU says -1 for both where it has no clock. */
	return s < 0 || s > INT32_MAX * INT64_C(1000) || us < 0 || us >= 1000000 ? 0 : s * 1000000 + us;
}

/* QEMU serves one client: whoever else has this descriptor, the connection is over. */
static void hang_up(struct qmp *q)
{
	if (q->fd >= 0) {
		shutdown(q->fd, SHUT_RDWR);
		close(q->fd);
	}
	q->fd = -1;
	q->used = q->scanned = 0;
}

/* A new connection to the same process, where the old one was closed. */
static int reconnect(struct qmp *q, int wait_ms, struct err *e)
{
	const bool patient = q->patient;
	const int64_t deadline = q->deadline;
	pid_t now = 0;
	uid_t uid;
	gid_t gid;
	int result;

	hang_up(q);
	q->dead = q->patient = false;
	result = open_connection(q, wait_ms, e);
	q->patient = patient;
	q->deadline = deadline;
	if (result < 0 || qmp_peer(q, &now, &uid, &gid, e) < 0)
		return broken(q);
	if (q->pid == 0 || now == q->pid)
		return 0;
	err_set(e, "another process listens at '%s' now", q->path);
	return broken(q);
}

int qmp_take_over(struct qmp *q, struct err *e)
{
	q->dead = false;
	q->taken_over = true;
	q->last_id += TAKEN_OVER_IDS;
	if (send_all(q, "\x1e\n", 2, -1, e) == 0)
		return 0;
	if (!q->patient)
		return reconnect(q, RECONNECT_MS, e);
	return is_gone(q) ? -1 : reconnect_patiently(q, e);
}
