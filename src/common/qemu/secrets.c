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
 * The members that hold a secret, by the last part of their names: with "*", by the end of it. "data" is that of -object
 * secret; elsewhere it is text of no value. What ends with "-secret" names an object, and stays. With `option`, only
 * there: what the guest is given to read is often a credential.
 */
static const struct {
	const char *member, *option;
} members[] = {
	{ "*password", NULL },	      { "*passwd", NULL },	 { "*passphrase", NULL },  { "*cookie", NULL },
	{ "data", NULL },	      { "key", NULL },		 { "osk", NULL },	   { "token", NULL },
	{ "initiator-secret", NULL }, { "launch-secret", NULL }, { "string", "fw_cfg" },   { "value", "smbios" },
};

static bool is_member(const char *member, const char *last)
{
	size_t n = strlen(last), end = strlen(member) - 1;

	if (member[0] != '*')
		return strcmp(last, member) == 0;
	return n >= end && strcmp(last + n - end, member + 1) == 0;
}

/* "password=on" (-vnc) asks for one, and is none. */
static bool is_switch(const char *value)
{
	return strcmp(value, "on") == 0 || strcmp(value, "off") == 0 || strcmp(value, SECRET_MASK) == 0;
}

static bool is_secret(const char *option, const char *key, const char *value)
{
	const char *dot = strrchr(key, '.'), *last = dot ? dot + 1 : key;

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if ((!members[i].option || (option && strcmp(option, members[i].option) == 0)) &&
		    is_member(members[i].member, last))
			return !is_switch(value);
	return false;
}

static char *mask_text(const char *value);

/* A text that is no secret by its name may be a URL, or JSON, that has one. */
static bool mask_inner(json_t *string)
{
	_cleanup_free_ char *masked = mask_text(json_string_value(string));

	return strcmp(masked, json_string_value(string)) != 0 && json_string_set(string, masked) == 0;
}

static bool mask_json(json_t *at)
{
	const char *key;
	json_t *value;
	bool any = false;
	size_t i;

	json_object_foreach(at, key, value) {
		if (json_is_string(value) && is_secret(NULL, key, json_string_value(value)))
			any |= json_string_set(value, SECRET_MASK) == 0;
		else
			any |= mask_json(value);
	}
	json_array_foreach(at, i, value)
		any |= mask_json(value);
	return json_is_string(at) ? mask_inner(at) : any;
}

static bool mask_members(const char *option, struct keyval *kv)
{
	bool any = false;

	for (size_t i = 0; i < kv->n; i++) {
		struct keyval_item *item = &kv->items[i];
		char *masked;

		if (item->form == KEYVAL_BARE)
			continue;
		masked = is_secret(option, item->key, item->value) ? text_copy(SECRET_MASK) : mask_text(item->value);
		any |= strcmp(masked, item->value) != 0;
		free(item->value);
		item->value = masked;
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

/* "rbd:pool/image:id=admin:key=…": the key is masked. (A colon in a value has a backslash before it.) */
static char *mask_rbd(const char *value)
{
	const char *key = strstr(value, ":key="), *end;

	if (!key)
		return text_copy(value);
	key += 5;
	for (end = key; *end && (*end != ':' || end[-1] == '\\'); end++)
		;
	return text_of("%.*s" SECRET_MASK "%s", (int)(key - value), value, end);
}

/* JSON, as it is or behind "json:"; malloc'd, or NULL where it is none. */
static char *mask_json_text(const char *value)
{
	const char *brace = strncmp(value, "json:", 5) == 0 ? value + 5 : value;
	_cleanup_json_ json_t *json = *brace == '{' ? json_loads(brace, 0, NULL) : NULL;
	_cleanup_free_ char *text = NULL;

	if (!json || !mask_json(json))
		return json ? text_copy(value) : NULL;
	text = memory_checked(json_dumps(json, JSON_COMPACT));
	return text_of("%.*s%s", (int)(brace - value), value, text);
}

/* A value that has no members: JSON, or a name of an image. */
static char *mask_text(const char *value)
{
	char *json = mask_json_text(value);

	return json ? json : strncmp(value, "rbd:", 4) == 0 ? mask_rbd(value) : mask_url(value);
}

/* Text for the guest or for people, which has no members. */
static bool is_text(const char *name)
{
	return name && (strcmp(name, "append") == 0 || strcmp(name, "name") == 0);
}

char *secret_masked(const char *name, const char *value)
{
	_cleanup_keyval_ struct keyval kv = { 0 };
	char *json;

	if (is_text(name))
		return text_copy(value);
	json = mask_json_text(value);
	if (json)
		return json;
	keyval_parse(&kv, value, "");
	return mask_members(name, &kv) ? keyval_text(&kv) : mask_text(value);
}

bool secret_mask_json(json_t *json)
{
	return mask_json(json);
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
