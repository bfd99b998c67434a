/* SPDX-License-Identifier: MIT */
#include "qemu/secrets.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "qemu/keyval.h"

/*
 * The members that hold a secret, by the last part of their names, wherever they stand. "data" is that of -object secret;
 * elsewhere it is text of no value. What ends with "-secret" names an object, and stays.
 */
static const char *const members[] = { "password", "passwd", "data", "cookie", "key", "osk", "token", "initiator-secret",
				       "launch-secret" };

/* "password=on" (-vnc) asks for one, and is none. */
static bool is_switch(const char *value)
{
	return strcmp(value, "on") == 0 || strcmp(value, "off") == 0 || strcmp(value, SECRET_MASK) == 0;
}

static bool is_secret(const char *key, const char *value)
{
	const char *dot = strrchr(key, '.'), *last = dot ? dot + 1 : key;

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (strcmp(last, members[i]) == 0)
			return !is_switch(value);
	return false;
}

static bool mask_json(json_t *at)
{
	const char *key;
	json_t *value;
	bool any = false;
	size_t i;

	json_object_foreach(at, key, value) {
		if (json_is_string(value) && is_secret(key, json_string_value(value)))
			any |= json_string_set(value, SECRET_MASK) == 0;
		else
			any |= mask_json(value);
	}
	json_array_foreach(at, i, value)
		any |= mask_json(value);
	return any;
}

static bool mask_members(struct keyval *kv)
{
	bool any = false;

	for (size_t i = 0; i < kv->n; i++) {
		if (kv->items[i].form == KEYVAL_BARE || !is_secret(kv->items[i].key, kv->items[i].value))
			continue;
		free(kv->items[i].value);
		kv->items[i].value = text_copy(SECRET_MASK);
		any = true;
	}
	return any;
}

/* "scheme://user:password@host" inside a value: the part between is masked. */
static char *mask_url(const char *value)
{
	const char *at = strstr(value, "://"), *end, *colon;

	if (!at)
		return text_copy(value);
	at += 3;
	end = at + strcspn(at, "/,\"'");
	end = memrchr(at, '@', (size_t)(end - at));
	colon = end ? memchr(at, ':', (size_t)(end - at)) : NULL;
	if (!colon) /* iSCSI: user%password */
		colon = end ? memchr(at, '%', (size_t)(end - at)) : NULL;
	return colon ? text_of("%.*s" SECRET_MASK "%s", (int)(colon + 1 - value), value, end) : text_copy(value);
}

/* Text for the guest or for people, which has no members. */
static bool is_text(const char *name)
{
	return name && (strcmp(name, "append") == 0 || strcmp(name, "name") == 0);
}

char *secret_masked(const char *name, const char *value)
{
	_cleanup_keyval_ struct keyval kv = { 0 };
	_cleanup_free_ char *text = NULL;
	const char *brace = strchr(value, '{');

	if (is_text(name))
		return text_copy(value);
	if (value[0] == '{' || strncmp(value, "json:{", 6) == 0) {
		_cleanup_json_ json_t *json = json_loads(brace, 0, NULL);

		if (!json || !mask_json(json))
			return mask_url(value);
		text = memory_checked(json_dumps(json, JSON_COMPACT));
		return text_of("%.*s%s", (int)(brace - value), value, text);
	}
	keyval_parse(&kv, value, "");
	text = mask_members(&kv) ? keyval_text(&kv) : text_copy(value);
	return mask_url(text);
}

/* The option that `word` is, or NULL. */
static const char *option_name(const char *word)
{
	return word[0] == '-' && word[1] ? word + 1 + (word[1] == '-') : NULL;
}

char **secrets_masked(char *const *argv, unsigned *changed)
{
	char **list = NULL;
	size_t n = 0;

	*changed = 0;
	for (size_t i = 0; argv[i]; i++) {
		char *masked = secret_masked(i ? option_name(argv[i - 1]) : NULL, argv[i]);

		*changed += strcmp(masked, argv[i]) != 0;
		text_list_add(&list, &n, masked);
	}
	return list;
}

char *secrets_hidden(char *const *argv, const char *text)
{
	unsigned changed;
	char **masked = secrets_masked(argv, &changed), *out = text_copy(text);

	for (size_t i = 0; changed && argv[i]; i++)
		for (char *at; strcmp(masked[i], argv[i]) != 0 && (at = strstr(out, argv[i])) != NULL;) {
			char *next = text_of("%.*s%s%s", (int)(at - out), out, masked[i], at + strlen(argv[i]));

			free(out);
			out = next;
		}
	text_list_free(masked);
	return out;
}
