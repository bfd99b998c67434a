/* SPDX-License-Identifier: MIT */
/* users.h: which processes have a file open or mapped. */
#include "image/users.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "file_user.h"
#include "tap.h"

static void one(const char *path, enum file_use use, const char *what)
{
	pid_t pid = file_user_start(path, use);
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
	file_user_end(pid);
	image_users_look(&u);
	ok(!image_users_find_path(&u, path), "%s: nobody when it has ended", what);
	image_users_release(&u);
}

static void writer_first(const char *path)
{
	pid_t reader = file_user_start(path, OPEN_READ), writer = file_user_start(path, OPEN_WRITE);
	const struct image_user *user;
	struct image_users u;

	image_users_look(&u);
	user = image_users_find_path(&u, path);
	ok(user && user->pid == writer, "of a reader and a writer, the writer is told");
	image_users_release(&u);
	file_user_end(reader);
	file_user_end(writer);
}

int main(void)
{
	char path[] = "/tmp/test_users.XXXXXX";
	char *other = NULL;
	int fd = mkstemp(path);
	struct image_users u;

	if (fd < 0 || ftruncate(fd, FILE_USER_BYTES) < 0)
		return 1;
	close(fd);
	one(path, OPEN_READ, "open for reading");
	one(path, OPEN_WRITE, "open for writing");
	one(path, MAP_PRIVATE_ONLY, "mapped privately");
	one(path, MAP_SHARED_ONLY, "mapped shared, for writing");
	writer_first(path);

	other = text_of("%s.link", path);
	ok(link(path, other) == 0, "a second name");
	fd = file_user_start(path, OPEN_READ);
	image_users_look(&u);
	ok(image_users_find_path(&u, other), "the file is found under its other name, too");
	ok(!image_users_find_path(&u, "/nosuch"), "and one that is not there is not");
	ok(geteuid() != 0 || !image_users_blind(&u), "root is not blind");
	image_users_release(&u);
	file_user_end(fd);
	unlink(other);
	unlink(path);
	free(other);
	return done();
}
