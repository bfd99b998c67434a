/* SPDX-License-Identifier: MIT */
/* Secrets on a command line of QEMU: passwords and keys that stand there in words. */
#ifndef MPLCR_SECRETS_H
#define MPLCR_SECRETS_H

#include <jansson.h>
#include <stdbool.h>

/* What stands in their place. */
#define SECRET_MASK "***"

/* The value of the option `name` (NULL: none) with its secrets masked; malloc'd. */
char *secret_masked(const char *name, const char *value);

/* Masks those in `json`, by the names of its members, in place; whether there was any. */
bool secret_mask_json(json_t *json);

/*
 * The whole command line with its secrets masked, a NULL-terminated list of malloc'd strings (text_list_free), and how
 * many values that changed.
 */
char **secrets_masked(char *const *argv, unsigned *changed);

/* `text`, in which somebody may cite that command line, with its secrets masked; malloc'd. */
char *secrets_hidden(char *const *argv, const char *text);

#endif
