/* SPDX-License-Identifier: MIT */
/*
 * The first serial line: all that the guest ever says.  One line per fact, kept short, because each byte costs a trap.
 */
#ifndef GUEST_SERIAL_H
#define GUEST_SERIAL_H

void serial_start(void);

/* Prints with %s, %u (decimal), %x (hexadecimal), all 32-bit; no widths. */
void serial_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the line and stops the machine's CPU for good.  QEMU stays alive and answers its monitor. */
_Noreturn void serial_halt(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
