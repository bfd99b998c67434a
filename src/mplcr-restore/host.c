/* SPDX-License-Identifier: MIT */
/* Whether this host has what a guest that ran on KVM saw of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/text.h"
#include "commandline/args.h"
#include "qemu/cpu_flags.h"
#include "restore.h"

/* Whether `cpu` turns the feature `flag` of /proc/cpuinfo on: "+sse4_1", "sse4.1=on". */
static bool names_feature(const char *cpu, const char *flag, size_t n)
{
	for (const char *at = strchr(cpu, ','); at; at = strchr(at, ',')) {
		_cleanup_free_ char *name = text_of("%.*s", (int)strcspn(at + 1, ","), at + 1);
		char *start = name + (name[0] == '+'), *value = strchr(name, '=');

		at++;
		if (name[0] == '-' || (value && strcmp(value, "=off") == 0))
			continue;
		for (char *s = start; *s && *s != '='; s++)
			if (*s == '-' || *s == '.')
				*s = '_';
		if (strcspn(start, "=") == n && strncmp(start, flag, n) == 0)
			return true;
	}
	return false;
}

/* Whether the guest has the CPU of its host. */
static bool is_hosts(const char *model)
{
	return strncmp(model, "host", 4) == 0 || strncmp(model, "max", 3) == 0;
}

/* Of the recorded flags those that the guest needs: all where it has its host's CPU, else those that -cpu names. */
static char *needed_flags(const struct plan *p, const char *model)
{
	const char *flags = p->m->cpu_flags;
	char *needed = text_of("%s", "");

	for (size_t n; *(flags += strspn(flags, " ")); flags += n) {
		n = strcspn(flags, " ");
		if (is_hosts(model) || names_feature(model, flags, n)) {
			char *more = text_of("%s %.*s", needed, (int)n, flags);

			free(needed);
			needed = more;
		}
	}
	return needed;
}

/* --- a named model ---------------------------------------------------------------------------------------------- */

/* What QEMU says of each feature of the model that KVM cannot give here (target/i386/cpu.c, mark_unavailable_features). */
#define SAYS_MISSING "host doesn't support requested feature: "

/* "CPUID.01H:ECX.sse4.1 [bit 19]" is sse4_1 to Linux; malloc'd. */
static char *linux_name(const char *said)
{
	size_t n = strcspn(said, " \n");
	const char *dot = memchr(said, ':', n);
	char *name;

	dot = dot ? memchr(dot, '.', n - (size_t)(dot - said)) : NULL;
	if (dot) {
		n -= (size_t)(dot + 1 - said);
		said = dot + 1;
	}
	name = text_of("%.*s", (int)n, said);
	for (char *c = name; *c; c++)
		if (*c == '-' || *c == '.')
			*c = '_';
	return name;
}

/* What QEMU says when it makes such a CPU: it ends right after, since no such migration protocol is known. */
static char *ask_for_model(const struct plan *p, const char *cpu)
{
	char *argv[] = { p->binary, "-nodefaults", "-display", "none",	    "-machine",	 "pc,accel=kvm", "-S",
			 "-cpu",    (char *)cpu,   "-incoming", "nothing:", NULL };
	char *answer = NULL;
	struct err ignored;

	(void)!program_ask_with(p, argv, &answer, &ignored);
	return answer;
}

/* Of the recorded flags those that the model has and this host cannot give; malloc'd, or NULL where there are none. */
static char *missing_in_model(const struct plan *p, const char *cpu)
{
	_cleanup_free_ char *answer = ask_for_model(p, cpu);
	char *all = NULL;

	for (const char *at = answer; at && (at = strstr(at, SAYS_MISSING)) != NULL;) {
		_cleanup_free_ char *name = linux_name(at += sizeof(SAYS_MISSING) - 1);
		_cleanup_free_ char *unknown = cpu_flags_missing(name, p->m->cpu_flags), *before = all;

		all = unknown ? steal_ptr(before) : text_of("%s%s%s", before ? before : "", before ? " " : "", name);
	}
	return all;
}

/* --- the check -------------------------------------------------------------------------------------------------- */

/* The features of the guest that this host has not; malloc'd, or NULL. */
static char *missing_features(const struct plan *p, const char *here)
{
	_cleanup_free_ char *lost = cpu_flags_missing(p->m->cpu_flags, here), *needed = NULL;
	_cleanup_args_ struct args a;
	const struct arg *cpu;
	char *missing;

	args_parse(&a, p->m->argv + 1);
	cpu = args_find(&a, "cpu");
	if (!lost || !cpu || !cpu->value) /* QEMU's own default model asks for what every host has */
		return NULL;
	needed = needed_flags(p, cpu->value);
	missing = cpu_flags_missing(needed, here);
	return missing || is_hosts(cpu->value) ? missing : missing_in_model(p, cpu->value);
}

static int check_flags(const struct plan *p, struct err *e)
{
	_cleanup_free_ char *here = cpu_flags_of_host(), *missing = NULL;

	missing = p->m->cpu_flags && here ? missing_features(p, here) : NULL;
	if (!missing)
		return 0;
	err_set(e, "the guest has features of its host's CPU that this host's has not: %.400s", missing);
	return err_hint(e, "restore on a host that has them; for this one, take the checkpoint of a VM with a named CPU "
			   "model and without them");
}

static int check_kvm(struct err *e)
{
	if (access("/dev/kvm", R_OK | W_OK) == 0)
		return 0;
	err_set(e, "the VM ran with KVM, and /dev/kvm cannot be used here");
	return err_hint(e, "load the module kvm, or become a member of its group; --force tries it all the same");
}

int host_check(const struct plan *p, struct err *e)
{
	if (p->o->own || p->o->print || p->o->adopt || !p->m->accelerator || strcmp(p->m->accelerator, "kvm") != 0)
		return 0;
	if (check_flags(p, e) == 0 && check_kvm(e) == 0)
		return 0;
	if (!p->o->force)
		return -1;
	cli_warn("%s", e->text);
	return 0;
}
