/* SPDX-License-Identifier: MIT */
#include "image/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"

#define HEADER_BYTES 65536

static int hash_header(int fd, char hex[33])
{
	_cleanup_free_ char *bytes = memory_of(HEADER_BYTES, 1);
	ssize_t n = fd_read_at(fd, bytes, HEADER_BYTES, 0);

	if (n < 0)
		return -1;
	digest_bytes(bytes, (size_t)n, hex);
	return 0;
}

int identity_read(const char *path, struct identity *id, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "'%s' is not a regular file", path);
	*id = (struct identity){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_ns = clock_ns_of(st.st_mtim),
	};
	if (hash_header(fd, id->header) < 0)
		return err_sys(e, errno, "cannot read '%s'", path);
	return 0;
}

const char *identity_difference(const struct identity *then, const struct identity *now)
{
	if (then->size != now->size)
		return "its size differs";
	if (strcmp(then->header, now->header) != 0)
		return "its header differs";
	if (then->mtime_ns != now->mtime_ns)
		return "its modification time differs";
	return NULL;
}

json_t *identity_to_json(const struct identity *id)
{
	return json_of("{s:I, s:I, s:I, s:I, s:s}", "device", (json_int_t)id->device, "inode", (json_int_t)id->inode,
		       "size", (json_int_t)id->size, "mtime_ns", (json_int_t)id->mtime_ns, "header_xxh3", id->header);
}

int identity_from_json(const json_t *json, struct identity *id)
{
	const char *header = json_text(json, "header_xxh3");

	if (!header || strlen(header) >= sizeof(id->header) || json_int(json, "size", -1) < 0 ||
	    json_int(json, "mtime_ns", INT64_MIN) == INT64_MIN)
		return -1;
	id->device = (uint64_t)json_int(json, "device", 0);
	id->inode = (uint64_t)json_int(json, "inode", 0);
	id->size = (uint64_t)json_int(json, "size", 0);
	id->mtime_ns = json_int(json, "mtime_ns", 0);
	strcpy(id->header, header);
	return 0;
}
