/* SPDX-License-Identifier: MIT */
#include "commandline/optvalue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/text.h"

void optvalue_parse(struct optvalue *o, const char *text, const char *implied)
{
	*o = (struct optvalue){ 0 };
	if (text[0] != '{') {
		keyval_parse(&o->kv, text, implied);
		return;
	}
	o->json = json_loads(text, 0, NULL);
	if (!json_is_object(o->json)) {
		json_decref(o->json);
		o->json = json_object();
	}
}

/*
 * The object that holds the last part of the dotted `key`, which *last becomes; NULL where a part is missing, unless
 * `make` is given.
 */
static json_t *holder(json_t *at, const char *key, const char **last, bool make)
{
	const char *dot;

	for (; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
		_cleanup_free_ char *part = text_of("%.*s", (int)(dot - key), key);
		json_t *next = json_object_get(at, part);

		if (!json_is_object(next)) {
			if (!make)
				return NULL;
			next = json_object();
			json_object_set_new(at, part, next);
		}
		at = next;
	}
	*last = key;
	return at;
}

static json_t *json_at(const struct optvalue *o, const char *key)
{
	const char *last;
	json_t *in = holder(o->json, key, &last, false);

	return in ? json_object_get(in, last) : NULL;
}

static void json_put(struct optvalue *o, const char *key, json_t *value)
{
	const char *last;
	json_t *in = holder(o->json, key, &last, true);

	json_object_set_new(in, last, value);
}

const char *optvalue_get(const struct optvalue *o, const char *key)
{
	return o->json ? json_string_value(json_at(o, key)) : keyval_get(&o->kv, key);
}

bool optvalue_has(const struct optvalue *o, const char *key)
{
	size_t length = strlen(key);

	if (o->json)
		return json_at(o, key) != NULL;
	for (size_t i = 0; i < o->kv.n; i++) {
		const char *have = o->kv.items[i].key;

		if (strncmp(have, key, length) == 0 && (!have[length] || have[length] == '.'))
			return true;
	}
	return false;
}

bool optvalue_on(const struct optvalue *o, const char *key)
{
	return o->json ? json_is_true(json_at(o, key)) : keyval_on(&o->kv, key);
}

void optvalue_set(struct optvalue *o, const char *key, const char *text)
{
	if (o->json)
		json_put(o, key, json_string(text));
	else
		keyval_set(&o->kv, key, text);
}

void optvalue_set_flag(struct optvalue *o, const char *key, bool on)
{
	if (o->json)
		json_put(o, key, json_boolean(on));
	else
		keyval_set(&o->kv, key, on ? "on" : "off");
}

void optvalue_set_number(struct optvalue *o, const char *key, uint64_t number)
{
	_cleanup_free_ char *text = text_of("%llu", (unsigned long long)number);

	if (o->json)
		json_put(o, key, json_integer((json_int_t)number));
	else
		keyval_set(&o->kv, key, text);
}

void optvalue_remove(struct optvalue *o, const char *key)
{
	const char *last;
	json_t *in;

	if (!o->json) {
		keyval_remove_tree(&o->kv, key);
		return;
	}
	in = holder(o->json, key, &last, false);
	if (in)
		json_object_del(in, last);
}

void optvalue_rename(struct optvalue *o, const char *key, const char *to)
{
	if (o->json) {
		json_t *value = json_incref(json_at(o, key));

		optvalue_remove(o, key);
		if (value)
			json_put(o, to, value);
	} else {
		_cleanup_free_ char *value = text_copy(keyval_get(&o->kv, key));

		keyval_remove(&o->kv, key);
		if (value)
			keyval_set(&o->kv, to, value);
	}
}

/* The same in one JSON value and all below it. (What jansson can read is at most 2048 deep.) */
static bool json_replace(json_t *at, const char *(*other)(void *, const char *), void *ctx)
{
	const char *text = json_string_value(at), *new = text ? other(ctx, text) : NULL;
	bool any = new && json_string_set(at, new) == 0;
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(at, key, value)
		any |= json_replace(value, other, ctx);
	json_array_foreach(at, i, value)
		any |= json_replace(value, other, ctx);
	return any;
}

bool optvalue_replace(struct optvalue *o, const char *(*other)(void *, const char *), void *ctx)
{
	bool any = false;

	if (o->json)
		return json_replace(o->json, other, ctx);
	for (size_t i = 0; i < o->kv.n; i++) {
		struct keyval_item *item = &o->kv.items[i];
		const char *new = item->form == KEYVAL_BARE ? NULL : other(ctx, item->value);

		if (!new)
			continue;
		free(item->value);
		item->value = text_copy(new);
		any = true;
	}
	return any;
}

char *optvalue_text(const struct optvalue *o)
{
	return o->json ? memory_checked(json_dumps(o->json, JSON_COMPACT)) : keyval_text(&o->kv);
}

void optvalue_release(struct optvalue *o)
{
	json_decref(o->json);
	o->json = NULL;
	keyval_release(&o->kv);
}
