/* SPDX-License-Identifier: MIT */
/* Sinks, and the way back: sink.h and stream_join.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "image/clone.h"
#include "state/sink.h"
#include "stream_builder.h"
#include "state/join.h"
#include "tap.h"
#include "base/zstd.h"

enum { RAM_PAGES = 600, VRAM_PAGES = 4 };

#define RAM_BYTES ((uint64_t)RAM_PAGES * BUILD_PAGE)
#define VRAM_BYTES ((uint64_t)VRAM_PAGES * BUILD_PAGE)

static const char *const both[] = { "pc.ram", "vram" };

/* A fresh directory, made current; the test's own are removed at the end. */
static char dir_name[64];

static int fresh_dir(void)
{
	int fd;

	if (dir_name[0])
		dir_remove(dir_name);
	strcpy(dir_name, "/tmp/test-sink-XXXXXX");
	if (!mkdtemp(dir_name) || (fd = open(dir_name, O_RDONLY | O_DIRECTORY)) < 0)
		abort();
	return fd;
}

struct writer {
	const struct build *b;
	int fd;
};

static void *write_stream(void *arg)
{
	const struct writer *w = arg;

	/* The reader may stop early. */
	if (fd_write_all(w->fd, w->b->data, w->b->len) < 0 && errno != EPIPE)
		abort();
	close(w->fd);
	return NULL;
}

/* Runs the sink over the stream through a pipe. */
static int run(struct sink *s, const struct build *b, struct err *e)
{
	pthread_t thread;
	struct writer w = { .b = b };
	int ends[2], result;

	if (pipe(ends) < 0)
		abort();
	w.fd = ends[1];
	pthread_create(&thread, NULL, write_stream, &w);
	result = sink_run(s, ends[0], e);
	close(ends[0]);
	pthread_join(thread, NULL);
	return result;
}

/* Puts a page into the stream and the same content into `ram`. */
static void put_page(struct build *b, uint8_t *ram, uint64_t n, uint32_t seed)
{
	build_page(b, "pc.ram", n * BUILD_PAGE, seed);
	build_content(ram + n * BUILD_PAGE, seed);
}

static void put_fill(struct build *b, uint8_t *ram, uint64_t n, uint8_t byte)
{
	build_fill(b, "pc.ram", n * BUILD_PAGE, byte);
	memset(ram + n * BUILD_PAGE, byte, BUILD_PAGE);
}

/* Pages in every order that matters: up, down, twice, zeros before and after content, another block in between. */
static struct build make_stream(uint8_t *ram, uint8_t *vram)
{
	struct build b = { 0 };

	build_head(&b, "pc-q35-10.0");
	build_ram(&b, "pc.ram", RAM_BYTES, "vram", VRAM_BYTES);
	build_part(&b, 2);
	for (uint32_t n = 0; n < 300; n++)
		put_page(&b, ram, n, n + 1);
	for (uint32_t n = 300; n < 400; n++)
		put_fill(&b, ram, n, 0);
	for (uint32_t n = RAM_PAGES - 1; n >= 500; n--)
		put_page(&b, ram, n, n);
	build_page(&b, "vram", BUILD_PAGE, 7);
	build_content(vram + BUILD_PAGE, 7);
	build_eos(&b);
	build_part(&b, 3);
	put_page(&b, ram, 10, 1000);
	put_page(&b, ram, 10, 1001);
	put_fill(&b, ram, 11, 0);
	put_fill(&b, ram, 12, 0);
	put_page(&b, ram, 12, 1002);
	put_page(&b, ram, 13, 1003);
	put_fill(&b, ram, 13, 0);
	put_fill(&b, ram, 14, 0xff);
	put_fill(&b, ram, 15, 0xff);
	put_fill(&b, ram, 16, 0x01);
	for (uint32_t n = 100; n < 200; n++)
		put_fill(&b, ram, n, 0);
	put_page(&b, ram, 150, 1004);
	build_eos(&b);
	build_tail(&b);
	return b;
}

