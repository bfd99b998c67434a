/* SPDX-License-Identifier: MIT */
#include "disk.h"
#include "pci.h"
#include "serial.h"

#define CLASS_AHCI             0x010601
#define VENDOR_VIRTIO          0x1af4
#define DEVICE_VIRTIO_BLK      0x1001
#define DEVICE_VIRTIO_SCSI     0x1004

void disk_add(struct disk_list *list, struct disk disk)
{
    if (list->n == MAX_DISKS)
        serial_halt("ERROR more than %u disks\n", MAX_DISKS);
    list->disks[list->n++] = disk;
}

static void look_at(const struct pci_function *function, void *list)
{
    if (function->class_code == CLASS_AHCI)
        ahci_find(list, function);
    if (function->vendor != VENDOR_VIRTIO)
        return;
    if (function->device == DEVICE_VIRTIO_BLK)
        virtio_blk_find(list, function);
    if (function->device == DEVICE_VIRTIO_SCSI)
        virtio_scsi_find(list, function);
}

uint32_t disk_find_all(struct disk disks[MAX_DISKS])
{
    struct disk_list list = {disks, 0};

    ide_find(&list);
    pci_each_function(look_at, &list);
    return list.n;
}
