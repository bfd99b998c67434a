/* SPDX-License-Identifier: MIT */
/* in_use.h: whether a file is in use, and by whom. */
#include "image/in_use.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define BYTES 4096
#define SOME_UID 12345

static char path[] = "/tmp/test_in_use.XXXXXX";

/* A child that has the file open, or (`maps`) only mapped, and is ready when this returns. */
static pid_t use_file(int flags, bool maps)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, flags);

		if (maps) {
			mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
			close(fd);
		}
		(void)!write(ready[1], "r", 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void one(int flags, bool maps, enum image_use expected, const char *verb)
{
	pid_t pid = use_file(flags, maps);
	struct in_use u = { 0 };
	struct err e = { 0 };

	ok(in_use_path(&u, path) == expected, "a process %s", verb);
	ok(in_use_refuse(&u, path, false, &e) < 0 && strstr(e.text, "is in use: process ") && strstr(e.text, verb),
	   "refused: %s", e.text);
	ok((in_use_refuse(&u, path, true, &e) < 0) == (expected == IMAGE_WRITTEN), "written or not");
	u.allowed = pid;
	ok(in_use_path(&u, path) == IMAGE_UNUSED, "the one that may use it does not count");
	u.allowed = 0;
	end(pid);
	in_use_again(&u);
	ok(in_use_path(&u, path) == IMAGE_UNUSED && in_use_refuse(&u, path, false, &e) == 0, "nobody, when it has ended");
	in_use_release(&u);
}

/* Another one than the one that may: it is the one that is told. */
static void two(void)
{
	pid_t vm = use_file(O_RDWR, false), other = use_file(O_RDONLY, false);
	struct in_use u = { .allowed = vm };
	char name[32];
	struct err e = { 0 };

	snprintf(name, sizeof(name), "process %d ", (int)other);
	ok(in_use_refuse(&u, path, false, &e) < 0 && strstr(e.text, name), "the other one: %s", e.text);
	in_use_release(&u);
	end(vm);
	end(other);
}

/* What the kernel tells: the read lease, which needs no look. */
static void writers(void)
{
	pid_t pid = use_file(O_RDWR, false);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct in_use u = { 0 };

	ok(in_use_writers(&u, fd) == IMAGE_WRITTEN, "a writer");
	end(pid);
	in_use_again(&u);
	ok(in_use_writers(&u, fd) == IMAGE_UNUSED, "none");
	pid = use_file(O_RDONLY, false);
	ok(in_use_writers(&u, fd) == IMAGE_UNUSED, "readers are not looked for");
	end(pid);
	close(fd);
	in_use_release(&u);
}

/* As another user, in a child: processes of root are there. */
static void blind(void)
{
	struct in_use u = { 0 };
	struct err e = { 0 };
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		ok(true, "not root: whether others are there is not known");
		return;
	}
	ok(in_use_refuse_blind(&u, &e) == 0, "root is not blind");
	in_use_release(&u);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setuid(SOME_UID) < 0)
			_exit(1);
		status = in_use_refuse_blind(&u, &e) < 0 && strstr(e.hint, "--assume-unused");
		u.assume_unused = true;
		_exit(status && in_use_refuse_blind(&u, &e) == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "who cannot see other users' processes is refused, or has to vouch");
}

int main(void)
{
	int fd = mkstemp(path);

	if (fd < 0 || ftruncate(fd, BYTES) < 0)
		return 1;
	close(fd);
	one(O_RDWR, false, IMAGE_WRITTEN, "writes to it");
	one(O_RDONLY, false, IMAGE_READ, "has it open");
	one(O_RDONLY, true, IMAGE_READ, "has it mapped");
	two();
	writers();
	blind();
	unlink(path);
	return done();
}
