/* SPDX-License-Identifier: MIT */
#include "clock.h"
#include "io.h"
#include "serial.h"

#define PIT_HZ          1193182u
#define PIT_CHANNEL0    0x40
#define PIT_COMMAND     0x43
#define PIT_RATE        0x34    /* channel 0, low byte then high byte, rate generator */

#define PIC1            0x20
#define PIC2            0xa0
#define PIC_INIT        0x11
#define PIC_8086        0x01

#define FIRST_IRQ       0x20    /* behind the CPU's 32 exceptions */
#define VECTORS         0x30
#define CODE_SEGMENT    0x08
#define INTERRUPT_GATE  0x8e00

/* The entry points, in boot.S. */
extern const char trap_entries[32][8];
extern const char clock_entry[];
extern const char ignore_entry[];

struct gate {
    uint16_t offset_low, segment, type, offset_high;
};

static struct gate gates[VECTORS];

volatile uint32_t clock_ticks;  /* counted in boot.S */

_Noreturn void trap_handle(uint32_t number, uint32_t first, uint32_t second);

/*
 * An honest guest never traps: a wild jump or a bad opcode is memory or CPU state that came back wrong.  The two words
 * are what the CPU pushed: instruction pointer, after an error code for some exceptions.
 */
void trap_handle(uint32_t number, uint32_t first, uint32_t second)
{
    serial_halt("CORRUPT trap=%u at=%x,%x\n", number, first, second);
}

static void set_gate(unsigned vector, const char *entry)
{
    uint32_t address = (uint32_t)entry;

    gates[vector] = (struct gate){
        .offset_low = (uint16_t)address,
        .segment = CODE_SEGMENT,
        .type = INTERRUPT_GATE,
        .offset_high = (uint16_t)(address >> 16),
    };
}

static void start_pic(uint16_t port, uint8_t vector, uint8_t wiring, uint8_t mask)
{
    out8(port, PIC_INIT);
    out8(port + 1, vector);
    out8(port + 1, wiring);
    out8(port + 1, PIC_8086);
    out8(port + 1, mask);
}

void clock_start(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        const void *base;
    } pointer = {sizeof gates - 1, gates};

    for (unsigned v = 0; v < VECTORS; v++)
        set_gate(v, v < 32 ? trap_entries[v] : ignore_entry);
    set_gate(FIRST_IRQ, clock_entry);
    __asm__ volatile("lidt %0" : : "m"(pointer));

    start_pic(PIC1, FIRST_IRQ, 0x04, 0xfe);     /* only the timer */
    start_pic(PIC2, FIRST_IRQ + 8, 0x02, 0xff);

    out8(PIT_COMMAND, PIT_RATE);
    out8(PIT_CHANNEL0, (PIT_HZ / CLOCK_HZ) & 0xff);
    out8(PIT_CHANNEL0, (PIT_HZ / CLOCK_HZ) >> 8);
    __asm__ volatile("sti");
}

uint32_t clock_now(void)
{
    return clock_ticks;
}

void clock_sleep_until(uint32_t end)
{
    while (!clock_reached(end))
        __asm__ volatile("hlt");
}
