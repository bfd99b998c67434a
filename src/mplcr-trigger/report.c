/* SPDX-License-Identifier: MIT */
/* Reports to the user: data on standard output, the rest on standard error. */
#include "report.h"
#include "freeze/freeze.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/json.h"
#include "base/number.h"

static void note_checkpoint(const struct plan *p, const struct outcome *out, const struct manifest *m)
{
	char bytes[16];

	cli_note("%s: pause %.1f ms, total %.0f ms, %s, engine %s", m->name, m->pause_ms, m->total_ms,
		 number_bytes(out->sent_bytes, bytes), m->engine);
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

static int print_checkpoint(const struct options *o, const struct manifest *m, struct err *e)
{
	json_t *json;
	int result;

	if (!o->json) {
		printf("%s\n", m->checkpoint);
		return 0;
	}
	json = manifest_to_json(m);
	result = json_print(json, e);
	json_decref(json);
	return result;
}

int report_checkpoint(const struct options *o, const struct plan *p, const struct outcome *out,
		      const struct manifest *m, struct err *e)
{
	note_checkpoint(p, out, m);
	if (print_checkpoint(o, m, e) == 0 && cli_flush(e) == 0)
		return 0;
	err_prefix(e, "the checkpoint '%s' is complete", m->checkpoint);
	e->status = EXIT_PARTIAL;
	return -1;
}

static void print_plan(const struct choice *ch, const struct plan *p)
{
	printf("checkpoint %s\nengine %s\npredicted_pause_ms %.0f\n", p->final, ch->engine->name,
	       choice_predicted_ms(ch));
	for (size_t i = 0; i < p->n_disks; i++) {
		const struct disk_plan *dp = &p->disks[i];

		if (dp->freeze && dp->overlay)
			printf("freeze %s %s\noverlay %s %s\n", dp->disk->device, dp->disk->chain[0].path,
			       dp->disk->device, dp->overlay);
		else if (dp->freeze)
			printf("freeze %s %s\n%s %s %s/%s\n", dp->disk->device, dp->disk->chain[0].path,
			       p->method->name, dp->disk->device, p->final, dp->clone);
	}
	for (size_t i = 0; i < p->includes.n; i++)
		printf("include %s %s/%s\n", p->includes.list[i].from, p->final, p->includes.list[i].to);
}

int report_plan(const struct options *o, const struct survey *s, const struct choice *ch, const struct plan *p,
		struct err *e)
{
	json_t *json;
	int result;

	if (!o->json) {
		print_plan(ch, p);
		return 0;
	}
	json = plan_to_json(p, s, ch);
	result = json_print(json, e);
	json_decref(json);
	return result;
}
