/* SPDX-License-Identifier: MIT */
#include "saved/input.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/byteorder.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "state/mapped.h"

enum {
	LIBVIRT_HEAD = 92,
	LIBVIRT_VERSION = 2,
	LIBVIRT_TEXT_MAX = 16 << 20, /* of XML and cookie */
	HEAD = LIBVIRT_HEAD,
	END_MS = 10000,              /* from the end of the stream to that of the program */
};

static const uint64_t UNPACK_MEMORY = 4ull << 30; /* what a program may take to unpack */

static const struct packing {
	const char *magic;
	size_t length;
	const char *program;
} packings[] = {
	{ "\x28\xb5\x2f\xfd", 4, "zstd" },
	{ "\x1f\x8b", 2, "gzip" },
	{ "\xfd" "7zXZ", 5, "xz" },
	{ "BZh", 3, "bzip2" },
};

static const char *packing_of(const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < sizeof(packings) / sizeof(packings[0]); i++)
		if (n >= packings[i].length && memcmp(head, packings[i].magic, packings[i].length) == 0)
			return packings[i].program;
	return NULL;
}

/* Reads libvirt's header and what stands between it and the stream. */
static int read_libvirt(struct input *in, const uint8_t *head, struct err *e)
{
	uint32_t version, length, running;

	memcpy(&version, head + 16, sizeof(version));
	memcpy(&length, head + 20, sizeof(length));
	memcpy(&running, head + 24, sizeof(running));
	if (version != LIBVIRT_VERSION) {
		err_set(e, "it is a save file of libvirt of version %u; only %d is supported", version, LIBVIRT_VERSION);
		return err_hint(e, "it was made on a host of the other byte order, or by a newer libvirt");
	}
	if (length == 0 || length > LIBVIRT_TEXT_MAX)
		return err_set(e, "it is a save file of libvirt with %u bytes of XML", length);
	in->domain = memory_of(length + 1, 1);
	if (fd_read_at(in->file, in->domain, length, LIBVIRT_HEAD) != (ssize_t)length)
		return err_set(e, "it ends within the XML of the domain");
	in->form = "libvirt";
	in->was_running = running;
	in->base = LIBVIRT_HEAD + length;
	return 0;
}

static bool begins(const uint8_t *head, size_t n, const char *magic)
{
	return n >= strlen(magic) && memcmp(head, magic, strlen(magic)) == 0;
}

static int start_unpacking(struct input *in, struct err *e)
{
	char *argv[] = { (char *)in->packed, "-dc", NULL };
	const struct process_setup setup = { .input = in->file, .errors_apart = true, .memory = UNPACK_MEMORY };

	if (process_start_as(&in->unpack, argv, &setup, e) < 0)
		return -1;
	in->fd = in->unpack.fd;
	return 0;
}

/* --- mapped-ram --------------------------------------------------------------------------------------------------- */

struct input_thread {
	pthread_t thread;
	int file, to; /* `to` is the end of a pipe to write to */
	uint64_t base;
	int result;
	struct err e;
};

static void *write_mapped(void *ctx)
{
	struct input_thread *t = ctx;

	t->result = mapped_write(t->file, t->base, t->to, &t->e);
	close(t->to);
	return NULL;
}

static int start_thread(struct input *in, struct err *e)
{
	struct input_thread *t = memory_of(1, sizeof(*t));
	int ends[2], failed;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		free(t);
		return err_sys(e, errno, "cannot make a pipe");
	}
	*t = (struct input_thread){ .file = in->file, .to = ends[1], .base = in->base };
	in->fd = ends[0];
	/* Who reads may end before who writes. */
	signal(SIGPIPE, SIG_IGN);
	failed = pthread_create(&t->thread, NULL, write_mapped, t);
	if (!failed) {
		in->thread = t;
		in->form = "mapped-ram";
		return 0;
	}
	close(ends[1]);
	free(t);
	return err_sys(e, failed, "cannot start a thread");
}

/* Waits for its end. Returns the thread, the caller's. */
static struct input_thread *end_thread(struct input *in)
{
	struct input_thread *t = in->thread;

	in->thread = NULL;
	close(in->fd);
	in->fd = -1;
	pthread_join(t->thread, NULL);
	return t;
}

/* --- what it is --------------------------------------------------------------------------------------------------- */

/* What is at `base`: a stream, or a packed one. */
static int open_stream(struct input *in, struct err *e)
{
	uint8_t head[8];
	ssize_t n = fd_read_at(in->file, head, sizeof(head), in->base);

	if (n < 0)
		return err_sys(e, errno, "cannot read it");
	if (lseek(in->file, (off_t)in->base, SEEK_SET) < 0)
		return err_sys(e, errno, "cannot read it");
	in->packed = packing_of(head, (size_t)n);
	in->fd = in->file;
	if (in->packed)
		return start_unpacking(in, e);
	if (mapped_is(in->file, in->base))
		return start_thread(in, e);
	in->seekable = true;
	return begins(head, (size_t)n, "QEVM") ? 0 : err_set(e, "it holds no migration stream of QEMU");
}

static int open_file(struct input *in, struct err *e)
{
	uint8_t head[HEAD];
	struct stat st;
	ssize_t n;

	if (fstat(in->file, &st) < 0)
		return err_sys(e, errno, "cannot look at it");
	if (!S_ISREG(st.st_mode))
		return err_set(e, "it is not a regular file");
	n = fd_read_at(in->file, head, sizeof(head), 0);
	if (n < 0)
		return err_sys(e, errno, "cannot read it");
	if (begins(head, (size_t)n, "LibvirtQemudPart"))
		return err_set(e, "it is a save file of libvirt that was not finished");
	if (n == HEAD && begins(head, HEAD, "LibvirtQemudSave") && read_libvirt(in, head, e) < 0)
		return -1;
	return open_stream(in, e);
}

int input_open(struct input *in, int file, const char *name, struct err *e)
{
	*in = (struct input){ .form = "stream", .file = file, .fd = -1 };
	return open_file(in, e) < 0 ? err_prefix(e, "'%s'", name) : 0;
}

int input_end(struct input *in, struct err *e)
{
	_cleanup_free_ char *output = NULL;

	if (in->thread) {
		_cleanup_free_ struct input_thread *ended = end_thread(in);

		if (ended->result < 0)
			*e = ended->e;
		return ended->result;
	}
	if (!in->unpack.pid)
		return 0;
	return process_finish(&in->unpack, in->packed, clock_in_ms(END_MS), -1, &output, e);
}

void input_close(struct input *in)
{
	if (in->thread)
		free(end_thread(in));
	if (in->unpack.pid)
		process_kill(&in->unpack);
	if (in->file >= 0)
		close(in->file);
	free(in->domain);
	*in = (struct input){ .file = -1, .fd = -1 };
}
