/* SPDX-License-Identifier: MIT */
#include "records.h"
#include "io.h"
#include "serial.h"

#define RECORD_MAGIC   0x5250434cu
#define N_SLOTS        32u
#define FIRST_SECTOR   8u       /* sector 0 stays alone: QEMU guards it on images whose format it probed */
#define SLOT_DISTANCE  128u     /* 64 KiB: every slot in a qcow2 cluster of its own */
#define RECORD_WORDS   (SECTOR_SIZE / 4 - 6)

struct record {
    uint32_t magic;
    uint32_t disk;
    uint32_t run[2];
    uint32_t k;
    uint32_t content[RECORD_WORDS];
    uint32_t checksum;          /* over all words before it */
};

_Static_assert(sizeof(struct record) == SECTOR_SIZE, "a record is a sector");

static struct disk *disks;
static uint32_t n_disks;
static uint32_t run[2];

static uint32_t slot_sector(uint32_t slot)
{
    return FIRST_SECTOR + slot % N_SLOTS * SLOT_DISTANCE;
}

static uint32_t checksum(const struct record *r)
{
    const uint32_t *words = (const uint32_t *)r;
    uint32_t sum = 1, sum_of_sums = 0;

    for (size_t i = 0; i < SECTOR_SIZE / 4 - 1; i++) {
        sum += words[i];
        sum_of_sums += sum;
    }
    return sum_of_sums;
}

static void fill_record(struct record *r, uint32_t disk, uint32_t k)
{
    *r = (struct record){.magic = RECORD_MAGIC, .disk = disk, .run = {run[0], run[1]}, .k = k};
    for (size_t i = 0; i < RECORD_WORDS; i++)
        r->content[i] = (k + 1) * 0x9e3779b9u + (uint32_t)i;
    r->checksum = checksum(r);
}

static bool is_equal(const struct record *a, const struct record *b)
{
    const uint32_t *x = (const uint32_t *)a, *y = (const uint32_t *)b;
    uint32_t difference = 0;

    for (size_t i = 0; i < SECTOR_SIZE / 4; i++)
        difference |= x[i] ^ y[i];
    return !difference;
}

static _Noreturn void misaligned(uint32_t disk, uint32_t slot, uint32_t expected, const struct record *r)
{
    serial_print("MISALIGNED disk=%u slot=%u expected=%u found=", disk, slot, expected);
    if (r->magic != RECORD_MAGIC)
        serial_halt("none\n");
    serial_halt("%u of disk %u%s%s\n", r->k, r->disk, r->run[0] != run[0] || r->run[1] != run[1] ? " other run" : "",
                r->checksum != checksum(r) ? " bad checksum" : "");
}

static void check_slot(uint32_t disk, uint32_t slot, uint32_t expected)
{
    struct record found, wanted = {0};

    if (expected)
        fill_record(&wanted, disk, expected);
    if (!disks[disk].driver->read(&disks[disk], slot_sector(slot), &found))
        serial_halt("ERROR disk=%u read\n", disk);
    if (!is_equal(&found, &wanted))
        misaligned(disk, slot % N_SLOTS, expected, &found);
}

/* Records are numbered from 1, so 0 stands for an empty slot. */
void records_check(uint32_t count)
{
    for (uint32_t disk = 0; disk < n_disks; disk++) {
        check_slot(disk, count + 1, count + 1 > N_SLOTS ? count + 1 - N_SLOTS : 0);
        if (count > 0)
            check_slot(disk, count, count);
        if (count > 1)
            check_slot(disk, count - 1, count - 1);
    }
}

static void write_slot(uint32_t disk, uint32_t slot, const struct record *r)
{
    if (!disks[disk].driver->write(&disks[disk], slot_sector(slot), r))
        serial_halt("ERROR disk=%u write\n", disk);
}

static void flush(uint32_t disk)
{
    if (!disks[disk].driver->flush(&disks[disk]))
        serial_halt("ERROR disk=%u flush\n", disk);
}

void records_write(uint32_t k, uint32_t skip)
{
    struct record r;

    for (uint32_t disk = 0; disk + skip < n_disks; disk++) {
        fill_record(&r, disk, k);
        write_slot(disk, k, &r);
        flush(disk);
    }
}

void records_start(struct disk *found, uint32_t n)
{
    static const struct record empty;
    uint64_t cycles = cycle_count();

    disks = found;
    n_disks = n;
    run[0] = (uint32_t)cycles;
    run[1] = (uint32_t)(cycles >> 32);
    for (uint32_t disk = 0; disk < n_disks; disk++) {
        if (disks[disk].sectors < slot_sector(N_SLOTS - 1) + 1)
            serial_halt("ERROR disk=%u is smaller than 2 MiB\n", disk);
        for (uint32_t slot = 0; slot < N_SLOTS; slot++)
            write_slot(disk, slot, &empty);
        flush(disk);
    }
}

void records_swap_disks(void)
{
    if (n_disks > 1) {
        struct disk first = disks[0];

        disks[0] = disks[n_disks - 1];
        disks[n_disks - 1] = first;
    }
}
