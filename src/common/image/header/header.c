/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/header/impl.h"

/* --- shared by the parts ---------------------------------------------------------------------------------------- */

int image_fault(struct image_header *h, const char *fmt, ...)
{
	va_list ap;

	if (h->fault[0])
		return -1;
	va_start(ap, fmt);
	vsnprintf(h->fault, sizeof(h->fault), fmt, ap);
	va_end(ap);
	return -1;
}

int image_truncated(struct image_header *h, const char *what)
{
	if (!h->fault[0])
		h->truncated = true;
	return image_fault(h, "the file is too short for %s", what);
}

int image_bytes(const struct image_source *s, struct image_header *h, uint64_t offset, void *to, size_t length,
		const char *what)
{
	ssize_t n;

	if (offset > s->size || s->size - offset < length)
		return image_truncated(h, what);
	if (offset <= s->head_length && s->head_length - offset >= length) {
		memcpy(to, s->head + offset, length);
		return 0;
	}
	n = fd_read_at(s->fd, to, length, offset);
	if (n < 0)
		return image_fault(h, "cannot read %s: %s", what, strerror(errno));
	return (size_t)n == length ? 0 : image_truncated(h, what);
}

char *image_text(const struct image_source *s, struct image_header *h, uint64_t offset, size_t length, const char *what)
{
	char *text = memory_of(length + 1, 1);

	if (image_bytes(s, h, offset, text, length, what) < 0) {
		free(text);
		return NULL;
	}
	if (strlen(text) != length) {
		image_fault(h, "%s contains a NUL", what);
		free(text);
		return NULL;
	}
	return text;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

void image_header_parse(int fd, uint64_t size, const uint8_t *head, size_t n, struct image_header *h)
{
	const struct image_source s = { .fd = fd, .size = size, .head = head, .head_length = n };

	*h = (struct image_header){ .format = image_probe(&s), .file_size = size };
	switch (h->format) {
	case IMAGE_RAW:
		h->virtual_size = size;
		break;
	case IMAGE_QCOW2:
		image_qcow2_read(&s, h);
		break;
	case IMAGE_QCOW:
		image_qcow_read(&s, h);
		break;
	case IMAGE_QED:
		image_qed_read(&s, h);
		break;
	default:
		break;
	}
}

int image_header_read(int fd, struct image_header *h, struct err *e)
{
	uint8_t head[IMAGE_HEAD_BYTES];
	struct stat st;
	ssize_t n;

	*h = (struct image_header){ .format = IMAGE_RAW };
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot stat");
	if (!S_ISREG(st.st_mode))
		return err_set(e, "not a regular file");
	n = fd_read_at(fd, head, sizeof(head), 0);
	if (n < 0)
		return err_sys(e, errno, "cannot read");
	image_header_parse(fd, (uint64_t)st.st_size, head, (size_t)n, h);
	return 0;
}

void image_header_release(struct image_header *h)
{
	free(h->backing_name);
	free(h->backing_format);
	free(h->data_file);
	free(h->feature_names);
	*h = (struct image_header){ .format = IMAGE_RAW };
}
