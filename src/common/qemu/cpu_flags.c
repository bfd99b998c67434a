/* SPDX-License-Identifier: MIT */
#include "qemu/cpu_flags.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

char *cpu_flags_of_host(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/cpuinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		const char *colon = strchr(line, ':');

		if (!colon || (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0))
			continue;
		colon += strspn(colon, ": ");
		return text_of("%.*s", (int)strcspn(colon, "\n"), colon);
	}
	return NULL;
}

static bool has(const char *list, const char *word, size_t n)
{
	for (const char *at = list; *at; at += strcspn(at, " "), at += strspn(at, " "))
		if (strcspn(at, " ") == n && strncmp(at, word, n) == 0)
			return true;
	return false;
}

char *cpu_flags_missing(const char *wanted, const char *have)
{
	char *missing = NULL;

	for (const char *at = wanted + strspn(wanted, " "); *at;) {
		size_t n = strcspn(at, " ");

		if (!has(have, at, n)) {
			char *more = text_of("%s%s%.*s", missing ? missing : "", missing ? " " : "", (int)n, at);

			free(missing);
			missing = more;
		}
		at += n;
		at += strspn(at, " ");
	}
	return missing;
}
