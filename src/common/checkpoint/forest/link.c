/* SPDX-License-Identifier: MIT */
#include "checkpoint/forest/impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "image/name.h"

/* The deepest nesting of "backing" objects that a json: name is followed into. */
#define MAX_NESTING 64

/* The first fault is the one that is told. */
static void __attribute__((format(printf, 2, 3))) fault(struct forest_image *image, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (image->fault)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	image->fault = text_copy(text);
}

static void append(size_t **list, size_t *n, size_t i)
{
	for (size_t k = 0; k < *n; k++)
		if ((*list)[k] == i)
			return;
	*array_add(*list, *n) = i;
}

/*
 * The file that image `i` calls `name`. What QEMU takes relative to its own working directory is looked for in ours,
 * and else beside the image, where that VM most likely runs. Malloc'd.
 */
static char *path_from(const struct forest *f, size_t i, const char *name, bool from_cwd)
{
	_cleanup_free_ char *dir = from_cwd && access(name, F_OK) == 0 ? text_of(".") : path_dir(f->images[i].path);

	return path_join(dir, name);
}

/* Whether that name of a format ("raw", NULL: not recorded) makes the file raw, whatever is in it. */
static bool says_raw(const char *format)
{
	return format && strcmp(format, "raw") == 0;
}

/*
 * The image that image `i` calls by that name (of a local file), added where it is not there yet; `what` is said of it
 * in a fault of image `i`. Returns its index or FOREST_NONE.
 */
static size_t needed_image(struct forest_builder *b, size_t i, const char *what, const struct image_name *name,
			   const char *format)
{
	struct forest *f = b->forest;
	_cleanup_free_ char *path = path_from(f, i, name->path, name->from_cwd), *real = NULL;
	struct stat st;
	size_t there;

	if (stat(path, &st) < 0) {
		fault(&f->images[i], "its %s '%s' %s%s", what, name->path,
		      errno == ENOENT ? "is missing" : "cannot be reached: ", errno == ENOENT ? "" : strerror(errno));
		return FOREST_NONE;
	}
	if (!S_ISREG(st.st_mode)) {
		fault(&f->images[i], "its %s '%s' is not a regular file", what, name->path);
		return FOREST_NONE;
	}
	there = forest_at(f, st.st_dev, st.st_ino);
	if (there == FOREST_NONE && (real = path_real(path)) != NULL)
		there = forest_add(b, real, &st, says_raw(format) ? FOREST_AS_RAW : FOREST_BY_NEED);
	return there;
}

/* --- images that are opened as raw ------------------------------------------------------------------------------- */

/*
 * A guest may write what it likes into its raw disk, a header that names other files included. Where an image says that
 * the one below is raw, that is not read as a header: known before any name is followed.
 */
static void find_raw(struct forest *f)
{
	for (size_t i = 0; i < f->n_images; i++) {
		_cleanup_free_ char *path = NULL;
		struct image_name name;
		struct stat st;
		size_t below;

		if (!f->images[i].below_name)
			continue;
		image_name_parse(&name, f->images[i].below_name);
		if (name.path && says_raw(name.driver ? name.driver : f->images[i].below_format)) {
			path = path_from(f, i, name.path, name.from_cwd);
			below = stat(path, &st) == 0 ? forest_at(f, st.st_dev, st.st_ino) : FOREST_NONE;
			if (below != FOREST_NONE && below != i)
				forest_make_raw(&f->images[below]);
		}
		image_name_release(&name);
	}
}

/* --- what an image names ----------------------------------------------------------------------------------------- */

static void need_also(struct forest_builder *b, size_t i, const char *what, const struct image_name *name,
		      const char *format)
{
	size_t other = needed_image(b, i, what, name, format);
	struct forest_image *image = &b->forest->images[i];

	if (other != FOREST_NONE && other != i)
		append(&image->also, &image->n_also, other);
}

/* An external data file. QEMU takes its name relative to its own working directory. */
static void need_data(struct forest_builder *b, size_t i, const char *written)
{
	struct image_name name;

	image_name_parse(&name, written);
	name.from_cwd = true;
	if (name.path)
		need_also(b, i, "data file", &name, "raw");
	image_name_release(&name);
}

