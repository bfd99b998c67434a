/* SPDX-License-Identifier: MIT */
#include "cat/cat.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"

enum {
	HEAD = 92,
	VERSION = 2,
	SPARE = 64 << 10,     /* libvirt leaves as much, so that the XML can be edited */
	XML_MAX = 16 << 20,
};

static void put(uint8_t *at, uint32_t number)
{
	memcpy(at, &number, sizeof(number));
}

int virsh_head(const char *xml, bool running, int to, struct err *e)
{
	_cleanup_free_ uint8_t *head = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size, length;

	text = file_read(AT_FDCWD, xml, XML_MAX, &size, e);
	if (!text)
		return -1;
	if (size == 0 || memchr(text, '\0', size) || !strstr(text, "<domain"))
		return err_set(e, "'%s' is not the XML of a domain of libvirt", xml);
	length = size + 1 + SPARE;
	head = memory_of(HEAD + length, 1);
	memcpy(head, "LibvirtQemudSave", 16);
	put(head + 16, VERSION);
	put(head + 20, (uint32_t)length);
	put(head + 24, running);
	memcpy(head + HEAD, text, size);
	return fd_write_all(to, head, HEAD + length) < 0 ? err_sys(e, errno, "cannot write the stream") : 0;
}
