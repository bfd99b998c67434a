/* SPDX-License-Identifier: MIT */
/* Whether this host has what a guest that ran on KVM saw of its own. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/text.h"
#include "commandline/args.h"
#include "qemu/cpu_flags.h"
#include "restore.h"

/* Whether the guest has the processor of the host, and not a model that is the same everywhere. */
static bool has_host_cpu(const struct plan *p)
{
	_cleanup_args_ struct args a;
	const struct arg *cpu;

	args_parse(&a, p->m->argv + 1);
	cpu = args_find(&a, "cpu");
	return cpu && cpu->value && (strncmp(cpu->value, "host", 4) == 0 || strncmp(cpu->value, "max", 3) == 0);
}

static int check_flags(const struct plan *p, struct err *e)
{
	_cleanup_free_ char *here = cpu_flags_of_host(), *missing = NULL;

	if (!p->m->cpu_flags || !here || !has_host_cpu(p))
		return 0;
	missing = cpu_flags_missing(p->m->cpu_flags, here);
	if (!missing)
		return 0;
	err_set(e, "the guest has its host's CPU (-cpu host), and this host's has no: %.400s", missing);
	return err_hint(e, "restore on a host that has it; for another host, take the checkpoint of a VM with a named "
			   "CPU model");
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
	if (check_kvm(e) == 0 && check_flags(p, e) == 0)
		return 0;
	if (!p->o->force)
		return -1;
	cli_warn("%s", e->text);
	return 0;
}
