/* SPDX-License-Identifier: MIT */
/*
 * Whole backing chains in a set: each image and each external data file once, and in the headers of the copies the
 * names of copies, so that the copied set needs no file that is not in it. The sources are only read.
 */
#include "set/set.h"

#include <errno.h>
#include <string.h>

#include "image/backing_name.h"
#include "image/chain.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint/trust.h"
#include "base/json.h"
#include "qemu/overlay.h"
#include "qemu/qemu_img.h"

/* Writing a name into a header takes qemu-img milliseconds. */
#define QEMU_IMG_MS 60000

/* --- the chain -------------------------------------------------------------------------------------------------- */

/* Whether a json: name says no more than where a file is and of which format: then a plain name says the same. */
static bool is_plain(const json_t *options)
{
	static const char *const known[] = { "driver", "filename", "file", "file.driver", "file.filename", "backing" };
	const char *key;
	const json_t *value;

	json_object_foreach((json_t *)options, key, value) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			found |= strcmp(key, known[i]) == 0;
		if (!found || (json_is_object(value) && !is_plain(value)))
			return false;
	}
	return true;
}

static int check_name(const struct chain_image *image, struct err *e)
{
	_cleanup_json_ json_t *options = NULL;

	if (!image->json || strncmp(image->name, "json:", 5) != 0)
		return 0;
	options = json_loads(image->name + 5, 0, NULL);
	if (options && is_plain(options))
		return 0;
	err_set(e, "'%s' is named with options, which the copies cannot take along", image->name);
	return err_hint(e, "give its images a plain name first: qemu-img rebase -u");
}

/* What is known of image `i` of the chain, for the copy that will be of it. */
static int describe(struct set *s, const struct chain *chain, size_t i, const size_t *indexes, struct err *e)
{
	const struct chain_image *image = &chain->images[i];
	struct copy *c = &s->copies[indexes[i]];

	c->format = image_format_name(image->format);
	c->names_backing |= image->header.backing_name != NULL;
	if (image->data_path && set_add(s, image->data_path, &c->data, e) < 0)
		return -1;
	if (i + 1 == chain->n)
		return 0;
	c = &s->copies[indexes[i]]; /* set_add may have moved it */
	c->names_backing = true;
	c->below = indexes[i + 1];
	if (!c->below_format)
		c->below_format = text_copy(image_format_name(chain->images[i + 1].format));
	return check_name(&chain->images[i + 1], e);
}

int set_add_chain(struct set *s, const char *path, struct err *e)
{
	_cleanup_chain_ struct chain *chain = trust_chain_of(path, NULL, s->options->trust_paths, e);
	_cleanup_free_ size_t *indexes = NULL;

	if (!chain)
		return -1;
	if (chain_whole(chain, e) < 0)
		return err_hint(e, "without --chain each file is copied as it is");
	indexes = memory_of(chain->n, sizeof(*indexes));
	for (size_t i = 0; i < chain->n; i++)
		if (set_add(s, chain->images[i].path, &indexes[i], e) < 0)
			return -1;
	for (size_t i = 0; i < chain->n; i++)
		if (describe(s, chain, i, indexes, e) < 0)
			return -1;
	return 0;
}

/* --- the headers of the copies ---------------------------------------------------------------------------------- */

/*
 * What the header of the copy names the other copy; malloc'd, or NULL. (QEMU resolves a relative name of a data file
 * against its own working directory: those are absolute.)
 */
static char *name_of(const struct set *s, const struct copy *c, const struct copy *other, bool absolute, struct err *e)
{
	_cleanup_free_ char *image = set_final_path(s, c), *there = set_final_path(s, other), *name = NULL;

	if (!image || !there) {
		err_sys(e, errno, "cannot find the directory of '%s'", c->path);
		return NULL;
	}
	name = backing_name(image, there, absolute);
	if (strlen(name) <= OVERLAY_BACKING_MAX)
		return steal_ptr(name);
	err_set(e, "'%s': its name is longer than the %d bytes that qcow2 has for it", name, OVERLAY_BACKING_MAX);
	return NULL;
}

static int rewrite_data_file(const struct set *s, const struct copy *c, const struct qemu_img_header *h, struct err *e)
{
	_cleanup_free_ char *name = name_of(s, c, &s->copies[c->data], true, e);

	return name ? qemu_img_set_data(h, name, e) : -1;
}

static int rewrite_backing_file(const struct set *s, const struct copy *c, const struct qemu_img_header *h,
				struct err *e)
{
	_cleanup_free_ char *name = NULL;

	if (c->below == SET_NONE)
		return qemu_img_set_backing(h, NULL, NULL, e);
	name = name_of(s, c, &s->copies[c->below], false, e);
	return name ? qemu_img_set_backing(h, name, c->below_format, e) : -1;
}

/* While the copy is being made, its data file is the copy of that, and not the one that its header may still name. */
static int rewrite(const struct set *s, const struct copy *c, struct err *e)
{
	const struct qemu_img_header h = {
		.path = c->partial,
		.format = c->format,
		.data = c->data == SET_NONE ? NULL : s->copies[c->data].partial,
		.deadline = clock_in_ms(QEMU_IMG_MS),
		.interrupt = s->interrupt,
	};

	if (c->data != SET_NONE && rewrite_data_file(s, c, &h, e) < 0)
		return -1;
	return c->names_backing ? rewrite_backing_file(s, c, &h, e) : 0;
}

int set_rewrite(struct set *s, struct err *e)
{
	for (size_t i = 0; s->options->chain && i < s->n; i++)
		if (rewrite(s, &s->copies[i], e) < 0)
			return err_prefix(e, "cannot write names into the copy of '%s'", s->copies[i].source);
	return 0;
}
