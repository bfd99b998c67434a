/* SPDX-License-Identifier: MIT */
/* Text in columns of a terminal: names from outside, made harmless and cut to a width. */
#ifndef MPLCR_CHAIN_COLUMNS_H
#define MPLCR_CHAIN_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the terminal shows UTF-8, as the locale says. */
bool columns_utf8(void);

/* How many columns the text takes. */
size_t columns_of(const char *text);

/* Where the column of that number begins. */
const char *columns_at(const char *text, size_t column);

/* The text in at most `width` columns: a longer one loses its middle. Malloc'd. */
char *columns_fit(const char *text, size_t width);

/* The same of bytes from outside. */
char *columns_fit_escaped(const char *text, size_t width);

/* Prints the text and blanks up to `width` columns. */
void columns_print(const char *text, size_t width);

#endif
