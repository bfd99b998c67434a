/* SPDX-License-Identifier: MIT */
/* The form of a claim. */
#include "checkpoint/claim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/filesystem_number.h"
#include "base/host.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"

#define SCHEMA "mplcr.claim/1"

/* The bytes as the member `key` of the object, in hexadecimal. */
static void put_hex(json_t *object, const char *key, const void *bytes, size_t n)
{
	_cleanup_free_ char *hex = memory_of(2 * n + 1, 1);

	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
	json_object_set_new(object, key, json_string(hex));
}

/* A path as the member `key` of the object, or, where it is not UTF-8, in hexadecimal as `key`_hex. */
static void put_path(json_t *object, const char *key, const char *path)
{
	_cleanup_free_ char *hex_key = text_of("%s_hex", key);
	json_t *text = json_string(path);

	if (text)
		json_object_set_new(object, key, text);
	else
		put_hex(object, hex_key, path, strlen(path));
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The *n bytes, and a NUL behind them; malloc'd, or NULL where it is no hexadecimal. */
char *claim_bytes_of_hex(const char *hex, size_t *n)
{
	_cleanup_free_ char *bytes = memory_of(strlen(hex) / 2 + 1, 1);

	*n = strlen(hex) / 2;
	for (size_t i = 0; i < *n; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return NULL;
		bytes[i] = (char)(high << 4 | low);
	}
	return hex[2 * *n] ? NULL : steal_ptr(bytes);
}

/* The same of a path, which has no NUL in it. */
static char *path_of_hex(const char *hex)
{
	size_t n;
	_cleanup_free_ char *path = claim_bytes_of_hex(hex, &n);

	return path && strlen(path) == n ? steal_ptr(path) : NULL;
}

/* Malloc'd, or NULL where there is none, or it is too long for one. */
static char *get_path(const json_t *object, const char *key)
{
	_cleanup_free_ char *hex_key = text_of("%s_hex", key), *path = text_copy(json_text(object, key));
	const char *hex = json_text(object, hex_key);

	if (!path && hex)
		path = path_of_hex(hex);
	return path && path[0] && strlen(path) < PATH_MAX ? steal_ptr(path) : NULL;
}

/* Whether it stays below where it begins. */
static bool is_beneath(const char *path)
{
	_cleanup_free_ char *framed = text_of("/%s/", path);

	return path[0] != '/' && !strstr(framed, "/../");
}

int claim_parse(struct claim *c, const json_t *json, const char *place)
{
	const char *schema = json_text(json, "schema"), *host = json_text(json, "host");
	_cleanup_free_ char *base = get_path(json, "base");

	*c = (struct claim){
		.user = get_path(json, "user"),
		.by = text_copy(json_text(json, "by")),
		.host = text_copy(host ? host : ""),
		.base_device = (uint64_t)json_int(json, "base_device", 0),
		.base_inode = (uint64_t)json_int(json, "base_inode", 0),
		.base_filesystem = (uint64_t)json_int(json, "base_filesystem", 0),
		.user_device = (uint64_t)json_int(json, "user_device", 0),
		.user_inode = (uint64_t)json_int(json, "user_inode", 0),
		.filesystem = (uint64_t)json_int(json, "filesystem", 0),
		.handle_type = (int)json_int(json, "user_handle_type", 0),
		.handle = text_copy(json_text(json, "user_handle")),
	};
	if (!schema || strcmp(schema, SCHEMA) != 0 || !base || !is_beneath(base) || !c->user || c->user[0] != '/')
		return -1;
	c->base = text_of("%s/%s", strcmp(place, "/") == 0 ? "" : place, base);
	return 0;
}

void claim_release(struct claim *c)
{
	free(c->file);
	free(c->base);
	free(c->user);
	free(c->by);
	free(c->host);
	free(c->handle);
	*c = (struct claim){ 0 };
}

uint64_t claim_filesystem(const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? filesystem_number(fd, &st) : 0;
}

/* By a handle the kernel finds a file again whose name changed. Many filesystems have them. */
static void put_handle(json_t *json, const char *path)
{
	_cleanup_free_ struct file_handle *h = memory_of(sizeof(*h) + MAX_HANDLE_SZ, 1);
	int mount_id;

	h->handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, path, h, &mount_id, 0) < 0)
		return;
	json_object_set_new(json, "user_handle_type", json_integer(h->handle_type));
	put_hex(json, "user_handle", h->f_handle, h->handle_bytes);
}

json_t *claim_to_json(const char *place, const char *base, const char *user, const char *by, struct err *e)
{
	_cleanup_free_ char *host = host_id();
	struct stat of_base, of_user;
	json_t *json;

	if (stat(base, &of_base) < 0 || stat(user, &of_user) < 0) {
		err_sys(e, errno, "cannot look at the images");
		return NULL;
	}
	json = json_of("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "schema", SCHEMA, "by", by, "base_device",
		       (json_int_t)of_base.st_dev, "base_inode", (json_int_t)of_base.st_ino, "base_filesystem",
		       (json_int_t)claim_filesystem(base), "user_device", (json_int_t)of_user.st_dev, "user_inode",
		       (json_int_t)of_user.st_ino, "filesystem", (json_int_t)claim_filesystem(user), "host",
		       json_string_of(host));
	put_path(json, "base", path_below(place, base));
	put_path(json, "user", user);
	put_handle(json, user);
	return json;
}

