/* SPDX-License-Identifier: MIT */
/*
 * How fast migration streams are read and stored, beside what plain copying costs in the same run:
 *
 *   stream_bench [MIB [DIR]]     a stream of MIB MiB of content (default 1024), files in DIR (default /dev/shm)
 *
 * The stream is made in memory, of which twice its size is needed in all. Each row runs in a process of its own, the
 * best of three: GB/s of stream by the clock, and by the processor time of the reading thread, which is what one core
 * would do; and the largest resident memory (where the stream is mapped, without it).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "state/sink.h"
#include "state/stream.h"
#include "stream_builder.h"
#include "state/join.h"
#include "state/pump.h"

enum { BUFFER = 1 << 20, ROUNDS = 3 };

static int stream_fd;
static size_t stream_size;
static const char *parent_dir = "/dev/shm";

struct figures {
	double seconds, cpu;
	long rss_kib;
};

static void die(const char *what)
{
	fprintf(stderr, "stream_bench: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILED);
}

static void die_of(const struct err *e)
{
	fprintf(stderr, "stream_bench: %s\n", e->text);
	exit(EXIT_FAILED);
}

static double clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void append(struct build *b)
{
	if (fd_write_all(stream_fd, b->data, b->len) < 0)
		die("cannot make the stream");
	stream_size += b->len;
	build_free(b);
}

/* Runs of content and of zero pages in turn, as memory of a guest looks; half as many zero pages as content. */
static void make_stream(uint64_t pages)
{
	struct build b = { 0 };
	uint64_t n = 0;

	stream_fd = memfd_create("stream", 0);
	build_head(&b, "pc-bench");
	build_ram(&b, "pc.ram", (pages + pages / 2 + 64) * BUILD_PAGE, NULL, 0);
	build_part(&b, 3);
	build_fill(&b, "pc.ram", n++ * BUILD_PAGE, 0);
	for (uint64_t made = 0; made < pages; made += 64) {
		for (int i = 0; i < 64; i++)
			build_page(&b, NULL, (n + (uint64_t)i) * BUILD_PAGE, (uint32_t)made + (uint32_t)i);
		n += 64;
		for (int i = 0; i < 32; i++)
			build_fill(&b, NULL, n++ * BUILD_PAGE, 0);
		append(&b);
	}
	build_eos(&b);
	build_tail(&b);
	append(&b);
}

static uint8_t *map_stream(void)
{
	uint8_t *p = mmap(NULL, stream_size, PROT_READ, MAP_SHARED | MAP_POPULATE, stream_fd, 0);

	if (p == MAP_FAILED)
		die("cannot map the stream");
	return p;
}

static int take_all(void *ctx, struct stream_block *blocks, size_t n, struct err *e)
{
	(void)ctx;
	(void)e;
	for (size_t i = 0; i < n; i++)
		blocks[i].take = true;
	return 0;
}

static uint64_t count;

static int count_page(void *ctx, size_t block, uint64_t offset, const uint8_t *data, struct err *e)
{
	(void)ctx;
	(void)block;
	(void)e;
	count += offset + data[0];
	return 0;
}

static int count_fill(void *ctx, size_t block, uint64_t offset, uint8_t byte, struct err *e)
{
	(void)ctx;
	(void)block;
	(void)e;
	count += offset + byte;
	return 0;
}

static const struct stream_events counting = { .blocks = take_all, .page = count_page, .fill = count_fill };

static struct stream *new_reader(void)
{
	const struct stream_options options = { .limit = 1ull << 44 };

	return stream_new(&counting, NULL, &options);
}

/* What the row of this process took, between start() and stop(). */
static struct figures taken;

