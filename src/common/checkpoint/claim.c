/* SPDX-License-Identifier: MIT */
#include "checkpoint/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/host.h"
#include "base/json.h"
#include "base/key.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "image/chain.h"

#define SCHEMA "mplcr.claim/1"
#define KIND "claim" /* of its signature */
#define SUFFIX ".json"
#define MAX_BYTES 65536
#define LOCK_TRIES 50 /* of a millisecond */

/* --- where they are --------------------------------------------------------------------------------------------- */

static bool is_checkpoint(const char *dir)
{
	_cleanup_free_ char *manifest = text_of("%s/%s", dir, MANIFEST_NAME);

	return checkpoint_is_named(dir) || text_ends_with(dir, CHECKPOINT_SUFFIX PARTIAL_SUFFIX) ||
	       access(manifest, F_OK) == 0;
}

char *claim_place(const char *base)
{
	char *place = path_dir(base);
	_cleanup_free_ char *at = text_copy(place);

	while (strcmp(at, "/") != 0 && strcmp(at, ".") != 0) { /* of one checkpoint in another the outer one counts */
		char *above = path_dir(at);

		if (is_checkpoint(at)) {
			free(place);
			place = text_copy(above);
		}
		free(at);
		at = above;
	}
	return place;
}

bool claim_needed(const char *base, const char *user)
{
	_cleanup_free_ char *place = claim_place(base);

	return !path_below(place, user);
}

/* The name of the claim's file: of any number of users each has its own. */
static char *name_of(const char *place, const char *base, const char *user)
{
	const char *below = path_below(place, base);
	_cleanup_free_ char *both = text_of("%s%c%s", below ? below : base, '\n', user);
	char hex[DIGEST_HEX];

	digest_bytes(both, strlen(both), hex);
	return text_of("%s" SUFFIX, hex);
}

/* The path without links, as far as there is anything at it; malloc'd. */
static char *canonical(const char *path)
{
	char *real = path_real(path);

	if (!real)
		real = path_real_parent(path);
	return real ? real : text_copy(path);
}

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* The directory of the claims in `place`; -1 with errno. */
static int open_claims(const char *place)
{
	_cleanup_close_ int above = open(place, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);

	return above < 0 ? -1 : open_dir(above, CLAIMS_DIR);
}

/*
 * The same, made where it is not there: for all who may make images in `place`, whose owner gets it. -1 with errno.
 * *owner: of that.
 */
static int make_claims(const char *place, struct stat *owner)
{
	_cleanup_close_ int above = open(place, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC), fd = -1;
	bool made;

	if (above < 0 || fstat(above, owner) < 0)
		return -1;
	made = mkdirat(above, CLAIMS_DIR, 0700) == 0;
	if (!made && errno != EEXIST)
		return -1;
	fd = open_dir(above, CLAIMS_DIR);
	if (fd < 0)
		return -1;
	if (made && geteuid() == 0)
		(void)!fchown(fd, owner->st_uid, owner->st_gid);
	if (made)
		(void)!fchmod(fd, (owner->st_mode & 01777) | 0700);
	return steal_fd(&fd);
}

/* A moment of whoever removes claims may be waited for; a stranger who keeps the lock is not. */
static void lock(int fd)
{
	for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_SH | LOCK_NB) < 0; i++)
		clock_sleep_ms(1);
}

/* --- their form -------------------------------------------------------------------------------------------------- */

/* A path as the member `key` of the object, or, where it is not UTF-8, in hexadecimal as `key`_hex. */
static void put_path(json_t *object, const char *key, const char *path)
{
	json_t *text = json_string(path);
	_cleanup_free_ char *hex_key = text_of("%s_hex", key), *hex = NULL;

	if (text) {
		json_object_set_new(object, key, text);
		return;
	}
	hex = memory_of(2 * strlen(path) + 1, 1);
	for (size_t i = 0; path[i]; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)path[i]);
	json_object_set_new(object, hex_key, json_string(hex));
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Malloc'd, or NULL. */
static char *path_of_hex(const char *hex)
{
	size_t n = strlen(hex) / 2;
	_cleanup_free_ char *path = memory_of(n + 1, 1);

	for (size_t i = 0; i < n; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0 || high + low == 0)
			return NULL;
		path[i] = (char)(high << 4 | low);
	}
	return hex[2 * n] ? NULL : steal_ptr(path);
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
		.user_device = (uint64_t)json_int(json, "user_device", 0),
		.user_inode = (uint64_t)json_int(json, "user_inode", 0),
		.filesystem = (uint64_t)json_int(json, "filesystem", 0),
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
	*c = (struct claim){ 0 };
}

