/* SPDX-License-Identifier: MIT */
/*
 * The reader of mapped-ram files, given any bytes: it must not crash, and say why it fails. The output goes nowhere. Blocks
 * beyond 64 MiB are not tried: that the file has holes for them cannot be here.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "state/mapped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = memfd_create("fuzz", MFD_CLOEXEC), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct err e = { 0 };

	if (file < 0 || null < 0 || write(file, data, size) != (ssize_t)size || ftruncate(file, 8 << 20) < 0)
		abort();
	if (mapped_write(file, 0, null, &e) < 0 && !e.text[0])
		abort();
	if (mapped_is(file, size + 1))
		abort();
	close(file);
	close(null);
	return 0;
}
