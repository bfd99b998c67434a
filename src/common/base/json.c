/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/memory.h"

const char *json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

int64_t json_int(const json_t *object, const char *key, int64_t otherwise)
{
	json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

double json_real_at(const json_t *object, const char *key, double otherwise)
{
	json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : otherwise;
}

json_t *json_path(const json_t *object, ...)
{
	const json_t *at = object;
	const char *key;
	va_list ap;

	va_start(ap, object);
	while (at && (key = va_arg(ap, const char *)) != NULL)
		at = json_object_get(at, key);
	va_end(ap);
	return (json_t *)at;
}

json_t *json_of(const char *fmt, ...)
{
	json_error_t why;
	json_t *value;
	va_list ap;

	va_start(ap, fmt);
	value = json_vpack_ex(&why, 0, fmt, ap);
	va_end(ap);
	if (!value) {
		fprintf(stderr, "mplcr: cannot build JSON '%s': %s\n", fmt, why.text);
		exit(EXIT_FAILED);
	}
	return value;
}

/* The length of the UTF-8 sequence at `s`, with `left` bytes available, or 0 if it is broken. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf8 ? 0 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
	unsigned long c;

	if (n < 2)
		return n;
	if (left < n)
		return 0;
	c = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n : 0;
}

json_t *json_bytes_of(const char *bytes, size_t length)
{
	_cleanup_free_ char *clean = memory_of(3 * length + 1, 1);
	const unsigned char *s = (const unsigned char *)bytes, *end = s + length;
	char *to = clean;
	json_t *value;

	while (s < end) {
		size_t n = utf8_length(s, (size_t)(end - s));

		memcpy(to, n ? (const char *)s : "\xef\xbf\xbd", n ? n : 3);
		to += n ? n : 3;
		s += n ? n : 1;
	}
	value = memory_checked(json_stringn_nocheck(clean, (size_t)(to - clean)));
	return value;
}

json_t *json_string_of(const char *bytes)
{
	return json_bytes_of(bytes, strlen(bytes));
}

char *json_line(const json_t *value)
{
	_cleanup_free_ char *text =
		memory_checked(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)));

	return escape_json(text);
}

int json_print(const json_t *value, struct err *e)
{
	_cleanup_free_ char *text = json_line(value);

	if (puts(text) < 0)
		return err_sys(e, errno ? errno : EIO, "cannot write to standard output");
	return 0;
}
