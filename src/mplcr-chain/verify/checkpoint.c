/* SPDX-License-Identifier: MIT */
/* verify.h: a checkpoint: its files, its images, and whether they belong together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "checkpoint/disk_chain.h"
#include "checkpoint/check.h"
#include "checkpoint/merging.h"
#include "image/identity.h"
#include "qemu/image_path.h"
#include "verify/verify.h"

struct checkpoint {
	struct verify *v;
	const struct manifest *m;
	struct trust *trust;
};

/* --- its disks -------------------------------------------------------------------------------------------------- */

static void check_identity(const struct checkpoint *c, const struct manifest_disk *disk,
			   const struct manifest_image *image)
{
	const char *difference;
	struct err e;

	if (image->data && trust_allows(c->trust, image->data->path))
		check_identity(c, disk, image->data);
	if (merging_check(image, &difference, &e) < 0)
		return; /* the chain tells */
	if (difference)
		findings_add(&c->v->findings, E_BACKING_CHANGED, image->path,
			     "it was changed since checkpoint '%s' froze it for disk '%s': %s", c->m->name,
			     disk->device, difference);
}

/* How many images of the chain are those of the manifest from `from` on. */
static size_t count_listed(const struct chain *chain, const struct manifest_disk *disk, size_t from)
{
	size_t n = 1;

	while (n < chain->n && from + n < disk->n_chain && chain->images[n].state != CHAIN_REFUSED &&
	       chain->images[n].state != CHAIN_TOO_DEEP && disk_image_is(&chain->images[n], &disk->chain[from + n]))
		n++;
	return n;
}

/* Says how the chain goes on otherwise than the manifest, after `n` images of it. */
static void find_difference(const struct checkpoint *c, const struct chain *chain, size_t n,
			    const struct manifest_disk *disk, size_t next)
{
	const struct chain_image *found = n < chain->n ? &chain->images[n] : NULL;
	const struct manifest_image *listed = next < disk->n_chain ? &disk->chain[next] : NULL;
	const char *above = chain->images[n - 1].path;
	struct findings *f = &c->v->findings;

	if (found && listed && disk_image_is(found, listed))
		return; /* the same, which may not be opened: that is said of it by itself */
	if (found && listed && disk_image_was(found, listed))
		findings_add(f, N_MOVED, above, "it names its backing file where that was, '%s': it is '%s' now",
			     found->path, listed->path);
	else
		findings_add(f, E_CHAIN_DIFFERS, above,
			     "its backing file is '%s', and was '%s' when checkpoint '%s' was made",
			     found ? found->name : "nothing", listed ? listed->path : "nothing", c->m->name);
}

static void check_size(const struct checkpoint *c, const struct manifest_disk *disk, const struct chain_image *frozen)
{
	uint64_t size = verify_disk_size(frozen);

	if (frozen->state == CHAIN_OK && size && size != disk->virtual_size)
		findings_add(&c->v->findings, E_DISK_SIZE, frozen->path,
			     "it is a disk of %llu bytes, and disk '%s' had %llu when the checkpoint was made",
			     (unsigned long long)size, disk->device, (unsigned long long)disk->virtual_size);
}

/* Whether the headers lead where the manifest does, after `n` images from `from` on; or were not asked further. */
static bool goes_on(const struct chain *chain, size_t n, const struct manifest_disk *disk, size_t from)
{
	const struct chain_image *last = &chain->images[n - 1];

	if (n < chain->n)
		return chain->images[n].state == CHAIN_TOO_DEEP;
	return from + n == disk->n_chain || last->state != CHAIN_OK || last->header.fault[0];
}

/* A restore names external data files by where they are now, whatever the headers say. */
static void follow_moved_data(const struct checkpoint *c, struct chain_image *image,
			      const struct manifest_image *listed)
{
	const struct manifest_image *data = listed->data;

	if (!data || !data->moved || !image->data_path || strcmp(image->data_path, data->recorded) != 0)
		return;
	findings_add(&c->v->findings, N_MOVED, image->path,
		     "it names its data file where that was, '%s': it is '%s' now", data->recorded, data->path);
	free(image->data_path);
	image->data_path = text_copy(data->path);
}

