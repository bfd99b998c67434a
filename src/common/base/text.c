/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

char *text_of_args(const char *fmt, va_list ap)
{
	char *text = NULL;

	return memory_checked(vasprintf(&text, fmt, ap) < 0 ? NULL : text);
}

char *text_of(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = text_of_args(fmt, ap);
	va_end(ap);
	return text;
}

char *text_copy(const char *s)
{
	return s ? memory_checked(strdup(s)) : NULL;
}

bool text_ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n > k && strcmp(text + n - k, end) == 0;
}

void text_list_add(char ***list, size_t *n, char *text)
{
	if ((*n & (*n + 1)) == 0) /* room for twice as many, and the NULL */
		*list = memory_resize(*list, 2 * *n + 2, sizeof(**list));
	(*list)[(*n)++] = text;
	(*list)[*n] = NULL;
}

void text_list_free(char **list)
{
	for (char **s = list; s && *s; s++)
		free(*s);
	free(list);
}
