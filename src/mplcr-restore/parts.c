/* SPDX-License-Identifier: MIT */
/* Whether a QEMU has the machine type, the devices, the CPU model and the CPU's features that a VM is made of. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "commandline/args.h"
#include "commandline/optvalue.h"
#include "restore.h"

static int lacks(const struct plan *p, const char *called, const char *name, struct err *e)
{
	return err_set(e, "QEMU %d.%d ('%s') does not have the VM's %s '%s'", p->version / 10000,
		       p->version / 100 % 100, p->binary, called, name);
}

/* --- the machine ------------------------------------------------------------------------------------------------ */

static bool lists_machine(const char *list, const char *machine)
{
	size_t n = strlen(machine);

	for (const char *line = list; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, machine, n) == 0 && (line[n] == ' ' || line[n] == '\n' || !line[n]))
			return true;
	}
	return false;
}

static int check_machine(const struct plan *p, struct err *e)
{
	_cleanup_free_ char *list = NULL;

	if (program_ask(p, "-machine", "help", &list, e) < 0)
		return -1;
	return lists_machine(list, p->m->machine) ? 0 : lacks(p, "machine type", p->m->machine, e);
}

/* --- devices ---------------------------------------------------------------------------------------------------- */

/* Whether `list` has `word`, with nothing of a name before and after it. */
static bool lists_word(const char *list, const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	size_t n = strlen(word);

	for (const char *at = strstr(list, word); at; at = strstr(at + 1, word))
		if ((at == list || !strchr(letters, at[-1])) && (!at[n] || !strchr(letters, at[n])))
			return true;
	return false;
}

/* Asks for the device's properties: the list lacks some aliases. (Of one that it does not have QEMU says so, status 0.) */
static bool has_device(const struct plan *p, const char *driver)
{
	_cleanup_free_ char *help = text_of("%s,help", driver), *answer = NULL;
	struct err ignored;

	return program_ask(p, "-device", help, &answer, &ignored) == 0 && answer &&
	       !strstr(answer, "not found");
}

static int check_devices(const struct plan *p, const struct args *a, struct err *e)
{
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < a->n; i++) {
		_cleanup_optvalue_ struct optvalue v = { 0 };
		const char *driver;

		if (!arg_is(&a->items[i], "device") || !a->items[i].value)
			continue;
		optvalue_parse(&v, a->items[i].value, "driver");
		driver = optvalue_get(&v, "driver");
		if (!list && program_ask(p, "-device", "help", &list, e) < 0)
			return -1;
		if (driver && *driver && !lists_word(list, driver) && !has_device(p, driver))
			return lacks(p, "device", driver, e);
	}
	return 0;
}

/* --- the CPU ---------------------------------------------------------------------------------------------------- */

/* "+sse4_1", "-x2apic", "avx=on" as QEMU calls the property (x86_cpu_parse_featurestr); malloc'd, NULL for none. */
static char *property_of(const char *feature)
{
	char *name = text_of("%.*s", (int)strcspn(feature, "="), feature + strspn(feature, "+-"));

	name[strcspn(name, "=")] = '\0';
	for (char *at = name; *at; at++)
		if (*at == '_')
			*at = '-';
	if (*name && strcmp(name, "tsc-freq") != 0) /* that one is a word of -cpu alone */
		return name;
	free(name);
	return NULL;
}

static int check_features(const struct plan *p, const char *list, char *features, struct err *e)
{
	char *save;

	for (char *one = strtok_r(features, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		_cleanup_free_ char *name = property_of(one), *line = name ? text_of("\n  %s=", name) : NULL;

		if (line && !strstr(list, line))
			return lacks(p, "CPU feature", name, e);
	}
	return 0;
}

/* The architecture that the program is named after: "x86_64"; features are known of that one alone. */
static const char *cpu_type(const struct plan *p)
{
	const char *name = path_base(p->binary);

	return strstr(name, "x86_64") ? "x86_64" : strstr(name, "i386") ? "i386" : NULL;
}

static int check_model(const struct plan *p, const char *cpu, struct err *e)
{
	size_t n = strcspn(cpu, ",");
	_cleanup_free_ char *model = text_of("%.*s", (int)n, cpu), *features = cpu[n] ? text_copy(cpu + n + 1) : NULL;
	_cleanup_free_ char *list = NULL, *help = NULL, *properties = NULL;

	if (program_ask(p, "-cpu", "help", &list, e) < 0)
		return -1;
	if (*model && !lists_word(list, model))
		return lacks(p, "CPU", model, e);
	if (!features || !cpu_type(p))
		return 0;
	help = text_of("%s-%s-cpu,help", model, cpu_type(p));
	if (program_ask(p, "-device", help, &properties, e) < 0)
		return -1;
	return strstr(properties, " options:") ? check_features(p, properties, features, e) : 0;
}

static int check_cpu(const struct plan *p, const struct args *a, struct err *e)
{
	const struct arg *cpu = args_find(a, "cpu");

	return cpu && cpu->value ? check_model(p, cpu->value, e) : 0;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

int parts_check(const struct plan *p, struct err *e)
{
	_cleanup_args_ struct args a;

	args_parse(&a, (p->o->own ? p->o->own : p->m->argv) + 1);
	if (check_machine(p, e) < 0 || check_devices(p, &a, e) < 0)
		return -1;
	return check_cpu(p, &a, e);
}
