/* SPDX-License-Identifier: MIT */
/*
 * QEMU's option strings: "file=a,,b.img,format=raw,if=virtio". Items are separated by commas; a comma inside a value is
 * written twice. The first item may be a value alone, whose key is implied by the option ("-machine q35" is type=q35).
 * Another item without '=' is a boolean, "readonly" for readonly=on and "noreadonly" for readonly=off. A key may come
 * more than once; the last one counts. (QEMU: util/qemu-option.c, util/keyval.c.)
 *
 * Items keep their order and their spelling, so that what is not changed is printed as it was.
 */
#ifndef MPLCR_KEYVAL_H
#define MPLCR_KEYVAL_H

#include <stdbool.h>
#include <stddef.h>

struct keyval_item {
	char *key;
	char *value;
	enum { KEYVAL_PAIR, KEYVAL_IMPLIED, KEYVAL_BARE } form; /* key=value, value alone, boolean without '=' */
};

struct keyval {
	struct keyval_item *items;
	size_t n;
};

/* Reads `text`; `implied` is the key of a first value without one, or NULL. Every text can be read. */
void keyval_parse(struct keyval *kv, const char *text, const char *implied);

/* The value of `key`, as QEMU takes it (the last one), or NULL. The string is the keyval's. */
const char *keyval_get(const struct keyval *kv, const char *key);

/* Whether `key` is on: "on", "yes", "true", "y" or the key alone. */
bool keyval_on(const struct keyval *kv, const char *key);

/* Makes `value` the only value of `key`, where the key stood first, or at the end. */
void keyval_set(struct keyval *kv, const char *key, const char *value);

/* Removes `key`. */
void keyval_remove(struct keyval *kv, const char *key);

/* Removes `key` and every "key.…" below it. */
void keyval_remove_tree(struct keyval *kv, const char *key);

/* The option string; malloc'd. */
char *keyval_text(const struct keyval *kv);

/* Frees the items; the struct can be parsed into again. */
void keyval_release(struct keyval *kv);

/* `value` with each comma doubled, as it stands in an option string; malloc'd. */
char *keyval_escape(const char *value);

#define _cleanup_keyval_ __attribute__((cleanup(keyval_release)))

#endif
