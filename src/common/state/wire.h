/* SPDX-License-Identifier: MIT */
/* The bytes of QEMU's migration stream that have a meaning (stream.h tells how they follow one another). */
#ifndef MPLCR_STATE_WIRE_H
#define MPLCR_STATE_WIRE_H

/* What begins with such a byte (QEMU migration/qemu-file-types.h and savevm.h, QEMU_VM_*). */
enum section_type {
	SECTION_END_OF_ALL = 0x00,
	SECTION_START = 0x01,
	SECTION_PART = 0x02,
	SECTION_END = 0x03,
	SECTION_FULL = 0x04,
	SECTION_SUBSECTION = 0x05,
	SECTION_DESCRIPTION = 0x06,
	SECTION_CONFIGURATION = 0x07,
	SECTION_COMMAND = 0x08,
	SECTION_FOOTER = 0x7e,
};

/* In the word of a page or list of RAM blocks, beside the offset (QEMU migration/ram.c, RAM_SAVE_FLAG_*). */
enum ram_flag {
	RAM_ZERO = 0x02,
	RAM_MEM_SIZE = 0x04,
	RAM_PAGE = 0x08,
	RAM_EOS = 0x10,
	RAM_CONTINUE = 0x20,
	RAM_XBZRLE = 0x40,
	RAM_HOOK = 0x80,
	RAM_COMPRESS = 0x100,
	RAM_MULTIFD_FLUSH = 0x200,
	RAM_FLAGS = 0xfff,
};

#endif
