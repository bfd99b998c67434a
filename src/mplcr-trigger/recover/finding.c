/* SPDX-License-Identifier: MIT */
#include "recover/recover.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/text.h"

struct finding *finding_add(struct recover *r, const char *kind, const char *path, const char *next, const char *fmt, ...)
{
	struct finding *f = array_add(r->list, r->n);
	va_list ap;

	va_start(ap, fmt);
	*f = (struct finding){
		.kind = kind,
		.path = text_copy(path),
		.text = text_of_args(fmt, ap),
		.next = text_copy(next),
	};
	va_end(ap);
	return f;
}

void found_end_with(struct recover *r, size_t from, int result, const struct err *e)
{
	for (size_t i = from; i < r->n; i++)
		if (r->list[i].outcome == FOUND)
			r->list[i].outcome = result == 0 ? DONE : FAILED;
	if (result < 0 && !r->why.text[0])
		r->why = *e;
}

size_t found_count(const struct recover *r, enum outcome_of outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->list[i].outcome == outcome;
	return n;
}

static const char *word_of(enum outcome_of outcome)
{
	return outcome == DONE ? "done" : outcome == FAILED ? "failed" : "next";
}

static void print_line(const struct finding *f)
{
	_cleanup_free_ char *line = text_of("%s %s: %s%s%s%s%s", f->kind, f->path, f->text, f->next ? "; " : "",
					    f->next ? word_of(f->outcome) : "", f->next ? ": " : "",
					    f->next ? f->next : "");

	escape_line(line);
}

static json_t *finding_to_json(const struct finding *f)
{
	static const char *const words[] = { [FOUND] = "found", [DONE] = "done", [LEFT] = "left", [FAILED] = "failed" };
	json_t *object = json_of("{s:s, s:o, s:o, s:s}", "kind", f->kind, "path", json_string_of(f->path), "text",
				 json_string_of(f->text), "outcome", words[f->outcome]);

	json_object_set_new(object, "next", f->next ? json_string_of(f->next) : json_null());
	if (f->device)
		json_object_set_new(object, "device", json_string_of(f->device));
	if (f->frozen)
		json_object_set_new(object, "frozen", json_string_of(f->frozen));
	return object;
}

int found_print(const struct recover *r, struct err *e)
{
	_cleanup_json_ json_t *found = json_array();
	_cleanup_json_ json_t *object =
		json_of("{s:s, s:b, s:O}", "schema", "mplcr.trigger.recover/1", "yes", r->yes, "found", found);

	for (size_t i = 0; i < r->n; i++) {
		if (r->json)
			json_array_append_new(found, finding_to_json(&r->list[i]));
		else
			print_line(&r->list[i]);
	}
	return r->json ? json_print(object, e) : 0;
}

void found_release(struct recover *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->list[i].path);
		free(r->list[i].device);
		free(r->list[i].text);
		free(r->list[i].next);
		free(r->list[i].frozen);
	}
	free(r->list);
}
