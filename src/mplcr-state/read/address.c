/* SPDX-License-Identifier: MIT */
#include "read/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t four_gib = 4ull << 30;

enum { CMOS_BYTES = 128, CMOS_UNIT = 64 << 10, CMOS_BASE = 16 << 20 };

/* --- how much lies below 4 GiB ------------------------------------------------------------------------------------ */

static int find_cmos(void *ctx, const struct device_field *f, struct err *e)
{
	(void)e;
	if (strcmp(f->name, "cmos_data") != 0 || f->size != CMOS_BYTES)
		return 0;
	*(const uint8_t **)ctx = f->data;
	return 1;
}

/* What the CMOS says, if it fits the memory that there is; 0: it does not. */
static uint64_t below_of_cmos(const struct saved *s, uint64_t total)
{
	const struct device *rtc = devices_find(&s->devices, "mc146818rtc", 0);
	const uint8_t *cmos = NULL;
	struct err ignored;
	uint64_t above, below;

	if (!rtc || device_fields(rtc, find_cmos, &cmos, &ignored) <= 0)
		return 0;
	above = (uint64_t)(cmos[0x5b] | cmos[0x5c] << 8 | cmos[0x5d] << 16) * CMOS_UNIT;
	if (above >= total)
		return 0;
	below = (uint64_t)(cmos[0x34] | cmos[0x35] << 8) * CMOS_UNIT + CMOS_BASE;
	/* What is below 16 MiB has other registers. */
	return total - above <= CMOS_BASE || below == (total - above) / CMOS_UNIT * CMOS_UNIT ? total - above : 0;
}

static uint64_t below_by_default(const char *machine, uint64_t total)
{
	static const struct {
		const char *machine;
		uint64_t most, less; /* below, and where there is more memory than that */
	} rows[] = {
		{ "pc-q35-", 0xb0000000, 0x80000000 },
		{ "pc-", 0xe0000000, 0xc0000000 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncmp(machine, rows[i].machine, strlen(rows[i].machine)) == 0)
			return total < rows[i].most ? total : rows[i].less;
	return 0;
}

/* --- which blocks ------------------------------------------------------------------------------------------------- */

static int add_block(struct layout_of_memory *l, const struct ram_block *b, struct err *e)
{
	if (l->n == sizeof(l->blocks) / sizeof(l->blocks[0]))
		return err_set(e, "it has too many RAM blocks");
	l->blocks[l->n++] = b;
	return __builtin_add_overflow(l->total, b->length, &l->total) ? err_set(e, "its RAM blocks are too large") : 0;
}

/* pc.ram; or the nodes, in their order, which libvirt numbers; or what the checkpoint keeps in a file, if it is one. */
static int find_blocks(const struct saved *s, struct layout_of_memory *l, struct err *e)
{
	const struct ram_block *main = ram_find(&s->ram, "pc.ram");
	char name[32];

	if (main)
		return add_block(l, main, e);
	for (unsigned node = 0;; node++) {
		snprintf(name, sizeof(name), "ram-node%u", node);
		main = ram_find(&s->ram, name);
		if (!main)
			break;
		if (add_block(l, main, e) < 0)
			return -1;
	}
	for (size_t i = 0; l->n == 0 && s->m && i < s->m->n_files; i++)
		if (s->m->files[i].block && (main || !(main = ram_find(&s->ram, s->m->files[i].block))))
			return err_set(e, "it is not known which of its RAM blocks has which addresses");
	if (l->n == 0 && main)
		return add_block(l, main, e);
	return l->n ? 0 : err_set(e, "it is not known which RAM block has the guest's memory");
}

int address_layout(const struct saved *s, struct layout_of_memory *l, struct err *e)
{
	*l = (struct layout_of_memory){ 0 };
	if (find_blocks(s, l, e) < 0)
		return err_hint(e, "--block BLOCK takes the address as an offset in that block");
	l->below = below_of_cmos(s, l->total);
	if (!l->below)
		l->below = below_by_default(s->machine, l->total);
	if (l->below)
		return 0;
	err_set(e, "where the memory of a machine '%s' lies is not known", s->machine);
	return err_hint(e, "--block BLOCK takes the address as an offset in that block");
}

/* --- one address -------------------------------------------------------------------------------------------------- */

int address_find(const struct layout_of_memory *l, uint64_t address, const struct ram_block **b, uint64_t *offset,
		 uint64_t *length, struct err *e)
{
	uint64_t above = l->total - l->below, at = address, end = l->below;

	if (address >= four_gib && address - four_gib < above) {
		at = address - four_gib + l->below;
		end = l->total;
	} else if (address >= l->below) {
		return err_set(e, "no memory is at 0x%llx: it lies below 0x%llx%s", (unsigned long long)address,
			       (unsigned long long)l->below, above ? ", and from 0x100000000 on" : "");
	}
	for (size_t i = 0; i < l->n; i++) {
		if (at < l->blocks[i]->length) {
			*b = l->blocks[i];
			*offset = at;
			*length = l->blocks[i]->length - at < end - at ? l->blocks[i]->length - at : end - at;
			return 0;
		}
		at -= l->blocks[i]->length;
		end -= l->blocks[i]->length;
	}
	return err_set(e, "no memory is at 0x%llx", (unsigned long long)address);
}