static bool same_content(int dirfd, const char *name, const void *content, size_t size)
{
	size_t got;
	struct err e;
	char *bytes = file_read(dirfd, name, 1 << 24, &got, &e);
	bool same = bytes && got == size && memcmp(bytes, content, size) == 0;

	free(bytes);
	return same;
}

static mode_t mode_of(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode & 07777;
}

static void test_join_pages(int dirfd, const uint8_t *ram);
static void test_join(int dirfd, const uint8_t *ram, const uint8_t *vram);

static void test_pages(void)
{
	uint8_t *ram = calloc(1, RAM_BYTES), *vram = calloc(1, VRAM_BYTES);
	struct build b = make_stream(ram, vram);
	int dirfd = fresh_dir();
	struct err e = { 0 };
	struct sink *s = sink_pages_open(dirfd, both, 2, 0, &e);
	const struct sink_result *r = NULL;
	char hex[DIGEST_HEX];
	struct stat st;

	ok(s && run(s, &b, &e) == 0 && (r = sink_finish(s, &e)) != NULL, "a stream is stored %s", e.text);
	ok(r && r->n_files == 3 && r->n_blocks == 2 && strcmp(r->machine, "pc-q35-10.0") == 0 && r->bytes == b.len,
	   "its figures are told");
	ok(r && r->described, "it is known to end with a description");
	ok(r && r->pages == 300 + 100 + 1 + 5 && r->zero_pages == 100 + 3 + 3 + 100, "and its pages counted");
	ok(same_content(dirfd, "ram/pc.ram", ram, RAM_BYTES), "memory is what came last");
	ok(same_content(dirfd, "ram/vram", vram, VRAM_BYTES), "of the other block too");
	digest_bytes(ram, RAM_BYTES, hex);
	ok(r && strcmp(r->files[1].xxh3, hex) == 0 && r->files[1].size == RAM_BYTES &&
	   strcmp(r->files[1].block, "pc.ram") == 0, "its sum is that of the bytes");
	ok(mode_of(dirfd, "ram") == 0700 && mode_of(dirfd, "ram/pc.ram") == 0600 &&
	   mode_of(dirfd, "devices.vmstate") == 0600, "nobody else may read it");
	if (fstatat(dirfd, "ram/pc.ram", &st, 0) < 0)
		abort();
	ok(st.st_blocks * 512 <= (300 + 100 - 99 - 2 + 8) * BUILD_PAGE,
	   "zero pages are holes, even after content: %lld blocks", (long long)st.st_blocks);
	sink_free(s);
	test_join_pages(dirfd, ram);
	test_join(dirfd, ram, vram);
	close(dirfd);
	build_free(&b);
	free(ram);
	free(vram);
}

/*
 * Stores the stream in "joined" again. Returns the directory, which becomes the current one; the one before is the
 * caller's to remove.
 */
static int store_joined(int dirfd, char before[sizeof(dir_name)], const char *what)
{
	struct build joined = { 0 };
	struct err e = { 0 };
	struct sink *s;
	int second;

	joined.data = (uint8_t *)file_read(dirfd, "joined", 1 << 24, &joined.len, &e);
	strcpy(before, dir_name);
	dir_name[0] = '\0';
	second = fresh_dir();
	s = sink_pages_open(second, both, 2, 0, &e);
	ok(s && joined.data && run(s, &joined, &e) == 0, "%s %s", what, e.text);
	sink_free(s);
	build_free(&joined);
	return second;
}

