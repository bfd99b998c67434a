/* SPDX-License-Identifier: MIT */
/* The survey: facts about the VM from QEMU and the host. */
#ifndef TRIGGER_SURVEY_H
#define TRIGGER_SURVEY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "qemu/disks.h"
#include "qemu/qmp.h"
#include "qemu/vm.h"

struct survey {
	struct vm_process process;
	int version; /* as qmp_version */
	char *package;
	char *machine; /* resolved machine type */
	char *run_state;
	bool running;
	bool kvm;
	bool undescribed;   /* its stream has no description at the end (machine property suppress-vmdesc) */
	uint64_t memory;    /* bytes of guest memory */
	uint64_t populated; /* of these, an upper bound of the memory ever touched */
	char **ram;         /* names of the memory backends: RAM blocks that get files of their own */
	size_t n_ram;
	char *memory_file; /* that one of them is mapped from, absolute or as the user wrote it; or NULL */
	json_t *capabilities; /* object: name -> bool */
	json_t *parameters;   /* object */
	struct disk *disks;
	size_t n_disks;
	char **nodes; /* names of all block nodes */
	size_t n_nodes;
	struct verdict verdict[ENGINES_MAX]; /* on each engine, by its row */
};

struct changes;

/*
 * Asks QEMU (whose socket is at `socket`) and the host, and lets each engine probe; takes back anything tried for that.
 * Returns 0 or -1.
 */
int survey_vm(struct survey *s, struct engines *all, const char *socket, struct qmp *q, struct changes *c,
	      struct err *e);
void survey_release(struct survey *s);

/* The memory: fills s->memory, s->ram, s->memory_file. */
int survey_memory(struct survey *s, struct qmp *q, struct err *e);

#endif
