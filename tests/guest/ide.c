/* SPDX-License-Identifier: MIT */
/*
 * IDE disks on the two legacy channels, by programmed I/O.
 */
#include "disk.h"
#include "io.h"

/* Registers, from the channel's base. */
#define DATA            0
#define SECTOR_COUNT    2
#define LBA_LOW         3
#define LBA_MIDDLE      4
#define LBA_HIGH        5
#define SELECT          6
#define STATUS          7
#define COMMAND         7
#define CONTROL         0x206
#define NO_INTERRUPT    0x02

#define STATUS_ERROR    0x01
#define STATUS_DATA     0x08
#define STATUS_FAULT    0x20
#define STATUS_BUSY     0x80

#define SELECT_LBA      0xe0
#define SELECT_UNIT(u)  ((u) << 4)

#define CMD_READ        0x20
#define CMD_WRITE       0x30
#define CMD_FLUSH       0xe7
#define CMD_IDENTIFY    0xec

#define IDENTIFY_SECTORS 60     /* word index of the number of sectors, 28-bit addressing */

static const uint16_t channels[] = {0x1f0, 0x170};

static bool wait_ready(uint16_t base, uint8_t wanted)
{
    uint8_t status;

    do
        status = in8(base + STATUS);
    while (status & STATUS_BUSY);
    return !(status & (STATUS_ERROR | STATUS_FAULT)) && (status & wanted) == wanted;
}

static bool start(const struct disk *disk, uint8_t command, uint32_t sector, uint8_t wanted)
{
    uint16_t base = *(const uint16_t *)disk->device;

    out8(base + SELECT, (uint8_t)(SELECT_LBA | SELECT_UNIT(disk->unit) | (sector >> 24 & 0x0f)));
    out8(base + CONTROL, NO_INTERRUPT);
    out8(base + SECTOR_COUNT, 1);
    out8(base + LBA_LOW, (uint8_t)sector);
    out8(base + LBA_MIDDLE, (uint8_t)(sector >> 8));
    out8(base + LBA_HIGH, (uint8_t)(sector >> 16));
    out8(base + COMMAND, command);
    return wait_ready(base, wanted);
}

static bool ide_read(struct disk *disk, uint32_t sector, void *to)
{
    uint16_t base = *(const uint16_t *)disk->device;

    if (!start(disk, CMD_READ, sector, STATUS_DATA))
        return false;
    in16_many(base + DATA, to, SECTOR_SIZE / 2);
    return wait_ready(base, 0);
}

static bool ide_write(struct disk *disk, uint32_t sector, const void *from)
{
    uint16_t base = *(const uint16_t *)disk->device;

    if (!start(disk, CMD_WRITE, sector, STATUS_DATA))
        return false;
    out16_many(base + DATA, from, SECTOR_SIZE / 2);
    return wait_ready(base, 0);
}

static bool ide_flush(struct disk *disk)
{
    return start(disk, CMD_FLUSH, 0, 0);
}

static const struct disk_driver driver = {ide_read, ide_write, ide_flush};

static void look_at(struct disk_list *list, const uint16_t *channel, uint32_t unit)
{
    struct disk disk = {.driver = &driver, .device = (void *)channel, .unit = unit};
    uint16_t words[SECTOR_SIZE / 2];
    uint8_t status;

    out8(*channel + SELECT, (uint8_t)(SELECT_LBA | SELECT_UNIT(unit)));
    status = in8(*channel + STATUS);
    if (status == 0x00 || status == 0xff)
        return;                         /* nothing there */
    if (!start(&disk, CMD_IDENTIFY, 0, STATUS_DATA))
        return;                         /* a CD drive refuses this command */
    in16_many(*channel + DATA, words, SECTOR_SIZE / 2);
    disk.sectors = words[IDENTIFY_SECTORS] | (uint32_t)words[IDENTIFY_SECTORS + 1] << 16;
    disk_add(list, disk);
}

void ide_find(struct disk_list *list)
{
    for (size_t c = 0; c < sizeof channels / sizeof channels[0]; c++)
        for (uint32_t unit = 0; unit < 2; unit++)
            look_at(list, &channels[c], unit);
}
