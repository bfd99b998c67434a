/* SPDX-License-Identifier: MIT */
/* The fresh overlays of a run, and what their headers say of the images under them. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"
#include "checkpoint/claim.h"
#include "checkpoint/merging.h"
#include "qemu/overlay.h"
#include "restore.h"

/*
 * Headers name backing files, and data files, by where they were when they were written. Where images behind the
 * frozen one have moved, those names lead nowhere, and the overlay has to say for the whole chain where it is now.
 */
static bool has_stale_names(const struct manifest_disk *disk)
{
	for (size_t i = 0; i < disk->n_chain; i++)
		if ((i > 0 && disk->chain[i].moved) || (disk->chain[i].data && disk->chain[i].data->moved))
			return true;
	return false;
}

static json_t *describe_chain(const struct manifest_disk *disk)
{
	json_t *node = NULL;

	for (size_t i = disk->n_chain; i > 0; i--) {
		const struct manifest_image *image = &disk->chain[i - 1];
		json_t *above = json_of("{s:s, s:{s:s, s:s}}", "driver", image->format, "file", "driver", "file",
					"filename", image->path);

		if (image->data)
			json_object_set_new(above, "data-file",
					    json_of("{s:s, s:s}", "driver", "file", "filename", image->data->path));
		if (node)
			json_object_set_new(above, "backing", node);
		node = above;
	}
	return node;
}

/*
 * While a VM merges layers (checkpoint/merging.h), its locks would keep another from opening them, though what is read
 * through the frozen image stays the same. The images below take that option over.
 */
static json_t *describe_shared(const struct manifest_disk *disk)
{
	json_t *node = has_stale_names(disk)
			       ? describe_chain(disk)
			       : json_of("{s:s, s:{s:s, s:s}}", "driver", disk->chain[0].format, "file", "driver", "file",
					 "filename", disk->chain[0].path);

	json_object_set_new(node, "force-share", json_true());
	return node;
}

/* What the overlay of `disk` names as its backing file; malloc'd, or NULL. */
static char *backing_of(const struct manifest_disk *disk, struct err *e)
{
	_cleanup_json_ json_t *chain = NULL;
	_cleanup_free_ char *text = NULL, *name = NULL;

	if (has_stale_names(disk) || merging_disk(disk)) {
		chain = merging_disk(disk) ? describe_shared(disk) : describe_chain(disk);
		text = json_dumps(chain, JSON_COMPACT);
		name = text_of("json:%s", text);
	} else {
		name = text_of("%s", disk->chain[0].path);
	}
	if (strlen(name) <= OVERLAY_BACKING_MAX)
		return steal_ptr(name);
	err_set(e, "disk '%s': the name of its backing file is longer than the %d bytes that qcow2 has for it",
		disk->device, OVERLAY_BACKING_MAX);
	if (chain)
		err_hint(e, "its images were moved, and each must be named: move them back to where '%s' was, or "
			    "make a symbolic link there", disk->chain[disk->n_chain - 1].recorded);
	return NULL;
}

struct overlay *run_overlays(const struct plan *p, size_t *n, struct err *e)
{
	struct overlay *list = memory_of(p->m->n_disks, sizeof(*list));

	*n = 0;
	for (size_t i = 0; i < p->m->n_disks; i++) {
		const struct manifest_disk *disk = &p->m->disks[i];
		char *backing;

		if (!p->overlays[i] || !p->c.used[i])
			continue;
		backing = backing_of(disk, e);
		if (!backing) {
			run_overlays_free(list, *n);
			return NULL;
		}
		list[(*n)++] = (struct overlay){ p->overlays[i], backing, disk->chain[0].format, disk->virtual_size };
	}
	return list;
}

void run_overlays_free(struct overlay *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((char *)list[i].backing);
	free(list);
}

/* --- in memory, to be copied ------------------------------------------------------------------------------------- */

/* The file `o` becomes one in memory, under a name that qemu-img can open. Returns its descriptor, or -1. */
static int put_in_memory(struct overlay *o, struct err *e)
{
	int fd = memfd_create("overlay", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot make a file in memory");
	o->path = text_of("/proc/%d/fd/%d", (int)getpid(), fd);
	return fd;
}

static int make_templates(const struct plan *p, struct overlay *list, int *templates, int interrupt, struct err *e)
{
	size_t n = 0;
	int result = 0;

	for (size_t i = 0; i < p->m->n_disks && result == 0; i++) {
		if (!p->overlays[i] || !p->c.used[i])
			continue;
		templates[i] = put_in_memory(&list[n], e);
		n += templates[i] >= 0;
		result = templates[i] >= 0 ? 0 : -1;
	}
	if (result == 0)
		result = overlay_create(list, n, clock_in_ms((int64_t)p->o->timeout_ms), interrupt, e);
	for (size_t i = 0; i < n; i++)
		free((char *)list[i].path);
	return result;
}

int *overlays_templates(const struct plan *p, int interrupt, struct err *e)
{
	int *templates = memory_of(p->m->n_disks, sizeof(*templates));
	size_t n;
	struct overlay *list = run_overlays(p, &n, e);
	int result;

	for (size_t i = 0; i < p->m->n_disks; i++)
		templates[i] = -1;
	result = list ? make_templates(p, list, templates, interrupt, e) : -1;
	if (list)
		run_overlays_free(list, n);
	if (result == 0)
		return templates;
	overlays_templates_free(p, templates);
	return NULL;
}

void overlays_templates_free(const struct plan *p, int *templates)
{
	for (size_t i = 0; templates && i < p->m->n_disks; i++)
		cleanup_close(&templates[i]);
	free(templates);
}

/* --- claims ------------------------------------------------------------------------------------------------------ */

/* Calls `what` with each image that an overlay of this run names, and the overlay. */
static void each_base(const struct plan *p, void (*what)(const char *base, const char *overlay))
{
	for (size_t i = 0; i < p->m->n_disks; i++) {
		const struct manifest_disk *disk = &p->m->disks[i];
		size_t named = has_stale_names(disk) ? disk->n_chain : 1;

		for (size_t k = 0; k < named && p->overlays[i] && p->c.used[i]; k++)
			what(disk->chain[k].path, p->overlays[i]);
	}
}

static void leave(const char *base, const char *overlay)
{
	struct err e;

	if (claim_make(base, overlay, "mplcr-restore", false, &e) < 0)
		cli_note("%s", e.text);
}

static void settle(const char *base, const char *overlay)
{
	struct err e;

	if (claim_settle(base, overlay, &e) < 0)
		cli_note("%s", e.text);
}

void run_claims_leave(const struct plan *p)
{
	each_base(p, leave);
}

void run_claims_settle(const struct plan *p)
{
	each_base(p, settle);
}

void run_claims_drop(const struct plan *p)
{
	each_base(p, claim_drop);
}
