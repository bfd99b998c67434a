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
#include "checkpoint/manifest_reader.h"
#include "restore.h"

enum { SHOWN = 16 }; /* wants, so that all fits on a screen */

/* --- images ----------------------------------------------------------------------------------------------------- */

static bool is_hidden(const char *name)
{
	return name[0] == '.' || strstr(name, "/.") != NULL;
}

/*
 * An image belongs to the checkpoint if it came with it: below the directory that holds the checkpoint, with no link on
 * the way. Everything is below "/", and what is hidden (~/.ssh) comes with nothing.
 */
static bool came_along(const struct plan *p, const char *tree, const char *path)
{
	const char *name = strcmp(tree, "/") == 0 ? path_below(p->m->checkpoint, path) : path_below(tree, path);
	_cleanup_close_ int fd = -1;

	if (!name || is_hidden(name) || !text_stays_below(name))
		return false;
	fd = beneath_open_at(strcmp(tree, "/") == 0 ? p->m->checkpoint : tree, name);
	return fd >= 0;
}

static void judge_image(struct plan *p, const char *tree, const char *device, const struct manifest_image *image)
{
	_cleanup_free_ char *option = text_of("disk %s", device);

	if (!came_along(p, tree, image->path))
		wants_add(&p->wants, "file", option, image->path);
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
	const struct policy_places places = { p->m, p->dir, p->socket };

	if (!p->foreign || p->o->own)
		return;
	if (!program_is_usual(p))
		wants_add(&p->wants, "program", "program", p->binary);
	policy_judge(&places, p->c.argv, &p->wants);
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
	err_set(e, "checkpoint '%s' is foreign: %s, and it wants what is not harmless; nothing was changed", p->m->name,
		p->m->verdict == KEY_UNSIGNED ? "nobody signed its manifest" :
						"another key signed its manifest, or it was changed since");
	return err_hint(e, "--trust does it this time; mplcr-restore --adopt '%s' signs it as yours",
			p->o->checkpoint);
}

int trust_adopt(const struct plan *p, struct err *e)
{
	if (p->foreign) {
		show(p);
		if (manifest_adopt(p->m, e) < 0)
			return -1;
	}
	cli_note("checkpoint '%s' is %s", p->m->name, p->foreign ? "adopted: its manifest is signed" : "ours already");
	return print_json(p, "mplcr.restore.adopt/1", NULL, e) < 0 ? -1 : EXIT_DONE;
}
