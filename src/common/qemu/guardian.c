/* SPDX-License-Identifier: MIT */
#include "qemu/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/pulse.h"
#include "qemu/qmp.h"

#define NAME "mplcr-guardian"

/* The byte that means: all is well, go. */
#define DISMISSED '\0'

/*
 * The tool is looked at once in a tick, and has to be seen alive once in STILL_TICKS of them. Ticks that the guardian had
 * are counted, not time: on a host that was suspended nobody is to blame.
 */
#define TICK_MS 100
#define STILL_TICKS 20

/* How long a killed tool may take to be gone: one that is stuck in a system call of a disk is not waited for. */
#define KILLED_MS 500
/* How long a guardian may take to go. */
#define DISMISS_MS 1000

struct guardian_page {
	_Atomic unsigned beats;
	_Atomic bool watched;
	_Atomic char told;
	_Atomic bool left;
};

/* That of this process. */
static struct guardian *current;

/* --- in the guardian -------------------------------------------------------------------------------------------- */

/* What the guardian is made of, besides its duty. */
struct watching {
	const struct guardian *g;
	int pipe_end; /* the reading end of the pipe whose writing end the tool has */
	pid_t tool;
	const sigset_t *signals;
};

/* Where the command line of this process is kept (proc(5), arg_start and arg_end of stat); false where it is not told. */
static bool find_arguments(unsigned long *start, unsigned long *end)
{
	char text[2048] = "", *at;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC), field = 2;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		close(fd);
	at = n > 0 ? strrchr(text, ')') : NULL;
	for (; at && field < 48; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%lu %lu", start, end) == 2 && *start && *end > *start;
}

/* Another name and command line than the tool's, whose words are overwritten. */
static void rename_process(pid_t tool)
{
	unsigned long start, end;

	prctl(PR_SET_NAME, NAME);
	if (!find_arguments(&start, &end))
		return;
	memset((void *)start, 0, end - start);
	snprintf((char *)start, end - start, NAME " %d", (int)tool);
}

/* What ends the tool must not end the guardian. */
static void set_apart(const struct watching *w)
{
	setsid();
	rename_process(w->tool);
	for (int i = 1; i < NSIG; i++)
		if (i != SIGCHLD)
			signal(i, SIG_IGN); /* fails for those that cannot be ignored; faults are fatal all the same */
	sigprocmask(SIG_SETMASK, w->signals, NULL);
	pulse_set(NULL);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all descriptors but these. */
static void close_others(int *kept, size_t n)
{
	int next = 0;

	qsort(kept, n, sizeof(*kept), by_number);
	for (size_t i = 0; i < n; i++) {
		if (kept[i] > next)
			close_range((unsigned)next, (unsigned)kept[i] - 1, 0);
		if (kept[i] >= next)
			next = kept[i] + 1;
	}
	close_range((unsigned)next, ~0U, 0);
}

/* Lets go of all that is the tool's alone: who reads its data must see their end. */
static void let_go(const struct watching *w)
{
	int kept[QMP_DESCRIPTORS + 3] = { [QMP_DESCRIPTORS] = STDERR_FILENO, w->pipe_end, w->g->drain };

	for (int i = 0; i < QMP_DESCRIPTORS; i++)
		kept[i] = -1;
	if (w->g->duty.q)
		qmp_descriptors(w->g->duty.q, kept);
	close_others(kept, sizeof(kept) / sizeof(kept[0]));
	(void)!open("/dev/null", O_RDWR); /* 0 and 1, which nobody is to get by chance */
	(void)!open("/dev/null", O_RDWR);
}

static bool end_of_file(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, ms) > 0 && read(fd, &byte, 1) == 0;
}

/* The tool does not move: it goes. */
static void end_tool(const struct watching *w, int tool)
{
	if (tool >= 0)
		pidfd_send_signal(tool, SIGKILL, NULL, 0);
	end_of_file(w->pipe_end, KILLED_MS);
}

/* Waits until the tool ends or does not move any more. Returns what happened to it, or NULL when all is well. */
static const char *wait_for_end(const struct watching *w, int tool)
{
	struct pollfd p = { .fd = w->pipe_end, .events = POLLIN };
	struct guardian_page *page = w->g->page;
	unsigned seen = 0;
	int still = 0;

	for (;;) {
		int n = poll(&p, 1, TICK_MS);
		unsigned beats = atomic_load(&page->beats);
		char byte;

		if (n > 0 && read(w->pipe_end, &byte, 1) == 1 && byte == DISMISSED)
			return NULL;
		if (n > 0)
			return atomic_load(&page->left) ? "gave up waiting" : "died";
		still = n == 0 && atomic_load(&page->watched) && beats == seen ? still + 1 : 0;
		seen = beats;
		if (still < STILL_TICKS)
			continue;
		end_tool(w, tool);
		return "did not move for 2 s in the pause and was killed";
	}
}

