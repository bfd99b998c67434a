/* SPDX-License-Identifier: MIT */
/* path_list.h: paths from operands and files, whatever is in them. */
#include "base/path_list.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "tap.h"

/* A file with these bytes, to be read from its beginning. */
static int file_of(const char *bytes, size_t size)
{
	int fd = memfd_create("list", MFD_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, bytes, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		exit(1);
	return fd;
}

static bool is_list(const struct path_list *l, const char *const *expected)
{
	size_t n = 0;

	for (; expected[n]; n++)
		if (n >= l->n || strcmp(l->paths[n], expected[n]) != 0)
			return false;
	return l->n == n && (!l->paths || !l->paths[n]);
}

/* Reads the bytes. Returns what path_list_read_fd does. */
static int read_bytes(struct path_list *l, const char *bytes, size_t size, bool nul, struct err *e)
{
	int fd = file_of(bytes, size), result;

	*l = (struct path_list){ 0 };
	result = path_list_read_fd(l, fd, "it", nul, e);
	close(fd);
	return result;
}

static void lines(void)
{
	static const char text[] = "a\n\n b c \n--x\nlast", nuls[] = "a\nb\0\0c";
	struct path_list l;
	struct err e;

	ok(read_bytes(&l, text, sizeof(text) - 1, false, &e) == 0 &&
		   is_list(&l, (const char *const[]){ "a", " b c ", "--x", "last", NULL }),
	   "lines, blanks kept, empty ones skipped, the last without its end");
	path_list_release(&l);
	ok(l.n == 0 && !l.paths, "released");
	ok(read_bytes(&l, nuls, sizeof(nuls), true, &e) == 0 && is_list(&l, (const char *const[]){ "a\nb", "c", NULL }),
	   "NUL-separated, with a newline in one");
	path_list_release(&l);
	ok(read_bytes(&l, nuls, sizeof(nuls), false, &e) == -1 && e.status == EXIT_USAGE && strstr(e.text, "-0"),
	   "a NUL without -0: %s", e.text);
	path_list_release(&l);
	ok(read_bytes(&l, "", 0, false, &e) == 0 && l.n == 0, "nothing is an empty list");
	path_list_release(&l);
}

static void long_ones(void)
{
	char *bytes = memory_of(PATH_MAX + 1, 1);
	struct path_list l;
	struct err e;

	memset(bytes, 'x', PATH_MAX);
	ok(read_bytes(&l, bytes, PATH_MAX - 1, false, &e) == 0 && strlen(l.paths[0]) == PATH_MAX - 1, "the longest");
	path_list_release(&l);
	ok(read_bytes(&l, bytes, PATH_MAX, false, &e) == -1 && e.status == EXIT_USAGE, "a longer one: %s", e.text);
	path_list_release(&l);
	free(bytes);
}

static void many(void)
{
	const size_t n = 1000001;
	char *bytes = memory_of(n, 2);
	struct path_list l;
	struct err e;

	for (size_t i = 0; i < n; i++)
		memcpy(bytes + 2 * i, "x\n", 2);
	ok(read_bytes(&l, bytes, 2 * (n - 1), false, &e) == 0 && l.n == n - 1, "a million");
	path_list_release(&l);
	ok(read_bytes(&l, bytes, 2 * n, false, &e) == -1 && strstr(e.text, "1000000"), "one more: %s", e.text);
	path_list_release(&l);
	free(bytes);
}

static void operands(void)
{
	char a[] = "a", dash[] = "-", odd[] = "--b";
	char *const plain[] = { a, odd }, *const mixed[] = { a, dash, odd }, *const twice[] = { dash, a, dash };
	int fd = file_of("x\ny\n", 4), nowhere = open("/", O_RDONLY);
	struct path_list l = { 0 };
	struct err e;

	ok(path_list_read(&l, plain, 2, false, &e) == 0 && is_list(&l, (const char *const[]){ "a", "--b", NULL }),
	   "operands as they are");
	path_list_release(&l);
	dup2(fd, STDIN_FILENO);
	ok(path_list_read(&l, mixed, 3, false, &e) == 0 &&
		   is_list(&l, (const char *const[]){ "a", "x", "y", "--b", NULL }),
	   "'-' is replaced in its place");
	path_list_release(&l);
	ok(path_list_read(&l, twice, 3, false, &e) == -1 && e.status == EXIT_USAGE, "twice: %s", e.text);
	path_list_release(&l);
	dup2(nowhere, STDIN_FILENO);
	ok(path_list_read(&l, mixed, 3, false, &e) == -1 && e.status == EXIT_FAILED, "not to be read: %s", e.text);
	path_list_release(&l);
	close(fd);
	close(nowhere);
}

int main(void)
{
	lines();
	long_ones();
	many();
	operands();
	return done();
}
