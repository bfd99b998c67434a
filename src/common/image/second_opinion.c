/* SPDX-License-Identifier: MIT */
#include "image/second_opinion.h"

#include <errno.h>
#include <fcntl.h>
#include <libqcow.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/library.h"

enum {
	CPU_MS = 40,          /* processor time for one image: it takes 13 microseconds for a sound one */
	WAIT_MS = 5000,       /* in which an answer must come, whatever the machine is doing */
	MEMORY = 32 << 20,    /* bytes of its heap */
	PIPE_BYTES = 1 << 20, /* as much as a user may have without being asked (fs.pipe-max-size) */
};

struct second_opinion {
	pid_t pid;     /* 0: it could not be started */
	int questions; /* paths, each with its NUL; -1: nothing more can be asked */
	int held;      /* the end that they are read from, so that a write does not fail when the process has crashed */
	int answers;   /* struct opinion */
	bool lost;
};

/* clang-format off */
#define FUNCTIONS_X(X)                                                                              \
	X(initialize) X(free) X(open) X(get_format_version) X(get_media_size) X(get_encryption_method) \
	X(get_number_of_snapshots) X(get_utf8_backing_filename_size) X(get_utf8_backing_filename)

#define MEMBER(name) __typeof__(libqcow_file_##name) *name;
static struct {
	FUNCTIONS_X(MEMBER)
} qcow;
#undef MEMBER

#define NAME(name) "libqcow_file_" #name,
static const char *const names[] = { FUNCTIONS_X(NAME) };
#undef NAME
/* clang-format on */

/* --- in the process that asks libqcow --------------------------------------------------------------------------- */

static void read_fields(libqcow_file_t *file, struct opinion *a)
{
	size_t size = 0;
	int snapshots = 0;

	if (qcow.get_format_version(file, &a->version, NULL) != 1 ||
	    qcow.get_media_size(file, &a->virtual_size, NULL) != 1 ||
	    qcow.get_encryption_method(file, &a->encryption, NULL) != 1 ||
	    qcow.get_number_of_snapshots(file, &snapshots, NULL) != 1)
		return;
	a->n_snapshots = (uint32_t)snapshots;
	if (qcow.get_utf8_backing_filename_size(file, &size, NULL) == 1 && size > 0 &&
	    (size > sizeof(a->backing_name) ||
	     qcow.get_utf8_backing_filename(file, (uint8_t *)a->backing_name, size, NULL) != 1))
		return;
	a->state = OPINION_GIVEN;
}

static void ask_library(const char *path, struct opinion *a)
{
	libqcow_file_t *file = NULL;

	*a = (struct opinion){ .state = OPINION_REFUSED };
	if (qcow.initialize(&file, NULL) != 1)
		return;
	if (qcow.open(file, path, LIBQCOW_OPEN_READ, NULL) == 1)
		read_fields(file, a);
	qcow.free(&file, NULL);
}

/* What it may take. A sanitizer needs more memory than that. */
static void limit(void)
{
	const struct rlimit none = { 0, 0 };
#if !defined(__SANITIZE_ADDRESS__) && !defined(MPLCR_FUZZ)
	const struct rlimit memory = { MEMORY, MEMORY };

	setrlimit(RLIMIT_DATA, &memory);
#endif
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* SIGPROF ends the process when the processor time is over. */
static void limit_time(void)
{
	const struct itimerval time = { .it_value = { .tv_usec = CPU_MS * 1000 } };

	setitimer(ITIMER_PROF, &time, NULL);
}

static void __attribute__((noreturn)) work(int questions, int answers)
{
	_cleanup_fclose_ FILE *in = fdopen(questions, "r");
	_cleanup_free_ char *path = NULL;
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct opinion a;
	struct err e;
	size_t room = 0;

	limit();
	dup2(nothing, STDERR_FILENO);
	if (library_load("libqcow.so.1", names, sizeof(names) / sizeof(*names), &qcow, &e) < 0)
		_exit(1);
	while (in && getdelim(&path, &room, '\0', in) > 0) {
		limit_time();
		ask_library(path, &a);
		if (fd_write_all(answers, &a, sizeof(a)) < 0)
			break;
	}
	_exit(0);
}

/* --- in ours ---------------------------------------------------------------------------------------------------- */

static void start(struct second_opinion *o)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) < 0)
		return;
	if (pipe2(from, O_CLOEXEC) < 0) {
		close(to[0]);
		close(to[1]);
		return;
	}
	fcntl(to[1], F_SETPIPE_SZ, PIPE_BYTES);
	fcntl(from[1], F_SETPIPE_SZ, PIPE_BYTES);
	fcntl(to[1], F_SETFL, O_NONBLOCK);
	o->pid = fork();
	if (o->pid == 0) {
		close(to[1]);
		close(from[0]);
		work(to[0], from[1]);
	}
	close(from[1]);
	o->questions = to[1];
	o->held = to[0];
	o->answers = from[0];
}

struct second_opinion *second_opinion_new(void)
{
	struct second_opinion *o = memory_of(1, sizeof(*o));

	o->questions = o->held = o->answers = -1;
	start(o);
	return o;
}

static void close_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void no_more_questions(struct second_opinion *o)
{
	close_open(o->questions);
	o->questions = -1;
}

void second_opinion_ask(struct second_opinion *o, const char *path)
{
	size_t length = strlen(path) + 1;

	/* A write of so few bytes to a pipe is done as a whole or not at all (pipe(7)). */
	if (o->questions < 0 || length > PIPE_BUF || write(o->questions, path, length) == (ssize_t)length)
		return;
	no_more_questions(o);
}

/* Reads one answer, waiting for it. Returns 0, or -1 where none comes. */
static int read_answer(int fd, struct opinion *answer)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;

	while (used < sizeof(*answer)) {
		ssize_t n = poll(&p, 1, WAIT_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			n = read(fd, (char *)answer + used, sizeof(*answer) - used);
		if (n <= 0)
			return -1;
		used += (size_t)n;
	}
	answer->backing_name[sizeof(answer->backing_name) - 1] = '\0';
	return 0;
}

void second_opinion_answer(struct second_opinion *o, struct opinion *answer)
{
	no_more_questions(o);
	if (o->answers < 0 || o->lost || read_answer(o->answers, answer) < 0) {
		o->lost = true;
		*answer = (struct opinion){ .state = OPINION_LOST };
	}
}

void second_opinion_free(struct second_opinion *o)
{
	if (!o)
		return;
	close_open(o->questions);
	close_open(o->held);
	close_open(o->answers);
	if (o->pid > 0) {
		kill(o->pid, SIGKILL);
		while (waitpid(o->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(o);
}
