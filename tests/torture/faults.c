/* SPDX-License-Identifier: MIT */
/*
 * Faults in file operations, at points that can be named (LD_PRELOAD), for the torture tests:
 *
 *     FAULT_PROGRAM=mplcr-trigger   the program that it happens to: in its first process only, none that it forks or runs
 *     FAULT_DIR=/dir                operations on files below it are counted, all others go by
 *     FAULT_LOG=/file               appends the name of each that is counted
 *     FAULT=fsync:3=EIO             what happens to the third fsync (default: to the first)
 *     FAULT_BOOT=/file              is read in place of the boot_id of random(4), in any program: the host was started anew
 *     FAULT_CLOCK=/file             an int64 in it, nanoseconds, is added to CLOCK_MONOTONIC: others make time fly
 *
 * Operations: create (an open that may make a file), open, write, fsync, rename, link, unlink, mkdir, truncate, clone.
 *
 *     ENOSPC, EIO, EMFILE …    it fails with this error, and does nothing
 *     short                    a write writes half of it (any other operation: EINTR)
 *     kill, term, stop         SIGKILL, SIGTERM or SIGSTOP to the process, before it
 *     killed                   SIGKILL after it
 *     both                     SIGKILL to the process and its children, before it
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../tools/kill-both.h"

#define SLICE_NS 20000000
#define FICLONE_NR 9 /* linux/fs.h: FICLONE is _IOW(0x94, 9, int), FICLONERANGE the 13th of the same */
#define FICLONERANGE_NR 13

static const struct {
	const char *name;
	int errnum;
} errors[] = {
	{ "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EMFILE", EMFILE }, { "EDQUOT", EDQUOT }, { "EACCES", EACCES }, { "EROFS", EROFS },
};

static pid_t own; /* 0: nothing happens in this process */
static char dir[PATH_MAX];
static size_t dir_length;
static int log_fd = -1;
static char operation[16];
static const char *action = "";
static unsigned long nth = 1, seen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const int64_t *ahead;
static const char *boot; /* NULL: it is the one that it is */

static void read_rule(char *rule)
{
	char *equals = strchr(rule, '='), *colon = strchr(rule, ':');

	if (!equals)
		return;
	action = equals + 1;
	*equals = '\0';
	if (colon) {
		nth = strtoul(colon + 1, NULL, 10);
		*colon = '\0';
	}
	snprintf(operation, sizeof(operation), "%.15s", rule);
}

static void open_clock(const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED)
		ahead = map;
	if (fd >= 0)
		close(fd);
}

__attribute__((constructor)) static void begin(void)
{
	const char *program = getenv("FAULT_PROGRAM"), *below = getenv("FAULT_DIR"), *rule = getenv("FAULT");
	static char text[256];

	boot = getenv("FAULT_BOOT");
	if (!program || !below || strcmp(program, program_invocation_short_name) != 0)
		return;
	if (getenv("FAULT_CLOCK"))
		open_clock(getenv("FAULT_CLOCK"));
	snprintf(dir, sizeof(dir), "%s/", below);
	dir_length = strlen(dir);
	if (getenv("FAULT_LOG"))
		log_fd = (int)syscall(SYS_openat, AT_FDCWD, getenv("FAULT_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	snprintf(text, sizeof(text), "%s", rule ? rule : "");
	read_rule(text);
	own = getpid();
}

/* --- what is counted, and what happens then ----------------------------------------------------------------------- */

/* Whether the file of the descriptor lies below the directory; of AT_FDCWD, whether the working directory does. */
static bool is_below(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (fd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/self/cwd");
	else
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 2);
	if (n < 0)
		return false;
	path[n] = '/';
	return strncmp(path, dir, dir_length) == 0;
}

static bool is_named_below(int dirfd, const char *path)
{
	return path[0] == '/' ? strncmp(path, dir, dir_length) == 0 : is_below(dirfd);
}

static int64_t errno_of(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].errnum;
	return 0;
}

static void log_one(const char *name)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%s\n", name);

	if (log_fd >= 0 && syscall(SYS_write, log_fd, line, n) < 0)
		_exit(98);
}

