/* SPDX-License-Identifier: MIT */
#include "qemu/guest_data.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/interrupt.h"
#include "qemu/keyval.h"
#include "base/library.h"
#include "base/process.h"

/* clang-format off */
#define FUNCTIONS_X(X)                                                                                   \
	X(create) X(close) X(get_error) X(add_meta_context) X(can_meta_context) X(aio_connect_socket)    \
	X(aio_is_ready) X(aio_is_dead) X(aio_pread) X(aio_block_status) X(aio_command_completed) X(poll) \
	X(get_size)

#define MEMBER(name) __typeof__(nbd_##name) *name;
static struct {
	FUNCTIONS_X(MEMBER)
} nbd;
#undef MEMBER

#define NAME(name) "nbd_" #name,
static const char *const names[] = { FUNCTIONS_X(NAME) };
#undef NAME
/* clang-format on */

enum {
	SLOTS = 4, /* reads under way at once */
	SLOT_BYTES = 512 << 10,
	STATUS_BYTES = 1 << 30, /* asked about at once: less than 4 GiB, which the protocol allows */
	EXTENTS_MAX = 4096,     /* of one answer; what is beyond is asked for again */
	ANSWER_MS = 100,        /* between two looks at the clock and the interrupt */
};

struct extent {
	uint32_t length;
	bool zero;
};

struct reader {
	struct nbd_handle *nbd;
	const struct guest_data_limits *limits;
	struct digest *digest;
	uint8_t *slots;
	struct extent *extents; /* of the answer to the last question */
	size_t n_extents;
};

/* --- loading libnbd ---------------------------------------------------------------------------------------------- */

static struct err not_loaded; /* status 0: it was */

static void load(void)
{
	(void)!library_load("libnbd.so.0", names, sizeof(names) / sizeof(*names), &nbd, &not_loaded);
}

static int loaded(struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	if (!not_loaded.status)
		return 0;
	*e = not_loaded;
	return -1;
}

/* --- talking to the server --------------------------------------------------------------------------------------- */

static int nbd_failed(struct err *e)
{
	return err_set(e, "cannot read through qemu-nbd: %s", nbd.get_error());
}

/* Waits a little for what the server sends. Returns 0, or -1 where it is time to end. */
static int wait_some(const struct reader *r, struct err *e)
{
	struct pollfd p = { .fd = r->limits->interrupt, .events = POLLIN };

	if (nbd.poll(r->nbd, ANSWER_MS) < 0)
		return nbd_failed(e);
	if (clock_over(r->limits->deadline))
		return err_set(e, "reading the guest's data took longer than it may");
	if (r->limits->interrupt >= 0 && poll(&p, 1, 0) > 0)
		return interrupt_error(e);
	return 0;
}

/* Waits until the command is done. Returns 0 or -1. */
static int wait_for(const struct reader *r, int64_t command, struct err *e)
{
	if (command < 0)
		return nbd_failed(e);
	for (;;) {
		int completed = nbd.aio_command_completed(r->nbd, (uint64_t)command);

		if (completed < 0)
			return nbd_failed(e);
		if (completed > 0)
			return 0;
		if (wait_some(r, e) < 0)
			return -1;
	}
}

