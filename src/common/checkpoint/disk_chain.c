/* SPDX-License-Identifier: MIT */
#include "checkpoint/disk_chain.h"

#include <string.h>

#include "base/cleanup.h"
#include "qemu/image_path.h"

bool disk_image_is(const struct chain_image *found, const struct manifest_image *listed)
{
	return found->path && (strcmp(found->path, listed->path) == 0 || image_same(found->path, listed->path));
}

bool disk_image_was(const struct chain_image *found, const struct manifest_image *listed)
{
	return listed->moved && found->path && strcmp(found->path, listed->recorded) == 0;
}

static bool open_none(void *ctx, const char *path, bool is_link)
{
	(void)ctx;
	(void)path;
	(void)is_link;
	return false;
}

struct chain *disk_image_read(const struct manifest_image *image)
{
	const struct chain_options options = { .format = image->format, .max_depth = 2, .may_open = open_none };

	return chain_read_with(image->path, &options);
}

static int differs(const struct manifest *m, const struct manifest_image *image, const char *found, const char *listed,
		   struct err *e)
{
	err_set(e, "image '%s' names '%s', and named '%s' when checkpoint '%s' was made", image->path, found, listed,
		m->name);
	return err_hint(e, "mplcr-chain verify tells more (E-CHAIN-DIFFERS)");
}

static int check_data(const struct manifest *m, const struct manifest_image *image, const struct chain_image *read,
		      struct err *e)
{
	const char *found = read->data_path ? read->data_path : read->data_name;
	const struct manifest_image *listed = image->data;

	if (!found && !listed)
		return 0;
	if (found && listed && read->data_path &&
	    (strcmp(found, listed->path) == 0 || image_same(found, listed->path) ||
	     (listed->moved && strcmp(found, listed->recorded) == 0)))
		return 0;
	return differs(m, image, found ? found : "no data file", listed ? listed->path : "no data file", e);
}

/* A header that names no format leaves it to the content. */
static int check_format(const struct manifest *m, const struct manifest_image *image, const struct chain_image *found,
			const struct manifest_image *listed, struct err *e)
{
	if (!found->recorded_format || strcmp(found->recorded_format, listed->format) == 0)
		return 0;
	err_set(e, "image '%s' says that '%s' is %s, and it was %s when checkpoint '%s' was made", image->path,
		listed->path, found->recorded_format, listed->format, m->name);
	return err_hint(e, "mplcr-chain verify tells more (E-CHAIN-DIFFERS)");
}

static int check_image(const struct manifest *m, const struct manifest_disk *disk, size_t i, struct err *e)
{
	const struct manifest_image *image = &disk->chain[i], *listed = i + 1 < disk->n_chain ? image + 1 : NULL;
	_cleanup_chain_ struct chain *c = disk_image_read(image);
	const struct chain_image *found = c->n > 1 ? &c->images[1] : NULL;

	if (check_data(m, image, &c->images[0], e) < 0)
		return -1;
	if (!found && !listed)
		return 0;
	if (found && listed && (disk_image_is(found, listed) || disk_image_was(found, listed)))
		return check_format(m, image, found, listed, e);
	return differs(m, image, found ? found->name : "no backing file", listed ? listed->path : "no backing file", e);
}

int disk_chain_check(const struct manifest *m, const struct manifest_disk *disk, struct err *e)
{
	for (size_t i = 0; i < disk->n_chain; i++)
		if (check_image(m, disk, i, e) < 0)
			return -1;
	return 0;
}
