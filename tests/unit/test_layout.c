/* SPDX-License-Identifier: MIT */
/* checkpoint/layout.h: what a layout stores comes back as a stream with the same memory; what its row answers. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "checkpoint/names.h"
#include "stream_builder.h"
#include "tap.h"

enum { RAM_PAGES = 40 };

#define RAM_BYTES ((uint64_t)RAM_PAGES * BUILD_PAGE)

static const char *const ram_names[] = { "pc.ram" };
static uint8_t ram[RAM_BYTES]; /* what the stream puts there */

static int new_directory(const char *name)
{
	int fd;

	if (mkdir(name, 0700) < 0 || (fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	return fd;
}

static int new_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		abort();
	return fd;
}

/* A stream of one block with content, in a file; its descriptor, at the beginning. */
static int make_stream(void)
{
	struct build b = { 0 };
	int fd = new_file("qemu.stream");

	build_head(&b, "pc");
	build_ram(&b, "pc.ram", RAM_BYTES, NULL, 0);
	build_part(&b, 2);
	for (uint32_t n = 1; n < RAM_PAGES; n += 3) {
		build_page(&b, "pc.ram", n * BUILD_PAGE, n);
		build_content(ram + n * BUILD_PAGE, n);
	}
	build_eos(&b);
	build_part(&b, 3);
	build_eos(&b);
	build_tail(&b);
	if (fd_write_all(fd, b.data, b.len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	build_free(&b);
	return fd;
}

static bool has_ram(int dirfd)
{
	struct err e = { 0 };
	size_t size = 0;
	_cleanup_free_ char *content = file_read(dirfd, STATE_RAM_DIR "/pc.ram", sizeof(ram), &size, &e);

	return content && size == sizeof(ram) && memcmp(content, ram, size) == 0;
}

/* What a sink has made, as a manifest has it. Of the strings only the arrays are its own. */
static struct manifest manifest_of(const struct layout *layout, const struct sink_result *r)
{
	struct manifest m = { .name = "x1", .layout = layout, .described = r->described, .n_files = r->n_files };

	m.files = memory_of(r->n_files, sizeof(*m.files));
	for (size_t i = 0; i < r->n_files; i++) {
		m.files[i].name = r->files[i].name;
		m.files[i].size = r->files[i].size;
		m.files[i].block = r->files[i].block[0] ? r->files[i].block : NULL;
	}
	return m;
}

/* Whether the stream in `fd` has the memory. */
static bool carries_ram(int fd, const char *name)
{
	_cleanup_free_ char *dir = text_of("%s.check", name);
	_cleanup_close_ int dirfd = new_directory(dir);
	struct err e = { 0 };
	struct sink *s = sink_pages_open(dirfd, ram_names, 1, 0, &e);
	bool good = s && lseek(fd, 0, SEEK_SET) == 0 && sink_run(s, fd, &e) == 0 && sink_finish(s, &e) && has_ram(dirfd);

	if (!good)
		fprintf(stderr, "# %s: %s\n", name, e.text);
	sink_free(s);
	return good;
}

static void check_lazy(const struct manifest *m, int dirfd, const char *name)
{
	_cleanup_free_ char *file = text_of("%s.lazy", name);
	_cleanup_close_ int out = new_file(file), devices = openat(dirfd, STATE_DEVICES, O_RDONLY | O_CLOEXEC);
	const struct layout_mapped mapped = { .file = manifest_file_of_block(m, "pc.ram") };
	struct layout_command c = { 0 };
	struct stat a, b;
	struct err e = { 0 };

	ok(m->layout->write_unmapped(m, dirfd, &mapped, out, &e) == 0 && fstat(out, &a) == 0 &&
		   fstat(devices, &b) == 0 && a.st_size == b.st_size,
	   "%s: without the memory that is mapped %s", name, e.text);
	ok(m->layout->shell(m, true, &c) && strcmp(c.command, "cat") == 0 && strcmp(c.file, STATE_DEVICES) == 0,
	   "%s: a shell can, too", name);
}

/* Stores the stream `from` in the layout, under the directory `name`, and writes it out again. */
static void check_round(int from, const struct layout *layout, int level, const char *name)
{
	_cleanup_free_ char *file = text_of("%s.out", name);
	_cleanup_close_ int dirfd = new_directory(name), out = new_file(file);
	const struct layout_sink wish = { .ram = ram_names, .n_ram = 1, .zstd_level = level };
	struct err e = { 0 };
	struct sink *s = layout->open_sink(dirfd, &wish, &e);
	const struct sink_result *r;
	struct manifest m;

	if (!s || lseek(from, 0, SEEK_SET) < 0 || sink_run(s, from, &e) < 0 || !(r = sink_finish(s, &e))) {
		ok(false, "%s: stored: %s", name, e.text);
		return;
	}
	m = manifest_of(layout, r);
	ok(m.described && layout_is_complete(&m), "%s: whole, and described", name);
	ok(layout->write_state(&m, dirfd, out, &e) == 0 && carries_ram(out, name), "%s: and back again %s", name, e.text);
	ok(!layout_can_be_lazy(&m) == !layout->write_unmapped, "%s: lazily or not", name);
	if (layout_can_be_lazy(&m))
		check_lazy(&m, dirfd, name);
	free(m.files);
	sink_free(s);
}

/* All that store the state, in all forms, whoever they are. */
static void check_rounds(const char *const *names)
{
	_cleanup_close_ int stream = make_stream();

	for (; *names; names++) {
		const struct layout *layout = layout_named(*names);
		_cleanup_free_ char *compressed = text_of("%s.zstd", *names);

		check_round(stream, layout, 0, *names);
		if (layout->can_compress)
			check_round(stream, layout, 3, compressed);
	}
}

static void check_names(void)
{
	_cleanup_free_ char *choices = layout_choices();

	ok(layout_named("stream") && !layout_named("tape") && !layout_named(""), "layouts by name");
	ok(strcmp(choices, "pages or stream") == 0, "what can be chosen: %s", choices);
	ok(layout_default() == layout_named("pages") && !layout_default()->why_eager, "by default, memory can be mapped");
	ok(layout_elsewhere() == layout_named("receiver") && layout_elsewhere()->is_elsewhere &&
		   !layout_elsewhere()->open_sink,
	   "what is sent away is not stored");
}

static void check_missing(void)
{
	struct manifest_file file = { .name = STATE_STREAM };
	struct manifest m = { .name = "x1", .layout = layout_named("pages"), .files = &file, .n_files = 1 };
	struct layout_command c;
	struct err e = { 0 };

	ok(!layout_is_complete(&m) && strcmp(m.layout->missing(&m, 0), STATE_DEVICES) == 0 &&
		   strstr(m.layout->missing(&m, 1), "memory") && !m.layout->missing(&m, 2),
	   "pages: both are missing");
	file.name = STATE_DEVICES;
	ok(strstr(m.layout->missing(&m, 0), "memory") && !m.layout->missing(&m, 1), "pages: memory is");
	ok(!m.layout->shell(&m, false, &c), "pages: no command of a shell puts them together");
	m.layout = layout_named("stream");
	ok(strcmp(m.layout->missing(&m, 0), STATE_STREAM) == 0 && !m.layout->missing(&m, 1), "stream: it is missing");
	ok(m.layout->write_state(&m, AT_FDCWD, -1, &e) == -1 && strstr(e.text, STATE_STREAM), "%s", e.text);
	file.name = STATE_STREAM_ZSTD;
	ok(layout_is_complete(&m) && m.layout->shell(&m, false, &c) && strcmp(c.command, "zstd -dc") == 0 &&
		   !m.layout->shell(&m, true, &c),
	   "stream: compressed, a shell reads it");
	m.layout = layout_elsewhere();
	ok(layout_is_complete(&m) && !layout_can_be_lazy(&m), "receiver: nothing is");
}

/* QEMU may end while the state goes to it. */
static void check_closed_reader(void)
{
	struct manifest_file file = { .name = STATE_STREAM };
	struct manifest m = { .name = "x1", .layout = layout_named("stream"), .files = &file, .n_files = 1 };
	_cleanup_close_ int dirfd = -1;
	struct err e = { 0 };
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	if (mkdir("gone", 0700) < 0 || link("qemu.stream", "gone/" STATE_STREAM) < 0 || pipe(ends) < 0)
		abort();
	close(ends[0]);
	dirfd = open("gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(m.layout->write_state(&m, dirfd, ends[1], &e) == -1 && e.sys == EPIPE, "a reader that is gone: %s", e.text);
	close(ends[1]);
}

int main(void)
{
	char root[] = "/tmp/mplcr-layout.XXXXXX";
	_cleanup_free_ char *command = text_of("rm -rf '%s'", mkdtemp(root));

	if (chdir(root) < 0)
		return 1;
	check_names();
	check_missing();
	check_rounds((const char *const[]){ "pages", "stream", NULL });
	check_closed_reader();
	if (chdir("/") < 0 || system(command) != 0)
		return 1;
	return done();
}
