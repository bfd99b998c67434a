/* SPDX-License-Identifier: MIT */
/* text.h and array.h: strings and lists that grow. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "tap.h"

static void texts(void)
{
	char *text = text_of("%s-%d", "a", 7), *copy = text_copy(text);

	ok(strcmp(text, "a-7") == 0 && strcmp(copy, text) == 0 && copy != text, "a text and its copy");
	ok(!text_copy(NULL), "no text, no copy");
	ok(text_ends_with("a.ckpt", ".ckpt") && !text_ends_with(".ckpt", ".ckpt") && !text_ends_with("a", ".ckpt"),
	   "how it ends");
	free(text);
	free(copy);
}

static void lists(void)
{
	char **list = NULL;
	size_t n = 0;
	bool good = true;

	text_list_free(NULL);
	for (int i = 0; i < 1000; i++) {
		text_list_add(&list, &n, text_of("%d", i));
		good &= n == (size_t)i + 1 && !list[n];
	}
	ok(good, "a list of strings always ends with NULL");
	for (size_t i = 0; i < n; i++)
		good &= (size_t)atoi(list[i]) == i;
	ok(good, "and keeps them in order");
	text_list_free(list);
}

static void arrays(void)
{
	struct pair {
		int a;
		char b;
	} *list = NULL, *last;
	size_t n = 0;
	bool zero = true, good = true;

	for (int i = 0; i < 1000; i++) {
		last = array_add(list, n);
		zero &= last == &list[i] && n == (size_t)i + 1 && last->a == 0 && last->b == 0;
		*last = (struct pair){ .a = i, .b = 'x' };
	}
	ok(zero, "what is added is zeroed, and counted");
	for (size_t i = 0; i < n; i++)
		good &= list[i].a == (int)i && list[i].b == 'x';
	ok(good, "what was there stays");
	free(list);
}

int main(void)
{
	texts();
	lists();
	arrays();
	return done();
}
