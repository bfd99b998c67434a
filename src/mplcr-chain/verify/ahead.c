/* SPDX-License-Identifier: MIT */
/* verify.h: images that the VM went on from, and no finished checkpoint says so. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "checkpoint/names.h"
#include "checkpoint/unfinished/unfinished.h"
#include "image/has_data.h"
#include "qemu/image_path.h"
#include "verify/verify.h"

/* A journal is only believed in that it can warn: whoever wrote it, no file is opened that may not be. */
static void check_disk(struct verify *v, const struct unfinished *u, const struct unfinished_disk *d,
		       const struct chain_image *top, struct trust *trust)
{
	if (!image_same(d->frozen, top->path) || !d->claimed || !trust_allows(trust, d->overlay) ||
	    !image_has_data(d->overlay))
		return;
	findings_add(&v->findings, W_OVERLAY_AHEAD, top->path,
		     "disk '%s' went on with '%s', which holds data; '%s' was not finished: start the VM with the overlay, "
		     "or see mplcr-trigger recover",
		     d->device, d->overlay, u->partial);
}

static void check_unfinished(struct verify *v, const char *partial, const struct chain_image *top, struct trust *trust)
{
	_cleanup_close_ int fd = open(partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct unfinished u = { 0 };
	struct err ignored;

	if (fd >= 0 && unfinished_read_any(&u, fd, partial, &ignored) == 1)
		for (size_t i = 0; i < u.n_disks; i++)
			check_disk(v, &u, &u.disks[i], top, trust);
	unfinished_release(&u);
}

void verify_not_behind(struct verify *v, const struct chain_image *top, struct trust *trust)
{
	_cleanup_free_ char *real = path_real(top->path), *in = real ? path_dir(real) : NULL;
	DIR *dir = in ? opendir(in) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		_cleanup_free_ char *partial = path_join(in, entry->d_name);

		if (checkpoint_is_partial(partial))
			check_unfinished(v, partial, top, trust);
	}
	if (dir)
		closedir(dir);
}