/* Joins the directory and stores the result again: the same files must come out. */
static void test_join(int dirfd, const uint8_t *ram, const uint8_t *vram)
{
	static const struct stream_join_ram files[] = { { "pc.ram", "ram/pc.ram" }, { "vram", "ram/vram" } };
	static const struct stream_join_ram wrong[] = { { "pc.ram", "ram/vram" } };
	static const struct stream_join_ram none[] = { { "other", "ram/vram" } };
	char first_name[sizeof(dir_name)];
	struct err e = { 0 };
	int out = openat(dirfd, "joined", O_RDWR | O_CREAT, 0600), second;

	ok(stream_join(dirfd, wrong, 1, false, out, &e) < 0, "a file of the wrong size: %s", e.text);
	ok(stream_join(dirfd, none, 1, false, out, &e) < 0, "a block that is not there: %s", e.text);
	e.text[0] = '\0';
	ok(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0 &&
	   stream_join(dirfd, files, 2, false, out, &e) == 0, "files are joined %s", e.text);
	second = store_joined(dirfd, first_name, "to a good stream");
	ok(same_content(second, "ram/pc.ram", ram, RAM_BYTES) && same_content(second, "ram/vram", vram, VRAM_BYTES),
	   "with the same memory");
	close(second);
	close(out);
	dir_remove(first_name);
}

/* Only some pages, the first and the last among them, and one of zeros. */
static void test_join_pages(int dirfd, const uint8_t *ram)
{
	static const struct stream_join_ram file = { "pc.ram", "ram/pc.ram" };
	static const struct stream_range ranges[] = { { 0, 3 * BUILD_PAGE }, { 11 * BUILD_PAGE, 13 * BUILD_PAGE },
		{ RAM_BYTES - BUILD_PAGE, RAM_BYTES } };
	static const struct stream_range beyond[] = { { RAM_BYTES, RAM_BYTES + BUILD_PAGE } };
	uint8_t *some = calloc(1, RAM_BYTES);
	char first_name[sizeof(dir_name)];
	struct err e = { 0 };
	int out = openat(dirfd, "joined", O_RDWR | O_CREAT, 0600), second;

	ok(stream_join_pages(dirfd, &file, beyond, 1, false, out, &e) < 0, "a page that is not there: %s", e.text);
	e.text[0] = '\0';
	ok(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0 &&
	   stream_join_pages(dirfd, &file, ranges, 3, false, out, &e) == 0, "some pages are joined %s", e.text);
	for (size_t i = 0; i < 3; i++)
		memcpy(some + ranges[i].from, ram + ranges[i].from, ranges[i].to - ranges[i].from);
	second = store_joined(dirfd, first_name, "to a good stream");
	ok(same_content(second, "ram/pc.ram", some, RAM_BYTES), "with those pages alone");
	close(second);
	close(out);
	dir_remove(dir_name);
	strcpy(dir_name, first_name);
	free(some);
}

static void test_stream_layout(int level)
{
	uint8_t *ram = calloc(1, RAM_BYTES), *vram = calloc(1, VRAM_BYTES);
	struct build b = make_stream(ram, vram);
	int dirfd = fresh_dir(), fd;
	struct err e = { 0 };
	struct sink *s = sink_stream_open(dirfd, level, 0, &e);
	const struct sink_result *r = NULL;
	uint8_t *back = malloc(b.len + 1);
	size_t used = 0;
	ssize_t n;

	ok(s && run(s, &b, &e) == 0 && (r = sink_finish(s, &e)) != NULL && r->n_files == 1 && r->n_blocks == 2,
	   "a stream is kept, level %d %s", level, e.text);
	if (level) {
		struct zstd_reader *z;

		fd = openat(dirfd, "state.vmstate.zst", O_RDONLY);
		z = zstd_reader_open(fd, &e);
		while ((n = zstd_reader_read(z, back + used, b.len + 1 - used, &e)) > 0)
			used += (size_t)n;
		zstd_reader_free(z);
		close(fd);
		ok(used == b.len && memcmp(back, b.data, b.len) == 0, "and comes back");
	} else {
		ok(same_content(dirfd, "state.vmstate", b.data, b.len), "as it is");
	}
	sink_free(s);
	s = sink_stream_open(dirfd, level, 0, &e);
	ok(!s && e.sys == EEXIST, "nothing is overwritten: %s", e.text);
	close(dirfd);
	build_free(&b);
	free(back);
	free(ram);
	free(vram);
}

