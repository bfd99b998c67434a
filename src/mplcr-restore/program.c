/* SPDX-License-Identifier: MIT */
/* Which QEMU is started, and whether it can load what the checkpoint's QEMU saved. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/process.h"
#include "base/path.h"
#include "base/text.h"
#include "restore.h"

/* How long QEMU may take to say something. */
#define ANSWER_MS 20000

static char *in_path(const char *name)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = text_of("%s", path ? path : "/usr/bin:/bin");
	char *save, *dir;

	for (dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		if (dir[0] != '/')
			continue;
		char *file = text_of("%s/%s", dir, name);

		if (access(file, X_OK) == 0)
			return file;
		free(file);
	}
	errno = ENOENT;
	return NULL;
}

/* The absolute path of a program as one would call it. Not resolved further: what it is called may matter to it. */
static char *find_program(const char *name)
{
	if (!strchr(name, '/'))
		return in_path(name);
	if (access(name, X_OK) < 0)
		return NULL;
	return name[0] == '/' ? text_copy(name) : path_real_parent(name);
}

/*
 * The same of a program that a manifest names. A relative path is none, and what lies in the checkpoint, or is reached
 * through it, is data and no program: NULL.
 */
static char *find_recorded(const struct plan *p, const char *name)
{
	_cleanup_free_ char *found = NULL;

	errno = ENOENT;
	if (strchr(name, '/') && name[0] != '/')
		return NULL;
	found = find_program(name);
	if (!found || !path_passes(found, p->m->checkpoint))
		return steal_ptr(found);
	errno = EPERM;
	return NULL;
}

bool program_is_usual(const struct plan *p)
{
	const char *name = path_base(p->binary);
	_cleanup_free_ char *usual = in_path(name), *real = path_real(p->binary);
	_cleanup_free_ char *usual_real = usual ? path_real(usual) : NULL;

	return strncmp(name, "qemu-system-", 12) == 0 && real && usual_real && strcmp(real, usual_real) == 0;
}

static int find(struct plan *p, struct err *e)
{
	const char *own = p->o->own ? p->o->own[0] : NULL;

	if (own) {
		p->binary = find_program(own);
		return p->binary ? 0 : err_sys(e, errno, "cannot find QEMU: '%s'", own);
	}
	if (p->m->qemu_binary)
		p->binary = find_recorded(p, p->m->qemu_binary);
	if (!p->binary)
		p->binary = find_recorded(p, p->m->argv[0]);
	if (p->binary)
		return 0;
	err_sys(e, errno, "cannot find the VM's QEMU: '%s'", p->m->qemu_binary ? p->m->qemu_binary : p->m->argv[0]);
	return err_hint(e, "install QEMU %d.%d, or give the whole command line: mplcr-restore CKPT -- QEMU ARG…",
			p->m->qemu_version / 10000, p->m->qemu_version / 100 % 100);
}

static bool is_recorded(const struct plan *p)
{
	struct identity id;
	struct err ignored;

	return p->m->qemu_binary && identity_read(p->binary, &id, &ignored) == 0 &&
	       !identity_difference(&p->m->qemu_id, &id);
}

int program_ask(const struct plan *p, const char *option, const char *value, char **answer, struct err *e)
{
	char *argv[] = { p->binary, (char *)option, (char *)value, NULL };

	return program_ask_with(p, argv, answer, e);
}

int program_ask_with(const struct plan *p, char *const *argv, char **answer, struct err *e)
{
	struct process command;

	if (process_start(&command, argv, -1, e) < 0)
		return -1;
	return process_finish(&command, p->binary, clock_in_ms(ANSWER_MS), -1, answer, e);
}

/* Reads "QEMU emulator version 7.2.22 (…)". */
static int read_version(struct plan *p, struct err *e)
{
	static const char words[] = "QEMU emulator version ";
	_cleanup_free_ char *answer = NULL;
	unsigned part[3];
	const char *at;

	if (program_ask(p, "--version", NULL, &answer, e) < 0)
		return -1;
	at = strstr(answer, words);
	if (!at || sscanf(at + sizeof(words) - 1, "%2u.%2u.%2u", &part[0], &part[1], &part[2]) != 3)
		return err_set(e, "'%s' does not say its version: is it QEMU?", p->binary);
	p->version = (int)(part[0] * 10000 + part[1] * 100 + part[2]);
	return 0;
}

static int check_version(const struct plan *p, struct err *e)
{
	int then = p->m->qemu_version / 100, now = p->version / 100;

	if (now > then)
		cli_note("QEMU %d.%d loads a state that %d.%d saved", now / 100, now % 100, then / 100, then % 100);
	if (now >= then)
		return 0;
	return err_set(e, "QEMU %d.%d ('%s') is older than the %d.%d that saved the state", now / 100, now % 100,
		       p->binary, then / 100, then % 100);
}

/* Whether it may be run to ask it: --print runs nothing that a manifest names, and nobody what waits for --trust. */
static bool may_ask(const struct plan *p)
{
	return p->o->own || !(p->o->print || p->o->adopt || (p->foreign && !p->o->trust && !program_is_usual(p)));
}

/* What was found wrong is an error, or, with --force, a warning. */
static int object(const struct plan *p, int result, struct err *e)
{
	if (result == 0 || !p->o->force)
		return result;
	cli_warn("%s", e->text);
	return 0;
}

/* It is the program that saved the state, as that was; and the command line is the one that it ran with. */
static bool is_known(const struct plan *p)
{
	return is_recorded(p) && !p->foreign && !p->m->adopted;
}

int program_choose(struct plan *p, struct err *e)
{
	if (find(p, e) < 0)
		return -1;
	p->version = p->m->qemu_version;
	if (is_known(p) || !may_ask(p))
		return 0;
	if (read_version(p, e) == 0 && object(p, check_version(p, e), e) == 0 &&
	    object(p, parts_check(p, e), e) == 0)
		return 0;
	return err_hint(e, "name another QEMU that has it: mplcr-restore CKPT -- QEMU ARG…; --force tries this one");
}
