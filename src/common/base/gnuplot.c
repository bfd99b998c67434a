/* SPDX-License-Identifier: MIT */
#include "base/gnuplot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/text.h"

/* gnuplot takes a second for the largest traces. */
#define GNUPLOT_MS 120000

/* A file in memory that the child inherits as /dev/fd/N. Returns a descriptor or -1. */
static int memory_file(const char *name, struct err *e)
{
	int fd = memfd_create(name, 0);

	return fd < 0 ? err_sys(e, errno, "cannot make a file in memory") : fd;
}

/* Writes the script. Returns 0 or -1. */
static int write_script(gnuplot_write *write, const void *ctx, int script, int picture, struct err *e)
{
	_cleanup_free_ char *output = text_of("/dev/fd/%d", picture);
	int copy = dup(script);
	_cleanup_fclose_ FILE *f = copy < 0 ? NULL : fdopen(copy, "w");

	if (!f) {
		if (copy >= 0)
			close(copy);
		return err_sys(e, errno, "cannot write the commands for gnuplot");
	}
	if (write(f, output, ctx, e) < 0)
		return -1;
	if (fflush(f) != 0)
		return err_sys(e, errno, "cannot write the commands for gnuplot");
	return 0;
}

static int run_gnuplot(int script, const char *without, struct err *e)
{
	_cleanup_free_ char *path = text_of("/dev/fd/%d", script);
	_cleanup_free_ char *said = NULL;
	_cleanup_close_ int interrupt = interrupt_open(e);
	/* -d: ignore the user's settings, which could be any commands */
	char *argv[] = { "gnuplot", "-d", path, NULL };
	struct process process;

	if (interrupt < 0 || process_start(&process, argv, -1, e) < 0)
		return -1;
	if (process_finish(&process, "gnuplot", clock_in_ms(GNUPLOT_MS), interrupt, &said, e) == 0)
		return 0;
	if (said && strcmp(said, strerror(ENOENT)) == 0) {
		err_set(e, "cannot draw: gnuplot is not installed");
		err_hint(e, "install it (Debian: gnuplot-nox, Fedora: gnuplot-minimal); %s works without it", without);
	}
	return -1;
}

static int read_picture(int fd, char **bytes, size_t *size, struct err *e)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot read what gnuplot drew");
	if (st.st_size == 0)
		return err_set(e, "gnuplot drew nothing");
	*bytes = memory_of((size_t)st.st_size, 1);
	n = fd_read_at(fd, *bytes, (size_t)st.st_size, 0);
	if (n < st.st_size)
		return err_sys(e, n < 0 ? errno : EIO, "cannot read what gnuplot drew");
	*size = (size_t)n;
	return 0;
}

int gnuplot_run(gnuplot_write *write, const void *ctx, const char *without, char **bytes, size_t *size, struct err *e)
{
	_cleanup_close_ int script = memory_file("script", e);
	_cleanup_close_ int picture = script < 0 ? -1 : memory_file("picture", e);

	if (picture < 0 || write_script(write, ctx, script, picture, e) < 0 || run_gnuplot(script, without, e) < 0)
		return -1;
	return read_picture(picture, bytes, size, e);
}

void gnuplot_put_terminal(FILE *script, bool png, int width, int height)
{
	const int scale = GNUPLOT_PNG_SCALE;

	if (png)
		fprintf(script,
			"set terminal pngcairo noenhanced size %d,%d font 'sans,10' fontscale %d linewidth %d "
			"pointscale %d\n",
			width * scale, height * scale, scale, scale, scale);
	else
		fprintf(script,
			"set terminal svg noenhanced dynamic size %d,%d font 'sans-serif,12' background 'white'\n",
			width, height);
}

/* Every byte becomes a number: a literal digit after an octal number would join it. */
void gnuplot_put_text(FILE *script, const char *text)
{
	fputc('"', script);
	while (*text) {
		size_t n = escape_plain(text);

		if (n == 0) {
			fputc('?', script);
			text++;
		}
		for (; n > 0; n--)
			fprintf(script, "\\%03o", (unsigned char)*text++);
	}
	fputc('"', script);
}
