/* SPDX-License-Identifier: MIT */
#include "split/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/key.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint/layout.h"

#define DOMAIN_NAME "domain.xml"
#define ENGINE "split" /* in manifests: none of mplcr-trigger took it */

/* The oldest QEMU that has the machine type "pc-i440fx-7.2", in the form of qmp_version; 0: it does not tell. */
static int version_of(const char *machine)
{
	const char *dash = strrchr(machine, '-');
	int major, minor, end = 0;

	if (!dash || sscanf(dash + 1, "%2d.%2d%n", &major, &minor, &end) != 2 || dash[1 + end] || major < 0 || minor < 0)
		return 0;
	return major * 10000 + minor * 100;
}

/* The size of its memory: what its blocks' files hold. */
static uint64_t memory_in(const struct manifest *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->n_files; i++)
		sum += m->files[i].block ? m->files[i].size : 0;
	return sum;
}

/* Others do not tell whether the VM ran when it was saved, but for libvirt: most stop it for that, and want it to go on. */
static struct manifest *build(const struct record *r)
{
	struct manifest *m = memory_of(1, sizeof(*m));
	char now[32];

	m->name = text_copy(r->name);
	m->checkpoint = text_copy(r->final);
	m->created = text_copy(clock_utc(now));
	m->engine = text_copy(ENGINE);
	m->layout = layout_default();
	m->run_state = text_copy(r->input->domain && !r->input->was_running ? "paused" : "running");
	m->saved_paused = true;
	m->described = r->result->described;
	m->total_ms = r->total_ms;
	m->state_bytes = r->result->bytes;
	m->qemu_version = version_of(r->result->machine);
	m->qemu_package = text_copy("");
	m->machine = text_copy(r->result->machine);
	manifest_set_state(m, r->result);
	m->memory = memory_in(m);
	return m;
}

static int save_domain(struct manifest *m, const char *domain, int dirfd, struct err *e)
{
	char sum[DIGEST_HEX];

	if (file_create(dirfd, DOMAIN_NAME, domain, strlen(domain), e) < 0)
		return -1;
	digest_bytes(domain, strlen(domain), sum);
	m->files[m->n_files++] =
		(struct manifest_file){ text_copy(DOMAIN_NAME), strlen(domain), text_copy(sum), NULL };
	return 0;
}

int record_write(const struct record *r, int dirfd, struct err *e)
{
	struct manifest *m = build(r);
	struct err ignored;
	int result = r->input->domain ? save_domain(m, r->input->domain, dirfd, e) : 0;

	if (result == 0) {
		_cleanup_json_ json_t *json = manifest_to_json(m);
		/* Without a key it is one that this host does not know: restore has a word for it. */
		struct key *key = key_load(true, &ignored);

		result = manifest_write(json, key, dirfd, MANIFEST_NAME, e);
		key_free(key);
	}
	manifest_free(m);
	return result;
}
