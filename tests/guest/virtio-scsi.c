/* SPDX-License-Identifier: MIT */
#include "disk.h"
#include "heap.h"
#include "virtio.h"

#define CONFIG_SENSE_SIZE  20
#define CONFIG_CDB_SIZE    24
#define SENSE_SIZE         96
#define CDB_SIZE           32

#define REQUEST_QUEUE      2    /* 0 is for control, 1 for events */

#define MAX_TARGET         16u
#define MAX_LUN            8u

#define TEST_UNIT_READY    0x00
#define INQUIRY            0x12
#define MODE_SENSE         0x1a
#define READ_CAPACITY      0x25
#define READ_10            0x28
#define WRITE_10           0x2a
#define SYNCHRONIZE_CACHE  0x35

#define INQUIRY_DISK       0x00 /* a unit is there, and it is a disk */
#define MODE_WRITE_PROTECT 0x80
#define CHECK_CONDITION    2

struct request {
    uint8_t lun[8];
    uint64_t tag;
    uint8_t task_attribute, priority, crn;
    uint8_t cdb[CDB_SIZE];
} __attribute__((packed));

struct response {
    uint32_t sense_length, residual;
    uint16_t status_qualifier;
    uint8_t status, response;
    uint8_t sense[SENSE_SIZE];
} __attribute__((packed));

struct device {
    struct virtio_queue queue;
};

enum direction { NO_DATA, FROM_DISK, TO_DISK };

static bool command_once(const struct disk *disk, const uint8_t *cdb, size_t cdb_length,
                         enum direction direction, void *data, uint32_t length, uint8_t *status)
{
    struct device *device = disk->device;
    struct request request = {.lun = {1, (uint8_t)(disk->unit / MAX_LUN), 0x40, (uint8_t)(disk->unit % MAX_LUN)}};
    volatile struct response response = {.response = 0xff};
    struct virtio_piece answer = {(void *)&response, sizeof response, true};
    struct virtio_piece pieces[3] = {{&request, sizeof request, false}};
    size_t n = 1;

    __builtin_memcpy(request.cdb, cdb, cdb_length);
    if (direction == TO_DISK)
        pieces[n++] = (struct virtio_piece){data, length, false};
    pieces[n++] = answer;
    if (direction == FROM_DISK)
        pieces[n++] = (struct virtio_piece){data, length, true};
    virtio_request(&device->queue, pieces, n);
    *status = response.status;
    return response.response == 0 && response.status == 0;
}

/* A disk that has something to tell (it was reset, say) does so instead of obeying, once each: so ask again. */
static bool command(const struct disk *disk, const uint8_t *cdb, size_t cdb_length,
                    enum direction direction, void *data, uint32_t length)
{
    uint8_t status = 0;

    for (int attempt = 0; attempt < 4; attempt++) {
        if (command_once(disk, cdb, cdb_length, direction, data, length, &status))
            return true;
        if (status != CHECK_CONDITION)
            return false;
    }
    return false;
}

static bool transfer(struct disk *disk, uint8_t operation, enum direction direction, uint32_t sector, void *data)
{
    const uint8_t cdb[10] = {
        operation, 0, (uint8_t)(sector >> 24), (uint8_t)(sector >> 16), (uint8_t)(sector >> 8), (uint8_t)sector,
        0, 0, direction != NO_DATA,
    };

    return command(disk, cdb, sizeof cdb, direction, data, SECTOR_SIZE);
}

static bool scsi_read(struct disk *disk, uint32_t sector, void *to)
{
    return transfer(disk, READ_10, FROM_DISK, sector, to);
}

static bool scsi_write(struct disk *disk, uint32_t sector, const void *from)
{
    return transfer(disk, WRITE_10, TO_DISK, sector, (void *)from);
}

static bool scsi_flush(struct disk *disk)
{
    return transfer(disk, SYNCHRONIZE_CACHE, NO_DATA, 0, NULL);
}

static const struct disk_driver driver = {scsi_read, scsi_write, scsi_flush};

static bool is_writable_disk(const struct disk *disk)
{
    const uint8_t inquiry[6] = {INQUIRY, 0, 0, 0, 36};
    const uint8_t ready[6] = {TEST_UNIT_READY};
    const uint8_t mode[6] = {MODE_SENSE, 0, 0x3f, 0, 192};
    uint8_t data[192] = {0xff};

    if (!command(disk, inquiry, sizeof inquiry, FROM_DISK, data, 36) || data[0] != INQUIRY_DISK)
        return false;
    if (!command(disk, ready, sizeof ready, NO_DATA, NULL, 0))
        return false;
    return command(disk, mode, sizeof mode, FROM_DISK, data, sizeof data) && !(data[2] & MODE_WRITE_PROTECT);
}

static uint32_t capacity(const struct disk *disk)
{
    const uint8_t cdb[10] = {READ_CAPACITY};
    uint8_t d[8];
    uint32_t last;

    if (!command(disk, cdb, sizeof cdb, FROM_DISK, d, sizeof d))
        return 0;
    last = (uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3];
    return last == UINT32_MAX ? last : last + 1;
}

void virtio_scsi_find(struct disk_list *list, const struct pci_function *function)
{
    uint32_t features;
    uint16_t port = virtio_start(function, 0, &features);
    struct device *device;

    if (!port)
        return;
    virtio_config_set(port, CONFIG_SENSE_SIZE, SENSE_SIZE);
    virtio_config_set(port, CONFIG_CDB_SIZE, CDB_SIZE);
    device = heap_take(sizeof *device);
    device->queue = virtio_queue_start(port, REQUEST_QUEUE);
    virtio_ready(port);

    for (uint32_t unit = 0; unit < MAX_TARGET * MAX_LUN; unit++) {
        struct disk disk = {.driver = &driver, .device = device, .unit = unit};

        if (!is_writable_disk(&disk))
            continue;
        disk.sectors = capacity(&disk);
        disk_add(list, disk);
    }
}
