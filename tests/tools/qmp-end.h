/* SPDX-License-Identifier: MIT */
/*
 * One end of a QMP connection, for the programs that stand between a tool and QEMU (fake-qmp, mplcr-standin): lines in
 * and out, and the descriptors that come along with them (SCM_RIGHTS). A program of one file includes this; it shares
 * no code with the tools, so that a test has a second opinion.
 */
#ifndef TEST_QMP_END_H
#define TEST_QMP_END_H

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A connection, and what came from it and is not a whole line yet. */
struct end {
	int fd;
	pid_t pid; /* of the peer */
	char *buf;
	size_t used, room;
	int passed; /* a descriptor that came along, or -1 */
};

static inline _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static inline void end_open(struct end *end, int fd)
{
	struct ucred cred = { 0 };
	socklen_t length = sizeof(cred);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length);
	end->fd = fd;
	end->pid = cred.pid;
	end->used = 0;
	end->passed = -1;
}

/* The descriptor that came along is closed. */
static inline void end_drop_passed(struct end *end)
{
	if (end->passed >= 0)
		close(end->passed);
	end->passed = -1;
}

static inline void end_close(struct end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
	end_drop_passed(end);
}

static inline struct sockaddr_un end_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(address.sun_path, path);
	return address;
}

/* Connects to the socket at `path`. Returns whether somebody listens there. */
static inline bool end_connect(struct end *end, const char *path)
{
	struct sockaddr_un address = end_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return false;
	}
	end_open(end, fd);
	return true;
}

/* A new socket at `path`, which is there as soon as it listens and not before. */
static inline int end_listen(const char *path)
{
	char early[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (snprintf(early, sizeof(early), "%s~", path) >= (int)sizeof(early))
		die(path);
	address = end_address(early);
	unlink(early);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0 ||
	    rename(early, path) < 0)
		die(path);
	return fd;
}

/* The next client. */
static inline void end_accept(struct end *end, int listener)
{
	int fd;

	do
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		die("accept");
	end_open(end, fd);
}

/* Sends all of it, with the descriptor `passed` where that is not -1. What a dead peer does not take is lost. */
static inline void end_send(struct end *end, const char *bytes, size_t size, int passed)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };

	while (size > 0 && end->fd >= 0) {
		struct iovec iov = { (void *)bytes, size };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (passed >= 0) {
			m.msg_control = control.space;
			m.msg_controllen = sizeof(control.space);
			*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
							       .cmsg_type = SCM_RIGHTS,
							       .cmsg_len = CMSG_LEN(sizeof(int)) };
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &passed, sizeof(passed));
		}
		n = sendmsg(end->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		passed = -1;
		bytes += n;
		size -= (size_t)n;
	}
}

static inline void end_say(struct end *end, const char *text)
{
	end_send(end, text, strlen(text), -1);
}

/* Sends one message as a line, with a descriptor where that is not -1. The message is borrowed. */
static inline void end_say_json(struct end *end, const json_t *message, int passed)
{
	char *text = json_dumps(message, JSON_COMPACT);
	size_t length;

	if (!text)
		die("memory");
	length = strlen(text);
	text[length] = '\n'; /* one message, one write: the NUL is not sent */
	end_send(end, text, length + 1, passed);
	free(text);
}

/* Reads what is there. Returns false when the peer is gone. */
static inline bool end_read(struct end *end)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)
	};
	struct cmsghdr *c;
	ssize_t n;

	if (end->room - end->used < 65536) {
		end->room = 2 * end->room + 131072;
		end->buf = realloc(end->buf, end->room);
		if (!end->buf)
			die("memory");
	}
	iov = (struct iovec){ end->buf + end->used, end->room - end->used - 1 };
	n = recvmsg(end->fd, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(&end->passed, CMSG_DATA(c), sizeof(int));
	end->used += (size_t)n;
	return true;
}

/* The next whole line, malloc'd and with its line feed, or NULL. */
static inline char *end_line(struct end *end)
{
	char *stop = end->used ? memchr(end->buf, '\n', end->used) : NULL, *line;
	size_t length;

	if (!stop)
		return NULL;
	length = (size_t)(stop - end->buf) + 1;
	line = strndup(end->buf, length);
	end->used -= length;
	memmove(end->buf, end->buf + length, end->used);
	return line;
}

#endif
