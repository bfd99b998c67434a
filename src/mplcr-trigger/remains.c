/* SPDX-License-Identifier: MIT */
#include "remains.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void remains_add(struct remains *r, const struct err *why, const char *fmt, ...)
{
	size_t used = strlen(r->text);
	va_list ap;

	snprintf(r->text + used, sizeof(r->text) - used, "%s%s", used ? "; " : "", why->text);
	if (r->hint[0])
		return;
	va_start(ap, fmt);
	vsnprintf(r->hint, sizeof(r->hint), fmt, ap);
	va_end(ap);
}

int remains_tell(const struct remains *r, struct err *e)
{
	if (!r->text[0])
		return 0;
	err_set(e, "%s", r->text);
	e->status = EXIT_PARTIAL;
	return err_hint(e, "%s", r->hint);
}
