/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/disk_chain.h"
#include "checkpoint/layout.h"
#include "restore.h"

/* A name that is one part of a path, and no option. */
static int check_name(const char *name, struct err *e)
{
	for (const char *s = name; *s; s++)
		if (*s == '/' || iscntrl((unsigned char)*s))
			return err_usage(e, "--name: '%s' cannot be part of a file's name", name);
	if (!*name || name[0] == '.' || name[0] == '-')
		return err_usage(e, "--name: '%s' cannot be part of a file's name", name);
	return 0;
}

static int check_receiver_options(const struct options *o, struct err *e)
{
	const struct {
		const char *name;
		bool given;
	} excluded[] = {
		{ "--lazy", o->lazy },
		{ "--eager", o->eager },
		{ "--socket", o->socket != NULL },
		{ "--foreground", o->foreground },
		{ "--print", o->print },
		{ "a command line after --", o->own != NULL },
	};

	for (size_t i = 0; i < sizeof(excluded) / sizeof(*excluded); i++)
		if (o->receiver && excluded[i].given)
			return err_usage(e, "--receiver and %s exclude each other", excluded[i].name);
	return 0;
}

/* What is of one VM only. */
static int check_count_options(const struct options *o, struct err *e)
{
	const struct {
		const char *name;
		bool given;
	} excluded[] = {
		{ "--receiver", o->receiver != NULL },
		{ "--socket", o->socket != NULL },
		{ "--foreground", o->foreground },
		{ "--print", o->print },
		{ "--adopt", o->adopt },
	};

	if (o->all_or_none && !o->count)
		return err_usage(e, "--all-or-none belongs to --count");
	for (size_t i = 0; i < sizeof(excluded) / sizeof(*excluded); i++)
		if (o->count && excluded[i].given)
			return err_usage(e, "--count and %s exclude each other", excluded[i].name);
	return 0;
}

static int check_options(const struct options *o, struct err *e)
{
	if (o->lazy && o->eager)
		return err_usage(e, "--lazy and --eager exclude each other");
	if (o->print && o->json)
		return err_usage(e, "--print and --json exclude each other");
	if (o->adopt && (o->own || o->print || o->receiver))
		return err_usage(e, "--adopt signs a checkpoint and starts nothing");
	if (o->secrets && !o->print)
		return err_usage(e, "--secrets belongs to --print");
	if (o->own && !o->own[0])
		return err_usage(e, "no command line after --");
	if (check_receiver_options(o, e) < 0 || check_count_options(o, e) < 0)
		return -1;
	return o->name ? check_name(o->name, e) : 0;
}

/* The images must be as they were frozen; --force makes a change a warning. */
static int check_images(const struct plan *p, struct err *e)
{
	if (manifest_check_images(p->m, e) == 0)
		return 0;
	if (!p->o->force || e->sys != 0 || (p->foreign && !p->o->trust))
		return -1;
	cli_warn("%s", e->text);
	return 0;
}

/*
 * The images must lead to each other as the manifest says: where a header names another backing file, QEMU would open
 * what nobody looked at. --force does not help.
 */
static int check_chains(const struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->m->n_disks; i++)
		if (disk_chain_check(p->m, &p->m->disks[i], e) < 0)
			return -1;
	return 0;
}

/* The state is in a receiver, or it is in files. */
static int check_layout(const struct plan *p, struct err *e)
{
	bool elsewhere = p->m->layout->is_elsewhere;

	if (elsewhere == (p->o->receiver != NULL))
		return 0;
	if (!elsewhere)
		return err_usage(e, "--receiver: checkpoint '%s' has layout '%s', its state is in files", p->m->name,
				 p->m->layout->name);
	err_usage(e, "the state of checkpoint '%s' is not in a file, but in the QEMU that received it at '%s'",
		  p->m->name, p->m->receiver);
	return err_hint(e, "mplcr-restore --receiver SOCKET %s, with the QMP socket of that QEMU", p->o->checkpoint);
}

/* Whether the state itself is there, in the form that the layout promises. */
static int check_state(const struct plan *p, struct err *e)
{
	if (layout_is_complete(p->m))
		return 0;
	return err_set(e, "checkpoint '%s' has layout '%s', but lists no %s", p->m->name, p->m->layout->name,
		       p->m->layout->missing(p->m, 0));
}

static int check_command_line(const struct plan *p, struct err *e)
{
	if (p->o->own)
		return 0;
	if (p->m->left_out && p->m->left_out[0])
		err_set(e, "checkpoint '%s' has no content of disk '%s', which was left out when it was made",
			p->m->name, p->m->left_out[0]);
	else if (!p->m->argv)
		err_set(e, "checkpoint '%s' does not know the command line of its VM", p->m->name);
	else
		return 0;
	return err_hint(e, "give it: mplcr-restore CKPT -- QEMU ARG…, with {disk:DEVICE} where images belong");
}

