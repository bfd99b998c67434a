/* SPDX-License-Identifier: MIT */
#include "base/host.h"

#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/text.h"

char *host_id(void)
{
	struct err ignored;
	size_t size;
	char *text = file_read(AT_FDCWD, "/etc/machine-id", 4096, &size, &ignored);

	if (!text)
		return text_copy("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}