static void test_cut(void)
{
	uint8_t *ram = calloc(1, RAM_BYTES), *vram = calloc(1, VRAM_BYTES);
	struct build b = make_stream(ram, vram);
	struct err e = { 0 };
	size_t whole = b.len;

	for (int level = 0; level < 3; level++) {
		int dirfd = fresh_dir();
		struct sink *s = level < 2 ? sink_stream_open(dirfd, level, 0, &e)
					   : sink_pages_open(dirfd, both, 2, 0, &e);

		b.len = whole - 1 - (size_t)level * 500000;
		ok(s && run(s, &b, &e) < 0 && strstr(e.text, "cut"), "a cut stream: %s", e.text);
		sink_free(s);
		close(dirfd);
	}
	build_free(&b);
	free(ram);
	free(vram);
}

static void test_bad_name(const char *what, const char *name)
{
	struct build b = { 0 };
	int dirfd = fresh_dir();
	struct err e = { 0 };
	struct sink *s = sink_pages_open(dirfd, &name, 1, 0, &e);

	build_head(&b, "pc");
	build_ram(&b, name, RAM_BYTES, NULL, 0);
	ok(s && run(s, &b, &e) < 0 && strstr(e.text, "not a valid file name"), "a block name with %s", what);
	sink_free(s);
	build_free(&b);
	close(dirfd);
}

static void test_refusals(void)
{
	struct build b = { 0 };
	int dirfd = fresh_dir();
	struct err e = { 0 };
	struct sink *s = sink_pages_open(dirfd, both, 2, 0, &e);

	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, NULL, 0);
	build_part(&b, 3);
	build_eos(&b);
	build_tail(&b);
	ok(s && run(s, &b, &e) == 0 && faccessat(dirfd, "ram/vram", F_OK, 0) < 0,
	   "a block that no stream declares has no file");
	sink_free(s);
	ok(!sink_pages_open(dirfd, both, 2, 0, &e) && e.sys == EEXIST, "nothing is overwritten: %s", e.text);
	close(dirfd);
	build_free(&b);
	dirfd = fresh_dir();
	s = sink_pages_open(dirfd, both, 2, 1 << 20, &e);
	build_head(&b, "pc");
	build_ram(&b, "pc.ram", 0x7ffffffffffff000, "vram", 0x7ffffffffffff000);
	ok(s && run(s, &b, &e) < 0 && strstr(e.text, "plausible"), "18 exabytes: %s", e.text);
	sink_free(s);
	close(dirfd);
	build_free(&b);
}

/* What both kinds say when the files cannot grow any more. */
static void check_no_room(int dirfd, int want, const char *what)
{
	uint8_t *ram = calloc(1, RAM_BYTES), *vram = calloc(1, VRAM_BYTES);
	struct build b = make_stream(ram, vram);
	struct err e = { 0 };
	struct sink *s = sink_pages_open(dirfd, both, 2, 0, &e);

	ok(s && run(s, &b, &e) < 0 && e.sys == want && strstr(e.text, "cannot write 'ram/pc.ram'"), "%s: %s", what,
	   e.text);
	sink_free(s);
	unlinkat(dirfd, "ram/pc.ram", 0);
	unlinkat(dirfd, "ram/vram", 0);
	s = sink_stream_open(dirfd, 0, 0, &e);
	ok(s && run(s, &b, &e) < 0 && e.sys == want && strstr(e.text, "cannot write 'state.vmstate'"), "%s: %s", what,
	   e.text);
	sink_free(s);
	build_free(&b);
	free(ram);
	free(vram);
}

static void test_file_limit(void)
{
	struct rlimit old, small;
	int dirfd = fresh_dir();

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 1 << 20;
	setrlimit(RLIMIT_FSIZE, &small);
	check_no_room(dirfd, EFBIG, "a file size limit");
	setrlimit(RLIMIT_FSIZE, &old);
	close(dirfd);
}