__attribute__((noreturn)) static void guard(const struct watching *w)
{
	const struct guardian *g = w->g;
	struct guardian_story story;
	pthread_t drainer;

	set_apart(w);
	let_go(w);
	story.what = wait_for_end(w, pidfd_open(w->tool, 0));
	if (!story.what)
		_exit(EXIT_DONE);
	story.told = atomic_load(&g->page->told);
	if (g->drain >= 0)
		pthread_create(&drainer, NULL, fd_drain_thread, (void *)&g->drain);
	_exit(g->duty.undo(g->duty.ctx, &story));
}

/* --- in the tool ------------------------------------------------------------------------------------------------ */

static int start(struct guardian *g, struct err *e)
{
	struct watching w = { .g = g, .tool = getpid() };
	sigset_t all, signals;
	int ends[2], why;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	w.pipe_end = ends[0];
	w.signals = &signals;
	sigfillset(&all); /* from its first moment on, no signal ends it */
	pthread_sigmask(SIG_BLOCK, &all, &signals);
	g->pid = fork();
	if (g->pid == 0)
		guard(&w);
	why = errno;
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
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

/* Whether it is there no more; one that is stopped is of no use and goes. */
static bool is_lost(const struct guardian *g)
{
	int status = 0;
	pid_t pid = g->pid > 0 ? waitpid(g->pid, &status, WNOHANG | WUNTRACED) : -1;

	if (pid > 0 && WIFSTOPPED(status)) {
		kill(g->pid, SIGKILL);
		waitpid(g->pid, NULL, 0);
	}
	return pid > 0 || (pid < 0 && errno == ECHILD) || g->pid <= 0;
}

/* A sign of life. */
static void beat(void)
{
	struct guardian *g = current;
	struct err ignored; /* the next beat tries again */

	if (!g)
		return;
	atomic_fetch_add(&g->page->beats, 1);
	if (!is_lost(g))
		return;
	if (g->pid > 0)
		close(g->alive);
	g->pid = 0;
	(void)!start(g, &ignored);
}

static void release(struct guardian *g)
{
	if (g->drain >= 0)
		close(g->drain);
	munmap(g->page, sizeof(*g->page));
	*g = (struct guardian){ .drain = -1 };
}

int guardian_start(struct guardian *g, const struct guardian_duty *duty, struct err *e)
{
	*g = (struct guardian){ .duty = *duty, .drain = -1 };
	g->page = mmap(NULL, sizeof(*g->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->page == MAP_FAILED)
		return err_sys(e, errno, "cannot get memory to share with the guardian");
	if (duty->pipe)
		g->drain = fcntl(duty->pipe[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (start(g, e) < 0) {
		release(g);
		return -1;
	}
	current = g;
	pulse_set(beat);
	return 0;
}

void guardian_tell(const struct guardian *g, char what)
{
	atomic_store(&g->page->told, what);
}

void guardian_watch(const struct guardian *g, bool watched)
{
	if (!g->page)
		return;
	if (watched) {
		interrupt_hold_stops(true);
		pulse();
	}
	atomic_store(&g->page->watched, watched);
	if (!watched)
		interrupt_hold_stops(false);
}

void guardian_leave(struct guardian *g)
{
	if (g->page)
		atomic_store(&g->page->left, true);
	pulse_set(NULL);
	current = NULL;
}

void guardian_dismiss(struct guardian *g)
{
	struct pollfd p = { .events = POLLIN };
	const char word = DISMISSED;

	if (!current || current != g)
		return;
	pulse_set(NULL);
	current = NULL;
	if (g->pid > 0) {
		p.fd = pidfd_open(g->pid, 0);
		(void)!write(g->alive, &word, 1);
		if (poll(&p, 1, DISMISS_MS) <= 0)
			kill(g->pid, SIGKILL); /* it was stopped */
		waitpid(g->pid, NULL, 0);
		close(g->alive);
		if (p.fd >= 0)
			close(p.fd);
	}
	release(g);
}
