/* SPDX-License-Identifier: MIT */
#include "overlay_name.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "fdio.h"
#include "json.h"

#define MAX_NAME 100
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

int overlay_name_check(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n > MAX_NAME || name[0] == '.' || name[0] == '-' || strspn(name, NAME_BYTES) != n)
		return err_usage(e,
				 "--name: '%s' is not a name: letters, digits, '.', '_' and '-', at most %d of them, "
				 "not beginning with '.' or '-'",
				 name, MAX_NAME);
	return 0;
}

bool overlay_name_is(const char *path)
{
	size_t n = strlen(path);

	return n > 4 && strcmp(path + n - 4, ".ovl") == 0;
}

char *overlay_name_stem(const char *path)
{
	const char *base = path_base(path), *dot = strrchr(base, '.');

	return text_of("%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

char *overlay_name_base(const char *path, const char *parent)
{
	char *stem = overlay_name_stem(path), *cut;
	size_t n = strlen(stem), length = parent ? strlen(parent) : 0;

	if (!overlay_name_is(path))
		return stem;
	if (length && n > length + 1 && stem[n - length - 1] == '_' && strcmp(stem + n - length, parent) == 0)
		cut = stem + n - length - 1;
	else
		cut = strrchr(stem, '_');
	if (cut && cut > stem)
		*cut = '\0';
	return stem;
}

char *overlay_name_device(const char *device)
{
	char *name = text_copy(device);

	for (char *c = name; *c; c++)
		if (!strchr(NAME_BYTES, *c))
			*c = '-';
	return name;
}

int overlay_name_utf8(const char *path, struct err *e)
{
	json_t *text = json_string_of(path);
	bool same = strcmp(json_string_value(text), path) == 0;

	json_decref(text);
	return same ? 0 : err_set(e, "'%s' is not valid UTF-8: QEMU cannot be told that name", path);
}

void overlay_name_node(char node[OVERLAY_NODE_SIZE], const char *name, size_t i, char *const *nodes, size_t n,
		       unsigned *salt)
{
	bool taken;

	do {
		taken = false;
		if (strlen(name) <= 16 && *salt == 0)
			snprintf(node, OVERLAY_NODE_SIZE, "mplcr-%.16s-%u", name, (unsigned)i % 1000);
		else
			snprintf(node, OVERLAY_NODE_SIZE, "mplcr-%.10s-%u-%u", name, *salt % 100000,
				 (unsigned)i % 1000);
		for (size_t k = 0; k < n; k++)
			taken |= strcmp(nodes[k], node) == 0;
		*salt += taken;
	} while (taken);
}
