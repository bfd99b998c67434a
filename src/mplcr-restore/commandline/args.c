/* SPDX-License-Identifier: MIT */
#include "commandline/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "base/text.h"

/* The options without a value, of QEMU 2.9 to 10.0. All others take one. */
static const char *const plain[] = {
	"S", "alt-grab", "async-teardown", "audio-help", "ctrl-grab", "curses", "daemonize", "enable-fips",
	"enable-hax", "enable-kvm", "enable-sync-profile", "full-screen", "h", "help", "mem-prealloc", "no-acpi",
	"no-fd-bootchk", "no-frame", "no-hpet", "no-kvm", "no-kvm-irqchip", "no-kvm-pit", "no-kvm-pit-reinjection",
	"no-quit", "no-reboot", "no-shutdown", "no-user-config", "nodefaults", "nodefconfig", "nographic",
	"old-param", "one-insn-per-tick", "only-migratable", "portrait", "preconfig", "rtc-td-hack", "s", "sdl",
	"semihosting", "show-cursor", "singlestep", "snapshot", "tdf", "usb", "version", "win2k-hack", "xen-attach",
	"xen-create", "xen-domid-restrict",
};

static bool takes_value(const char *name)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (strcmp(plain[i], name) == 0)
			return false;
	return true;
}

static void append(struct args *a, struct arg arg)
{
	*array_add(a->items, a->n) = arg;
}

void args_parse(struct args *a, char *const *argv)
{
	*a = (struct args){ 0 };
	while (*argv) {
		struct arg arg = { 0 };
		const char *word = *argv++;

		if (word[0] != '-' || !word[1]) {
			arg.value = text_copy(word);
		} else {
			word += word[1] == '-' ? 2 : 1;
			arg.name = text_copy(strcmp(word, "M") == 0 ? "machine" : word);
			if (takes_value(word) && *argv)
				arg.value = text_copy(*argv++);
		}
		append(a, arg);
	}
}

bool arg_is(const struct arg *arg, const char *name)
{
	return arg->name && strcmp(arg->name, name) == 0;
}

struct arg *args_find(const struct args *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (arg_is(&a->items[i], name))
			return &a->items[i];
	return NULL;
}

void args_add(struct args *a, const char *name, const char *value)
{
	append(a, (struct arg){ .name = text_copy(name), .value = text_copy(value) });
}

void args_remove_at(struct args *a, size_t i)
{
	free(a->items[i].name);
	free(a->items[i].value);
	a->n--;
	memmove(&a->items[i], &a->items[i + 1], (a->n - i) * sizeof(*a->items));
}

void args_remove(struct args *a, const char *name)
{
	for (size_t i = a->n; i > 0; i--)
		if (arg_is(&a->items[i - 1], name))
			args_remove_at(a, i - 1);
}

void arg_set_value(struct arg *arg, char *value)
{
	free(arg->value);
	arg->value = value;
}

char **args_print(const struct args *a, const char *program)
{
	char **argv = memory_of(2 * a->n + 2, sizeof(*argv)), **to = argv;

	*to++ = text_copy(program);
	for (size_t i = 0; i < a->n; i++) {
		if (a->items[i].name)
			*to++ = text_of("-%s", a->items[i].name);
		if (a->items[i].value)
			*to++ = text_copy(a->items[i].value);
	}
	return argv;
}

void args_release(struct args *a)
{
	while (a->n > 0)
		args_remove_at(a, a->n - 1);
	free(a->items);
	a->items = NULL;
}
