/* SPDX-License-Identifier: MIT */
#include "qemu/keyval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* The unescaped value at *text, up to a single comma or the end; moves *text there. */
static char *take_value(const char **text)
{
	char *value = memory_of(strlen(*text) + 1, 1), *to = value;
	const char *s = *text;

	while (*s && !(s[0] == ',' && s[1] != ',')) {
		s += s[0] == ',';
		*to++ = *s++;
	}
	*text = s;
	return value;
}

static struct keyval_item take_boolean(const char **text)
{
	size_t n = strcspn(*text, ",");
	struct keyval_item item = { .form = KEYVAL_BARE };
	bool off = n > 2 && strncmp(*text, "no", 2) == 0;

	item.key = text_of("%.*s", (int)(n - (off ? 2 : 0)), *text + (off ? 2 : 0));
	item.value = text_of("%s", off ? "off" : "on");
	*text += n;
	return item;
}

static struct keyval_item take_item(const char **text, const char *implied)
{
	size_t n = strcspn(*text, "=,");
	struct keyval_item item = { .form = KEYVAL_PAIR };

	if ((*text)[n] == '=') {
		item.key = text_of("%.*s", (int)n, *text);
		*text += n + 1;
	} else if (implied) {
		item.form = KEYVAL_IMPLIED;
		item.key = text_of("%s", implied);
	} else {
		return take_boolean(text);
	}
	item.value = take_value(text);
	return item;
}

static void append(struct keyval *kv, struct keyval_item item)
{
	struct keyval_item *grown = memory_of(kv->n + 1, sizeof(*grown));

	if (kv->n)
		memcpy(grown, kv->items, kv->n * sizeof(*grown));
	free(kv->items);
	grown[kv->n++] = item;
	kv->items = grown;
}

void keyval_parse(struct keyval *kv, const char *text, const char *implied)
{
	*kv = (struct keyval){ 0 };
	while (*text) {
		append(kv, take_item(&text, kv->n == 0 ? implied : NULL));
		text += *text == ',';
	}
}

static struct keyval_item *find(const struct keyval *kv, const char *key)
{
	for (size_t i = kv->n; i > 0; i--)
		if (strcmp(kv->items[i - 1].key, key) == 0)
			return &kv->items[i - 1];
	return NULL;
}

const char *keyval_get(const struct keyval *kv, const char *key)
{
	const struct keyval_item *item = find(kv, key);

	return item ? item->value : NULL;
}

bool keyval_on(const struct keyval *kv, const char *key)
{
	static const char *const words[] = { "on", "yes", "true", "y" };
	const char *value = keyval_get(kv, key);

	for (size_t i = 0; value && i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(value, words[i]) == 0)
			return true;
	return false;
}

static void remove_at(struct keyval *kv, size_t i)
{
	free(kv->items[i].key);
	free(kv->items[i].value);
	kv->n--;
	memmove(&kv->items[i], &kv->items[i + 1], (kv->n - i) * sizeof(*kv->items));
}

void keyval_set(struct keyval *kv, const char *key, const char *value)
{
	struct keyval_item *first = NULL;
	char *copy = text_of("%s", value);

	for (size_t i = 0; i < kv->n;) {
		if (strcmp(kv->items[i].key, key) != 0) {
			i++;
		} else if (first) {
			remove_at(kv, i);
		} else {
			first = &kv->items[i++];
		}
	}
	if (!first) {
		append(kv, (struct keyval_item){ .key = text_of("%s", key), .value = copy });
		return;
	}
	free(first->value);
	first->value = copy;
	if (first->form == KEYVAL_BARE)
		first->form = KEYVAL_PAIR;
}

void keyval_remove(struct keyval *kv, const char *key)
{
	for (size_t i = kv->n; i > 0; i--)
		if (strcmp(kv->items[i - 1].key, key) == 0)
			remove_at(kv, i - 1);
}

void keyval_remove_tree(struct keyval *kv, const char *key)
{
	size_t length = strlen(key);

	keyval_remove(kv, key);
	for (size_t i = kv->n; i > 0; i--)
		if (strncmp(kv->items[i - 1].key, key, length) == 0 && kv->items[i - 1].key[length] == '.')
			remove_at(kv, i - 1);
}

char *keyval_escape(const char *value)
{
	char *text = memory_of(2 * strlen(value) + 1, 1), *to = text;

	for (; *value; value++) {
		*to++ = *value;
		if (*value == ',')
			*to++ = ',';
	}
	return text;
}

static void print_item(FILE *out, const struct keyval_item *item)
{
	char *value = keyval_escape(item->value);

	if (item->form == KEYVAL_BARE)
		fprintf(out, "%s%s", strcmp(item->value, "off") == 0 ? "no" : "", item->key);
	else if (item->form == KEYVAL_IMPLIED)
		fputs(value, out);
	else
		fprintf(out, "%s=%s", item->key, value);
	free(value);
}

char *keyval_text(const struct keyval *kv)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memory_checked(open_memstream(&text, &size));

	for (size_t i = 0; i < kv->n; i++) {
		if (i > 0)
			putc(',', out);
		print_item(out, &kv->items[i]);
	}
	fclose(out);
	return memory_checked(text);
}

void keyval_release(struct keyval *kv)
{
	while (kv->n > 0)
		remove_at(kv, kv->n - 1);
	free(kv->items);
	kv->items = NULL;
}
