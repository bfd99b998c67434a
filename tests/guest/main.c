/* SPDX-License-Identifier: MIT */
/*
 * The self-checking test VM.  On its serial line it says
 *
 *     READY ws=BYTES disks=N     when all pages are written and all disks are empty
 *     COUNT k                    after every step
 *     CORRUPT …                  memory is wrong: the last line
 *     MISALIGNED …               a disk does not belong to this memory: the last line
 *     ERROR …                    the test is wrong (bad option, failing disk): the last line
 *
 * and nothing else.  It only says what it can prove from its own memory and disks, so it holds across stop and cont,
 * migration, checkpoint and restore at any instruction: an alarm is always somebody's fault.
 */
#include "clock.h"
#include "disk.h"
#include "options.h"
#include "pages.h"
#include "records.h"
#include "serial.h"

#define LOADER_MAGIC        0x2badb002
#define INFO_HAS_MEMORY     (1u << 0)
#define INFO_HAS_WORDS      (1u << 2)

struct multiboot_info {
    uint32_t flags;
    uint32_t memory_lower, memory_upper;        /* KiB below 640 KiB, KiB from 1 MiB up to the first hole */
    uint32_t boot_device;
    const char *command_line;
};

_Noreturn void guest_main(uint32_t magic, const struct multiboot_info *info);

/* The bytes that a rate per second allows in so many ticks.  At most a fifth of a second, so that steps go on. */
static uint32_t budget(uint32_t rate, uint32_t ticks)
{
    uint32_t most = CLOCK_HZ / 5;

    return rate / CLOCK_HZ * (ticks < most ? ticks : most);
}

static void check_until(uint32_t end, uint32_t bytes)
{
    for (uint32_t done = 0; done < bytes && !clock_reached(end);) {
        uint32_t more = pages_check_next();

        if (!more)
            break;
        done += more;
    }
}

/* The fault that was asked for.  Returns how many disks the step's records shall not reach. */
static uint32_t make_fault(const struct options *o, uint32_t step)
{
    if (step != o->fault_step)
        return 0;
    switch (o->fault) {
    case FAULT_PAGE:  pages_damage_one(); break;
    case FAULT_STALE: pages_skip_one_rewrite(); break;
    case FAULT_SWAP:  records_swap_disks(); break;
    case FAULT_LOST:  return 1;
    case FAULT_NONE:  break;
    }
    return 0;
}

static _Noreturn void run(const struct options *o)
{
    uint32_t pause = o->step_ms * CLOCK_HZ / 1000;
    uint32_t last = clock_now();

    for (uint32_t count = 0;;) {
        uint32_t start = clock_now();
        uint32_t skip = make_fault(o, count + 1);

        records_check(count);
        records_write(count + 1, skip);
        count++;
        serial_print("COUNT %u\n", count);

        pages_rewrite(budget(o->rate, start - last));
        check_until(clock_now() + pause, budget(o->check, start - last));
        clock_sleep_until(start + pause);
        last = start;
    }
}

static const char *skip_program_name(const char *words)
{
    while (*words && *words != ' ')
        words++;
    return words;
}

void guest_main(uint32_t magic, const struct multiboot_info *info)
{
    static struct disk disks[MAX_DISKS];
    struct options options;
    uint32_t n;

    serial_start();
    if (magic != LOADER_MAGIC || !(info->flags & INFO_HAS_MEMORY))
        serial_halt("ERROR not started by a multiboot loader\n");
    options = options_parse(info->flags & INFO_HAS_WORDS ? skip_program_name(info->command_line) : "");

    clock_start();
    n = disk_find_all(disks);
    pages_start(options.working_set, options.fill, 0x100000u + (info->memory_upper << 10));
    records_start(disks, n);
    serial_print("READY ws=%u disks=%u\n", options.working_set, n);
    run(&options);
}
