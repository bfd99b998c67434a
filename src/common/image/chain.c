/* SPDX-License-Identifier: MIT */
#include "image/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "image/name.h"
#include "base/json.h"

struct file_id {
	uint64_t device, inode;
};

/* A chain that is being read. */
struct walk {
	const struct chain_options *options;
	size_t max_depth;
	char *cwd;
	char *dir; /* of the last image, with the '/' behind it; NULL at first, when `dirfd` is -1 */
	int dirfd;
	struct chain *chain;
	struct file_id *seen; /* of each image: side by side, for each new one is compared with all */
	json_t *backing;      /* what the json: name of the last image says of its backing file, or NULL */
};

/* --- images ----------------------------------------------------------------------------------------------------- */

static struct chain_image *add_image(struct walk *w)
{
	struct chain *c = w->chain;

	w->seen = array_with_room(w->seen, c->n, sizeof(*w->seen));
	return array_add(c->images, c->n);
}

/* `path` as it is, behind `dir` where it is relative. */
static char *absolute(const char *dir, const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (path[0] == '/')
		return text_copy(path);
	return text_of("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, path);
}

static void set_data_file(struct walk *w, struct chain_image *image, const char *name)
{
	struct image_name n;

	if (!name || image->data_name)
		return;
	image->data_name = text_copy(name);
	image_name_parse(&n, name);
	if (n.path && !n.fault[0]) {
		image->data_from_cwd = n.path[0] != '/';
		image->data_path = absolute(w->cwd, n.path);
	}
	image_name_release(&n);
}

static void fail(struct chain_image *image, int errnum)
{
	image->sys = errnum;
	image->state = errnum == ENOENT || errnum == ENOTDIR ? CHAIN_MISSING : CHAIN_UNREADABLE;
}

/* --- one image -------------------------------------------------------------------------------------------------- */

/* Whether the caller lets us open it: nothing else is done with its file before. */
static bool may_open(const struct walk *w, const char *path, bool is_link)
{
	const struct chain_options *o = w->options;

	return w->chain->n == 1 || !o->may_open || o->may_open(o->ctx, path, is_link);
}

/*
 * Where the file at `path` is looked for: `*name` in the directory that is returned. Most images lie in the directory
 * of the one before: they are found from there without going the whole way again.
 */
static int look_from(const struct walk *w, const char *path, const char **name)
{
	size_t length = (size_t)(path_base(path) - path);
	bool there = w->dirfd >= 0 && path[length] && strncmp(w->dir, path, length) == 0 && !w->dir[length];

	*name = there ? path + length : path;
	return there ? w->dirfd : AT_FDCWD;
}

/* Opens the directory of an image that may be opened, for the next ones. */
static void keep_dir(struct walk *w, const char *path)
{
	if (w->dirfd >= 0)
		close(w->dirfd);
	free(w->dir);
	w->dir = text_of("%.*s", (int)(path_base(path) - path), path);
	w->dirfd = open(w->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Finds out what the file is, without opening it. Returns 0, or -1 where it is not to be opened. */
static int examine(const struct walk *w, struct chain_image *image, int dir, const char *name)
{
	struct stat st = { 0 };
	int result = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), why = errno;

	image->is_link = result == 0 && S_ISLNK(st.st_mode);
	if (!may_open(w, image->path, image->is_link)) {
		image->state = CHAIN_REFUSED;
		return -1;
	}
	if (image->is_link) {
		result = fstatat(dir, name, &st, 0);
		why = errno;
	}
	if (result < 0) {
		fail(image, why);
		return -1;
	}
	image->device = st.st_dev;
	image->inode = st.st_ino;
	image->mode = st.st_mode;
	image->size = (uint64_t)st.st_size;
	image->allocated = (uint64_t)st.st_blocks * 512;
	image->mtime_ns = clock_ns_of(st.st_mtim);
	if (S_ISREG(st.st_mode)) /* to open a device or a pipe may do something */
		return 0;
	image->state = CHAIN_NOT_REGULAR;
	return -1;
}

/* Whether the last image is further up in the chain, too. */
static bool closes_a_cycle(struct walk *w)
{
	size_t last = w->chain->n - 1;
	struct chain_image *image = &w->chain->images[last];

	w->seen[last] = (struct file_id){ image->device, image->inode };
	for (size_t i = 0; i < last; i++)
		if (w->seen[i].inode == image->inode && w->seen[i].device == image->device) {
			image->cycle_to = i;
			return true;
		}
	return false;
}

/* Formats that a mark at the end of the file tells, where they are asked for (QEMU block/vpc.c, block/dmg.c). */
static bool has_mark_at_end(int fd, enum image_format format, uint64_t size)
{
	const char *mark = format == IMAGE_VPC ? "conectix" : format == IMAGE_DMG ? "koly" : NULL;
	char bytes[8];

	return mark && size >= 512 && pread(fd, bytes, sizeof(bytes), (off_t)(size - 512)) == sizeof(bytes) &&
	       memcmp(bytes, mark, strlen(mark)) == 0;
}

/* An image that QEMU opens as raw is raw, whatever a guest wrote into it. */
static void take_as_raw(struct image_header *h)
{
	uint64_t size = h->file_size;

	image_header_release(h);
	h->file_size = h->virtual_size = size;
}

/* A protocol driver in the place of a format takes an image as it is. */
static int recorded_format(const char *name)
{
	return strcmp(name, "file") == 0 || strcmp(name, "host_device") == 0 ? IMAGE_RAW : image_format_named(name);
}

static void choose_format(struct chain_image *image, int fd)
{
	int recorded = image->recorded_format ? recorded_format(image->recorded_format) : (int)image->header.format;
	struct image_header *h = &image->header;

	image->found = image->format = h->format;
	if (recorded == (int)image->found)
		return;
	if (recorded < 0) {
		snprintf(h->fault, sizeof(h->fault), "its format is recorded as '%.40s', which is none that is known",
			 image->recorded_format);
		return;
	}
	image->format = (enum image_format)recorded;
	if (image->format == IMAGE_RAW) {
		take_as_raw(h);
	} else if (image->found == IMAGE_RAW && has_mark_at_end(fd, image->format, image->size)) {
		image->found = h->format = image->format;
		h->virtual_size = 0;
	} else {
		image_header_release(h);
		h->format = image->format;
		snprintf(h->fault, sizeof(h->fault), "its content is %s, not %s", image_format_name(image->found),
			 image_format_name(image->format));
	}
}

/* Reads what is in the open file of the last image. */
static void read_content(struct walk *w, struct chain_image *image, int fd)
{
	const struct chain_options *o = w->options;
	uint8_t head[IMAGE_HEAD_BYTES];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 0) {
		fail(image, errno);
		return;
	}
	image_header_parse(fd, image->size, head, (size_t)n, &image->header);
	choose_format(image, fd);
	if (o->use)
		image->use = in_use_writers(o->use, fd);
	if (o->end && image->use != IMAGE_WRITTEN && !image->header.fault[0]) /* one that is written to may grow */
		image_header_check_end(fd, &image->header);
	set_data_file(w, image, image->header.data_file);
	if (o->on_image)
		o->on_image(o->ctx, image, head, (size_t)n);
}

/* Reads the last image of the chain, as far as it can be read. */
static void read_image(struct walk *w)
{
	struct chain_image *image = &w->chain->images[w->chain->n - 1];
	_cleanup_close_ int fd = -1;
	const char *name;
	int dir;

	if (image->state != CHAIN_OK)
		return;
	if (w->chain->n > w->max_depth) {
		image->state = CHAIN_TOO_DEEP;
		return;
	}
	dir = look_from(w, image->path, &name);
	if (examine(w, image, dir, name) < 0)
		return;
	if (closes_a_cycle(w)) {
		image->state = CHAIN_CYCLE;
		return;
	}
	if (dir == AT_FDCWD)
		keep_dir(w, image->path);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		fail(image, errno);
	else
		read_content(w, image, fd);
}

/* --- from one to the next --------------------------------------------------------------------------------------- */

/* Adds what `n` names, in the words `name` (owned), seen from the image at `from`. */
static void add_named(struct walk *w, const struct image_name *n, char *name, const char *from)
{
	_cleanup_free_ char *dir = path_dir(from);
	struct chain_image *image = add_image(w);

	image->name = name;
	image->json = n->json;
	image->from_cwd = n->from_cwd && n->path && n->path[0] != '/';
	if (n->fault[0]) {
		image->state = CHAIN_BAD_NAME;
		memcpy(image->why, n->fault, sizeof(image->why));
	} else if (!n->path) {
		image->state = CHAIN_REMOTE;
		image->protocol = text_copy(n->protocol);
	} else {
		image->path = absolute(image->from_cwd ? w->cwd : dir, n->path);
		set_data_file(w, image, n->data_file);
	}
}

/* The format that is recorded for the next image: what was said first counts. */
static void set_recorded(struct walk *w, const char *first, const char *second)
{
	w->chain->images[w->chain->n - 1].recorded_format = text_copy(first ? first : second);
}

/* The next image, as the json: name of the last one says it; false where there is none. */
static bool next_of_json(struct walk *w, const struct chain_image *above)
{
	_cleanup_free_ char *format = text_copy(above->header.backing_format), *path = text_copy(above->path),
			    *text = NULL;
	struct image_name n;

	if (json_is_null(w->backing))
		return false;
	text = json_dumps(w->backing, JSON_COMPACT | JSON_ENCODE_ANY);
	image_name_of_options(&n, w->backing);
	add_named(w, &n, text_of("json:%s", text), path);
	set_recorded(w, n.driver, format);
	json_decref(w->backing);
	w->backing = json_incref(n.backing);
	image_name_release(&n);
	return true;
}

/* The next image, as the header of the last one says it; false where there is none. */
static bool next_of_header(struct walk *w, const struct chain_image *above)
{
	_cleanup_free_ char *format = text_copy(above->header.backing_format), *path = text_copy(above->path);
	const char *name = above->header.backing_name;
	struct image_name n;

	if (!name)
		return false;
	image_name_parse(&n, name);
	add_named(w, &n, text_copy(name), path);
	set_recorded(w, format, n.driver);
	w->backing = json_incref(n.backing);
	image_name_release(&n);
	return true;
}

static bool next(struct walk *w)
{
	const struct chain_image *above = &w->chain->images[w->chain->n - 1];

	if (above->state != CHAIN_OK)
		return false;
	return w->backing ? next_of_json(w, above) : next_of_header(w, above);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

struct chain *chain_read_with(const char *path, const struct chain_options *options)
{
	struct walk w = {
		.options = options,
		.max_depth = options->max_depth ? options->max_depth : CHAIN_MAX_DEPTH,
		.cwd = getcwd(NULL, 0),
		.dirfd = -1,
		.chain = memory_of(1, sizeof(struct chain)),
	};
	struct chain_image *top = add_image(&w);

	if (!w.cwd) /* it was removed: nothing relative can be found */
		w.cwd = text_copy("/");
	top->name = text_copy(path);
	top->path = absolute(w.cwd, path);
	top->recorded_format = text_copy(options->format);
	do
		read_image(&w);
	while (next(&w));
	json_decref(w.backing);
	if (w.dirfd >= 0)
		close(w.dirfd);
	free(w.dir);
	free(w.cwd);
	free(w.seen);
	return w.chain;
}

struct chain *chain_read(const char *path, const char *format, size_t max_depth)
{
	const struct chain_options options = { .format = format, .max_depth = max_depth };

	return chain_read_with(path, &options);
}

void chain_truncate(struct chain *c, size_t n)
{
	while (c->n > n) {
		struct chain_image *image = &c->images[--c->n];

		free(image->name);
		free(image->path);
		free(image->protocol);
		free(image->recorded_format);
		free(image->data_name);
		free(image->data_path);
		image_header_release(&image->header);
	}
}

void chain_free(struct chain *c)
{
	if (!c)
		return;
	chain_truncate(c, 0);
	free(c->images);
	free(c);
}

/* What is wrong with one image, for chain_whole. */
static int image_whole(const struct chain *c, size_t i, struct err *e)
{
	const struct chain_image *image = &c->images[i];
	const char *name = image->path ? image->path : image->name;

	switch (image->state) {
	case CHAIN_OK:
		break;
	case CHAIN_MISSING:
	case CHAIN_UNREADABLE:
		err_sys(e, image->sys, "cannot open '%s'", name);
		return i ? err_hint(e, "it is the backing file of '%s'", c->images[i - 1].path) : -1;
	case CHAIN_NOT_REGULAR:
		return err_set(e, "'%s' is not a regular file", name);
	case CHAIN_REMOTE:
		return err_set(e, "'%s' is not a file of this host, but one of protocol '%s'", name, image->protocol);
	case CHAIN_BAD_NAME:
		return err_set(e, "'%s' names a backing file that cannot be understood: %s", c->images[i - 1].path,
			       image->why);
	case CHAIN_CYCLE:
		return err_set(e, "'%s' is its own backing file, over %zu images", name, i - image->cycle_to);
	case CHAIN_TOO_DEEP:
		return err_set(e, "the chain of '%s' has more than %zu images", c->images[0].path, i);
	case CHAIN_REFUSED:
		return err_set(e, "'%s' is not to be opened", name);
	}
	if (image->header.fault[0])
		return err_set(e, "'%s' is damaged: %s", name, image->header.fault);
	if (image->header.incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_KNOWN)
		return err_set(e, "'%s' has features that are not known: %s", name,
			       image->header.feature_names ? image->header.feature_names : "unnamed");
	return 0;
}

int chain_whole(const struct chain *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++)
		if (image_whole(c, i, e) < 0)
			return -1;
	return 0;
}

int chain_image_refuse_used(const struct chain_image *image, struct in_use *use, bool written, struct err *e)
{
	if (image->path && in_use_refuse(use, image->path, written, e) < 0)
		return -1;
	return image->data_path ? in_use_refuse(use, image->data_path, written, e) : 0;
}
