/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/memory.h"

enum {
	READ = 256 << 10, /* stays in the second-level cache between the copy and the sum */
	ZEROS = 16 << 10, /* stays in the first-level cache */
};

bool digest_is(const char *text)
{
	return strlen(text) == DIGEST_HEX - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX - 1;
}

struct digest {
	XXH3_state_t *state;
};

struct digest *digest_new(void)
{
	struct digest *d = memory_of(1, sizeof(*d));

	d->state = memory_checked(XXH3_createState());
	XXH3_128bits_reset(d->state);
	return d;
}

void digest_update(struct digest *d, const void *data, size_t len)
{
	XXH3_128bits_update(d->state, data, len);
}

void digest_zeros(struct digest *d, uint64_t len)
{
	static const uint8_t zeros[ZEROS];

	for (; len > ZEROS; len -= ZEROS)
		XXH3_128bits_update(d->state, zeros, ZEROS);
	XXH3_128bits_update(d->state, zeros, (size_t)len);
}

static void print_hex(XXH128_hash_t hash, char hex[DIGEST_HEX])
{
	snprintf(hex, DIGEST_HEX, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

void digest_hex(const struct digest *d, char hex[DIGEST_HEX])
{
	print_hex(XXH3_128bits_digest(d->state), hex);
}

void digest_free(struct digest *d)
{
	if (d)
		XXH3_freeState(d->state);
	free(d);
}

void digest_bytes(const void *data, size_t len, char hex[DIGEST_HEX])
{
	print_hex(XXH3_128bits(data, len), hex);
}

/* Adds the bytes of the file from `from` up to `to`. */
static int add_data(struct digest *d, int fd, uint8_t *buf, off_t from, off_t to, struct err *e)
{
	while (from < to) {
		size_t want = to - from < READ ? (size_t)(to - from) : READ;
		ssize_t n = pread(fd, buf, want, from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read");
		if (n == 0)
			return err_set(e, "the file was truncated while it was being read");
		digest_update(d, buf, (size_t)n);
		from += n;
	}
	return 0;
}

static int add_file(struct digest *d, int fd, uint8_t *buf, struct err *e)
{
	struct stat st;
	off_t at = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot read");
	while (at < st.st_size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

		if (data < 0 && errno == ENXIO)
			data = st.st_size; /* a hole up to the end */
		else if (data < 0)
			data = at; /* a filesystem without SEEK_DATA */
		if (data > st.st_size)
			data = st.st_size;
		if (hole < 0 || hole > st.st_size)
			hole = st.st_size;
		digest_zeros(d, (uint64_t)(data - at));
		if (add_data(d, fd, buf, data, hole, e) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

int digest_fd(int fd, char hex[DIGEST_HEX], struct err *e)
{
	_cleanup_free_ uint8_t *buf = memory_of(READ, 1);
	struct digest *d = digest_new();
	int result = add_file(d, fd, buf, e);

	if (result == 0)
		digest_hex(d, hex);
	digest_free(d);
	return result;
}
