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

/* Of the recorded flags those that the guest needs: all where it has its host's CPU, else those that -cpu names. */
static char *needed_flags(const struct plan *p)
{
	const char *flags = p->m->cpu_flags, *model;
	char *needed = text_of("%s", "");
	_cleanup_args_ struct args a;
	const struct arg *cpu;

	args_parse(&a, p->m->argv + 1);
	cpu = args_find(&a, "cpu");
	model = cpu && cpu->value ? cpu->value : "";
	for (size_t n; *(flags += strspn(flags, " ")); flags += n) {
		n = strcspn(flags, " ");
		if (strncmp(model, "host", 4) == 0 || strncmp(model, "max", 3) == 0 || names_feature(model, flags, n)) {
			char *more = text_of("%s %.*s", needed, (int)n, flags);

			free(needed);
			needed = more;
		}
	}
	return needed;
}

static int check_flags(const struct plan *p, struct err *e)
{
	_cleanup_free_ char *here = cpu_flags_of_host(), *needed = NULL, *missing = NULL;

	if (!p->m->cpu_flags || !here)
		return 0;
	needed = needed_flags(p);
	missing = cpu_flags_missing(needed, here);
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
