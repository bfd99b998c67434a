/* SPDX-License-Identifier: MIT */
#include "base/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"

#define BYTES crypto_auth_KEYBYTES
#define MAC_BYTES crypto_auth_BYTES
#define FILE_BYTES (2 * BYTES + 1) /* hexadecimal, and a line feed */

struct key {
	unsigned char bytes[BYTES];
};

/* --- the file --------------------------------------------------------------------------------------------------- */

/* Where the key lies; malloc'd, or NULL with an error where nothing says so. */
static char *key_path(struct err *e)
{
	const char *own = getenv("MPLCR_KEY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (own && own[0])
		return text_copy(own);
	if (geteuid() == 0)
		return text_copy("/var/lib/mplcr/key");
	if (state && state[0] == '/') /* a relative one is to be ignored (XDG Base Directory Specification) */
		return text_of("%s/mplcr/key", state);
	if (home && home[0] == '/')
		return text_of("%s/.local/state/mplcr/key", home);
	err_set(e, "no key: neither XDG_STATE_HOME nor HOME is set");
	return NULL;
}

static int check_file(const char *path, const struct stat *st, struct err *e)
{
	if (S_ISREG(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 077))
		return 0;
	err_set(e, "the key '%s' is not a file that only we can read", path);
	return err_hint(e, "what was signed with it may be forged: remove it, and adopt your checkpoints again");
}

static int read_key(const char *path, struct key *k, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[FILE_BYTES + 1];
	struct stat st;
	size_t length;
	ssize_t n;
	int result;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open the key '%s'", path);
	if (check_file(path, &st, e) < 0)
		return -1;
	n = fd_read_at(fd, text, sizeof(text), 0);
	if (n < 0)
		return err_sys(e, errno, "cannot read the key '%s'", path);
	result = sodium_hex2bin(k->bytes, BYTES, text, (size_t)n, "\n", &length, NULL);
	sodium_memzero(text, sizeof(text));
	return result == 0 && length == BYTES ? 0 : err_set(e, "'%s' is not a key", path);
}

/* Writes a new key into the file `fd`, durably. */
static int write_key(int fd)
{
	unsigned char bytes[BYTES];
	char text[FILE_BYTES + 1];
	int result;

	randombytes_buf(bytes, BYTES);
	sodium_bin2hex(text, sizeof(text), bytes, BYTES);
	text[FILE_BYTES - 1] = '\n';
	result = fd_write_all(fd, text, FILE_BYTES) < 0 || fsync(fd) < 0 ? -1 : 0;
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(text, sizeof(text));
	return result;
}

/* It gets its name when it is whole. Of two that make one at the same time, the second takes that of the first. */
static int make_key(const char *path, struct err *e)
{
	_cleanup_free_ char *new = text_of("%s.XXXXXX", path), *dir = path_dir(path);
	_cleanup_close_ int fd = -1;
	int result = 0;

	if (dir_make_parents(path, e) < 0)
		return -1;
	fd = mkostemp(new, O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot make the key '%s'", path);
	if (write_key(fd) < 0 || (link(new, path) < 0 && errno != EEXIST))
		result = err_sys(e, errno, "cannot make the key '%s'", path);
	unlink(new);
	return result < 0 ? -1 : path_sync(dir, e);
}

struct key *key_load(bool make, struct err *e)
{
	_cleanup_free_ char *path = key_path(e);
	struct key *k;

	if (!path)
		return NULL;
	if (sodium_init() < 0) {
		err_set(e, "libsodium cannot be used");
		return NULL;
	}
	if (make && access(path, F_OK) < 0 && errno == ENOENT && make_key(path, e) < 0)
		return NULL;
	k = memory_of(1, sizeof(*k));
	if (read_key(path, k, e) == 0)
		return k;
	key_free(k);
	return NULL;
}

void key_free(struct key *k)
{
	if (k)
		sodium_memzero(k, sizeof(*k));
	free(k);
}

/* --- signatures ------------------------------------------------------------------------------------------------- */

/* What is signed: "KIND\n" and the object without its "mac"; malloc'd. */
static char *signed_text(const char *kind, const json_t *object)
{
	_cleanup_json_ json_t *bare = memory_checked(json_copy((json_t *)object));
	_cleanup_free_ char *text = NULL;

	json_object_del(bare, "mac");
	text = memory_checked(json_dumps(bare, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15)));
	return text_of("%s\n%s", kind, text);
}

void key_sign(const struct key *k, const char *kind, json_t *object)
{
	_cleanup_free_ char *text = signed_text(kind, object);
	unsigned char mac[MAC_BYTES];
	char hex[2 * MAC_BYTES + 1];

	crypto_auth(mac, (const unsigned char *)text, strlen(text), k->bytes);
	json_object_set_new(object, "mac", json_string(sodium_bin2hex(hex, sizeof(hex), mac, MAC_BYTES)));
}

enum key_verdict key_verify(const struct key *k, const char *kind, const json_t *object)
{
	const char *hex = json_text(object, "mac");
	_cleanup_free_ char *text = NULL;
	unsigned char mac[MAC_BYTES];
	size_t length;

	if (!hex)
		return KEY_UNSIGNED;
	if (!k || sodium_hex2bin(mac, MAC_BYTES, hex, strlen(hex), NULL, &length, NULL) < 0 || length != MAC_BYTES)
		return KEY_FOREIGN;
	text = signed_text(kind, object);
	return crypto_auth_verify(mac, (const unsigned char *)text, strlen(text), k->bytes) == 0 ? KEY_AUTHENTIC
												 : KEY_FOREIGN;
}