static int shake_hands(const struct reader *r, int socket, struct err *e)
{
	if (nbd.add_meta_context(r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
	    nbd.aio_connect_socket(r->nbd, socket) < 0)
		return nbd_failed(e);
	while (!nbd.aio_is_ready(r->nbd)) {
		if (nbd.aio_is_dead(r->nbd))
			return nbd_failed(e);
		if (wait_some(r, e) < 0)
			return -1;
	}
	return 0;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* Adds the bytes from `from` up to `to`: several reads are under way, in a ring, and are added in their order. */
static int add_data(const struct reader *r, uint64_t from, uint64_t to, struct err *e)
{
	int64_t commands[SLOTS];
	uint64_t asked = from;

	for (size_t issued = 0, added = 0; from < to; added++) {
		size_t slot = added % SLOTS, n = to - from < SLOT_BYTES ? (size_t)(to - from) : SLOT_BYTES;

		while (asked < to && issued - added < SLOTS) {
			size_t next = issued++ % SLOTS,
			       want = to - asked < SLOT_BYTES ? (size_t)(to - asked) : SLOT_BYTES;

			commands[next] = nbd.aio_pread(r->nbd, r->slots + next * SLOT_BYTES, want, asked,
						       NBD_NULL_COMPLETION, 0);
			if (commands[next] < 0)
				return nbd_failed(e);
			asked += want;
		}
		if (wait_for(r, commands[slot], e) < 0)
			return -1;
		digest_update(r->digest, r->slots + slot * SLOT_BYTES, n);
		from += n;
	}
	return 0;
}

/* libnbd calls it with the answer: pairs of a length and flags. */
static int note_extents(void *ctx, const char *context, uint64_t offset, uint32_t *entries, size_t n, int *error)
{
	struct reader *r = ctx;

	(void)context;
	(void)offset;
	(void)error;
	for (size_t i = 0; i + 1 < n && r->n_extents < EXTENTS_MAX; i += 2)
		r->extents[r->n_extents++] = (struct extent){ entries[i], entries[i + 1] & LIBNBD_STATE_ZERO };
	return 0;
}

/* What is at `offset`, in r->extents; all of it data where the server does not tell. Returns 0 or -1. */
static int ask_extents(struct reader *r, uint64_t offset, uint32_t length, struct err *e)
{
	r->n_extents = 0;
	if (nbd.can_meta_context(r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0) {
		nbd_extent_callback note = { .callback = note_extents, .user_data = r };

		if (wait_for(r, nbd.aio_block_status(r->nbd, length, offset, note, NBD_NULL_COMPLETION, 0), e) < 0)
			return -1;
	}
	if (r->n_extents == 0)
		r->extents[r->n_extents++] = (struct extent){ length, false };
	return 0;
}

static int add_disk(struct reader *r, struct err *e)
{
	int64_t size = nbd.get_size(r->nbd);
	uint64_t at = 0;

	if (size < 0)
		return nbd_failed(e);
	while (at < (uint64_t)size) {
		uint64_t left = (uint64_t)size - at;

		if (ask_extents(r, at, left < STATUS_BYTES ? (uint32_t)left : STATUS_BYTES, e) < 0)
			return -1;
		for (size_t i = 0; i < r->n_extents && at < (uint64_t)size; i++) {
			uint64_t length = r->extents[i].length;

			if (length == 0)
				return err_set(e, "qemu-nbd tells of an extent without a length");
			if (length > (uint64_t)size - at) /* the last one may be longer than was asked */
				length = (uint64_t)size - at;
			if (r->extents[i].zero)
				digest_zeros(r->digest, length);
			else if (add_data(r, at, at + length, e) < 0)
				return -1;
			at += length;
		}
		if (clock_over(r->limits->deadline))
			return wait_some(r, e) < 0 ? -1
						   : err_set(e, "reading the guest's data took longer than it may");
	}
	return 0;
}

/* --- the server -------------------------------------------------------------------------------------------------- */

/*
 * Makes a socket to listen on and connects to it, in a directory that nobody else can enter, and which is gone when
 * this returns. Returns 0 or -1.
 */
static int make_sockets(int *listening, int *connected, struct err *e)
{
	char dir[] = "/tmp/mplcr-nbd.XXXXXX";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int result = -1;

	if (!mkdtemp(dir))
		return err_sys(e, errno, "cannot make a directory in /tmp");
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", dir);
	*listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listening >= 0 && *connected >= 0 && bind(*listening, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    listen(*listening, 1) == 0 && connect(*connected, (struct sockaddr *)&at, sizeof(at)) == 0)
		result = 0;
	else
		err_sys(e, errno, "cannot make a socket in '%s'", dir);
	unlink(at.sun_path);
	rmdir(dir);
	return result;
}

/* Starts qemu-nbd for the image, and gets a connection to it. Returns 0 or -1. */
static int start_server(struct process *server, const char *path, const char *format,
			const struct guest_data_limits *limits, int *connected, struct err *e)
{
	_cleanup_free_ char *name = keyval_escape(path);
	_cleanup_free_ char *options =
		text_of("driver=%s,force-share=on,file.driver=file,file.filename=%s", format, name);
	char *argv[] = { "qemu-nbd", "--read-only", "--image-opts", options, NULL };
	_cleanup_close_ int listening = -1;
	struct process_setup setup = { .input = -1, .memory = limits->memory };

	if (make_sockets(&listening, connected, e) < 0)
		return -1;
	setup.listening = listening;
	return process_start_as(server, argv, &setup, e);
}

/* Reads the disk through a connection that libnbd closes. Returns 0 or -1. */
static int read_disk(struct reader *r, int socket, struct err *e)
{
	int result;

	r->nbd = nbd.create();
	if (!r->nbd) {
		close(socket);
		return nbd_failed(e);
	}
	result = shake_hands(r, socket, e);
	if (result == 0)
		result = add_disk(r, e);
	nbd.close(r->nbd);
	return result;
}

int guest_data_digest(const char *path, const char *format, const struct guest_data_limits *limits,
		      char hex[DIGEST_HEX], struct err *e)
{
	_cleanup_free_ uint8_t *slots = memory_of(SLOTS, SLOT_BYTES);
	_cleanup_free_ struct extent *extents = memory_of(EXTENTS_MAX, sizeof(*extents));
	struct reader r = { .limits = limits, .slots = slots, .extents = extents };
	_cleanup_free_ char *words = NULL;
	_cleanup_close_ int connected = -1;
	struct process server;
	struct err why;
	int result;

	if (loaded(e) < 0 || start_server(&server, path, format, limits, &connected, e) < 0)
		return -1;
	r.digest = digest_new();
	result = read_disk(&r, steal_fd(&connected), e);
	if (result == 0)
		digest_hex(r.digest, hex);
	digest_free(r.digest);
	/* It ends when its only client is gone. Where it could not open the image, its own words are the better ones.
	 */
	if (process_finish(&server, "qemu-nbd", clock_in_ms(ANSWER_MS * 10), -1, &words, &why) < 0 && result < 0 &&
	    words)
		*e = why;
	return result < 0 ? err_prefix(e, "'%s'", path) : 0;
}
