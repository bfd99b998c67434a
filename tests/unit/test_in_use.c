/* SPDX-License-Identifier: MIT */
/* in_use.h: whether a file is in use, and by whom. */
#include "image/in_use.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_user.h"
#include "tap.h"

#define SOME_UID 12345

static char path[] = "/tmp/test_in_use.XXXXXX";

static void one(enum file_use use, enum image_use expected, const char *verb)
{
	pid_t pid = file_user_start(path, use);
	struct in_use u = { 0 };
	struct err e = { 0 };

	ok(in_use_path(&u, path) == expected, "a process %s", verb);
	ok(in_use_refuse(&u, path, false, &e) < 0 && strstr(e.text, "is in use: process ") && strstr(e.text, verb),
	   "refused: %s", e.text);
	ok((in_use_refuse(&u, path, true, &e) < 0) == (expected == IMAGE_WRITTEN), "written or not");
	u.allowed = pid;
	u.processes = true;
	ok(in_use_path(&u, path) == IMAGE_UNUSED, "the one that may use it does not count");
	u.allowed = 0;
	u.processes = false;
	file_user_end(pid);
	in_use_again(&u);
	ok(in_use_path(&u, path) == IMAGE_UNUSED && in_use_refuse(&u, path, false, &e) == 0, "nobody, when it has ended");
	in_use_release(&u);
}

/* Another one than the one that may: it is the one that is told. */
static void two(void)
{
	pid_t vm = file_user_start(path, OPEN_WRITE), other = file_user_start(path, OPEN_READ);
	struct in_use u = { .allowed = vm, .processes = true };
	char name[32];
	struct err e = { 0 };

	snprintf(name, sizeof(name), "process %d ", (int)other);
	ok(in_use_refuse(&u, path, false, &e) < 0 && strstr(e.text, name), "the other one: %s", e.text);
	in_use_release(&u);
	file_user_end(vm);
	file_user_end(other);
}

/* What the kernel tells: the read lease, which needs no look. */
static void writers(void)
{
	pid_t pid = file_user_start(path, OPEN_WRITE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct in_use u = { 0 };

	ok(in_use_writers(&u, fd) == IMAGE_WRITTEN, "a writer");
	file_user_end(pid);
	in_use_again(&u);
	ok(in_use_writers(&u, fd) == IMAGE_UNUSED, "none");
	pid = file_user_start(path, OPEN_READ);
	ok(in_use_writers(&u, fd) == IMAGE_UNUSED, "readers are not looked for");
	file_user_end(pid);
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

	if (fd < 0 || ftruncate(fd, FILE_USER_BYTES) < 0)
		return 1;
	close(fd);
	one(OPEN_WRITE, IMAGE_WRITTEN, "writes to it");
	one(OPEN_READ, IMAGE_READ, "has it open");
	one(MAP_PRIVATE_ONLY, IMAGE_READ, "has it mapped");
	two();
	writers();
	blind();
	unlink(path);
	return done();
}
