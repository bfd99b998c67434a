/* SPDX-License-Identifier: MIT */
#include "virtio.h"
#include "heap.h"
#include "io.h"
#include "pci.h"
#include "serial.h"

/* Legacy registers, from the port of BAR 0. */
#define DEVICE_FEATURES  0
#define GUEST_FEATURES   4
#define QUEUE_PAGE       8
#define QUEUE_SIZE       12
#define QUEUE_SELECT     14
#define QUEUE_NOTIFY     16
#define STATUS           18
#define CONFIG           20

#define STATUS_ACKNOWLEDGE  1
#define STATUS_DRIVER       2
#define STATUS_DRIVER_OK    4

#define FLAG_NEXT           1
#define FLAG_DEVICE_WRITES  2
#define FLAG_NO_INTERRUPT   1

struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

struct virtio_available {
    uint16_t flags, index;
    uint16_t ring[];
};

struct virtio_used {
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[];
};

uint16_t virtio_start(const struct pci_function *function, uint32_t wanted, uint32_t *accepted)
{
    uint16_t port = pci_enable_ports(function);

    if (!port)
        return 0;
    out8(port + STATUS, 0);
    out8(port + STATUS, STATUS_ACKNOWLEDGE);
    out8(port + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    *accepted = in32(port + DEVICE_FEATURES) & wanted;
    out32(port + GUEST_FEATURES, *accepted);
    return port;
}

/* The ring's layout is given: descriptors, the available ring behind them, the used ring on the next page boundary. */
struct virtio_queue virtio_queue_start(uint16_t port, uint16_t index)
{
    struct virtio_queue q = {.port = port, .index = index};
    size_t first_part;
    char *memory;

    out16(port + QUEUE_SELECT, index);
    q.size = in16(port + QUEUE_SIZE);
    if (!q.size)
        serial_halt("ERROR virtio queue %u is missing\n", index);

    first_part = q.size * sizeof *q.descriptors + sizeof *q.available + (q.size + 1u) * sizeof q.available->ring[0];
    first_part = (first_part + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
    memory = heap_take(first_part + sizeof *q.used + q.size * sizeof q.used->ring[0] + sizeof(uint16_t));
    q.descriptors = (void *)memory;
    q.available = (void *)(memory + q.size * sizeof *q.descriptors);
    q.used = (void *)(memory + first_part);
    q.available->flags = FLAG_NO_INTERRUPT;

    out32(port + QUEUE_PAGE, (uint32_t)memory / PAGE_SIZE);
    return q;
}

void virtio_ready(uint16_t port)
{
    out8(port + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
}

uint32_t virtio_config(uint16_t port, uint16_t offset)
{
    return in32(port + CONFIG + offset);
}

void virtio_config_set(uint16_t port, uint16_t offset, uint32_t value)
{
    out32(port + CONFIG + offset, value);
}

void virtio_request(struct virtio_queue *q, const struct virtio_piece *pieces, size_t n)
{
    uint16_t index = q->available->index;

    for (size_t i = 0; i < n; i++)
        q->descriptors[i] = (struct virtio_descriptor){
            .address = (uint32_t)pieces[i].data,
            .length = pieces[i].length,
            .flags = (uint16_t)((i + 1 < n ? FLAG_NEXT : 0) | (pieces[i].device_writes ? FLAG_DEVICE_WRITES : 0)),
            .next = (uint16_t)(i + 1),
        };
    q->available->ring[index % q->size] = 0;
    compiler_barrier();         /* x86 keeps the order of stores, the compiler must too */
    q->available->index = ++index;
    compiler_barrier();
    out16(q->port + QUEUE_NOTIFY, q->index);

    while (q->used->index != index)
        __asm__ volatile("pause");
    compiler_barrier();
}
