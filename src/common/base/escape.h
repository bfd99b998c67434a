/* SPDX-License-Identifier: MIT */
/*
 * Text from files, peers and file names on its way to a person. A terminal obeys control characters, and some of these hide
 * in valid UTF-8: so C0, DEL, C1 (U+0080 to U+009F), line and paragraph separators, the marks that turn the direction of
 * writing, and bytes that are not UTF-8 are written as \xNN, byte by byte. Everything that a tool prints for people goes
 * through here; JSON goes through json_print.
 */
#ifndef MPLCR_ESCAPE_H
#define MPLCR_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* A copy of `text`, escaped; malloc'd. */
char *escape(const char *text);

/* The same into `buf` of `size` bytes, cut where it does not fit. Returns buf. */
char *escape_into(const char *text, char *buf, size_t size);

/* Prints `text` on stdout as data, which scripts read: as it is, but escaped where stdout is a terminal. */
void escape_data(const char *text);

/* Prints `text` and a line feed on stdout, always escaped: lines for people, and those of several words. */
void escape_line(const char *text);

/* A copy of JSON text in which characters that a terminal obeys are \uNNNN, so that its meaning is the same; malloc'd. */
char *escape_json(const char *json);

/* The length of the longest start of `text` of at most `n` bytes that ends between two characters. */
size_t escape_fit(const char *text, size_t n);

/* Prints a path as one item of a list: so, and a line feed; or with `nul_separated` as it is, and a NUL. */
void escape_path(const char *path, bool nul_separated);

/* The bytes at `text` that are printed as they are, as one character: their number; 0 where the byte is to be escaped. */
size_t escape_plain(const char *text);

#endif
