/* SPDX-License-Identifier: MIT */
/* A new overlay on an image that no VM writes to. */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/backing_name.h"
#include "image/chain.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/file.h"
#include "checkpoint/trust.h"
#include "base/path.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "qemu/overlay.h"
#include "base/process.h"
#include "base/text.h"

#define QEMU_IMG_MS 60000

/* --- the format of the backing file ----------------------------------------------------------------------------- */

/* Whether one of the extensions of the file's name ("a.ovl.layer2" has two) is among `list`. */
static bool has_extension(const char *path, const char *const *list)
{
	for (const char *dot = strchr(path_base(path), '.'); dot; dot = strchr(dot + 1, '.'))
		for (const char *const *one = list; *one; one++)
			if (strcspn(dot + 1, ".") == strlen(*one) && strncasecmp(dot + 1, *one, strlen(*one)) == 0)
				return true;
	return false;
}

static bool is_named_raw(const char *path)
{
	static const char *const raw[] = { "raw", "iso", "dd", NULL };

	return has_extension(path, raw);
}

static bool is_named_qcow2(const char *path)
{
	static const char *const qcow2[] = { "qcow2", "qcow", "ovl", NULL };

	return has_extension(path, qcow2);
}

/*
 * Why what the content says cannot be trusted, or NULL. The guest of a raw disk can write any header to it; recorded as
 * raw it is never looked at again. Recorded as qcow2 it does no harm while it names no other file; where it does, only
 * the file's name, which no guest can choose, tells that it was made so.
 */
static const char *distrust(const struct chain_image *image)
{
	const struct image_header *h = &image->header;

	switch (image->found) {
	case IMAGE_RAW:
		return is_named_qcow2(image->path) ? "it is named like a qcow2 image, but is not one" : NULL;
	case IMAGE_QCOW2:
		if (is_named_raw(image->path))
			return "it is called raw, and its content says qcow2, which its guest can have written";
		if ((h->backing_name || h->data_file) && !is_named_qcow2(image->path))
			return "its content says qcow2 and names another file, which a raw disk's guest can have "
			       "written";
		return NULL;
	default:
		return "what its content says can have been written by a raw disk's guest";
	}
}

static void say_given(const struct chain_image *image)
{
	if (image->format == IMAGE_RAW && image->found != IMAGE_RAW)
		cli_note("'%s' has a %s header; it is raw to its guests from now on, as you say", image->path,
			 image_format_name(image->found));
}

static int check_format(const struct overlay_options *o, const struct chain_image *image, struct err *e)
{
	const char *why;

	if (o->backing_format) {
		say_given(image);
		return 0;
	}
	why = distrust(image);
	if (why) {
		err_set(e, "the format of '%s' must be given: %s", image->path, why);
		return err_hint(e, "if it is known to be %s: --backing-format %s", image_format_name(image->found),
				image_format_name(image->found));
	}
	cli_note("backing format %s, by the content of '%s'", image_format_name(image->found), image->path);
	return 0;
}

/* --- the backing file ------------------------------------------------------------------------------------------- */

/* The image, or its data file, where somebody writes to that; else NULL. */
static const char *written_part(struct in_use *use, const struct chain_image *image)
{
	if (image->path && in_use_writers_path(use, image->path) == IMAGE_WRITTEN)
		return image->path;
	return image->data_path && in_use_writers_path(use, image->data_path) == IMAGE_WRITTEN ? image->data_path : NULL;
}

/* An image of the chain that a VM writes to would change what the new overlay shows. */
static int check_use(const struct overlay_options *o, const struct chain *chain, struct err *e)
{
	struct in_use use = { 0 };
	const char *written = NULL;

	for (size_t i = 0; i < chain->n && !o->force && !written; i++)
		written = written_part(&use, &chain->images[i]);
	if (written)
		in_use_error(&use, written, "an overlay on it would be spoilt", e);
	in_use_say_blind(&use);
	in_use_release(&use);
	if (!written)
		return 0;
	return err_hint(e, "use --socket to give a running VM overlays; --force makes this one anyway");
}

