/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/disk_chain.h"
#include "checkpoint/layout.h"
#include "checkpoint/manifest_edit.h"
#include "checkpoint/merging.h"
#include "checkpoint/store.h"
#include "image/chain.h"
#include "pack/pack.h"

enum { MAX_BASE = 200 /* bytes of a file name in the pack */ };

/* --- files ------------------------------------------------------------------------------------------------------- */

static struct pack_file *find_name(const struct pack *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->files[i].name, name) == 0)
			return &p->files[i];
	return NULL;
}

static struct pack_file *find_image(const struct pack *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->files[i].own && strcmp(p->files[i].from, path) == 0)
			return &p->files[i];
	return NULL;
}

int pack_open(const struct pack *p, const struct pack_file *f, struct err *e)
{
	_cleanup_close_ int fd = f->own ? beneath_open(p->dirfd, f->from) :
					  open(f->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", f->from);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "'%s' is not a regular file", f->from);
	return steal_fd(&fd);
}

/* Notes size and time. Returns 0 or -1. */
static int look_at(struct pack *p, struct pack_file *f, struct err *e)
{
	_cleanup_close_ int fd = pack_open(p, f, e);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", f->from);
	f->size = (uint64_t)st.st_size;
	f->mtime_ns = clock_ns_of(st.st_mtim);
	p->bytes += (uint64_t)st.st_blocks * 512;
	return 0;
}

static int add_own(struct pack *p, const char *name, const char *xxh3, struct err *e)
{
	struct pack_file *f;

	if (find_name(p, name))
		return err_set(e, "'%s' is listed twice", name);
	f = array_add(p->files, p->n);
	*f = (struct pack_file){ .name = text_copy(name), .from = text_copy(name), .own = true };
	strcpy(f->xxh3, xxh3);
	return look_at(p, f, e);
}

/* What the manifest lists. Packed images are images: they come with their chains. */
static int add_listed(struct pack *p, struct err *e)
{
	for (size_t i = 0; i < p->m->n_files; i++)
		if (add_own(p, p->m->files[i].name, p->m->files[i].xxh3, e) < 0)
			return -1;
	for (size_t i = 0; i < p->m->n_included; i++)
		if (add_own(p, p->m->included[i].copy.name, p->m->included[i].copy.xxh3, e) < 0)
			return -1;
	return 0;
}

/* Files beside the manifest that it does not list: of other versions, or the user's. */
static int add_unlisted(struct pack *p, struct err *e)
{
	int copy = openat(p->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;
	struct stat st;

	if (!dir)
		return err_sys(e, errno, "cannot read '%s'", p->checkpoint);
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (name[0] != '.' && strcmp(name, MANIFEST_NAME) != 0 && strcmp(name, PACK_LIST) != 0 &&
		    strcmp(name, UNFINISHED_NAME) != 0 && !find_name(p, name) &&
		    fstatat(p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			result = add_own(p, name, "", e);
	}
	closedir(dir);
	return result;
}

/* --- images ------------------------------------------------------------------------------------------------------ */

/* A name that every filesystem takes, that is no option, and that QEMU takes for a path and not for a protocol. */
static char *plain_base(const char *path)
{
	char *base = text_of("%.*s", MAX_BASE, path_base(path));

	for (char *c = base; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-", *c) ||
		    (c == base && strchr(".-", *c)))
			*c = '_';
	return base;
}

/* The name of the image at `path` in the pack, where two of the same name may come together; malloc'd. */
static char *name_of(const struct pack *p, const char *path)
{
	_cleanup_free_ char *base = plain_base(path);
	char *name = text_of(CLONES_DIR "/%s", base);

	for (unsigned i = 2; find_name(p, name); i++) {
		free(name);
		name = text_of(CLONES_DIR "/%u-%s", i, base);
	}
	return name;
}

static int add_image(struct pack *p, const struct manifest_image *image, struct err *e)
{
	_cleanup_free_ char *real = path_real(image->path);
	struct pack_file *f;

	if (!real)
		return err_sys(e, errno, "cannot open '%s'", image->path);
	if (in_use_refuse(&p->use, real, true, e) < 0)
		return -1;
	if (!find_image(p, real)) {
		char *name = name_of(p, real);

		f = array_add(p->files, p->n);
		*f = (struct pack_file){ .name = name, .from = steal_ptr(real) };
		if (look_at(p, f, e) < 0)
			return -1;
	}
	return image->data ? add_image(p, image->data, e) : 0;
}

/* The file that the image of the manifest is in the pack. */
static struct pack_file *file_of(const struct pack *p, const struct manifest_image *image)
{
	_cleanup_free_ char *real = path_real(image->path);

	return real ? find_image(p, real) : NULL;
}

/* Makes the image `above` name the one below it by its name in the pack, which is in the same directory. */
static int link_image(const struct pack *p, const struct manifest_image *above, const struct manifest_image *below,
		      struct err *e)
{
	struct pack_file *f = file_of(p, above), *g = file_of(p, below);
	_cleanup_close_ int fd = f && g ? pack_open(p, f, e) : -1;

	if (fd < 0)
		return f && g ? -1 : err_set(e, "'%s' went away", f ? below->path : above->path);
	if (image_patch_backing(fd, path_base(g->name), &f->patch, e) == 0)
		return 0;
	err_prefix(e, "'%s' cannot be packed", above->path);
	return err_hint(e, "pack a chain of other formats as one image: mplcr-chain shorten, or qemu-img convert");
}

static int check_trusted(struct pack *p, const struct manifest_disk *disk, const struct manifest_image *image,
			 struct err *e)
{
	_cleanup_free_ char *why = NULL;

	if (trust_allows(&p->trust, image->path))
		return image->data ? check_trusted(p, disk, image->data, e) : 0;
	why = text_of("an image of disk '%s' does not lie below '%s': it was not opened", disk->device, p->trust.tree);
	return trust_refuse(image->path, why, e);
}

static int add_disk(struct pack *p, const struct manifest_disk *disk, struct err *e)
{
	if (merging_disk(disk)) {
		err_set(e, "a running VM merges layers below disk '%s', or was to", disk->device);
		return err_hint(e, "pack it when that is over: mplcr-chain prune --socket tells");
	}
	if (disk_chain_check(p->m, disk, e) < 0)
		return -1;
	for (size_t i = 0; i < disk->n_chain; i++)
		if (add_image(p, &disk->chain[i], e) < 0)
			return -1;
	for (size_t i = 0; i + 1 < disk->n_chain; i++)
		if (link_image(p, &disk->chain[i], &disk->chain[i + 1], e) < 0)
			return -1;
	return 0;
}

/* Nothing that the manifest names is opened before all of it is allowed. */
static int add_disks(struct pack *p, struct err *e)
{
	for (size_t d = 0; d < p->m->n_disks; d++)
		for (size_t i = 0; i < p->m->disks[d].n_chain; i++)
			if (check_trusted(p, &p->m->disks[d], &p->m->disks[d].chain[i], e) < 0)
				return -1;
	if (manifest_check_images(p->m, e) < 0)
		return -1;
	for (size_t d = 0; d < p->m->n_disks; d++)
		if (add_disk(p, &p->m->disks[d], e) < 0)
			return -1;
	return 0;
}

int pack_collect(struct pack *p, struct err *e)
{
	p->dirfd = store_open(p->checkpoint, e);
	p->m = p->dirfd >= 0 ? manifest_load(p->checkpoint, e) : NULL;
	if (!p->m)
		return -1;
	trust_checkpoint(&p->trust, p->checkpoint, p->trust_paths);
	if (p->m->layout->is_elsewhere)
		return err_set(e, "the state of checkpoint '%s' was sent to '%s': it is in no file", p->checkpoint,
			       p->m->receiver);
	if (!layout_is_complete(p->m))
		return err_set(e, "the manifest of checkpoint '%s' lists no %s", p->checkpoint,
			       p->m->layout->missing(p->m, 0));
	if (manifest_check_files(p->m, p->m->checkpoint, false, e) < 0 || add_listed(p, e) < 0 ||
	    add_unlisted(p, e) < 0)
		return -1;
	return add_disks(p, e);
}

/* --- the manifest ------------------------------------------------------------------------------------------------ */

/* The sum of the first bytes of the image as it is in the pack. */
static int read_head(const struct pack *p, const struct pack_file *f, char hex[DIGEST_HEX], struct err *e)
{
	_cleanup_free_ char *head = memory_of(IDENTITY_HEADER_BYTES, 1);
	_cleanup_close_ int fd = pack_open(p, f, e);
	ssize_t n = fd < 0 ? -1 : fd_read_at(fd, head, IDENTITY_HEADER_BYTES, 0);

	if (fd < 0)
		return -1;
	if (n < 0)
		return err_sys(e, errno, "cannot read '%s'", f->from);
	image_patch_apply(&f->patch, head, (size_t)n, 0);
	digest_bytes(head, (size_t)n, hex);
	return 0;
}

/* An image in the manifest: where it is in the pack, and what it is there. Of this host nothing is told. */
static int edit_image(const struct pack *p, json_t *item, const struct manifest_image *image, struct err *e)
{
	const struct pack_file *f = file_of(p, image);
	struct identity id = { 0 };

	if (!f)
		return err_set(e, "'%s' went away", image->path);
	id.size = f->size;
	id.mtime_ns = f->mtime_ns;
	strcpy(id.content, f->xxh3);
	if (read_head(p, f, id.header, e) < 0)
		return -1;
	json_object_del(item, "relative");
	json_object_set_new(item, "inside", json_string(f->name));
	json_object_set_new(item, "identity", identity_to_json(&id));
	return image->data ? edit_image(p, json_object_get(item, "data_file"), image->data, e) : 0;
}

static int edit_manifest(const struct pack *p, json_t *json, struct err *e)
{
	for (size_t d = 0; d < p->m->n_disks; d++) {
		const struct manifest_disk *disk = &p->m->disks[d];
		json_t *chain = json_object_get(json_array_get(json_object_get(json, "disks"), d), "chain");

		for (size_t i = 0; i < disk->n_chain; i++)
			if (edit_image(p, json_array_get(chain, i), &disk->chain[i], e) < 0)
				return -1;
	}
	return 0;
}

/* What is not signed by us must not become so. */
static json_t *manifest_of(const struct pack *p)
{
	json_t *json = json_deep_copy(p->m->json);

	if (p->m->verdict != KEY_AUTHENTIC)
		json_object_del(json, "mac");
	return json;
}

int pack_finish(struct pack *p, struct err *e)
{
	_cleanup_json_ json_t *json = manifest_of(p);
	char *text = NULL;

	if (edit_manifest(p, json, e) < 0 || manifest_check_images(p->m, e) < 0)
		return -1;
	text = manifest_edit_text(json, e);
	if (!text)
		return -1;
	(void)array_add(p->files, p->n);
	memmove(p->files + 1, p->files, (p->n - 1) * sizeof(*p->files));
	p->files[0] = (struct pack_file){ .name = text_copy(MANIFEST_NAME), .text = text, .size = strlen(text) };
	digest_bytes(text, strlen(text), p->files[0].xxh3);
	return 0;
}

char *pack_name(const struct pack *p)
{
	const char *base = path_base(p->m->checkpoint);

	return checkpoint_is_named(base) ? text_copy(base) : text_of("%s" CHECKPOINT_SUFFIX, base);
}

/* --- the way ----------------------------------------------------------------------------------------------------- */

int pack_progress(struct pack *p, uint64_t bytes, struct err *e)
{
	struct pollfd signals = { .fd = p->interrupt, .events = POLLIN };

	p->done += bytes;
	cli_progress_line("packing: %d %%", (int)(p->done < p->bytes ? 100 * (double)p->done / (double)p->bytes : 100));
	return poll(&signals, 1, 0) > 0 ? interrupt_error(e) : 0;
}

int pack_damaged(const struct pack_file *f, const char *sum, struct err *e)
{
	return err_set(e, "'%s' is damaged: its sum is %s, and was %s", f->from ? f->from : f->name, sum, f->xxh3);
}

void pack_release(struct pack *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->files[i].name);
		free(p->files[i].from);
		free(p->files[i].text);
	}
	free(p->files);
	trust_release(&p->trust);
	in_use_release(&p->use);
	manifest_free(p->m);
	if (p->dirfd >= 0)
		close(p->dirfd);
}
