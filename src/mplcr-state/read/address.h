/* SPDX-License-Identifier: MIT */
/*
 * Where guest-physical addresses lie in RAM blocks. On a PC, memory begins at 0 and goes up to a hole below 4 GiB, which is
 * for devices; the rest begins at 4 GiB. How much lies below is what the machine told its firmware in the clock's memory
 * (CMOS), which is in the saved state: registers 0x34, 0x35 (bytes above 16 MiB, in 64 KiB) and 0x5b to 0x5d (bytes above
 * 4 GiB, in 64 KiB) of the device mc146818rtc. (QEMU: hw/i386/pc.c, pc_cmos_init.) Without it, QEMU's defaults: i440fx has
 * 3.5 GiB below, or 3 GiB where it has that much; q35 2.75 GiB, or 2 GiB. (hw/i386/pc_piix.c, pc_q35.c.)
 */
#ifndef MPLCR_STATE_ADDRESS_H
#define MPLCR_STATE_ADDRESS_H

#include "saved/saved.h"

struct layout_of_memory {
	const struct ram_block *blocks[128]; /* one behind the other */
	size_t n;
	uint64_t total, below; /* bytes; those below 4 GiB */
};

/* Finds out how the memory of the VM is laid out. Returns 0 or -1. */
int address_layout(const struct saved *s, struct layout_of_memory *l, struct err *e) __attribute__((warn_unused_result));

/*
 * The place of `address`: its block, the offset in it, and how many bytes from there on follow in this block. Returns 0, or
 * -1: no memory is there.
 */
int address_find(const struct layout_of_memory *l, uint64_t address, const struct ram_block **b, uint64_t *offset,
		 uint64_t *length, struct err *e) __attribute__((warn_unused_result));

#endif
