/* SPDX-License-Identifier: MIT */
/*
 * Rule "included" of commandline.h: wherever a file that the checkpoint includes is the whole value of an option or of
 * a member of one, its copy in the run directory takes its place.
 */
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "commandline/impl.h"
#include "base/text.h"
#include "commandline/optvalue.h"

/* Options whose value is text for the guest or for people, and no path. */
static bool is_text(const struct arg *arg)
{
	return arg_is(arg, "append") || arg_is(arg, "name") || arg_is(arg, "uuid");
}

const char *included_copy(const struct commandline_request *r, const char *name)
{
	for (size_t i = 0; i < r->m->n_included; i++)
		if (path_is_named(r, name, r->m->included[i].recorded, r->m->included[i].path))
			return r->included[i];
	return NULL;
}

static const char *replacement(void *ctx, const char *text)
{
	return included_copy(ctx, text);
}

void commandline_included(const struct commandline_request *r, struct args *a)
{
	for (size_t i = 0; i < a->n && r->m->n_included > 0; i++) {
		struct arg *arg = &a->items[i];
		_cleanup_optvalue_ struct optvalue o = { 0 };
		const char *whole;

		if (!arg->value || is_text(arg))
			continue;
		whole = included_copy(r, arg->value);
		if (whole) {
			arg_set_value(arg, text_copy(whole));
			continue;
		}
		optvalue_parse(&o, arg->value, NULL);
		if (optvalue_replace(&o, replacement, (void *)r))
			arg_set_value(arg, optvalue_text(&o));
	}
}
