/* SPDX-License-Identifier: MIT */
/*
 * QEMU's command line as a list: each option with its value, and disk images that stand alone. QEMU takes one or two
 * dashes; printed back, it is one. Nothing of what the options mean is known here but whether they take a value.
 */
#ifndef MPLCR_ARGS_H
#define MPLCR_ARGS_H

#include <stdbool.h>
#include <stddef.h>

struct arg {
	char *name;  /* "drive"; NULL for an image that stands alone; -M is called "machine" */
	char *value; /* NULL where the option takes none */
	bool used;   /* marks for whoever goes through the list: it was dealt with, */
	bool freed;  /* it may be dropped */
};

struct args {
	struct arg *items;
	size_t n;
};

/* Reads a NULL-terminated list that begins behind the program's name. */
void args_parse(struct args *a, char *const *argv);

/* Whether `arg` is the option `name`. */
bool arg_is(const struct arg *arg, const char *name);

/* The first option `name`, or NULL. */
struct arg *args_find(const struct args *a, const char *name);

/* Appends an option; `value` (may be NULL) is copied. Pointers to items are invalid afterwards. */
void args_add(struct args *a, const char *name, const char *value);

/* Removes the item at index `i`, or all of the option `name`. */
void args_remove_at(struct args *a, size_t i);
void args_remove(struct args *a, const char *name);

/* Puts `value` (malloc'd, taken over) in place of the item's. */
void arg_set_value(struct arg *arg, char *value);

/* The list behind `program`, NULL-terminated; each string and the list are malloc'd. */
char **args_print(const struct args *a, const char *program);

void args_release(struct args *a);

#define _cleanup_args_ __attribute__((cleanup(args_release)))

#endif