/* --- making one -------------------------------------------------------------------------------------------------- */

/* The filesystem of the file or directory, as far as it has a number that lasts; else 0. */
static uint64_t filesystem_of(const char *path)
{
	struct statfs fs;
	uint64_t id = 0;

	if (statfs(path, &fs) == 0)
		memcpy(&id, &fs.f_fsid, sizeof(id) < sizeof(fs.f_fsid) ? sizeof(id) : sizeof(fs.f_fsid));
	return id;
}

static json_t *claim_to_json(const char *place, const char *base, const char *user, const char *by, struct err *e)
{
	_cleanup_free_ char *host = host_id();
	struct stat of_base, of_user;
	json_t *json;

	if (stat(base, &of_base) < 0 || stat(user, &of_user) < 0) {
		err_sys(e, errno, "cannot look at the images");
		return NULL;
	}
	json = json_of("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "schema", SCHEMA, "by", by, "base_device",
		       (json_int_t)of_base.st_dev, "base_inode", (json_int_t)of_base.st_ino, "user_device",
		       (json_int_t)of_user.st_dev, "user_inode", (json_int_t)of_user.st_ino, "filesystem",
		       (json_int_t)filesystem_of(user), "host", json_string_of(host));
	put_path(json, "base", path_below(place, base));
	put_path(json, "user", user);
	return json;
}

/* Without a key it is left unsigned, and protects all the same. */
static void sign(json_t *json)
{
	struct err ignored;
	struct key *k = key_load(true, &ignored);

	if (k)
		key_sign(k, KIND, json);
	key_free(k);
}

static int write_new(int dir, const char *new, const char *text, const struct stat *owner, bool durable)
{
	_cleanup_close_ int fd = -1;

	unlinkat(dir, new, 0); /* of a process that had our number, and was killed */
	fd = openat(dir, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (geteuid() == 0)
		(void)!fchown(fd, owner->st_uid, owner->st_gid);
	/* who may read the directory may know who needs what is in it */
	if (fchmod(fd, 0600 | (owner->st_mode & 044)) < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		return -1;
	return durable ? fsync(fd) : 0;
}

/* The name of the claim, and that of the directory. */
static int sync_names(int dir, const char *place)
{
	_cleanup_close_ int above = open(place, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);

	return above < 0 || fsync(dir) < 0 ? -1 : fsync(above);
}

static int put(const char *place, const char *name, const char *text, bool durable)
{
	_cleanup_free_ char *new = text_of(".%s.%d", name, (int)getpid());
	_cleanup_close_ int dir = -1;
	struct stat owner;
	int saved;

	dir = make_claims(place, &owner);
	if (dir < 0)
		return -1;
	lock(dir);
	if (write_new(dir, new, text, &owner, durable) == 0 && renameat(dir, new, dir, name) == 0)
		return durable ? sync_names(dir, place) : 0;
	saved = errno;
	unlinkat(dir, new, 0);
	errno = saved;
	return -1;
}

int claim_make(const char *base, const char *user, const char *by, bool durable, struct err *e)
{
	_cleanup_free_ char *real_base = path_real(base), *real_user = path_real(user), *place = NULL;
	_cleanup_free_ char *name = NULL, *text = NULL;
	_cleanup_json_ json_t *json = NULL;

	if (!real_base || !real_user)
		return err_sys(e, errno, "cannot note with '%s' that '%s' needs it", base, user);
	place = claim_place(real_base);
	if (path_below(place, real_user))
		return 0;
	json = claim_to_json(place, real_base, real_user, by, e);
	if (!json)
		return err_prefix(e, "cannot note with '%s' that '%s' needs it", real_base, real_user);
	sign(json);
	text = memory_checked(json_dumps(json, JSON_INDENT(2)));
	name = name_of(place, real_base, real_user);
	if (put(place, name, text, durable) == 0)
		return 0;
	return err_sys(e, errno, "cannot note with '%s' that '%s' needs it", real_base, real_user);
}

int claim_settle(const char *base, const char *user, struct err *e)
{
	_cleanup_free_ char *real = canonical(base), *real_user = canonical(user), *place = claim_place(real);
	_cleanup_free_ char *name = name_of(place, real, real_user);
	_cleanup_close_ int dir = open_claims(place), fd = -1;

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open the claims in '%s'", place);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open the claim of '%s'", user);
	if (fsync(fd) == 0 && sync_names(dir, place) == 0)
		return 0;
	return err_sys(e, errno, "cannot make the claim of '%s' durable", user);
}

/* --- reading them ------------------------------------------------------------------------------------------------ */

/* The JSON in the file `name`, which is small and no link; NULL with errno, 0 where it is something else. */
static json_t *read_json(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	errno = 0;
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_BYTES)
		return NULL;
	text = memory_of((size_t)MAX_BYTES, 1);
	n = fd_read_at(fd, text, MAX_BYTES, 0);
	return n < 0 ? NULL : json_loadb(text, (size_t)n, 0, NULL);
}

