/* SPDX-License-Identifier: MIT */
/* mplcr-state read: bytes of a saved VM's memory, by guest-physical address. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "read/address.h"
#include "tool.h"

struct options {
	const char *block;
	bool hex;
};

/* clang-format off */
static const struct cli_option option_table[] = {
	{ "block", 'b', "BLOCK", "ADDRESS is an offset in this RAM block", TO_TEXT(struct options, block) },
	{ "hex", 'x', NULL, "print a hexadecimal dump, also where standard output is no terminal", TO_FLAG(struct options, hex) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};
/* clang-format on */

enum { PIECE = 256 * STREAM_PAGE, ROW = 16 };

struct reading {
	const struct saved *s;
	struct layout_of_memory layout;
	const struct ram_block *block; /* of --block, or NULL */
	uint64_t address, length;
	bool hex;
	uint8_t buf[PIECE];
};

/* A number, hexadecimal behind "0x", or bytes with K, M, G, T. */
static int parse(const char *text, const char *what, uint64_t *n, struct err *e)
{
	char *end;

	if (strncasecmp(text, "0x", 2) != 0)
		return number_parse_bytes(text, what, n, e);
	errno = 0;
	*n = strtoull(text + 2, &end, 16);
	if (errno || !isxdigit((unsigned char)text[2]) || *end)
		return err_usage(e, "%s '%s' is not a number", what, text);
	return 0;
}

/* Where the bytes at r->address are, and how many follow there. */
static int find(const struct reading *r, const struct ram_block **b, uint64_t *offset, uint64_t *length, struct err *e)
{
	if (!r->block)
		return address_find(&r->layout, r->address, b, offset, length, e);
	if (r->address >= r->block->length)
		return err_set(e, "RAM block '%s' has no byte 0x%llx", r->block->name, (unsigned long long)r->address);
	*b = r->block;
	*offset = r->address;
	*length = r->block->length - r->address;
	return 0;
}

/* That all is memory, before the first byte goes out. */
static int check(struct reading *r, struct err *e)
{
	uint64_t address = r->address, left = r->length, offset, length;
	const struct ram_block *b;

	while (left) {
		if (find(r, &b, &offset, &length, e) < 0)
			return -1;
		if (length >= left)
			break;
		left -= length;
		if (__builtin_add_overflow(r->address, length, &r->address))
			return err_set(e, "addresses end at 2^64");
	}
	r->address = address;
	return 0;
}

/* As `hexdump -C` and `xxd` do. */
static void print_row(uint64_t address, const uint8_t *bytes, size_t n)
{
	printf("%016llx ", (unsigned long long)address);
	for (size_t i = 0; i < ROW; i++) {
		if (i < n)
			printf(" %02x", bytes[i]);
		else
			fputs("   ", stdout);
	}
	fputs("  |", stdout);
	for (size_t i = 0; i < n; i++)
		putchar(bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : '.');
	puts("|");
}

static int print(const struct reading *r, const uint8_t *bytes, size_t n, struct err *e)
{
	if (!r->hex)
		return fd_write_all(STDOUT_FILENO, bytes, n) < 0 ? err_sys(e, errno, "cannot write to standard output") : 0;
	for (size_t i = 0; i < n; i += ROW)
		print_row(r->address + i, bytes + i, n - i < ROW ? n - i : ROW);
	return 0;
}

static int read_all(struct reading *r, struct err *e)
{
	while (r->length) {
		const struct ram_block *b;
		uint64_t offset, length, page;
		size_t before, n;

		if (find(r, &b, &offset, &length, e) < 0)
			return -1;
		page = offset / STREAM_PAGE;
		before = offset % STREAM_PAGE;
		n = length < PIECE - before ? (size_t)length : PIECE - before;
		if (r->length < n)
			n = (size_t)r->length;
		if (ram_pages(&r->s->ram, b, page, (before + n + STREAM_PAGE - 1) / STREAM_PAGE, r->buf, e) < 0 ||
		    print(r, r->buf + before, n, e) < 0)
			return -1;
		r->address += n;
		r->length -= n;
	}
	return 0;
}

static int read_memory(const struct saved *s, const struct options *o, uint64_t address, uint64_t length, struct err *e)
{
	_cleanup_free_ struct reading *r = memory_of(1, sizeof(*r));

	r->s = s;
	r->address = address;
	r->length = length;
	r->hex = o->hex || isatty(STDOUT_FILENO);
	r->block = o->block ? ram_find(&s->ram, o->block) : NULL;
	if (o->block && !r->block)
		return err_set(e, "'%s' has no RAM block '%s'", s->path, o->block);
	if (!o->block && address_layout(s, &r->layout, e) < 0)
		return -1;
	return check(r, e) < 0 ? -1 : read_all(r, e);
}

static int read_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct saved s = { .dirfd = -1, .input = { .file = -1 }, .ram = { .fd = -1 } };
	struct err e = { 0 };
	uint64_t address = 0, length = 0;
	int first = cli_parse(&verb_read, argc, argv, &o, NULL, &e), result = first;

	if (first >= 0 && first + 3 != argc)
		result = err_usage(&e, "which checkpoint or file, which address, how many bytes?");
	if (result >= 0 && (parse(argv[first + 1], "address", &address, &e) < 0 ||
			    parse(argv[first + 2], "length", &length, &e) < 0))
		result = -1;
	if (result >= 0)
		result = saved_open(&s, argv[first], true, &e);
	if (result >= 0)
		result = read_memory(&s, &o, address, length, &e);
	if (result == 0)
		result = cli_flush(&e);
	saved_close(&s);
	return result < 0 ? cli_report(&e) : EXIT_DONE;
}

const struct cli verb_read = {
	.tool = "mplcr-state",
	.verb = "read",
	.summary = "bytes of the guest's memory, by guest-physical address",
	.usage = "[OPTION]... CHECKPOINT|FILE ADDRESS LENGTH",
	.about = "Writes LENGTH bytes of the guest's memory from the guest-physical ADDRESS on to standard output; to a\n"
		 "terminal as a hexadecimal dump. Numbers are decimal, with K, M, G or T, or begin with 0x.",
	.options = option_table,
	.operands = CLI_FILES,
	.most_operands = 3,
	.run = read_main,
};