static void signals_before(void)
{
	if (strcmp(action, "kill") == 0)
		kill(own, SIGKILL);
	else if (strcmp(action, "term") == 0)
		kill(own, SIGTERM);
	else if (strcmp(action, "stop") == 0)
		kill(own, SIGSTOP);
	else if (strcmp(action, "both") == 0)
		kill_both(own);
}

enum fate { GOES, FAILS, SHORT, LAST };

/* What is to happen to this call; with FAILS, errno is set. */
static enum fate fate_of(const char *name, bool counted)
{
	enum fate fate = GOES;

	if (!counted || own == 0 || getpid() != own)
		return GOES;
	pthread_mutex_lock(&lock);
	log_one(name);
	if (strcmp(name, operation) == 0 && ++seen == nth) {
		signals_before();
		if (errno_of(action)) {
			errno = (int)errno_of(action);
			fate = FAILS;
		} else if (strcmp(action, "short") == 0) {
			errno = EINTR;
			fate = strcmp(name, "write") == 0 ? SHORT : FAILS;
		} else if (strcmp(action, "killed") == 0) {
			fate = LAST;
		}
	}
	pthread_mutex_unlock(&lock);
	return fate;
}

static void after(enum fate fate)
{
	if (fate == LAST)
		kill(own, SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The call as it is, unless it is to fail. */
#define PASS(operation, counted, name, ...)                                                                            \
	do {                                                                                                           \
		enum fate fate = fate_of(operation, counted);                                                          \
		__typeof__(REAL(name)(__VA_ARGS__)) result = -1;                                                       \
\
		if (fate == FAILS)                                                                                     \
			return -1;                                                                                     \
		result = REAL(name)(__VA_ARGS__);                                                                      \
		after(fate);                                                                                           \
		return result;                                                                                         \
	} while (0)

/* --- the operations ----------------------------------------------------------------------------------------------- */

#define MAY_CREATE(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)

static const char *open_name(int flags)
{
	return MAY_CREATE(flags) ? "create" : "open";
}

static const char *booted(const char *path)
{
	return boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 ? boot : path;
}

#define OPEN(name)                                                                                                     \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		mode_t mode = 0;                                                                                       \
		va_list list;                                                                                          \
\
		va_start(list, flags);                                                                                 \
		if (MAY_CREATE(flags))                                                                                 \
			mode = va_arg(list, mode_t);                                                                   \
		va_end(list);                                                                                          \
		PASS(open_name(flags), is_named_below(AT_FDCWD, path), name, path, flags, mode);                       \
	}

#define OPENAT(name)                                                                                                   \
	int name(int dirfd, const char *path, int flags, ...)                                                          \
	{                                                                                                              \
		mode_t mode = 0;                                                                                       \
		va_list list;                                                                                          \
\
		va_start(list, flags);                                                                                 \
		if (MAY_CREATE(flags))                                                                                 \
			mode = va_arg(list, mode_t);                                                                   \
		va_end(list);                                                                                          \
		path = booted(path);                                                                                   \
		PASS(open_name(flags), is_named_below(dirfd, path), name, dirfd, path, flags, mode);                   \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int fsync(int fd)
{
	PASS("fsync", is_below(fd), fsync, fd);
}

int fdatasync(int fd)
{
	PASS("fsync", is_below(fd), fdatasync, fd);
}

int syncfs(int fd)
{
	PASS("fsync", is_below(fd), syncfs, fd);
}

ssize_t write(int fd, const void *data, size_t n)
{
	enum fate fate = fate_of("write", is_below(fd));
	ssize_t written;

	if (fate == FAILS)
		return -1;
	written = syscall(SYS_write, fd, data, fate == SHORT ? (n + 1) / 2 : n);
	after(fate);
	return written;
}

#define PWRITE(name)                                                                                                   \
	ssize_t name(int fd, const void *data, size_t n, off_t at)                                                     \
	{                                                                                                              \
		enum fate fate = fate_of("write", is_below(fd));                                                       \
		ssize_t written;                                                                                       \
\
		if (fate == FAILS)                                                                                     \
			return -1;                                                                                     \
		written = REAL(name)(fd, data, fate == SHORT ? (n + 1) / 2 : n, at);                                   \
		after(fate);                                                                                           \
		return written;                                                                                        \
	}

PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t writev(int fd, const struct iovec *list, int n)
{
	PASS("write", is_below(fd), writev, fd, list, n);
}

#define PWRITEV(name)                                                                                                  \
	ssize_t name(int fd, const struct iovec *list, int n, off_t at)                                                \
	{                                                                                                              \
		PASS("write", is_below(fd), name, fd, list, n, at);                                                    \
	}

PWRITEV(pwritev)
PWRITEV(pwritev64)

int rename(const char *from, const char *to)
{
	PASS("rename", is_named_below(AT_FDCWD, to), rename, from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	PASS("rename", is_named_below(to_fd, to), renameat, from_fd, from, to_fd, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
	PASS("rename", is_named_below(to_fd, to), renameat2, from_fd, from, to_fd, to, flags);
}

int link(const char *from, const char *to)
{
	PASS("link", is_named_below(AT_FDCWD, to), link, from, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	PASS("link", is_named_below(to_fd, to), linkat, from_fd, from, to_fd, to, flags);
}

int unlink(const char *path)
{
	PASS("unlink", is_named_below(AT_FDCWD, path), unlink, path);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	PASS("unlink", is_named_below(dirfd, path), unlinkat, dirfd, path, flags);
}

int rmdir(const char *path)
{
	PASS("unlink", is_named_below(AT_FDCWD, path), rmdir, path);
}

int mkdir(const char *path, mode_t mode)
{
	PASS("mkdir", is_named_below(AT_FDCWD, path), mkdir, path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	PASS("mkdir", is_named_below(dirfd, path), mkdirat, dirfd, path, mode);
}

int ftruncate(int fd, off_t length)
{
	PASS("truncate", is_below(fd), ftruncate, fd, length);
}

int ftruncate64(int fd, off64_t length)
{
	PASS("truncate", is_below(fd), ftruncate64, fd, length);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *argument;
	bool clone = _IOC_TYPE(request) == 0x94 && (_IOC_NR(request) == FICLONE_NR || _IOC_NR(request) == FICLONERANGE_NR);

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	PASS("clone", clone && is_below(fd), ioctl, fd, request, argument);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static int64_t flown(void)
{
	return ahead ? __atomic_load_n(ahead, __ATOMIC_RELAXED) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);
	int64_t more = clock == CLOCK_MONOTONIC ? flown() : 0;

	now->tv_sec += more / 1000000000;
	now->tv_nsec += more % 1000000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_sec++;
		now->tv_nsec -= 1000000000;
	}
	return result;
}

/* Waits end early when time flies meanwhile: they are made in slices. */
int ppoll(struct pollfd *list, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int64_t left = timeout ? timeout->tv_sec * 1000000000 + timeout->tv_nsec : INT64_MAX, before = flown();
	int ready;

	do {
		int64_t slice = left < SLICE_NS || !ahead ? left : SLICE_NS;
		struct timespec wait = { .tv_sec = slice / 1000000000, .tv_nsec = slice % 1000000000 };

		ready = REAL(ppoll)(list, n, timeout || ahead ? &wait : NULL, mask);
		left -= slice;
	} while (ready == 0 && left > flown() - before);
	return ready;
}

int poll(struct pollfd *list, nfds_t n, int ms)
{
	struct timespec timeout = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	return ppoll(list, n, ms < 0 ? NULL : &timeout, NULL);
}
