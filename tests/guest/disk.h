/* SPDX-License-Identifier: MIT */
/*
 * A disk, whatever it hangs on: sectors to read, write and flush.  The drivers poll, one request at a time.
 *
 * The order of the disks is the oracle's: IDE (primary master, primary slave, secondary …), then PCI functions by
 * address, on an AHCI controller by port, on a virtio-scsi controller by target and LUN.  Only writable disks count.
 */
#ifndef GUEST_DISK_H
#define GUEST_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR_SIZE  512u
#define MAX_DISKS    16u

struct disk;

/* Each call moves one sector, or none for a flush; false when the device reported an error. */
struct disk_driver {
    bool (*read)(struct disk *disk, uint32_t sector, void *to);
    bool (*write)(struct disk *disk, uint32_t sector, const void *from);
    bool (*flush)(struct disk *disk);
};

struct disk {
    const struct disk_driver *driver;
    void *device;               /* the driver's own */
    uint32_t unit;              /* the driver's own: IDE unit, SCSI target and LUN */
    uint32_t sectors;
};

/* Finds every disk; returns how many. */
uint32_t disk_find_all(struct disk disks[MAX_DISKS]);

/* Where the drivers put what they find. */
struct disk_list {
    struct disk *disks;
    uint32_t n;
};

void disk_add(struct disk_list *list, struct disk disk);

struct pci_function;

void ide_find(struct disk_list *list);
void ahci_find(struct disk_list *list, const struct pci_function *function);
void virtio_blk_find(struct disk_list *list, const struct pci_function *function);
void virtio_scsi_find(struct disk_list *list, const struct pci_function *function);

#endif
