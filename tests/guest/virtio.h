/* SPDX-License-Identifier: MIT */
/*
 * A virtio device behind its legacy port interface (what QEMU's transitional PCI devices offer), and one split ring of
 * it, used for one request at a time.
 */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pci_function;

struct virtio_queue {
    uint16_t port;              /* of the device */
    uint16_t index;             /* of the queue */
    uint16_t size;
    struct virtio_descriptor *descriptors;
    volatile struct virtio_available *available;
    volatile struct virtio_used *used;
};

/* A piece of a request.  Pieces that the device writes come after those that it reads. */
struct virtio_piece {
    void *data;
    uint32_t length;
    bool device_writes;
};

/* Resets the device and accepts those of its features that are in `wanted`; returns its port, 0 if it has none. */
uint16_t virtio_start(const struct pci_function *function, uint32_t wanted, uint32_t *accepted);

/* Sets up one queue.  Call it before virtio_ready(). */
struct virtio_queue virtio_queue_start(uint16_t port, uint16_t index);

void virtio_ready(uint16_t port);

/* The device's own configuration, a 32-bit field of it. */
uint32_t virtio_config(uint16_t port, uint16_t offset);
void virtio_config_set(uint16_t port, uint16_t offset, uint32_t value);

/* Hands the pieces to the device as one request and waits until it is done. */
void virtio_request(struct virtio_queue *queue, const struct virtio_piece *pieces, size_t n);

#endif