/* What a VM merges, it may write to: what is read from the frozen image stays the same. */
static void allow_merging(const struct checkpoint *c, struct chain_image *image, const struct manifest_image *listed)
{
	image->may_change = listed->merging;
	if (listed->merging)
		findings_add(&c->v->findings, N_MERGING, image->path,
			     "a running VM merges layers into it, or was to: it is known by its number alone");
}

/* A packed image is what it was by its content: of the times of copies nothing follows. */
static void forget_copied(struct chain_image *image, const struct manifest_image *listed)
{
	if (listed->inside.name)
		image->mtime_ns = listed->id.mtime_ns;
}

/*
 * Looks at the images of a disk from `from` on, as far as the headers lead along the manifest's list. Returns how many
 * these were. (What a header names otherwise is not looked at: a restore takes the manifest's names.) Behind a place
 * where the two differ each step is looked at by itself, or a manifest could make that very long.
 */
static size_t check_part(const struct checkpoint *c, const struct manifest_disk *disk, size_t from)
{
	const struct manifest_image *first = &disk->chain[from];
	struct chain *chain =
		verify_read(c->v, first->path, first->format, from ? 2 : disk->n_chain + 1, disk, c->trust);
	size_t n = count_listed(chain, disk, from);

	if (!goes_on(chain, n, disk, from))
		find_difference(c, chain, n, disk, from + n);
	chain_truncate(chain, n);
	for (size_t i = 0; i < n; i++) {
		follow_moved_data(c, &chain->images[i], &disk->chain[from + i]);
		allow_merging(c, &chain->images[i], &disk->chain[from + i]);
		forget_copied(&chain->images[i], &disk->chain[from + i]);
	}
	verify_chain(c->v, chain, c->trust, false);
	for (size_t i = 0; i < n; i++)
		check_identity(c, disk, &disk->chain[from + i]);
	if (from == 0 && !disk->read_only)
		verify_not_written(c->v, &chain->images[0], NULL);
	if (from == 0)
		check_size(c, disk, &chain->images[0]);
	return n;
}

static void check_disk(const struct checkpoint *c, const struct manifest_disk *disk)
{
	struct findings *f = &c->v->findings;
	size_t i = 0;

	if (!disk->read_only && disk->active && image_same(disk->active, disk->chain[0].path))
		findings_add(f, E_FROZEN_ACTIVE, disk->chain[0].path,
			     "the VM went on writing to it as disk '%s': it is not what it was at the checkpoint",
			     disk->device);
	while (i < disk->n_chain) {
		if (trust_allows(c->trust, disk->chain[i].path)) {
			i += check_part(c, disk, i);
			continue;
		}
		findings_add(f, E_UNTRUSTED_PATH, disk->chain[i].path,
			     "an image of disk '%s' does not lie below '%s': it was not opened", disk->device,
			     c->trust->tree);
		i++;
	}
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

void verify_checkpoint(struct verify *v, const char *dir)
{
	struct checkpoint c = { .v = v };
	struct manifest *m;
	struct trust trust;
	struct err e;

	if (checkpoint_is_partial(dir)) {
		findings_add(&v->findings, E_PARTIAL, dir,
			     "it is a checkpoint that was not finished, and cannot be used");
		return;
	}
	m = manifest_load(dir, &e);
	if (!m) {
		findings_add(&v->findings, E_CHECKPOINT, dir, "%s", e.text);
		return;
	}
	*array_add(v->manifests, v->n_manifests) = m;
	trust_checkpoint(&trust, dir, v->options.trust_paths);
	c.m = m;
	c.trust = &trust;
	check_listed(&v->findings, m);
	check_files(&v->findings, m, v->options.sums);
	for (size_t i = 0; i < m->n_disks; i++)
		check_disk(&c, &m->disks[i]);
	trust_release(&trust);
}
