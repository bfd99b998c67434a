/* SPDX-License-Identifier: MIT */
/* Strings, malloc'd and the caller's to free. The process ends when memory is out: memory.h. */
#ifndef MPLCR_TEXT_H
#define MPLCR_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* asprintf. */
char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* vasprintf. */
char *text_of_args(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0), malloc, returns_nonnull));

/* A copy of `s`, or NULL for NULL. */
char *text_copy(const char *s);

/* Whether `text` ends with `end` and has something before it. */
bool text_ends_with(const char *text, const char *end);

/* Appends `text` (taken over) to a NULL-terminated list of `*n` strings, NULL at first. */
void text_list_add(char ***list, size_t *n, char *text);

/* Frees a NULL-terminated list of malloc'd strings. NULL is allowed. */
void text_list_free(char **list);

#endif
