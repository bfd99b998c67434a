/* SPDX-License-Identifier: MIT */
#include "record.h"
#include "freeze/freeze.h"
#include "include.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/text.h"
#include "base/json.h"
#include "base/key.h"
#include "checkpoint/store.h"
#include "qemu/cpu_flags.h"

static char **copy_arguments(char **argv)
{
	size_t n = 0;
	char **copy;

	while (argv[n])
		n++;
	copy = memory_of(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = text_copy(argv[i]);
	return copy;
}

/*
 * An image of a chain, and its data file: as the VM has them or, where they are named, their clones, which are in the
 * partial directory yet.
 */
static int record_image(struct manifest_image *to, const struct vm_image *from, const struct plan *p,
			const char *clone, const char *data, struct err *e)
{
	_cleanup_free_ char *now = clone ? path_join(p->partial, clone) : text_copy(from->path);

	to->path = clone ? path_join(p->final, clone) : text_copy(from->path);
	to->format = text_copy(from->format);
	if (identity_read(now, &to->id, e) < 0)
		return -1;
	if (!from->data)
		return 0;
	to->data = memory_of(1, sizeof(*to->data));
	return record_image(to->data, from->data, p, data, NULL, e);
}

static int record_disk(struct manifest_disk *to, const struct plan *p, const struct disk_plan *dp, struct err *e)
{
	const struct disk *d = dp->disk;

	to->device = text_copy(d->device);
	to->node = text_copy(d->node);
	to->qdev = text_copy(d->qdev);
	to->virtual_size = d->virtual_size;
	to->read_only = d->read_only;
	to->chain = memory_of(d->n_chain, sizeof(*to->chain));
	to->method = dp->freeze ? p->method->recorded : MANIFEST_NONE;
	to->active = text_copy(plan_active(dp));
	for (size_t i = 0; i < d->n_chain; i++)
		if (record_image(&to->chain[to->n_chain++], &d->chain[i], p, i == 0 ? dp->clone : NULL,
				 i == 0 ? dp->data : NULL, e) < 0)
			return -1;
	return 0;
}

static void record_qemu(struct manifest *m, const struct survey *s)
{
	struct err ignored;

	m->qemu_version = s->version;
	m->qemu_package = text_copy(s->package);
	m->machine = text_copy(s->machine);
	m->accelerator = text_copy(s->kvm ? "kvm" : "tcg");
	m->cpu_flags = s->kvm ? cpu_flags_of_host() : NULL;
	m->memory = s->memory;
	if (!s->process.known)
		return;
	m->argv = copy_arguments(s->process.proc.argv);
	m->cwd = text_copy(s->process.proc.cwd);
	if (identity_read(s->process.proc.exe, &m->qemu_id, &ignored) == 0)
		m->qemu_binary = text_copy(s->process.proc.exe);
}

/*
 * The disks whose content belongs to the checkpoint: the frozen ones, and the read-only ones that are local files. Of
 * the writable ones that were left out the names are kept, unless their images were included.
 */
static int record_disks(struct manifest *m, const struct plan *p, struct err *e)
{
	size_t left_out = 0;

	m->disks = memory_of(p->n_disks, sizeof(*m->disks));
	m->left_out = memory_of(p->n_disks + 1, sizeof(*m->left_out));
	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk *d = p->disks[i].disk;

		if (!p->disks[i].freeze && !d->read_only && plan_includes(p, d))
			continue;
		if (!p->disks[i].freeze && !d->read_only)
			m->left_out[left_out++] = text_copy(d->device);
		else if (!d->refusal && record_disk(&m->disks[m->n_disks++], p, &p->disks[i], e) < 0)
			return -1;
	}
	return 0;
}

static void record_state(struct manifest *m, const struct plan *p, const struct sink_result *r)
{
	manifest_set_state(m, r);
	if (r->begun)
		m->incremental = (struct manifest_incremental){ text_copy(p->before->checkpoint), r->pages_same,
								r->pages_changed, r->pages_zeroed };
}

struct manifest *record_build(const struct options *o, const struct survey *s, const struct choice *ch,
			      const struct plan *p, const struct outcome *out, int dirfd, struct err *e)
{
	struct manifest *m = memory_of(1, sizeof(*m));
	char now[32];

	m->name = text_copy(p->name);
	m->checkpoint = text_copy(p->final);
	m->created = text_copy(clock_utc(now));
	m->parent = p->before ? text_copy(p->before->name) : NULL;
	m->engine = text_copy(ch->engine->name);
	m->layout = o->layout;
	m->run_state = text_copy(s->run_state);
	m->saved_paused = ch->engine->saved_paused || !s->running;
	m->described = out->result ? out->result->described : !s->undescribed;
	m->pause_ms = out->pause_ms;
	m->total_ms = out->total_ms;
	m->phases = json_incref(out->phases);
	m->prediction = choice_to_json(ch, out->pause_ms);
	record_qemu(m, s);
	m->receiver = text_copy(o->uri);
	m->state_bytes = out->sent_bytes;
	if (out->result)
		record_state(m, p, out->result);
	else
		m->files = memory_of(1, sizeof(*m->files));
	if (record_disks(m, p, e) < 0 || include_record(m, p, dirfd, e) < 0) {
		manifest_free(m);
		return NULL;
	}
	return m;
}

/* The key that signs it, made where there is none. */
static struct key *signing_key(void)
{
	struct err why;
	struct key *key = key_load(true, &why);

	if (!key)
		cli_warn("the manifest is not signed, and mplcr-restore will ask for --trust: %s", why.text);
	return key;
}

static int write_manifest(struct manifest *m, int dirfd, struct err *e)
{
	_cleanup_json_ json_t *json = manifest_to_json(m);
	struct key *key = signing_key();
	_cleanup_free_ char *text = manifest_text(json, key, e);

	key_free(key);
	if (!text)
		return -1;
	m->json = json_loads(text, 0, NULL);
	return file_create(dirfd, MANIFEST_NAME, text, strlen(text), e);
}

/* Saves the trace, and lists it among the files. */
static int save_trace(struct manifest *m, struct trace *t, int dirfd, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct manifest_file *f = &m->files[m->n_files];
	char sum[DIGEST_HEX];
	struct stat st;

	if (trace_save(t, dirfd, TRACE_NAME, e) < 0)
		return -1;
	fd = openat(dirfd, TRACE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot open '%s'", TRACE_NAME);
	if (digest_fd(fd, sum, e) < 0)
		return err_prefix(e, "'%s'", TRACE_NAME);
	*f = (struct manifest_file){ text_copy(TRACE_NAME), (uint64_t)st.st_size, text_copy(sum), NULL };
	m->n_files++;
	return 0;
}

/* It could not be taken back: the VM goes on with its overlays. */
static void tell_active(const struct plan *p, struct err *e)
{
	const char *before = "; the VM goes on with";

	for (size_t i = 0; p->method->makes_overlays && i < p->n_disks; i++) {
		size_t used = strlen(e->text);

		if (!p->disks[i].freeze)
			continue;
		snprintf(e->text + used, sizeof(e->text) - used, "%s '%s'", before, p->disks[i].overlay);
		before = ",";
	}
}

int record_publish(struct manifest *m, struct trace *t, const struct plan *p, int dirfd, struct err *e)
{
	if (save_trace(m, t, dirfd, e) < 0 || write_manifest(m, dirfd, e) < 0)
		return -1;
	if (store_publish(dirfd, p->partial, p->final, e) == 0)
		return 0;
	if (e->status == EXIT_PARTIAL)
		tell_active(p, e);
	return -1;
}
