/* SPDX-License-Identifier: MIT */
/* Reports to the user: data on standard output, the rest on standard error. */
#include "report.h"
#include "freeze/freeze.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/number.h"
#include "qemu/secrets.h"

/* How its memory differs from the parent's. */
static void note_memory(const struct options *o, const struct manifest *m)
{
	const struct manifest_incremental *i = &m->incremental;

	if (i->parent)
		cli_note("%s: memory since '%s': %" PRIu64 " pages changed, %" PRIu64 " became zero, %" PRIu64
			 " are the same",
			 m->name, path_base(i->parent), i->changed, i->zeroed, i->same);
	else if (o->parent)
		cli_warn("the memory was saved whole: no RAM block has the size that it has in '%s'", o->parent);
}

static void note_checkpoint(const struct options *o, const struct plan *p, const struct outcome *out,
			    const struct manifest *m)
{
	char bytes[16];

	cli_note("%s: pause %.1f ms, total %.0f ms, %s, engine %s", m->name, m->pause_ms, m->total_ms,
		 number_bytes(out->sent_bytes, bytes), m->engine);
	note_memory(o, m);
	if (m->receiver)
		cli_note("%s: the state is in the QEMU that waited at '%s'", m->name, m->receiver);
	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];
		_cleanup_free_ char *frozen = plan_frozen(p, dp);

		if (dp->freeze)
			cli_note("%s: frozen '%s', active '%s'", dp->disk->device, frozen, plan_active(dp));
		else if (!dp->disk->read_only && !plan_includes(p, dp->disk))
			cli_warn("disk '%s' was left out: its content does not belong to the checkpoint",
				 dp->disk->device);
	}
}

/* The manifest keeps what is secret on QEMU's command line; what is printed goes anywhere. */
static void mask_secrets(json_t *json, const struct manifest *m)
{
	json_t *list = json_array();
	unsigned changed;
	char **masked = m->argv ? secrets_masked(m->argv, &changed) : NULL;

	for (size_t i = 0; masked && masked[i]; i++)
		json_array_append_new(list, json_string_of(masked[i]));
	if (masked)
		json_object_set(json_object_get(json, "qemu"), "command_line", list);
	json_decref(list);
	text_list_free(masked);
}

static int print_checkpoint(const struct options *o, const struct manifest *m, struct err *e)
{
	json_t *json;
	int result;

	if (!o->json) {
		escape_path(m->checkpoint, false);
		return 0;
	}
	json = json_deep_copy(m->json);
	mask_secrets(json, m);
	result = json_print(json, e);
	json_decref(json);
	return result;
}

int report_checkpoint(const struct options *o, const struct plan *p, const struct outcome *out,
		      const struct manifest *m, struct err *e)
{
	note_checkpoint(o, p, out, m);
	if (print_checkpoint(o, m, e) == 0 && cli_flush(e) == 0)
		return 0;
	err_prefix(e, "the checkpoint '%s' is complete", m->checkpoint);
	e->status = EXIT_PARTIAL;
	return -1;
}

/* One line of the plan: "KEY …". */
__attribute__((format(printf, 1, 2))) static void print_line(const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	line = text_of_args(fmt, ap);
	va_end(ap);
	escape_line(line);
}

static void print_disk(const struct plan *p, const struct disk_plan *dp)
{
	print_line("freeze %s %s", dp->disk->device, dp->disk->chain[0].path);
	if (dp->overlay)
		print_line("overlay %s %s", dp->disk->device, dp->overlay);
	else
		print_line("%s %s %s/%s", p->method->name, dp->disk->device, p->final, dp->clone);
}

static void print_plan(const struct options *o, const struct choice *ch, const struct plan *p)
{
	const struct manifest *parent = plan_parent(p, o);

	print_line("checkpoint %s", p->final);
	if (parent)
		print_line("parent %s", parent->checkpoint);
	print_line("engine %s", ch->engine->name);
	print_line("predicted_pause_ms %.0f", choice_predicted_ms(ch));
	for (size_t i = 0; i < p->n_disks; i++)
		if (p->disks[i].freeze)
			print_disk(p, &p->disks[i]);
	for (size_t i = 0; i < p->includes.n; i++)
		print_line("include %s %s/%s", p->includes.list[i].from, p->final, p->includes.list[i].to);
}

int report_plan(const struct options *o, const struct survey *s, const struct choice *ch, const struct plan *p,
		struct err *e)
{
	json_t *json;
	int result;

	if (!o->json) {
		print_plan(o, ch, p);
		return 0;
	}
	json = plan_to_json(p, o, s, ch);
	result = json_print(json, e);
	json_decref(json);
	return result;
}