/* Returns 0, or -1 where it is no claim, or cannot be read; with errno ENOENT where it is not there. */
static int read_claim(struct claim *c, int dir, const char *place, const char *name, const struct key *k)
{
	_cleanup_json_ json_t *json = read_json(dir, name);

	*c = (struct claim){ 0 };
	if (!json)
		return -1;
	errno = 0;
	if (claim_parse(c, json, place) < 0)
		return -1;
	c->file = text_of("%s/" CLAIMS_DIR "/%s", strcmp(place, "/") == 0 ? "" : place, name);
	c->authentic = key_verify(k, KIND, json) == KEY_AUTHENTIC;
	return 0;
}

static void add_claim(struct claims *c, int dir, const char *place, const char *name, const struct key *k)
{
	struct claim one;

	if (read_claim(&one, dir, place, name, k) == 0) {
		*array_add(c->list, c->n) = one;
		return;
	}
	c->n_unread += errno != ENOENT; /* it may have gone just now */
	claim_release(&one);
}

static bool is_claim_name(const char *name)
{
	return name[0] != '.' && text_ends_with(name, SUFFIX);
}

static void read_all(struct claims *c, DIR *dir, const char *place)
{
	struct err ignored;
	struct key *k = key_load(false, &ignored);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (is_claim_name(entry->d_name))
			add_claim(c, dirfd(dir), place, entry->d_name, k);
	key_free(k);
}

void claims_read(struct claims *c, const char *place)
{
	int fd = open_claims(place);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	*c = (struct claims){ 0 };
	if (dir) {
		read_all(c, dir, place);
		closedir(dir);
		return;
	}
	c->n_unread = errno != ENOENT;
	if (fd >= 0)
		close(fd);
}

void claims_release(struct claims *c)
{
	for (size_t i = 0; i < c->n; i++)
		claim_release(&c->list[i]);
	free(c->list);
	*c = (struct claims){ 0 };
}

/* --- whether they hold ------------------------------------------------------------------------------------------- */

/* Whether the filesystem that the user was on is there: what is not mounted is not gone. */
static bool has_filesystem(const struct claim *c)
{
	_cleanup_free_ char *at = path_dir(c->user);
	struct stat st;

	while (stat(at, &st) < 0) {
		char *above = path_dir(at);

		if ((errno != ENOENT && errno != ENOTDIR) || strcmp(at, above) == 0) {
			free(above);
			return false;
		}
		free(at);
		at = above;
	}
	return st.st_dev == c->user_device || (c->filesystem && filesystem_of(at) == c->filesystem);
}

static bool is_base(const struct claim *c, const char *path)
{
	struct stat st, now;

	if (!path || stat(path, &st) < 0)
		return false;
	if (st.st_dev == c->base_device && st.st_ino == c->base_inode)
		return true;
	return stat(c->base, &now) == 0 && st.st_dev == now.st_dev && st.st_ino == now.st_ino;
}

