/* SPDX-License-Identifier: MIT */
#include "disk.h"
#include "heap.h"
#include "virtio.h"

#define FEATURE_READ_ONLY  (1u << 5)
#define FEATURE_FLUSH      (1u << 9)

#define CONFIG_CAPACITY    0    /* in sectors, 64-bit */

#define TYPE_READ          0
#define TYPE_WRITE         1
#define TYPE_FLUSH         4

struct header {
    uint32_t type, reserved;
    uint64_t sector;
};

struct device {
    struct virtio_queue queue;
    bool can_flush;
};

static bool request(struct disk *disk, uint32_t type, uint32_t sector, void *data)
{
    struct device *device = disk->device;
    struct header header = {.type = type, .sector = sector};
    uint8_t status = 0xff;
    struct virtio_piece pieces[3] = {{&header, sizeof header, false}};
    size_t n = 1;

    if (data)
        pieces[n++] = (struct virtio_piece){data, SECTOR_SIZE, type == TYPE_READ};
    pieces[n++] = (struct virtio_piece){&status, sizeof status, true};
    virtio_request(&device->queue, pieces, n);
    return *(volatile uint8_t *)&status == 0;
}

static bool blk_read(struct disk *disk, uint32_t sector, void *to)
{
    return request(disk, TYPE_READ, sector, to);
}

static bool blk_write(struct disk *disk, uint32_t sector, const void *from)
{
    return request(disk, TYPE_WRITE, sector, (void *)from);
}

static bool blk_flush(struct disk *disk)
{
    struct device *device = disk->device;

    return !device->can_flush || request(disk, TYPE_FLUSH, 0, NULL);
}

static const struct disk_driver driver = {blk_read, blk_write, blk_flush};

void virtio_blk_find(struct disk_list *list, const struct pci_function *function)
{
    uint32_t features;
    uint16_t port = virtio_start(function, FEATURE_READ_ONLY | FEATURE_FLUSH, &features);
    struct device *device;
    uint32_t sectors;

    if (!port || features & FEATURE_READ_ONLY)
        return;
    device = heap_take(sizeof *device);
    device->can_flush = features & FEATURE_FLUSH;
    device->queue = virtio_queue_start(port, 0);
    virtio_ready(port);
    sectors = virtio_config(port, CONFIG_CAPACITY + 4) ? UINT32_MAX : virtio_config(port, CONFIG_CAPACITY);
    disk_add(list, (struct disk){.driver = &driver, .device = device, .sectors = sectors});
}
