/* SPDX-License-Identifier: MIT */
#include "serial.h"
#include "io.h"

#include <stdarg.h>

#define COM1           0x3f8
#define LINE_STATUS    (COM1 + 5)
#define CAN_SEND       0x20

void serial_start(void)
{
    out8(COM1 + 1, 0x00);   /* no interrupts */
    out8(COM1 + 3, 0x80);   /* divisor latch: 115200 baud */
    out8(COM1 + 0, 0x01);
    out8(COM1 + 1, 0x00);
    out8(COM1 + 3, 0x03);   /* 8 bits, no parity, one stop bit */
    out8(COM1 + 2, 0x01);   /* FIFO */
}

static void put_char(char c)
{
    while (!(in8(LINE_STATUS) & CAN_SEND))
        ;
    out8(COM1, (uint8_t)c);
}

static void put_string(const char *s)
{
    while (*s)
        put_char(*s++);
}

static void put_number(uint32_t value, uint32_t base)
{
    char digits[11];
    char *p = digits + sizeof digits - 1;

    *p = '\0';
    do
        *--p = "0123456789abcdef"[value % base];
    while (value /= base);
    put_string(p);
}

static void print_list(const char *format, va_list list)
{
    for (; *format; format++) {
        if (*format != '%') {
            put_char(*format);
            continue;
        }
        switch (*++format) {
        case 's': put_string(va_arg(list, const char *)); break;
        case 'u': put_number(va_arg(list, unsigned int), 10); break;
        case 'x': put_number(va_arg(list, unsigned int), 16); break;
        default:  put_char(*format); break;
        }
    }
}

void serial_print(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    print_list(format, list);
    va_end(list);
}

void serial_halt(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    print_list(format, list);
    va_end(list);
    for (;;)
        __asm__ volatile("cli; hlt");
}
