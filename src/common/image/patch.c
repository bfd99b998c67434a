/* SPDX-License-Identifier: MIT */
#include "image/patch.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/byteorder.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/header/header.h"

enum { LENGTH_AT = 16 };

/* Whether `n` bytes may stand in the place of the name of `old` bytes at `offset`. */
static int check_room(int fd, const struct image_header *h, uint64_t offset, size_t old, size_t n, struct err *e)
{
	uint8_t behind[IMAGE_PATCH_MAX] = { 0 };

	if (n > IMAGE_PATCH_MAX || offset + n > UINT64_C(1) << h->cluster_bits)
		return err_set(e, "its header has no room for a name of %zu bytes", n);
	if (n <= old)
		return 0;
	if (fd_read_at(fd, behind, n - old, offset + old) < 0)
		return err_sys(e, errno, "cannot read it");
	return memory_is_zero(behind, n - old) ? 0 : err_set(e, "its header has no room for a name of %zu bytes", n);
}

static int make(int fd, const struct image_header *h, const char *backing, struct image_patch *p, struct err *e)
{
	uint32_t length = htobe32((uint32_t)strlen(backing));
	uint8_t fixed[LENGTH_AT + 4];
	size_t old;

	if (h->fault[0])
		return err_set(e, "%s", h->fault);
	if (h->format != IMAGE_QCOW2 || !h->backing_name)
		return err_set(e, "only the headers of qcow2 images can be given another backing file here");
	if (fd_read_at(fd, fixed, sizeof(fixed), 0) != sizeof(fixed))
		return err_sys(e, errno, "cannot read it");
	old = strlen(h->backing_name);
	if (check_room(fd, h, be64_at(fixed + 8), old, strlen(backing), e) < 0)
		return -1;
	p->offset = be64_at(fixed + 8);
	p->length = strlen(backing) > old ? strlen(backing) : old;
	memcpy(p->size, &length, sizeof(length));
	memcpy(p->name, backing, strlen(backing));
	return 0;
}

int image_patch_backing(int fd, const char *backing, struct image_patch *p, struct err *e)
{
	struct image_header h;
	int result = image_header_read(fd, &h, e);

	*p = (struct image_patch){ 0 };
	if (result == 0)
		result = make(fd, &h, backing, p, e);
	image_header_release(&h);
	return result;
}

/* The bytes of `piece`, which are to stand at `to`, as far as they are among the `n` from `at` on. */
static void put(uint8_t *buf, size_t n, uint64_t at, const uint8_t *piece, size_t length, uint64_t to)
{
	uint64_t from = to > at ? to : at, end = to + length < at + n ? to + length : at + n;

	if (from < end)
		memcpy(buf + (from - at), piece + (from - to), (size_t)(end - from));
}

void image_patch_apply(const struct image_patch *p, void *buf, size_t n, uint64_t at)
{
	if (!p->offset)
		return;
	put(buf, n, at, p->size, sizeof(p->size), LENGTH_AT);
	put(buf, n, at, p->name, p->length, p->offset);
}

int image_patch_write(const struct image_patch *p, int fd)
{
	if (!p->offset)
		return 0;
	if (fd_write_at(fd, p->size, sizeof(p->size), LENGTH_AT) < 0)
		return -1;
	return fd_write_at(fd, p->name, p->length, p->offset);
}

uint64_t image_patch_end(const struct image_patch *p)
{
	return p->offset ? p->offset + p->length : 0;
}