/* Bytes that the guest sees: of other formats, qemu-img knows. */
static int read_size(const struct chain_image *image, int interrupt, uint64_t *size, struct err *e)
{
	const char *const argv[] = { "qemu-img",      "info", "-U",        "-f", image_format_name(image->format),
				     "--output=json", "--",   image->path, NULL };
	_cleanup_free_ char *output = NULL;
	_cleanup_json_ json_t *info = NULL;
	struct process p;

	*size = image->header.virtual_size;
	if (image->format == IMAGE_QCOW2 || image->format == IMAGE_RAW)
		return 0;
	if (process_start(&p, (char *const *)argv, -1, e) < 0 ||
	    process_finish(&p, "qemu-img info", clock_in_ms(QEMU_IMG_MS), interrupt, &output, e) < 0)
		return -1;
	info = json_loads(output, 0, NULL);
	*size = (uint64_t)json_int(info, "virtual-size", 0);
	return *size ? 0 : err_set(e, "qemu-img does not report the size of '%s'", image->path);
}

static int check_backing(const struct overlay_options *o, const struct chain *chain, struct err *e)
{
	if (chain_whole(chain, e) < 0 || check_format(o, &chain->images[0], e) < 0)
		return -1;
	if (chain->images[0].header.encryption != IMAGE_NOT_ENCRYPTED)
		return err_set(e, "'%s' is encrypted, and an overlay would hold its data in clear",
			       chain->images[0].path);
	return check_use(o, chain, e);
}

/* --- the overlay ------------------------------------------------------------------------------------------------ */

static int check_name(const struct overlay *o, struct err *e)
{
	struct stat st;

	if (strlen(o->backing) > OVERLAY_BACKING_MAX)
		return err_set(e, "'%s': its name is longer than the %d bytes that qcow2 has for it", o->backing,
			       OVERLAY_BACKING_MAX);
	if (lstat(o->path, &st) < 0)
		return 0;
	err_sys(e, EEXIST, "cannot create the overlay '%s'", o->path);
	return err_hint(e, "an overlay never replaces another file");
}

/* What is called so is whole. */
static int give_name(const char *partial, const char *path, struct err *e)
{
	if (path_sync(partial, e) < 0 || path_rename(partial, path, false, e) < 0)
		return -1;
	if (path_sync_name(path, e) == 0)
		return 0;
	unlink(path);
	return -1;
}

static int make(const struct overlay *o, int interrupt, struct err *e)
{
	_cleanup_free_ char *partial = text_of("%s.partial", o->path);
	struct overlay half = *o;

	half.path = partial;
	if (check_name(o, e) < 0)
		return -1;
	if (overlay_claim(partial, geteuid(), getegid(), e) < 0)
		return e->sys == EEXIST ? err_hint(e, "it was left over by a run that died, or one is under way: remove it if "
						      "not")
					: -1;
	if (overlay_create(&half, 1, clock_in_ms(QEMU_IMG_MS), interrupt, e) == 0 && give_name(partial, o->path, e) == 0)
		return 0;
	unlink(partial);
	return -1;
}

static int report(const struct overlay_options *options, const struct overlay *o, const char *backing, struct err *e)
{
	_cleanup_json_ json_t *json = NULL;

	if (!options->json) {
		escape_path(o->path, false);
		return cli_flush(e);
	}
	json = json_of("{s:s, s:o, s:o, s:o, s:s, s:b, s:I}", "schema", "mplcr.snap.overlay/1", "overlay",
		       json_string_of(o->path), "backing", json_string_of(backing), "backing_name",
		       json_string_of(o->backing), "backing_format", o->format, "probed", !options->backing_format,
		       "virtual_bytes", (json_int_t)o->size);
	return json_print(json, e);
}

/* Makes the path absolute, so that QEMU never takes it for a protocol. */
int overlay_file(const struct overlay_options *options, const char *backing, const char *overlay, struct err *e)
{
	_cleanup_free_ char *base = path_real(backing), *path = path_real_parent(overlay), *name = NULL;
	_cleanup_chain_ struct chain *chain = NULL;
	int interrupt = interrupt_open(e);
	struct overlay o;
	uint64_t size;

	if (interrupt < 0)
		return -1;
	if (options->backing_format && image_format_named(options->backing_format) < 0)
		return err_usage(e, "--backing-format: '%s' is not an image format", options->backing_format);
	if (!base)
		return err_sys(e, errno, "cannot open '%s'", backing);
	if (!path || !path_base(path)[0])
		return err_sys(e, path ? EISDIR : errno, "cannot create the overlay '%s'", overlay);
	chain = trust_chain_of(base, options->backing_format, options->trust_paths, e);
	if (!chain || check_backing(options, chain, e) < 0 || read_size(&chain->images[0], interrupt, &size, e) < 0)
		return -1;
	name = backing_name(path, base, options->absolute);
	o = (struct overlay){ path, name, image_format_name(chain->images[0].format), size };
	if (make(&o, interrupt, e) < 0)
		return -1;
	leave_claim(base, path);
	return report(options, &o, base, e);
}