static void start(void)
{
	taken.seconds = clock_seconds(CLOCK_MONOTONIC);
	taken.cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

static void stop(void)
{
	taken.seconds = clock_seconds(CLOCK_MONOTONIC) - taken.seconds;
	taken.cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - taken.cpu;
}

static void row_memcpy(void)
{
	uint8_t *from = map_stream(), *to = malloc(BUFFER);

	start();
	for (size_t at = 0; at + BUFFER <= stream_size; at += BUFFER) {
		memcpy(to, from + at, BUFFER);
		count += to[at % BUFFER];
	}
	stop();
	free(to);
}

static void row_read(void)
{
	uint8_t *to = malloc(BUFFER);

	start();
	while (read(stream_fd, to, BUFFER) > 0)
		continue;
	stop();
	free(to);
}

static void row_parser(void)
{
	const uint8_t *p = map_stream();
	struct stream *s = new_reader();
	struct err e = { 0 };
	size_t at = 0;

	start();
	while (at < stream_size) {
		ssize_t n = stream_feed(s, p + at, stream_size - at < BUFFER ? stream_size - at : BUFFER, &e);

		if (n < 0)
			die_of(&e);
		at += (size_t)n;
	}
	if (stream_end(s, 0, &e) < 0)
		die_of(&e);
	stop();
	stream_free(s);
}

static void pump(int fd)
{
	struct stream_pump p = { .stream = new_reader(), .fd = fd };
	struct err e = { 0 };

	start();
	if (stream_pump(&p, &e) < 0)
		die_of(&e);
	stop();
	stream_free(p.stream);
}

static void row_pump_file(void)
{
	pump(stream_fd);
}

/* A child that writes the stream into a pipe, as QEMU does. Returns the end to read from. */
static int open_pipe(void)
{
	int ends[2];

	if (pipe(ends) < 0)
		die("no pipe");
	fcntl(ends[0], F_SETPIPE_SZ, BUFFER);
	if (fork() == 0) {
		uint8_t *p = map_stream();

		close(ends[0]);
		for (size_t at = 0; at < stream_size; at += BUFFER)
			if (fd_write_all(ends[1], p + at, stream_size - at < BUFFER ? stream_size - at : BUFFER) < 0)
				_exit(1);
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

static void row_cat_pipe(void)
{
	uint8_t *to = malloc(BUFFER);
	int fd = open_pipe();

	start();
	while (read(fd, to, BUFFER) > 0)
		continue;
	stop();
	free(to);
}

static void row_pump_pipe(void)
{
	pump(open_pipe());
}

static char *bench_dir(int *fd)
{
	char *dir = text_of("%s/stream-bench-XXXXXX", parent_dir);

	if (!mkdtemp(dir) || (*fd = open(dir, O_RDONLY | O_DIRECTORY)) < 0)
		die(dir);
	return dir;
}

static void row_copy(void)
{
	uint8_t *buf = malloc(BUFFER);
	int dirfd, to;
	char *dir = bench_dir(&dirfd);
	ssize_t n;

	to = openat(dirfd, "copy", O_WRONLY | O_CREAT, 0600);
	start();
	while ((n = read(stream_fd, buf, BUFFER)) > 0)
		if (fd_write_all(to, buf, (size_t)n) < 0)
			die("cannot write");
	stop();
	dir_remove(dir);
	free(dir);
	free(buf);
}

static void store(struct sink *s, int fd, struct err *e)
{
	start();
	if (!s || sink_run(s, fd, e) < 0)
		die_of(e);
}

static struct sink *open_pages(int dirfd, struct err *e)
{
	static const char *const ram[] = { "pc.ram" };

	return sink_pages_open(dirfd, ram, 1, 1ull << 44, e);
}

static void row_sink_file(void)
{
	struct err e = { 0 };
	int dirfd;
	char *dir = bench_dir(&dirfd);
	struct sink *s = open_pages(dirfd, &e);

	store(s, stream_fd, &e);
	stop();
	dir_remove(dir);
	free(dir);
}

static void row_sink_pipe(void)
{
	struct err e = { 0 };
	int dirfd;
	char *dir = bench_dir(&dirfd);
	struct sink *s = open_pages(dirfd, &e);

	store(s, open_pipe(), &e);
	stop();
	dir_remove(dir);
	free(dir);
}

static void row_finish(void)
{
	struct err e = { 0 };
	int dirfd;
	char *dir = bench_dir(&dirfd);
	struct sink *s = open_pages(dirfd, &e);

	store(s, stream_fd, &e);
	start();
	if (!sink_finish(s, &e))
		die_of(&e);
	stop();
	dir_remove(dir);
	free(dir);
}

static void row_join(void)
{
	static const struct stream_join_ram ram = { "pc.ram", "ram/pc.ram" };
	struct err e = { 0 };
	int dirfd, ends[2];
	char *dir = bench_dir(&dirfd);
	struct sink *s = open_pages(dirfd, &e);

	store(s, stream_fd, &e);
	if (pipe(ends) < 0)
		die("no pipe");
	fcntl(ends[0], F_SETPIPE_SZ, BUFFER);
	if (fork() == 0) {
		uint8_t *to = malloc(BUFFER);

		close(ends[1]);
		while (read(ends[0], to, BUFFER) > 0)
			continue;
		_exit(0);
	}
	start();
	if (stream_join(dirfd, &ram, 1, false, ends[1], &e) < 0)
		die_of(&e);
	stop();
	dir_remove(dir);
	free(dir);
}

/* Runs the row in a child. */
static struct figures measure_once(void (*row)(void))
{
	struct figures f = { 0 };
	int ends[2];

	if (pipe(ends) < 0 || lseek(stream_fd, 0, SEEK_SET) < 0)
		die("cannot measure");
	fflush(stdout);
	if (fork() == 0) {
		struct rusage usage;

		row();
		getrusage(RUSAGE_SELF, &usage);
		f = taken;
		f.rss_kib = usage.ru_maxrss;
		_exit(fd_write_all(ends[1], &f, sizeof(f)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], &f, sizeof(f)) != sizeof(f))
		exit(EXIT_FAILED);
	close(ends[0]);
	while (wait(NULL) > 0)
		continue;
	return f;
}

static void measure(const char *name, void (*row)(void), bool mapped)
{
	struct figures best = measure_once(row);

	for (int i = 1; i < ROUNDS; i++) {
		struct figures f = measure_once(row);

		if (f.seconds < best.seconds)
			best = f;
	}
	printf("%-44s %8.2f %8.2f", name, (double)stream_size / 1e9 / best.seconds,
	       (double)stream_size / 1e9 / best.cpu);
	if (mapped)
		printf("        -\n");
	else
		printf(" %8.1f\n", (double)best.rss_kib / 1024);
}

int main(int argc, char **argv)
{
	unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1024;

	if (argc > 2)
		parent_dir = argv[2];
	if (mib < 1 || mib > 1 << 20)
		return EXIT_USAGE;
	make_stream(mib * 256);
	printf("a stream of %zu MiB, files in %s\n%-44s %8s %8s %8s\n", stream_size >> 20, parent_dir, "", "GB/s",
	       "per core", "RSS MiB");
	measure("memcpy to a buffer of 1 MiB", row_memcpy, true);
	measure("read from memory file", row_read, false);
	measure("read from pipe (cat >/dev/null)", row_cat_pipe, false);
	measure("parser alone, stream in memory", row_parser, true);
	measure("parser, from memory file", row_pump_file, false);
	measure("parser, from pipe", row_pump_pipe, false);
	measure("copy to a file", row_copy, false);
	measure("sink pages, from memory file", row_sink_file, false);
	measure("sink pages, from pipe", row_sink_pipe, false);
	measure("sums and fsync of the pages", row_finish, false);
	measure("join the pages into a pipe", row_join, false);
	return EXIT_DONE;
}