static void test_full_disk(void)
{
	int dirfd;

	close(fresh_dir());
	if (mount("tmpfs", dir_name, "tmpfs", 0, "size=1m") < 0) {
		ok(true, "a full disk # SKIP no right to mount a small tmpfs: %s", strerror(errno));
		return;
	}
	dirfd = open(dir_name, O_RDONLY | O_DIRECTORY);
	check_no_room(dirfd, ENOSPC, "a full disk");
	close(dirfd);
	umount(dir_name);
}

/* --- files that begin as clones ---------------------------------------------------------------------------------- */

/* What a clone does, on any filesystem. */
static int copy_all(int from, int to)
{
	return clone_copy(from, to, NULL, NULL);
}

static int cannot(int from, int to)
{
	(void)from;
	(void)to;
	errno = EOPNOTSUPP;
	return -1;
}

/* The stream of the guest later: of pc.ram some pages changed, some zero, and some that it does not have at all. */
static struct build make_later(uint8_t *ram)
{
	struct build b = { 0 };

	build_head(&b, "pc-q35-10.0");
	build_ram(&b, "pc.ram", RAM_BYTES, "vram", VRAM_BYTES);
	build_part(&b, 2);
	for (uint32_t n = 0; n < RAM_PAGES; n++) {
		if (n >= 30 && n < 40) /* nothing of these: they are zero */
			memset(ram + (uint64_t)n * BUILD_PAGE, 0, BUILD_PAGE);
		else if (n >= 500 || (n >= 100 && n < 110)) /* as they were: seeds of make_stream */
			n >= 500 ? put_page(&b, ram, n, n) : put_fill(&b, ram, n, 0);
		else if (n % 7 == 0)
			put_fill(&b, ram, n, 0);
		else
			put_page(&b, ram, n, n + (n % 5 == 0 ? 9000 : 1));
	}
	build_eos(&b);
	build_part(&b, 3);
	put_page(&b, ram, 7, 77); /* again: was zero */
	put_fill(&b, ram, 8, 0);  /* again: had content */
	build_eos(&b);
	build_tail(&b);
	return b;
}

/* Stores the later stream, begun with `from` (closed). Returns whether that was possible. */
static bool store_later(int dirfd, int from, int (*clone)(int, int), struct sink_result *counted, const char *what)
{
	uint8_t *ram = calloc(1, RAM_BYTES);
	struct build b = make_later(ram);
	struct err e = { 0 };
	struct sink *s = sink_pages_open(dirfd, both, 2, 0, &e);
	bool begun = s && sink_pages_begin(s, "pc.ram", from, clone, &e) == 0;
	const struct sink_result *r = NULL;
	char hex[DIGEST_HEX];

	if (!begun)
		ok(e.sys != 0 && faccessat(dirfd, "ram/pc.ram", F_OK, 0) < 0, "%s: no clone: %s", what, e.text);
	if (ftruncate(from, 1) < 0) /* nothing of it is looked at from here on */
		abort();
	close(from);
	sink_pages_await(s, 10);
	ok(run(s, &b, &e) == 0 && (r = sink_finish(s, &e)) != NULL, "%s: stored %s", what, e.text);
	ok(same_content(dirfd, "ram/pc.ram", ram, RAM_BYTES), "%s: memory is what the stream has", what);
	digest_bytes(ram, RAM_BYTES, hex);
	ok(r && strcmp(r->files[1].xxh3, hex) == 0, "%s: so is its sum", what);
	if (r)
		*counted = *r;
	sink_free(s);
	build_free(&b);
	free(ram);
	return begun;
}

