/* SPDX-License-Identifier: MIT */
/* clone.h: copies with holes, what is said of a failure; reflinks themselves need a filesystem: see snap.bats. */
#include "image/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "tap.h"

#define MIB (1 << 20)

static int file_at(const char *dir, const char *name)
{
	char *path = text_of("%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	free(path);
	if (fd < 0)
		exit(1);
	return fd;
}

static bool is_same(int a, int b, off_t size)
{
	char *x = memory_of((size_t)size, 1), *y = memory_of((size_t)size, 1);
	bool same = pread(a, x, (size_t)size, 0) == size && pread(b, y, (size_t)size, 0) == size &&
		    memcmp(x, y, (size_t)size) == 0;
	struct stat st;

	free(x);
	free(y);
	return same && fstat(b, &st) == 0 && st.st_size == size;
}

struct seen {
	uint64_t last;
	int calls, end_at; /* the call that ends the copy, 0 for none */
};

static bool progress(void *ctx, uint64_t done_bytes)
{
	struct seen *s = ctx;

	s->last = done_bytes;
	return ++s->calls != s->end_at;
}

/* 64 MiB: data at 1 MiB and in the middle, the last byte behind a hole; or only a hole. */
static int sparse(const char *dir)
{
	int fd = file_at(dir, "from");

	if (pwrite(fd, "one", 3, MIB) != 3 || pwrite(fd, "two", 3, 32 * MIB + 5) != 3 ||
	    pwrite(fd, "x", 1, 64 * MIB - 1) != 1)
		exit(1);
	return fd;
}

static void copies(const char *dir, const char *name, int (*copy)(int, int, bool (*)(void *, uint64_t), void *))
{
	int from = sparse(dir), to = file_at(dir, "to"), empty = file_at(dir, "empty");
	struct seen seen = { 0 };
	struct stat st;

	ok(copy(from, to, progress, &seen) == 0 && is_same(from, to, 64 * MIB), "%s: the same content and size", name);
	ok(fstat(to, &st) == 0 && st.st_blocks * 512 < MIB, "%s: holes kept", name);
	ok(seen.calls >= 3 && seen.last == 64 * MIB, "%s: progress, up to the end", name);
	close(to);
	to = file_at(dir, "to");
	ok(ftruncate(from, 0) == 0 && ftruncate(from, 5 * MIB) == 0 && copy(from, to, NULL, NULL) == 0 &&
		   is_same(from, to, 5 * MIB),
	   "%s: nothing but a hole", name);
	close(to);
	to = file_at(dir, "to");
	ok(copy(empty, to, NULL, NULL) == 0 && fstat(to, &st) == 0 && st.st_size == 0, "%s: an empty file", name);
	close(from);
	from = sparse(dir);
	seen = (struct seen){ .end_at = 2 };
	errno = 0;
	ok(copy(from, to, progress, &seen) == -1 && errno == EINTR && seen.calls == 2, "%s: ended by the caller", name);
	ok(copy(from, from + 1000, NULL, NULL) == -1 && errno == EBADF, "%s: nowhere to write to", name);
	close(from);
	close(to);
	close(empty);
}

static void failures(const char *dir)
{
	char *to = text_of("%s/not/yet/there", dir);
	struct err e;

	ok(clone_error("/dev/null", to, EXDEV, &e) == -1 && e.sys == EXDEV && strstr(e.text, "different filesystems") &&
		   strstr(e.text, "/not/yet/there") && e.hint[0],
	   "another filesystem: %s", e.text);
	ok(clone_error(dir, to, EOPNOTSUPP, &e) == -1 && strstr(e.text, "no reflinks") && strstr(e.hint, "reflink=1"),
	   "a filesystem without: %s", e.text);
	ok(clone_error(dir, to, ENOSPC, &e) == -1 && e.sys == ENOSPC && strstr(e.text, "No space left"), "full: %s",
	   e.text);
	free(to);
}

static void abilities(const char *dir)
{
	char *none = text_of("%s/nosuch", dir);
	struct clone_abilities a;
	struct err e;

	ok(clone_probe("/dev/shm", &a, &e) == 0 && strcmp(a.type, "tmpfs") == 0 && !a.reflink && !a.subvolume &&
		   a.punch_hole,
	   "tmpfs: holes, no reflinks");
	ok(clone_probe(none, &a, &e) == -1 && e.sys == ENOENT, "no directory: %s", e.text);
	ok(clone_probe("/proc", &a, &e) == -1, "nowhere to write: %s", e.text);
	free(none);
}

int main(void)
{
	char dir[] = "/tmp/test_clone.XXXXXX";
	char *command;

	if (!mkdtemp(dir))
		return 1;
	copies(dir, "sharing", clone_copy);
	copies(dir, "apart", clone_copy_apart);
	failures(dir);
	abilities(dir);
	command = text_of("rm -rf '%s'", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
