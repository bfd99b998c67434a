/* SPDX-License-Identifier: MIT */
/* The fresh overlays: what qemu-img is to make. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fdio.h"
#include "json.h"
#include "restore.h"

/* The longest backing file name that a qcow2 header can hold (QEMU docs/interop/qcow2.txt). */
#define BACKING_MAX 1023

/*
 * Headers name backing files by where they were when they were written. Where images behind the frozen one have moved,
 * those names lead nowhere, and the overlay has to say for the whole chain where it is now.
 */
static bool has_stale_names(const struct manifest_disk *disk)
{
	for (size_t i = 1; i < disk->n_chain; i++)
		if (disk->chain[i].moved)
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

		if (node)
			json_object_set_new(above, "backing", node);
		node = above;
	}
	return node;
}

char *overlay_backing(const struct manifest_disk *disk, struct err *e)
{
	_cleanup_json_ json_t *chain = NULL;
	_cleanup_free_ char *text = NULL, *name = NULL;

	if (has_stale_names(disk)) {
		chain = describe_chain(disk);
		text = json_dumps(chain, JSON_COMPACT);
		name = text_of("json:%s", text);
	} else {
		name = text_of("%s", disk->chain[0].path);
	}
	if (strlen(name) <= BACKING_MAX)
		return steal_ptr(name);
	err_set(e, "disk '%s': the name of its backing file is longer than the %d bytes that qcow2 has for it",
		disk->device, BACKING_MAX);
	if (chain)
		err_hint(e, "its images were moved, and each must be named: move them back to where '%s' was, or "
			    "make a symbolic link there", disk->chain[1].recorded);
	return NULL;
}

char **overlay_command(const struct manifest_disk *disk, const char *overlay, struct err *e)
{
	char *backing = overlay_backing(disk, e);
	char **argv;

	if (!backing)
		return NULL;
	argv = memory_of(14, sizeof(*argv));
	/* -u and a size: the frozen image is not opened, let alone locked. */
	argv[0] = text_of("qemu-img");
	argv[1] = text_of("create");
	argv[2] = text_of("-q");
	argv[3] = text_of("-f");
	argv[4] = text_of("qcow2");
	argv[5] = text_of("-u");
	argv[6] = text_of("-F");
	argv[7] = text_of("%s", disk->chain[0].format);
	argv[8] = text_of("-b");
	argv[9] = backing;
	argv[10] = text_of("%s", overlay);
	argv[11] = text_of("%llu", (unsigned long long)disk->virtual_size);
	return argv;
}

void overlay_command_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}
