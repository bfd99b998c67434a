/* SPDX-License-Identifier: MIT */
#include "recover/recover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "changes.h"
#include "checkpoint/forest/forest.h"
#include "image/header/header.h"
#include "image/has_data.h"
#include "image/in_use.h"

static bool is_image(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct image_header h;
	struct err ignored;
	bool is = fd >= 0 && image_header_read(fd, &h, &ignored) == 0;

	if (!is)
		return false;
	is = h.format == IMAGE_QCOW2 && !h.fault[0];
	image_header_release(&h);
	return is;
}

/* An overlay is durable before the VM is given it, or when the guest makes durable what it wrote: it was not yet. */
static bool is_half_made(const struct unfinished *u, const struct unfinished_disk *d)
{
	return !u->this_boot && !is_image(d->overlay);
}

/* Whether the guest may have written to it. Of times a power cut may lose the last. */
static bool is_written(const struct unfinished *u, const struct unfinished_disk *d)
{
	struct stat st;

	if (stat(d->overlay, &st) < 0 || is_half_made(u, d))
		return false;
	return (u->this_boot && d->made_ns && clock_ns_of(st.st_mtim) != d->made_ns) || image_has_data(d->overlay);
}

/* All overlays were put on at one instant: where one was written to, the VM goes on with all of them. */
static bool any_written(const struct unfinished *u)
{
	for (size_t i = 0; i < u->n_disks; i++)
		if (unfinished_has_overlay(&u->disks[i]) && is_written(u, &u->disks[i]))
			return true;
	return false;
}

/* What has the overlay as its backing file, as a clause; malloc'd, or NULL. */
static char *needed_by(const struct unfinished_disk *d)
{
	_cleanup_free_ char *dir = path_dir(d->overlay);
	struct err ignored;
	struct forest *f = forest_read(&dir, 1, false, &ignored);
	size_t i = f ? forest_find(f, d->overlay) : FOREST_NONE;
	char *text = i == FOREST_NONE ? NULL : forest_needed_by(f, i, NULL, NULL);

	forest_free(f);
	return text;
}

/* Adds what the VM goes on with. */
static void add_active(struct recover *r, const struct unfinished_disk *d)
{
	struct in_use use = { 0 };
	enum image_use how = in_use_path(&use, d->overlay);
	_cleanup_free_ char *next = NULL, *who = NULL, *above = needed_by(d);
	struct finding *f;

	if (how == IMAGE_WRITTEN)
		who = in_use_words_path(&use, d->overlay, how);
	else if (!above)
		next = text_of("start the VM with -drive file=%s,format=qcow2 in place of file=%s,format=%s", d->overlay,
			       d->frozen, d->format);
	if (above)
		f = finding_add(r, "kept", d->overlay, next, "%s, over '%s' of disk '%s'", above, d->frozen, d->device);
	else
		f = finding_add(r, "active", d->overlay, next,
				"disk '%s' goes on with it%s%s: it holds what the guest wrote since; who starts from '%s' loses "
				"that",
				d->device, who ? ", and " : "", who ? who : "", d->frozen);
	f->device = text_copy(d->device);
	f->frozen = text_copy(d->frozen);
	in_use_release(&use);
}

/* Somebody writes to the frozen image: two histories of one disk. */
static void find_fork(struct recover *r, const struct unfinished_disk *d)
{
	struct in_use use = { 0 };
	enum image_use how = in_use_path(&use, d->frozen);

	if (how == IMAGE_WRITTEN) {
		_cleanup_free_ char *who = in_use_words_path(&use, d->frozen, how);
		struct finding *f = finding_add(r, "forked", d->frozen, "end that VM, and start it with the overlay",
						"%s, although disk '%s' went on with '%s'", who, d->device, d->overlay);

		f->outcome = LEFT;
		f->device = text_copy(d->device);
		f->frozen = text_copy(d->frozen);
	}
	in_use_release(&use);
}

bool name_active(struct recover *r, const struct unfinished *u)
{
	if (!any_written(u))
		return false;
	for (size_t i = 0; i < u->n_disks; i++) {
		const struct unfinished_disk *d = &u->disks[i];

		if (!unfinished_has_overlay(d))
			continue;
		add_active(r, d);
		find_fork(r, d);
	}
	return true;
}

/* To be removed where it is still so. */
static void add_unwritten(struct changes *c, const struct unfinished *u, const struct unfinished_disk *d)
{
	struct changed_overlay *o = changes_add_overlay(c, d->overlay, "", "", d->frozen);
	struct stat st;

	o->half_made = is_half_made(u, d);
	o->made_ns = stat(d->overlay, &st) == 0 ? clock_ns_of(st.st_mtim) : d->made_ns;
}

/* Overlays that nobody wrote to. */
static void find_orphans(struct recover *r, const struct unfinished *u, struct changes *c)
{
	for (size_t i = 0; i < u->n_disks; i++) {
		const struct unfinished_disk *d = &u->disks[i];
		_cleanup_free_ char *above = NULL;
		struct finding *f;

		if (!unfinished_has_overlay(d))
			continue;
		above = needed_by(d);
		if (above) {
			finding_add(r, "kept", d->overlay, NULL, "%s: it stays", above);
			continue;
		}
		add_unwritten(c, u, d);
		f = finding_add(r, "orphan", d->overlay, "remove it",
				"nothing was written to it: disk '%s' goes on with '%s'", d->device, d->frozen);
		f->device = text_copy(d->device);
		f->frozen = text_copy(d->frozen);
	}
}

void recover_gone(struct recover *r, const struct unfinished *u)
{
	struct changes *c = memory_of(1, sizeof(*c));
	size_t from = r->n;
	struct err e;

	c->was_running = u->was_running;
	snprintf(c->partial, sizeof(c->partial), "%s", u->partial);
	if (!name_active(r, u))
		find_orphans(r, u, c);
	finding_add(r, "partial", u->partial, "remove it", "half a checkpoint of %s, engine %s; its VM is gone", u->created,
		    u->engine);
	if (r->yes)
		found_end_with(r, from, changes_leave(c, &e), &e);
	free(c);
}