/* The files that a json: name speaks of besides the backing file itself. */
static void need_nested(struct forest_builder *b, size_t i, const struct image_name *name, unsigned nesting)
{
	struct image_name inner;

	if (name->data_file)
		need_data(b, i, name->data_file);
	if (!json_is_object(name->backing) || nesting == MAX_NESTING)
		return;
	image_name_of_options(&inner, name->backing);
	if (inner.path)
		need_also(b, i, "backing file", &inner, inner.driver);
	need_nested(b, i, &inner, nesting + 1);
	image_name_release(&inner);
}

static void check_format(struct forest *f, size_t i, const char *format)
{
	const struct forest_image *below = &f->images[f->images[i].below];
	const char *found = image_format_name(below->format);

	if (format && !below->fault && strcmp(format, found) != 0)
		fault(&f->images[i], "its backing file '%s' is %s, not %s as it says", f->images[i].below_name, found,
		      format);
}

static void link_below(struct forest_builder *b, size_t i)
{
	struct forest *f = b->forest;
	struct image_name name;
	const char *format;

	if (!f->images[i].below_name)
		return;
	image_name_parse(&name, f->images[i].below_name);
	format = name.driver ? name.driver : f->images[i].below_format;
	if (name.fault[0])
		fault(&f->images[i], "the name of its backing file cannot be used: %s", name.fault);
	if (name.path) {
		size_t below = needed_image(b, i, "backing file", &name, format);

		f->images[i].below = below; /* not before: the array may have moved */
		if (below != FOREST_NONE)
			check_format(f, i, format);
	}
	need_nested(b, i, &name, 0);
	image_name_release(&name);
}

/* --- what an image may name -------------------------------------------------------------------------------------- */

/*
 * Image `i` may need the file at `path`, if that is in the forest or below the directories: nothing else is opened for
 * what may be the words of a guest.
 */
