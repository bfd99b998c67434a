/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the digits at the start of `text`; *end is what follows them. */
static int digits(const char *text, const char *what, uint64_t max, uint64_t *out, const char **end, struct err *e)
{
	unsigned long long value;
	char *stop;

	if (!isdigit((unsigned char)*text))
		return err_usage(e, "%s: '%s' is not a number", what, text);
	errno = 0;
	value = strtoull(text, &stop, 10);
	if (errno == ERANGE || value > max)
		return err_usage(e, "%s: '%s' is too large, at most %" PRIu64, what, text, max);
	*out = value;
	*end = stop;
	return 0;
}

int number_parse(const char *text, const char *what, uint64_t max, uint64_t *out, struct err *e)
{
	const char *end;
	uint64_t value;

	if (digits(text, what, max, &value, &end, e) < 0)
		return -1;
	if (*end)
		return err_usage(e, "%s: '%s' is not a number", what, text);
	*out = value;
	return 0;
}

int number_parse_bytes(const char *text, const char *what, uint64_t *out, struct err *e)
{
	static const char units[] = "kmgt";
	const char *end, *unit;
	uint64_t value;
	int shift = 0;

	if (digits(text, what, UINT64_MAX, &value, &end, e) < 0)
		return -1;
	if (*end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (!unit || end[1])
			return err_usage(e, "%s: '%s' is not a size: digits, then K, M, G, T or nothing", what, text);
		shift = 10 * (int)(unit - units + 1);
	}
	if (value > (uint64_t)INT64_MAX >> shift)
		return err_usage(e, "%s: '%s' is too large", what, text);
	*out = value << shift;
	return 0;
}

int number_parse_seconds(const char *text, const char *what, uint64_t *ms, struct err *e)
{
	const uint64_t max = 365 * 24 * 3600;
	const char *end;
	uint64_t whole, fraction = 0, scale = 100;

	if (digits(text, what, max, &whole, &end, e) < 0)
		return -1;
	if (*end == '.') {
		end++;
		if (!isdigit((unsigned char)*end))
			return err_usage(e, "%s: '%s' is not a time in seconds", what, text);
		for (; isdigit((unsigned char)*end); end++, scale /= 10)
			fraction += scale * (uint64_t)(*end - '0');
	}
	if (*end)
		return err_usage(e, "%s: '%s' is not a time in seconds", what, text);
	*ms = whole * 1000 + fraction;
	return 0;
}

int number_parse_duration(const char *text, const char *what, uint64_t *seconds, struct err *e)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	const uint64_t max = 1000000;
	const char *end;
	uint64_t value;

	if (digits(text, what, max, &value, &end, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (end[0] != units[i].letter || end[1])
			continue;
		*seconds = value * units[i].seconds;
		return 0;
	}
	return err_usage(e, "%s: '%s' is not a time: digits, then s, m, h, d or w", what, text);
}

char *number_bytes(uint64_t bytes, char buf[16])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	int unit = -1;

	if (bytes < 1024) {
		snprintf(buf, 16, "%d B", (int)bytes);
		return buf;
	}
	while (value >= 1024 && unit < 5) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, 16, "%.1f %s", value, units[unit]);
	return buf;
}