static bool leads_to_base(const struct claim *c, const struct chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		if ((i > 0 && is_base(c, chain->images[i].path)) || is_base(c, chain->images[i].data_path))
			return true;
	return false;
}

/* Whether it is an overlay of other images only, or of none: of what cannot be read in full nobody knows. */
static bool leads_elsewhere(const struct claim *c)
{
	_cleanup_chain_ struct chain *top = chain_read(c->user, NULL, 1), *whole = NULL;
	struct err ignored;

	if (top->images[0].state != CHAIN_OK || top->images[0].format != IMAGE_QCOW2 || leads_to_base(c, top))
		return false;
	whole = chain_read(c->user, NULL, 0);
	return chain_whole(whole, &ignored) == 0 && !leads_to_base(c, whole);
}

static bool is_of_here(const struct claim *c)
{
	_cleanup_free_ char *host = host_id();

	return strcmp(host, c->host) == 0;
}

bool claim_is_gone(const struct claim *c)
{
	struct stat st;

	if (!is_of_here(c))
		return false;
	if (lstat(c->user, &st) < 0)
		return (errno == ENOENT || errno == ENOTDIR) && has_filesystem(c);
	return c->authentic && S_ISREG(st.st_mode) && leads_elsewhere(c);
}

bool claim_is_left(const char *base, const char *user)
{
	_cleanup_free_ char *real = canonical(base), *real_user = canonical(user), *place = claim_place(real);
	_cleanup_free_ char *name = name_of(place, real, real_user);
	_cleanup_close_ int dir = open_claims(place);

	return dir >= 0 && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- one of ours ------------------------------------------------------------------------------------------------- */

/* The claim of that user with that base, where it is authentic, with the directory that it is in; -1 where not. */
static int find_own(struct claim *c, const char *base, const char *user)
{
	_cleanup_free_ char *real = canonical(base), *real_user = canonical(user), *place = claim_place(real);
	_cleanup_free_ char *name = name_of(place, real, real_user);
	_cleanup_close_ int dir = open_claims(place);
	struct err ignored;
	struct key *k;
	bool own;

	*c = (struct claim){ 0 };
	if (dir < 0)
		return -1;
	k = key_load(false, &ignored);
	own = read_claim(c, dir, place, name, k) == 0 && c->authentic && strcmp(c->base, real) == 0 &&
	      strcmp(c->user, real_user) == 0;
	key_free(k);
	return own ? steal_fd(&dir) : -1;
}

bool claim_vouches(const char *base, const char *user)
{
	struct claim c;
	_cleanup_close_ int dir = find_own(&c, base, user);
	struct stat of_base, of_user;
	bool result = dir >= 0 && is_of_here(&c) && stat(base, &of_base) == 0 && lstat(user, &of_user) == 0 &&
		      of_base.st_dev == c.base_device && of_base.st_ino == c.base_inode &&
		      of_user.st_dev == c.user_device && of_user.st_ino == c.user_inode;

	claim_release(&c);
	return result;
}

/* The directory, if it is empty. */
static void remove_dir(const char *place)
{
	_cleanup_free_ char *path = text_of("%s/" CLAIMS_DIR, place);

	rmdir(path);
}

void claim_drop(const char *base, const char *user)
{
	_cleanup_free_ char *place = NULL;
	struct claim c;
	_cleanup_close_ int dir = find_own(&c, base, user);

	if (dir >= 0) {
		unlinkat(dir, path_base(c.file), 0);
		place = claim_place(c.base);
		remove_dir(place);
	}
	claim_release(&c);
}

/* What is left of making a claim that was killed; nobody makes one now. */
static void remove_unfinished(const char *place)
{
	int fd = open_claims(place);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] == '.' && strstr(entry->d_name, SUFFIX "."))
			unlinkat(fd, entry->d_name, 0);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

void claims_sweep(const char *place)
{
	_cleanup_close_ int dir = open_claims(place);
	struct claims claims;

	if (dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0) /* the next one does it */
		return;
	claims_read(&claims, place);
	for (size_t i = 0; i < claims.n; i++)
		if (claims.list[i].authentic && claim_is_gone(&claims.list[i]))
			unlinkat(dir, path_base(claims.list[i].file), 0);
	claims_release(&claims);
	remove_unfinished(place);
	remove_dir(place);
}
