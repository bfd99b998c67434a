/* SPDX-License-Identifier: MIT */
/* users.h: which processes have a file open or mapped. */
#include "image/users.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "tap.h"

#define BYTES 4096

enum use { OPEN_READ, OPEN_WRITE, MAP_PRIVATE_ONLY, MAP_SHARED_ONLY };

/* A child that uses the file so, and is ready when this returns. */
static pid_t use_file(const char *path, enum use use)
{
	bool writes = use == OPEN_WRITE || use == MAP_SHARED_ONLY;
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, writes ? O_RDWR : O_RDONLY);

		if (use == MAP_PRIVATE_ONLY || use == MAP_SHARED_ONLY) {
			mmap(NULL, BYTES, PROT_READ | PROT_WRITE, use == MAP_SHARED_ONLY ? MAP_SHARED : MAP_PRIVATE, fd, 0);
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

static void one(const char *path, enum use use, const char *what)
{
	pid_t pid = use_file(path, use);
	const struct image_user *user;
	struct image_users u;
	char *name;

	image_users_look(&u);
	user = image_users_find_path(&u, path);
	ok(user && user->pid == pid, "%s: the process is found", what);
	ok(user && user->writes == (use == OPEN_WRITE || use == MAP_SHARED_ONLY), "%s: and whether it can write", what);
	ok(user && user->mapped == (use == MAP_PRIVATE_ONLY || use == MAP_SHARED_ONLY), "%s: and how", what);
	name = user ? image_user_name(user) : NULL;
	ok(name && strstr(name, "(test_users)"), "%s: its name: %s", what, name);
	free(name);
	image_users_release(&u);
	end(pid);
	image_users_look(&u);
	ok(!image_users_find_path(&u, path), "%s: nobody when it has ended", what);
	image_users_release(&u);
}

static void writer_first(const char *path)
{
	pid_t reader = use_file(path, OPEN_READ), writer = use_file(path, OPEN_WRITE);
	const struct image_user *user;
	struct image_users u;

	image_users_look(&u);
	user = image_users_find_path(&u, path);
	ok(user && user->pid == writer, "of a reader and a writer, the writer is told");
	image_users_release(&u);
	end(reader);
	end(writer);
}

int main(void)
{
	char path[] = "/tmp/test_users.XXXXXX";
	char *other = NULL;
	int fd = mkstemp(path);
	struct image_users u;

	if (fd < 0 || ftruncate(fd, BYTES) < 0)
		return 1;
	close(fd);
	one(path, OPEN_READ, "open for reading");
	one(path, OPEN_WRITE, "open for writing");
	one(path, MAP_PRIVATE_ONLY, "mapped privately");
	one(path, MAP_SHARED_ONLY, "mapped shared, for writing");
	writer_first(path);

	other = text_of("%s.link", path);
	ok(link(path, other) == 0, "a second name");
	fd = use_file(path, OPEN_READ);
	image_users_look(&u);
	ok(image_users_find_path(&u, other), "the file is found under its other name, too");
	ok(!image_users_find_path(&u, "/nosuch"), "and one that is not there is not");
	ok(geteuid() != 0 || !image_users_blind(&u), "root is not blind");
	image_users_release(&u);
	end(fd);
	unlink(other);
	unlink(path);
	free(other);
	return done();
}