/* Lazily unless that cannot be, which is an error where it was asked for. */
static int choose_mode(struct plan *p, struct err *e)
{
	const char *why = commandline_why_eager(p->m, p->o->own ? p->o->own : p->m->argv, p->version);

	p->lazy = !p->o->eager && !why;
	if (p->o->lazy && why) {
		err_usage(e, "cannot restore lazily, because %s", why);
		return err_hint(e, "without --lazy the whole state is loaded before the guest runs");
	}
	if (why && !p->o->eager && layout_can_be_lazy(p->m))
		cli_note("the whole memory is loaded before the guest runs, because %s", why);
	return 0;
}

static int choose_parent(struct plan *p, struct err *e)
{
	p->parent = p->o->dir ? path_real(p->o->dir) : path_dir(p->m->checkpoint);
	if (!p->parent && errno == ENOENT)
		p->parent = path_real_parent(p->o->dir);
	if (!p->parent)
		return err_sys(e, errno, "cannot use directory '%s'", p->o->dir);
	return 0;
}

/* Where QEMU works: relative paths on its command line begin there. */
static void choose_cwd(struct plan *p)
{
	struct stat st;

	if (p->o->own)
		return;
	if (p->m->cwd && stat(p->m->cwd, &st) == 0 && S_ISDIR(st.st_mode)) {
		p->cwd = text_copy(p->m->cwd);
		return;
	}
	p->cwd = text_of("/");
	cli_note("the VM's working directory '%s' is gone; relative paths on its command line lead nowhere",
		 p->m->cwd ? p->m->cwd : "(not recorded)");
}

/* Everything is in the receiver already, but for the overlays. */
static int plan_receiver(struct plan *p, struct err *e)
{
	unsigned n = 1;

	p->socket = path_real(p->o->receiver);
	if (!p->socket)
		return err_sys(e, errno, "cannot use the receiver's socket '%s'", p->o->receiver);
	for (size_t i = 0; p->m->left_out && p->m->left_out[i]; i++)
		cli_note("disk '%s' was left out of the checkpoint: the receiver uses what it was given",
			 p->m->left_out[i]);
	if (p->m->n_included > 0)
		cli_note("the receiver has files of its own, and not those that the checkpoint includes");
	p->c.used = memory_of(p->m->n_disks, sizeof(bool));
	if (choose_parent(p, e) < 0 || plan_name_run(p, &n, e) < 0)
		return -1;
	return trust_check(p, e);
}

/* A new QEMU is started. */
static int plan_start(struct plan *p, struct err *e)
{
	unsigned n = 1;

	if (check_command_line(p, e) < 0 || program_choose(p, e) < 0 || choose_mode(p, e) < 0 ||
	    choose_parent(p, e) < 0)
		return -1;
	choose_cwd(p);
	if (plan_name_run(p, &n, e) < 0)
		return -1;
	trust_judge_command(p);
	return trust_check(p, e) < 0 ? -1 : host_check(p, e);
}

/* Nothing is started: only what it wants is found out, as far as that is possible here. */
static int plan_adopt(struct plan *p)
{
	struct err why;
	unsigned n = 1;

	if (p->m->layout->is_elsewhere)
		return 0;
	if (check_command_line(p, &why) < 0 || program_choose(p, &why) < 0 || choose_parent(p, &why) < 0 ||
	    plan_name_run(p, &n, &why) < 0)
		cli_warn("what its command line wants cannot be told: %s", why.text);
	else
		trust_judge_command(p);
	return 0;
}

int plan_restore(struct plan *p, const struct options *o, struct err *e)
{
	*p = (struct plan){ .o = o };
	if (check_options(o, e) < 0)
		return -1;
	p->wish = text_copy(o->name);
	p->m = manifest_load(o->checkpoint, e);
	if (!p->m)
		return -1;
	p->foreign = p->m->verdict != KEY_AUTHENTIC;
	trust_judge_images(p);
	p->overlays = memory_of(p->m->n_disks, sizeof(*p->overlays));
	p->included = memory_of(p->m->n_included, sizeof(*p->included));
	if ((!o->adopt && check_layout(p, e) < 0) || check_state(p, e) < 0 ||
	    manifest_check_files(p->m, p->m->checkpoint, o->verify, e) < 0)
		return -1;
	if (!trust_is_awaited(p) && (check_images(p, e) < 0 || check_chains(p, e) < 0))
		return -1;
	if (o->adopt)
		return plan_adopt(p);
	return o->receiver ? plan_receiver(p, e) : plan_start(p, e);
}

void plan_free(struct plan *p)
{
	for (size_t i = 0; p->overlays && i < p->m->n_disks; i++)
		free(p->overlays[i]);
	free(p->overlays);
	for (size_t i = 0; p->included && i < p->m->n_included; i++)
		free(p->included[i]);
	free(p->included);
	manifest_free(p->m);
	free(p->binary);
	free(p->parent);
	free(p->wish);
	free(p->name);
	free(p->dir);
	free(p->socket);
	free(p->log);
	free(p->cwd);
	commandline_release(&p->c);
	wants_release(&p->wants);
}