/* A file of that size and content without a name; pages of zeros are holes. */
static int file_of(size_t size, const uint8_t *content)
{
	static const uint8_t zeros[BUILD_PAGE];
	int fd = openat(AT_FDCWD, dir_name, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		abort();
	for (size_t at = 0; content && at < size; at += BUILD_PAGE)
		if (memcmp(content + at, zeros, BUILD_PAGE) != 0 &&
		    pwrite(fd, content + at, BUILD_PAGE, (off_t)at) != BUILD_PAGE)
			abort();
	return fd;
}

/* How memory of the later stream differs from `ram`. */
static struct sink_result count_pages(const uint8_t *ram)
{
	uint8_t *later = calloc(1, RAM_BYTES), *zeros = calloc(1, BUILD_PAGE);
	struct build b = make_later(later);
	struct sink_result r = { 0 };

	for (uint64_t at = 0; at < RAM_BYTES; at += BUILD_PAGE) {
		if (memcmp(later + at, ram + at, BUILD_PAGE) == 0)
			r.pages_same++;
		else if (memcmp(later + at, zeros, BUILD_PAGE) == 0)
			r.pages_zeroed++;
		else
			r.pages_changed++;
	}
	build_free(&b);
	free(later);
	free(zeros);
	return r;
}

static void test_begun(void)
{
	uint8_t *ram = calloc(1, RAM_BYTES), *vram = calloc(1, VRAM_BYTES);
	struct build b = make_stream(ram, vram);
	struct sink_result r = { 0 }, want;
	int dirfd;

	build_free(&b);
	dirfd = fresh_dir();
	ok(store_later(dirfd, file_of(RAM_BYTES, ram), copy_all, &r, "a parent") && r.begun, "it begins with it");
	want = count_pages(ram);
	ok(r.pages_same == want.pages_same && r.pages_changed == want.pages_changed &&
	   r.pages_zeroed == want.pages_zeroed && want.pages_same > 100 && want.pages_zeroed > 20,
	   "%d pages are the same, %d changed, %d zeroed", (int)r.pages_same, (int)r.pages_changed, (int)r.pages_zeroed);
	close(dirfd);
	memset(ram, 0xa5, RAM_BYTES);
	dirfd = fresh_dir();
	ok(store_later(dirfd, file_of(RAM_BYTES, ram), copy_all, &r, "a parent of lies") && r.begun &&
	   r.pages_same == 0, "nothing of it is left");
	close(dirfd);
	dirfd = fresh_dir();
	ok(store_later(dirfd, file_of(RAM_BYTES, NULL), copy_all, &r, "an empty parent") && r.begun, "it begins empty");
	close(dirfd);
	dirfd = fresh_dir();
	ok(store_later(dirfd, file_of(RAM_BYTES - BUILD_PAGE, ram), copy_all, &r, "a shorter one") && !r.begun,
	   "the file begins anew");
	close(dirfd);
	dirfd = fresh_dir();
	ok(store_later(dirfd, file_of(RAM_BYTES + 7, NULL), copy_all, &r, "a longer one") && !r.begun, "the same");
	close(dirfd);
	dirfd = fresh_dir();
	ok(!store_later(dirfd, file_of(RAM_BYTES, ram), cannot, &r, "no reflinks") && !r.begun, "it is saved whole");
	close(dirfd);
	free(ram);
	free(vram);
}

/* A block that only the parent had. */
static void test_begun_unused(void)
{
	int dirfd = fresh_dir(), from = file_of(VRAM_BYTES, NULL);
	struct build b = { 0 };
	struct err e = { 0 };
	struct sink *s = sink_pages_open(dirfd, both, 2, 0, &e);

	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, NULL, 0);
	build_part(&b, 3);
	build_eos(&b);
	build_tail(&b);
	ok(sink_pages_begin(s, "vram", from, copy_all, &e) == 0 && run(s, &b, &e) == 0 &&
	   faccessat(dirfd, "ram/vram", F_OK, 0) < 0, "a block that no stream declares has no file");
	sink_free(s);
	build_free(&b);
	close(from);
	close(dirfd);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_pages();
	test_stream_layout(0);
	test_stream_layout(3);
	test_cut();
	test_bad_name("a way out", "../evil");
	test_bad_name("nothing but dots", "..");
	test_bad_name("a slash", "a/b");
	test_bad_name("a control byte", "a\nb");
	test_refusals();
	test_file_limit();
	test_full_disk();
	test_begun();
	test_begun_unused();
	if (dir_name[0])
		dir_remove(dir_name);
	return done();
}
