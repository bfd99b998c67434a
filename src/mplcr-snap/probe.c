/* SPDX-License-Identifier: MIT */
/* mplcr-snap probe: what the filesystem of a directory can do. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

#include "image/clone.h"
#include "base/json.h"

/* What can be asked for, and where the answer is. */
static const struct ability {
	const char *name;
	const char *key; /* in JSON */
	size_t offset;
} abilities[] = {
	{ "reflink", "reflink", offsetof(struct clone_abilities, reflink) },
	{ "subvolume", "subvolume", offsetof(struct clone_abilities, subvolume) },
	{ "subvolume-root", "subvolume_root", offsetof(struct clone_abilities, is_subvolume) },
	{ "punch-hole", "punch_hole", offsetof(struct clone_abilities, punch_hole) },
};

#define N_ABILITIES (sizeof(abilities) / sizeof(*abilities))

struct probe {
	unsigned needed; /* bits */
	bool json;
};

static struct cli_word ability_word(size_t i)
{
	return (struct cli_word){ .word = i < N_ABILITIES ? abilities[i].name : NULL };
}

static const struct cli_option option_table[] = {
	{ "need", 'n', "WHAT",
	  "end with status 1 if it cannot do that, repeatable:\n"
	  "reflink, subvolume, subvolume-root or punch-hole",
	  TO_WORDS_OF(struct probe, needed, ability_word) },
	{ "json", 'j', NULL, "print JSON", TO_FLAG(struct probe, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static bool can(const struct clone_abilities *a, size_t i)
{
	return *(const bool *)((const char *)a + abilities[i].offset);
}

static int print_json(const char *dir, const struct clone_abilities *a, struct err *e)
{
	_cleanup_json_ json_t *all = json_of("{s:s, s:o, s:s}", "schema", "mplcr.snap.probe/1", "directory",
					     json_string_of(dir), "type", a->type);

	for (size_t i = 0; i < N_ABILITIES; i++)
		json_object_set_new(all, abilities[i].key, json_boolean(can(a, i)));
	return json_print(all, e);
}

static int print_lines(const struct clone_abilities *a, struct err *e)
{
	printf("type %s\n", a->type);
	for (size_t i = 0; i < N_ABILITIES; i++)
		printf("%s %s\n", abilities[i].name, can(a, i) ? "yes" : "no");
	return cli_flush(e);
}

static int probe_main(int argc, char **argv)
{
	struct probe p = { 0 };
	struct clone_abilities a;
	struct err e;
	int first = cli_parse(&verb_probe, argc, argv, &p, NULL, &e), result = first < 0 ? -1 : 0;

	if (result == 0 && argc - first != 1)
		result = err_usage(&e, "probe takes one directory");
	if (result == 0)
		result = clone_probe(argv[first], &a, &e);
	if (result == 0)
		result = p.json ? print_json(argv[first], &a, &e) : print_lines(&a, &e);
	if (result < 0)
		return cli_report(&e);
	for (size_t i = 0; i < N_ABILITIES; i++)
		if (p.needed >> i & 1 && !can(&a, i))
			return EXIT_NO;
	return EXIT_DONE;
}

const struct cli verb_probe = {
	.tool = "mplcr-snap",
	.verb = "probe",
	.summary = "the features of a filesystem",
	.usage = "[--need WHAT]... [OPTION]... DIR",
	.about = "Tries the features of a directory's filesystem, with nameless files in it.",
	.options = option_table,
	.operands = CLI_DIRECTORIES,
	.most_operands = 1,
	.run = probe_main,
};
