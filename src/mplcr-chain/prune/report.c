/* SPDX-License-Identifier: MIT */
/* What prune says. */
#include "prune/prune.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/number.h"
#include "base/path.h"

static uint64_t freed_in_all(const struct prune *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n; i++)
		sum += p->checkpoints[i].drop ? p->checkpoints[i].stored : 0;
	for (size_t i = 0; i < p->n_runs; i++)
		sum += p->runs[i].stays ? 0 : p->runs[i].freed;
	return sum;
}

static void report_run(const struct prune_run *r, const char *would)
{
	_cleanup_free_ char *into = escape(path_base(prune_into(r)->path));

	for (size_t k = r->at + 1; k < r->base && !r->stays; k++) {
		_cleanup_free_ char *layer = escape(r->chain->images[k].path);

		printf("%s: %smerged into %s\n", layer, would, into);
	}
}

static void report_text(const struct prune *p)
{
	const char *would = p->dry_run ? "would be " : "";
	_cleanup_free_ char *root = escape(p->dir);
	char bytes[16];

	for (size_t i = 0; i < p->n; i++) {
		const struct prune_checkpoint *c = &p->checkpoints[i];

		_cleanup_free_ char *dir = escape(p->forest->checkpoints[c->index].dir);
		_cleanup_free_ char *why = escape(c->why ? c->why : "");

		if (c->drop)
			printf("%s: %sdropped, %s\n", dir, would, number_bytes(c->stored, bytes));
		else
			printf("%s: kept, %s\n", dir, why);
	}
	for (size_t i = 0; i < p->n_runs; i++)
		report_run(&p->runs[i], would);
	printf("%s: %s%s freed\n", root, would, number_bytes(freed_in_all(p), bytes));
}

static json_t *checkpoint_to_json(const struct prune *p, const struct prune_checkpoint *c)
{
	const struct forest_checkpoint *of = &p->forest->checkpoints[c->index];
	json_t *object = json_of("{s:o, s:o}", "checkpoint", json_string_of(of->dir), "name",
				 json_string_of(forest_checkpoint_name(of)));

	if (c->drop)
		json_object_set_new(object, "freed_bytes", json_integer((json_int_t)c->stored));
	else
		json_object_set_new(object, "reason", json_string_of(c->why));
	return object;
}

static json_t *runs_to_json(const struct prune *p)
{
	json_t *array = json_array();

	for (size_t i = 0; i < p->n_runs; i++) {
		const struct prune_run *r = &p->runs[i];
		json_t *images;

		if (r->stays)
			continue;
		images = json_array();
		for (size_t k = r->at + 1; k < r->base; k++)
			json_array_append_new(images, json_string_of(r->chain->images[k].path));
		json_array_append_new(array, json_of("{s:o, s:o, s:I}", "images", images, "into",
						     json_string_of(prune_into(r)->path), "freed_bytes",
						     (json_int_t)r->freed));
	}
	return array;
}

static int report_json(const struct prune *p, struct err *e)
{
	_cleanup_json_ json_t *object = NULL;
	json_t *dropped = json_array(), *kept = json_array(), *left = json_array();

	for (size_t i = 0; i < p->n; i++)
		json_array_append_new(p->checkpoints[i].drop ? dropped : kept,
				      checkpoint_to_json(p, &p->checkpoints[i]));
	for (size_t i = 0; i < p->left.n; i++)
		json_array_append_new(left, json_string_of(p->left.paths[i]));
	object = json_of("{s:s, s:b, s:o, s:o, s:o, s:o, s:I}", "schema", "mplcr.chain.prune/1", "dry_run", p->dry_run,
			 "dropped", dropped, "kept", kept, "merged", runs_to_json(p), "left", left, "freed_bytes",
			 (json_int_t)freed_in_all(p));
	return json_print(object, e);
}

int prune_report(const struct prune *p, struct err *e)
{
	for (size_t i = 0; i < p->left.n; i++)
		cli_note("%s", p->left.paths[i]);
	if (p->json)
		return report_json(p, e) < 0 ? -1 : cli_flush(e);
	report_text(p);
	return cli_flush(e);
}

