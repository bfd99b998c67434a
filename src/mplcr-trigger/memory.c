/* SPDX-License-Identifier: MIT */
/* The memory of the VM: its size, and the names of the RAM blocks that get files of their own. */
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/json.h"
#include "qemu/versions.h"

/* The names of guest RAM blocks are those of the memory backends. */
static int read_backends(struct survey *s, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *list = NULL;
	const json_t *backend;
	size_t i;

	if (qmp_run(q, "query-memdev", NULL, &list, e) < 0)
		return -1;
	s->ram = memory_of(json_array_size(list) + 1, sizeof(*s->ram));
	json_array_foreach (list, i, backend)
		if (json_text(backend, "id"))
			s->ram[s->n_ram++] = text_copy(json_text(backend, "id"));
	return 0;
}

/* The file of a memory-backend-file (qapi/qom.json, MemoryBackendFileProperties); others have no such property. */
static int read_file(struct survey *s, struct qmp *q, struct err *e)
{
	for (size_t i = 0; i < s->n_ram && !s->memory_file; i++) {
		_cleanup_free_ char *path = text_of("/objects/%s", s->ram[i]);
		_cleanup_json_ json_t *file = NULL;
		struct err refused;

		if (qmp_run(q, "qom-get", json_of("{s:s, s:s}", "path", path, "property", "mem-path"), &file, &refused) < 0 &&
		    !qmp_alive(q)) {
			*e = refused;
			return -1;
		}
		if (json_string_value(file))
			s->memory_file = text_copy(json_string_value(file));
	}
	return 0;
}

static int read_summary(struct survey *s, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *memory = NULL;

	if (qmp_run(q, "query-memory-size-summary", NULL, &memory, e) < 0)
		return -1;
	s->memory = (uint64_t)json_int(memory, "base-memory", 0) + (uint64_t)json_int(memory, "plugged-memory", 0);
	return 0;
}

/*
 * Older QEMUs only say it in the human monitor: "info mtree" has, for the machine's own memory,
 *
 *   memory-region: pc.ram
 *     0000000000000000-0000000007ffffff (prio 0, ram): pc.ram
 */
static int read_tree(struct survey *s, struct qmp *q, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *at;

	if (qmp_run(q, "human-monitor-command", json_of("{s:s}", "command-line", "info mtree"), &answer, e) < 0)
		return -1;
	at = json_string_value(answer);
	while (at && (at = strstr(at, "memory-region: ")) != NULL) {
		unsigned long long first, last;
		char name[64], again[64];

		if (sscanf(at, "memory-region: %63s %16llx-%16llx (prio 0, ram): %63s", name, &first, &last, again) ==
			    4 &&
		    first == 0 && last > 0 && strcmp(name, again) == 0 && strlen(name) > 4 &&
		    strcmp(name + strlen(name) - 4, ".ram") == 0) {
			s->memory = (uint64_t)last + 1;
			if (s->n_ram == 0)
				s->ram[s->n_ram++] = text_copy(name);
			return 0;
		}
		at += strlen("memory-region: ");
	}
	return err_set(e, "this QEMU does not report the memory size of its VM");
}

int survey_memory(struct survey *s, struct qmp *q, struct err *e)
{
	if (read_backends(s, q, e) < 0 || read_file(s, q, e) < 0)
		return -1;
	return s->version >= QEMU_MEMORY_SUMMARY ? read_summary(s, q, e) : read_tree(s, q, e);
}
