/* SPDX-License-Identifier: MIT */
/*
 * Whether a checkpoint is believed. One that this user's key signed is. What any other asks for beyond the harmless
 * (commandline/policy.h) waits for the user's word: docs/trust.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/cli.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/claim.h"
#include "checkpoint/manifest_reader.h"
#include "image/header/header.h"
#include "restore.h"

enum { SHOWN = 16 }; /* wants, so that all fits on a screen */

/* --- images ----------------------------------------------------------------------------------------------------- */

static bool is_hidden(const char *name)
{
	return name[0] == '.' || strstr(name, "/.") != NULL;
}

/*
 * An image belongs to the checkpoint if it came with it: below the directory that holds the checkpoint, with no link on
 * the way. Everything is below "/", and what is hidden (~/.ssh) comes with nothing. A descriptor, the caller's, or -1.
 */
static int open_image(const struct plan *p, const char *tree, const char *path)
{
	const char *name = strcmp(tree, "/") == 0 ? path_below(p->m->checkpoint, path) : path_below(tree, path);

	if (!name || is_hidden(name) || !text_stays_below(name))
		return -1;
	return beneath_open_at(strcmp(tree, "/") == 0 ? p->m->checkpoint : tree, name);
}

/*
 * Formats of which disk_chain_check knows all files that their headers name, or that name none. What is raw must be so by
 * its content, too: wherever QEMU is not told a format, it goes by that.
 */
static bool is_plain_format(const char *format, enum image_format found)
{
	static const enum image_format plain[] = { IMAGE_RAW, IMAGE_QCOW2, IMAGE_QCOW, IMAGE_QED, IMAGE_VDI, IMAGE_VPC };
	int listed = image_format_named(format);

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (listed == (int)plain[i])
			return found == plain[i] || found == IMAGE_RAW;
	return false;
}

static void judge_format(struct plan *p, int fd, const char *option, const struct manifest_image *image)
{
	_cleanup_free_ char *what = NULL;
	struct image_header header;
	struct err ignored;

	if (image_header_read(fd, &header, &ignored) == 0 && !is_plain_format(image->format, header.format)) {
		what = text_of("%s as %s (its content: %s)", image->path, image->format, image_format_name(header.format));
		wants_add(&p->wants, "file", option, what);
	}
	image_header_release(&header);
}

static void judge_image(struct plan *p, const char *tree, const char *device, const struct manifest_image *image)
{
	_cleanup_free_ char *option = text_of("disk %s", device);
	_cleanup_close_ int fd = open_image(p, tree, image->path);

	if (fd < 0)
		wants_add(&p->wants, "file", option, image->path);
	else
		judge_format(p, fd, option, image);
	if (image->data)
		judge_image(p, tree, device, image->data);
}

void trust_judge_images(struct plan *p)
{
	_cleanup_free_ char *tree = path_dir(p->m->checkpoint);

	for (size_t i = 0; p->foreign && i < p->m->n_disks; i++)
		for (size_t j = 0; j < p->m->disks[i].n_chain; j++)
			judge_image(p, tree, p->m->disks[i].device, &p->m->disks[i].chain[j]);
}

/* --- the command line ------------------------------------------------------------------------------------------- */

void trust_judge_command(struct plan *p)
{
	const struct policy_places places = { p->m,	  p->overlays,	p->included,
					      p->c.moved, p->c.n_moved, p->socket };

	if (!p->foreign || p->o->own)
		return;
	if (!program_is_usual(p))
		wants_add(&p->wants, "program", "program", p->binary);
	policy_judge(&places, p->m->argv, p->c.argv, &p->wants);
}

bool trust_is_awaited(const struct plan *p)
{
	return p->foreign && p->wants.n > 0 && !p->o->trust;
}

/* --- the user's word -------------------------------------------------------------------------------------------- */

json_t *trust_wants_json(const struct plan *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->wants.n; i++) {
		const struct want *want = &p->wants.list[i];
		json_t *one = json_object();

		json_object_set_new(one, "kind", json_string(want->kind));
		json_object_set_new(one, "option", json_string_of(want->option));
		json_object_set_new(one, "what", json_string_of(want->what));
		json_array_append_new(list, one);
	}
	return list;
}

static void show(const struct plan *p)
{
	for (size_t i = 0; i < p->wants.n && i < SHOWN; i++)
		cli_warn("it wants the %s: %s %.300s", p->wants.list[i].kind, p->wants.list[i].option,
			 p->wants.list[i].what);
	if (p->wants.n > SHOWN)
		cli_warn("and %zu more: --json lists all", p->wants.n - SHOWN);
}

static int print_json(const struct plan *p, const char *schema, const char *code, struct err *e)
{
	_cleanup_json_ json_t *object = json_object();

	if (!p->o->json)
		return 0;
	json_object_set_new(object, "schema", json_string(schema));
	json_object_set_new(object, "checkpoint", json_string_of(p->m->checkpoint));
	json_object_set_new(object, "foreign", json_boolean(p->foreign));
	if (code)
		json_object_set_new(object, "code", json_string(code));
	json_object_set_new(object, "wants", trust_wants_json(p));
	return json_print(object, e) < 0 ? -1 : cli_flush(e);
}

static const char *why_foreign(const struct manifest *m)
{
	if (m->verdict == KEY_UNSIGNED)
		return "nobody signed its manifest";
	return m->key_fault ? m->key_fault : "another key signed its manifest, or it was changed since";
}

int trust_check(const struct plan *p, struct err *e)
{
	if (!p->foreign || p->wants.n == 0)
		return 0;
	if (p->o->trust) {
		cli_note("checkpoint '%s' is foreign: %zu wishes of it are granted this time", p->m->name, p->wants.n);
		return 0;
	}
	show(p);
	if (print_json(p, "mplcr.restore.refused/1", "E-FOREIGN", e) < 0)
		return -1;
	err_set(e, "E-FOREIGN: checkpoint '%s' is foreign: %s, and it wants what is not harmless; nothing was changed",
		p->m->name, why_foreign(p->m));
	return err_hint(e, "--trust does it this time; mplcr-restore --adopt '%s' signs it as yours",
			p->o->checkpoint);
}

/* One that came from elsewhere has left no word with what it needs here. */
static int adopt(const struct plan *p, struct err *e)
{
	struct err unclaimed;

	show(p);
	if (manifest_adopt(p->m, e) < 0)
		return -1;
	if (claim_make_checkpoint(p->m, "mplcr-restore", &unclaimed) < 0)
		cli_note("%s", unclaimed.text);
	return 0;
}

int trust_adopt(const struct plan *p, struct err *e)
{
	if (p->foreign && adopt(p, e) < 0)
		return -1;
	cli_note("checkpoint '%s' is %s", p->m->name, p->foreign ? "adopted: its manifest is signed" : "ours already");
	return print_json(p, "mplcr.restore.adopt/1", NULL, e) < 0 ? -1 : EXIT_DONE;
}