static void may_need_file(struct forest_builder *b, size_t i, const char *path)
{
	_cleanup_free_ char *real = path_real(path);
	struct forest *f = b->forest;
	struct stat st;
	size_t there;

	if (!real || stat(real, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	there = forest_at(f, st.st_dev, st.st_ino);
	if (there == FOREST_NONE && forest_is_inside(b, real))
		there = forest_add(b, real, &st, FOREST_BY_NEED);
	if (there != FOREST_NONE && there != i && there != f->images[i].below)
		append(&f->images[i].also, &f->images[i].n_also, there);
}

/* The same for the file that the image calls so: from wherever QEMU may be started, where that matters. */
static void may_need(struct forest_builder *b, size_t i, const char *called, bool from_cwd)
{
	_cleanup_free_ char *dir = path_dir(b->forest->images[i].path), *beside = path_join(dir, called);

	may_need_file(b, i, beside);
	if (from_cwd)
		may_need_file(b, i, called);
}

static void may_need_named(struct forest_builder *b, size_t i, const struct image_name *name, unsigned nesting)
{
	struct image_name inner;

	if (name->path)
		may_need(b, i, name->path, name->from_cwd);
	if (name->data_file)
		may_need(b, i, name->data_file, true);
	if (!json_is_object(name->backing) || nesting == MAX_NESTING)
		return;
	image_name_of_options(&inner, name->backing);
	may_need_named(b, i, &inner, nesting + 1);
	image_name_release(&inner);
}

/* Drivers that are stacked on a file do not make it another one. */
static void may_need_lowest(struct forest_builder *b, size_t i, const char *written)
{
	_cleanup_free_ char *lowest = image_name_is_json(written) ? image_name_lowest_file(written) : NULL;

	if (lowest)
		may_need(b, i, lowest, true);
}

static void may_need_written(struct forest_builder *b, size_t i, const char *written, bool from_cwd)
{
	struct image_name name;

	if (!written)
		return;
	image_name_parse(&name, written);
	name.from_cwd |= from_cwd;
	may_need_named(b, i, &name, 0);
	if (name.fault[0])
		may_need_lowest(b, i, written);
	image_name_release(&name);
}

/*
 * For who needs what, both readings of an image count: the one that is recorded and the one that is found. A name that
 * QEMU resolves against its own working directory may mean either place, too.
 */
static void link_found(struct forest_builder *b, size_t i)
{
	_cleanup_free_ char *below = text_copy(b->forest->images[i].found_below); /* the array may move */
	_cleanup_free_ char *data = text_copy(b->forest->images[i].found_data);
	_cleanup_free_ char *own = text_copy(b->forest->images[i].below_name);
	_cleanup_free_ char *own_data = text_copy(b->forest->images[i].data_file);

	may_need_written(b, i, below, false);
	may_need_written(b, i, data, true);
	if (own && strchr(own, ':'))
		may_need_written(b, i, own, false);
	may_need_written(b, i, own_data, true);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------- */

/* Adds one image of a checkpoint. Returns what is wrong with it, or NULL. */
static const char *add_frozen(struct forest_builder *b, struct forest_checkpoint *c, const struct manifest_image *image)
{
	_cleanup_free_ char *real = path_real(image->path);
	const struct forest_image *added;
	struct stat st;
	size_t i;

	if (!real || stat(real, &st) < 0)
		return "is missing";
	if (!S_ISREG(st.st_mode))
		return "is not a regular file";
	i = forest_add(b, real, &st, says_raw(image->format) ? FOREST_AS_RAW : FOREST_BY_NEED);
	append(&c->images, &c->n_images, i);
	added = &b->forest->images[i];
	if (image->merging || (added->size == image->id.size && added->mtime_ns == image->id.mtime_ns))
		return NULL;
	return "was changed since";
}

static void add_frozen_images(struct forest_builder *b, struct forest_checkpoint *c)
{
	for (size_t d = 0; c->m && d < c->m->n_disks; d++) {
		const struct manifest_disk *disk = &c->m->disks[d];

		for (size_t k = 0; k < disk->n_chain; k++) {
			const char *why = add_frozen(b, c, &disk->chain[k]);

			if (why && !c->fault)
				c->fault = text_of("its image '%s' %s", disk->chain[k].path, why);
		}
	}
}

/* A checkpoint needs whatever else its images need. */
static void add_also(struct forest *f, struct forest_checkpoint *c)
{
	size_t chain = c->n_images;

	for (size_t k = 0; k < chain; k++) {
		const struct forest_image *image = &f->images[c->images[k]];

		for (size_t a = 0; a < image->n_also; a++)
			append(&c->images, &c->n_images, image->also[a]);
	}
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

/* Follows each image down to the base; who comes back to an image of the same way closes a cycle, which is cut there.
 */
static void cut_cycles(struct forest *f)
{
	_cleanup_free_ size_t *seen = memory_of(f->n_images, sizeof(*seen)); /* on which way, from 1 */

	for (size_t i = 0; i < f->n_images; i++) {
		size_t at = i;

		while (at != FOREST_NONE && !seen[at]) {
			size_t below = f->images[at].below;

			seen[at] = i + 1;
			if (below != FOREST_NONE && seen[below] == i + 1) {
				fault(&f->images[at], "its backing file '%s' leads back to it: a cycle",
				      f->images[at].below_name);
				f->images[at].below = FOREST_NONE;
				if (below != at) /* it is needed all the same */
					append(&f->images[at].also, &f->images[at].n_also, below);
			}
			at = below;
		}
	}
}

static void count_above(struct forest *f)
{
	for (size_t i = 0; i < f->n_images; i++) {
		const struct forest_image *image = &f->images[i];

		if (image->below != FOREST_NONE)
			f->images[image->below].n_above++;
		for (size_t a = 0; a < image->n_also; a++)
			f->images[image->also[a]].n_above++;
	}
}

void forest_link(struct forest_builder *b)
{
	struct forest *f = b->forest;

	for (size_t c = 0; c < f->n_checkpoints; c++)
		add_frozen_images(b, &f->checkpoints[c]);
	forest_read_claims(b);
	find_raw(f);
	for (size_t i = 0; i < f->n_images; i++) { /* which may become more meanwhile */
		link_below(b, i);
		if (f->images[i].data_file)
			need_data(b, i, f->images[i].data_file);
	}
	for (size_t i = 0; i < f->n_images; i++)
		link_found(b, i);
	for (size_t c = 0; c < f->n_checkpoints; c++)
		add_also(f, &f->checkpoints[c]);
	cut_cycles(f);
	count_above(f);
	forest_count_claims(f);
}
