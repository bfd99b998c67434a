/* SPDX-License-Identifier: MIT */
/*
 * A plugin of nbdkit(1): the block device that a file is, and all that is written to it in a log, in order, for replay.c:
 *
 *     nbdkit blocklog.so image=FILE log=FILE
 *
 * What is written stands in the log before the client is told that it is done; so the size of the log says what was
 * written by now. A write is its offset and size, 8 bytes each in the order of this host, and the bytes; a flush has
 * size 0. The client is told to flush, and of nothing else: what it trims or zeroes comes as writes, or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS

static char *names[2];
static int image = -1, log_fd = -1;

static int blocklog_config(const char *key, const char *value)
{
	int which = strcmp(key, "image") == 0 ? 0 : strcmp(key, "log") == 0 ? 1 : -1;

	if (which < 0) {
		nbdkit_error("no parameter '%s'", key);
		return -1;
	}
	names[which] = nbdkit_absolute_path(value);
	return names[which] ? 0 : -1;
}

static int blocklog_get_ready(void)
{
	image = names[0] ? open(names[0], O_RDWR | O_CLOEXEC) : -1;
	log_fd = names[1] ? open(names[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (image >= 0 && log_fd >= 0)
		return 0;
	nbdkit_error("cannot open image= and log=");
	return -1;
}

static void *blocklog_open(int readonly)
{
	(void)readonly;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t blocklog_get_size(void *handle)
{
	struct stat st;

	(void)handle;
	return fstat(image, &st) == 0 ? (int64_t)st.st_size : -1;
}

static int failed(ssize_t done, size_t wanted)
{
	if (done == (ssize_t)wanted)
		return 0;
	nbdkit_set_error(done < 0 ? errno : EIO);
	return -1;
}

static int note(uint64_t offset, const void *data, size_t size)
{
	uint64_t head[] = { offset, size };
	const struct iovec parts[] = { { head, sizeof(head) }, { (void *)data, size } };

	return failed(writev(log_fd, parts, 2), sizeof(head) + size);
}

static int blocklog_pread(void *handle, void *data, uint32_t size, uint64_t offset, uint32_t flags)
{
	(void)handle;
	(void)flags;
	return failed(pread(image, data, size, (off_t)offset), size);
}

static int blocklog_pwrite(void *handle, const void *data, uint32_t size, uint64_t offset, uint32_t flags)
{
	(void)handle;
	(void)flags;
	return failed(pwrite(image, data, size, (off_t)offset), size) < 0 ? -1 : note(offset, data, size);
}

static int blocklog_flush(void *handle, uint32_t flags)
{
	(void)handle;
	(void)flags;
	return note(0, NULL, 0);
}

static struct nbdkit_plugin plugin = {
	.name = "blocklog",
	.config = blocklog_config,
	.get_ready = blocklog_get_ready,
	.open = blocklog_open,
	.get_size = blocklog_get_size,
	.pread = blocklog_pread,
	.pwrite = blocklog_pwrite,
	.flush = blocklog_flush,
};

NBDKIT_REGISTER_PLUGIN(plugin)
