/* SPDX-License-Identifier: MIT */
/* guardian.h: what it does when a tool dies, and that it does nothing otherwise. */
#include "qemu/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* Shared with the guardians. */
static struct seen {
	volatile int undone;
	volatile char told;
} *seen;

/* Its guardian holds the writing end of this pipe until it has ended. */
static int ended[2];

static int undo(void *ctx, char told)
{
	seen->undone += *(int *)ctx;
	seen->told = told;
	return EXIT_DONE;
}

/* A tool that says `words` to its guardian, and ends as `how` says. */
enum end { DISMISS, EXIT, KILL };

static pid_t run_tool(const char *words, enum end how, int state[2])
{
	int one = 1;
	const struct guardian_duty duty = { .undo = undo, .ctx = &one, .pipe = state };
	pid_t pid = fork();
	struct guardian g;
	struct err e;

	if (pid != 0)
		return pid;
	close(ended[0]);
	if (guardian_start(&g, &duty, &e) < 0)
		_exit(1);
	for (; *words; words++)
		guardian_tell(&g, *words);
	kill(g.pid, SIGINT); /* as a terminal would */
	kill(g.pid, SIGTERM);
	kill(g.pid, SIGHUP);
	if (how == DISMISS)
		guardian_dismiss(&g);
	if (how == KILL)
		raise(SIGKILL);
	_exit(0);
}

static void ends(const char *words, enum end how, int undone, char told, const char *what)
{
	char byte;

	*seen = (struct seen){ 0 };
	if (pipe2(ended, O_CLOEXEC) < 0)
		abort();
	waitpid(run_tool(words, how, NULL), NULL, 0);
	close(ended[1]);
	ok(read(ended[0], &byte, 1) == 0, "%s: the guardian ends", what);
	close(ended[0]);
	ok(seen->undone == undone && seen->told == told, "%s: undone %d, told '%c'", what, seen->undone,
	   seen->told ? seen->told : '-');
}

/* What still comes through the tool's pipe is read, so that the writer is not kept waiting. */
static void drains(void)
{
	static char much[1 << 20];
	int state[2];
	char byte;

	*seen = (struct seen){ 0 };
	if (pipe2(ended, O_CLOEXEC) < 0 || pipe(state) < 0)
		abort();
	waitpid(run_tool("", KILL, state), NULL, 0);
	close(state[0]);
	close(ended[1]);
	signal(SIGPIPE, SIG_IGN);
	ok(read(ended[0], &byte, 1) == 0 && seen->undone == 1, "with a pipe it undoes as well");
	ok(write(state[1], much, sizeof(much)) < 0, "the reading end is gone with it");
	close(state[1]);
	close(ended[0]);
}

int main(void)
{
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 1;
	ends("", DISMISS, 0, 0, "dismissed");
	ends("ab", DISMISS, 0, 0, "dismissed after words");
	ends("", KILL, 1, 0, "killed");
	ends("ab", KILL, 1, 'b', "killed after words");
	ends("a", EXIT, 1, 'a', "ended without a word");
	drains();
	return done();
}
