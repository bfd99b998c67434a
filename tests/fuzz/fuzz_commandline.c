/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: command lines that a foreign checkpoint brings, one word a line. Whatever they are:
 *
 *  - what follows a harmless line is judged without regard to what stands before it: what wants something alone wants
 *    something there, too;
 *  - a secret that is masked once has nothing more to be masked.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "mplcr-restore/commandline/policy.h"
#include "qemu/secrets.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

static char **words_of(const uint8_t *data, size_t size, const char *const *first)
{
	char **list = NULL, *copy = text_of("%.*s", (int)size, (const char *)data), *save, *word;
	size_t n = 0;

	for (; *first; first++)
		text_list_add(&list, &n, text_copy(*first));
	for (word = strtok_r(copy, "\n", &save); word; word = strtok_r(NULL, "\n", &save))
		text_list_add(&list, &n, text_copy(word));
	free(copy);
	return list;
}

static size_t wants_of(char **argv)
{
	static struct manifest m = { .name = "x1", .checkpoint = "/vm/x1.ckpt" };
	const struct policy_places places = { .m = &m, .socket = "/vm/x1.run-1/qmp.sock" };
	struct wants w = { 0 };
	size_t n;

	policy_judge(&places, argv, argv, &w);
	n = w.n;
	wants_release(&w);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bare[] = { "qemu-system-x86_64", NULL };
	static const char *const harmless[] = { "qemu-system-x86_64", "-display", "none", "-nodefaults", "-m", "64M", NULL };
	char **argv = words_of(data, size, bare), **more = words_of(data, size, harmless), **masked, **again;
	unsigned changed, changed_again;

	check(wants_of(more) <= wants_of(argv) && wants_of(more) + 1 >= wants_of(argv));
	masked = secrets_masked(argv, &changed);
	again = secrets_masked(masked, &changed_again);
	check(changed_again == 0);
	text_list_free(argv);
	text_list_free(more);
	text_list_free(masked);
	text_list_free(again);
	return 0;
}
