/* SPDX-License-Identifier: MIT */
/* guardian.h: what it does when a tool dies or does not move, and that it does nothing otherwise; what it looks like. */
#include "qemu/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "tap.h"

/* Shared with the guardians. */
static struct seen {
	volatile int undone;
	volatile char told;
	volatile bool got_stuck;
	volatile bool looks_different;
	volatile pid_t first, second; /* guardians */
	volatile bool other_pipe;     /* a descriptor that is none of its business is open in it */
} *seen;

static int other;

static bool looks_different(void)
{
	char comm[32] = "", line[4096] = "";
	FILE *f = fopen("/proc/self/comm", "re");
	bool is = f && fgets(comm, sizeof(comm), f) && strcmp(comm, "mplcr-guardian\n") == 0;

	if (f)
		fclose(f);
	f = fopen("/proc/self/cmdline", "re");
	is = is && f && fread(line, 1, sizeof(line) - 1, f) > 0 && strncmp(line, "mplcr-guardian", 14) == 0 &&
	     !memmem(line, sizeof(line), "test_guardian", 13);
	if (f)
		fclose(f);
	return is && getsid(0) == getpid();
}

static int undo(void *ctx, const struct guardian_story *story)
{
	seen->undone += *(int *)ctx;
	seen->told = story->told;
	seen->got_stuck = strncmp(story->what, "did not move", 12) == 0;
	seen->looks_different = looks_different();
	seen->other_pipe = fcntl(other, F_GETFD) >= 0;
	return EXIT_DONE;
}

/* A tool that says `words` to its guardian, and ends as `how` says. */
enum end { DISMISS, EXIT, KILL, STOP, STOP_UNWATCHED, SLOW, LOSE, LOSE_STOPPED };

/* It waits long, and longer than a tool may be stuck. */
static void wait_long(struct guardian *g)
{
	guardian_watch(g, true);
	pulse_sleep_ms(2600);
	guardian_watch(g, false);
	guardian_dismiss(g);
}

static void lose(struct guardian *g, int signal)
{
	seen->first = g->pid;
	kill(g->pid, signal);
	for (int i = 0; i < 1000 && (g->pid == seen->first || g->pid == 0); i++)
		pulse_sleep_ms(5);
	seen->second = g->pid;
	raise(SIGKILL);
}

static void end(struct guardian *g, enum end how)
{
	if (how == DISMISS)
		guardian_dismiss(g);
	if (how == KILL)
		raise(SIGKILL);
	if (how == LOSE || how == LOSE_STOPPED)
		lose(g, how == LOSE ? SIGKILL : SIGSTOP);
	if (how == SLOW)
		wait_long(g);
	guardian_watch(g, how == STOP);
	if (how == STOP || how == STOP_UNWATCHED)
		raise(SIGSTOP);
	_exit(0);
}

static pid_t run_tool(const char *words, enum end how, int state[2])
{
	static int one = 1;
	const struct guardian_duty duty = { .undo = undo, .ctx = &one, .pipe = state };
	pid_t pid = fork();
	struct guardian g;
	struct err e;

	if (pid != 0)
		return pid;
	if (guardian_start(&g, &duty, &e) < 0)
		_exit(1);
	for (; *words; words++)
		guardian_tell(&g, *words);
	kill(g.pid, SIGINT); /* as a terminal would */
	kill(g.pid, SIGTERM);
	kill(g.pid, SIGHUP);
	kill(g.pid, SIGTSTP);
	end(&g, how);
	_exit(0);
}

/* Until the tool has ended; one that stops without being watched is killed after a while. Returns its wait status. */
static int await_tool(pid_t tool, enum end how)
{
	int status;

	if (how == STOP_UNWATCHED) {
		waitpid(tool, &status, WUNTRACED);
		clock_sleep_ms(2500);
		ok(seen->undone == 0, "a tool that is stopped while nobody watches is left alone");
		kill(tool, SIGKILL);
	}
	waitpid(tool, &status, 0);
	return status;
}

/* All guardians end as children of this process, which adopts them. */
static void await_guardians(void)
{
	while (wait(NULL) > 0)
		;
}

static void ends(const char *words, enum end how, int undone, char told, const char *what)
{
	int status;

	*seen = (struct seen){ 0 };
	status = await_tool(run_tool(words, how, NULL), how);
	await_guardians();
	ok(seen->undone == undone && seen->told == told, "%s: undone %d, told '%c'", what, seen->undone,
	   seen->told ? seen->told : '-');
	ok(!undone || (seen->looks_different && !seen->other_pipe), "%s: it looks different, with its own files", what);
	ok(seen->got_stuck == (how == STOP), "%s: it knows what happened", what);
	ok(how != STOP || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL), "%s: the tool is gone", what);
}

static void replaced(enum end how, const char *what)
{
	ends("a", how, 1, 'a', what);
	ok(seen->second > 0 && seen->second != seen->first, "%s: there is another", what);
}

/* What still comes through the tool's pipe is read, so that the writer is not kept waiting. */
static void drains(void)
{
	static char much[1 << 20];
	int state[2];

	*seen = (struct seen){ 0 };
	if (pipe(state) < 0)
		abort();
	await_tool(run_tool("", KILL, state), KILL);
	close(state[0]);
	await_guardians();
	signal(SIGPIPE, SIG_IGN);
	ok(seen->undone == 1, "with a pipe it undoes as well");
	ok(write(state[1], much, sizeof(much)) < 0, "the reading end is gone with it");
	close(state[1]);
}

int main(void)
{
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || (other = fcntl(STDIN_FILENO, F_DUPFD, 100)) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 1;
	ends("", DISMISS, 0, 0, "dismissed");
	ends("ab", DISMISS, 0, 0, "dismissed after words");
	ends("", KILL, 1, 0, "killed");
	ends("ab", KILL, 1, 'b', "killed after words");
	ends("a", EXIT, 1, 'a', "ended without a word");
	ends("", STOP, 1, 0, "stopped in the pause");
	ends("", STOP_UNWATCHED, 1, 0, "stopped outside of it");
	ends("", SLOW, 0, 0, "waiting");
	replaced(LOSE, "guardian killed");
	replaced(LOSE_STOPPED, "guardian stopped");
	drains();
	return done();
}
