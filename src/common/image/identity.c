/* SPDX-License-Identifier: MIT */
#include "image/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/json.h"

static int hash_header(int fd, char hex[DIGEST_HEX])
{
	_cleanup_free_ char *bytes = memory_of(IDENTITY_HEADER_BYTES, 1);
	ssize_t n = fd_read_at(fd, bytes, IDENTITY_HEADER_BYTES, 0);

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

static int read_content(const char *path, char content[DIGEST_HEX], struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	return digest_fd(fd, content, e) == 0 ? 0 : err_prefix(e, "'%s'", path);
}

int identity_read_whole(const char *path, struct identity *id, struct err *e)
{
	return identity_read(path, id, e) < 0 ? -1 : read_content(path, id->content, e);
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

int identity_check(const struct identity *then, const char *path, bool sums, const char **difference, struct err *e)
{
	struct identity now;

	if (identity_read(path, &now, e) < 0)
		return -1;
	*difference = identity_difference(then, &now);
	if (!then->content[0] || then->size != now.size || strcmp(then->header, now.header) != 0)
		return 0;
	if (!*difference && !sums)
		return 0;
	if (read_content(path, now.content, e) < 0)
		return -1;
	*difference = strcmp(then->content, now.content) == 0 ? NULL : "its content differs";
	return 0;
}

json_t *identity_to_json(const struct identity *id)
{
	return json_of("{s:I, s:I, s:I, s:I, s:s, s:s*}", "device", (json_int_t)id->device, "inode",
		       (json_int_t)id->inode, "size", (json_int_t)id->size, "mtime_ns", (json_int_t)id->mtime_ns,
		       "header_xxh3", id->header, "content_xxh3", id->content[0] ? id->content : NULL);
}

int identity_from_json(const json_t *json, struct identity *id)
{
	const char *header = json_text(json, "header_xxh3"), *content = json_text(json, "content_xxh3");

	if (!header || strlen(header) >= sizeof(id->header) || (content && !digest_is(content)) ||
	    json_int(json, "size", -1) < 0 ||
	    json_int(json, "mtime_ns", INT64_MIN) == INT64_MIN)
		return -1;
	id->device = (uint64_t)json_int(json, "device", 0);
	id->inode = (uint64_t)json_int(json, "inode", 0);
	id->size = (uint64_t)json_int(json, "size", 0);
	id->mtime_ns = json_int(json, "mtime_ns", 0);
	strcpy(id->header, header);
	strcpy(id->content, content ? content : "");
	return 0;
}
