/* SPDX-License-Identifier: MIT */
/* procinfo.h: what /proc tells, of ourselves and of a process that is gone. */
#include "base/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

/* A child with odd arguments, in /, that waits until its standard input ends. */
static pid_t start_child(int *keep)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], 0);
		close(ends[0]);
		close(ends[1]);
		if (chdir("/") < 0)
			_exit(1);
		execl("/bin/sh", "sh", "-c", "read x", "", "two words", "a,b=\"c\"", "line\nfeed", (char *)NULL);
		_exit(1);
	}
	close(ends[0]);
	*keep = ends[1];
	return pid;
}

/* When a process began, which tells it from a later one with its number. */
static void started(pid_t child)
{
	struct timespec now;
	uint64_t mine = procinfo_started(getpid()), ticks, second = (uint64_t)sysconf(_SC_CLK_TCK);

	clock_gettime(CLOCK_BOOTTIME, &now);
	ticks = (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec * second / 1000000000;
	ok(mine > 0 && mine <= ticks && ticks - mine < 60 * second, "we began a moment ago: at tick %llu of %llu",
	   (unsigned long long)mine, (unsigned long long)ticks);
	ok(procinfo_started(child) >= mine && procinfo_started(child) <= ticks, "our child after us");
	prctl(PR_SET_NAME, ") 1 2 (x) y");
	ok(procinfo_started(getpid()) == mine, "whatever name we have");
}

int main(void)
{
	static const char *const expected[] = { "sh", "-c", "read x", "", "two words", "a,b=\"c\"", "line\nfeed" };
	char file[] = "/tmp/test_procinfo.XXXXXX", *found;
	struct procinfo p;
	struct err e = { 0 };
	int keep, fd, i;
	bool same = true;
	pid_t pid = start_child(&keep);

	/* the exec comes a moment after the fork */
	for (i = 0; i < 1000; i++) {
		if (procinfo_read(pid, &p, &e) == 0) {
			if (p.argv[0] && strcmp(p.argv[0], "sh") == 0)
				break;
			procinfo_release(&p);
		}
		usleep(1000);
	}
	if (!ok(i < 1000, "a child is read"))
		return done();
	for (i = 0; i < 7; i++)
		same &= p.argv[i] && strcmp(p.argv[i], expected[i]) == 0;
	ok(same && !p.argv[7], "its arguments, the empty one and the one with a line feed too");
	ok(strcmp(p.cwd, "/") == 0, "its directory: %s", p.cwd);
	ok(p.exe[0] == '/' && p.memory > 0 && p.memory < 1 << 30, "its program %s, and %llu bytes", p.exe,
	   (unsigned long long)p.memory);
	started(pid);
	procinfo_release(&p);
	ok(!p.argv && !p.exe && !p.cwd, "released");
	close(keep);
	waitpid(pid, NULL, 0);
	ok(procinfo_read(pid, &p, &e) == -1 && e.status == EXIT_FAILED, "it is gone: %s", e.text);
	ok(procinfo_started(pid) == 0, "and began never");

	fd = mkstemp(file);
	found = procinfo_open_file(getpid(), file + strlen("/tmp/"));
	ok(found && strcmp(found, file) == 0, "an open file by the end of its path");
	free(found);
	found = procinfo_open_file(getpid(), file);
	ok(found && strcmp(found, file) == 0, "and by all of it");
	free(found);
	ok(!procinfo_open_file(getpid(), file + strlen("/tmp/t")), "not by a part of its name");
	ok(!procinfo_open_file(pid, file), "not of a process that is gone");
	close(fd);
	unlink(file);
	return done();
}
