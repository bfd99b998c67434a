/* SPDX-License-Identifier: MIT */
/*
 * SATA disks behind an AHCI controller, where q35 machines put what is called IDE.  One command slot per port, polled.
 */
#include "disk.h"
#include "heap.h"
#include "io.h"
#include "pci.h"

/* Registers of the controller, and of a port, as indices of 32-bit words. */
#define HOST_CONTROL       1
#define HOST_PORTS         3
#define HOST_ENABLE        0x80000000u
#define PORT_WORDS(p)      ((0x100 + 0x80 * (p)) / 4)
#define PORT_COMMAND_LIST  0
#define PORT_FIS           2
#define PORT_INTERRUPT     4
#define PORT_CONTROL       6
#define PORT_TASK          8
#define PORT_SIGNATURE     9
#define PORT_LINK          10
#define PORT_ERROR         12
#define PORT_ISSUE         14

#define CONTROL_START      0x0001u
#define CONTROL_FIS        0x0010u
#define CONTROL_RUNNING    0xc000u
#define TASK_ERROR         0x01u
#define TASK_WAIT          0x88u        /* busy, or wants data */
#define LINK_STATE         0x0fu
#define LINK_UP            0x03u
#define SIGNATURE_DISK     0x00000101u

#define CMD_READ           0x25         /* DMA, 48-bit addresses */
#define CMD_WRITE          0x35
#define CMD_FLUSH          0xea
#define CMD_IDENTIFY       0xec
#define SELECT_LBA         0x40
#define IDENTIFY_SECTORS   100          /* word index of the number of sectors, 48-bit addressing */

struct command_header {
    uint16_t flags, pieces;
    uint32_t done;
    uint64_t table;
    uint32_t reserved[4];
};

#define FLAGS_FIS_WORDS    5
#define FLAGS_WRITE        0x40

struct command_table {
    uint8_t fis[128];                   /* the ATA command, then room for a packet command */
    uint64_t data;
    uint32_t reserved, last_byte;
};

/* One page per port. */
struct port {
    struct command_header headers[32];
    uint8_t received[256];
    struct command_table table;
    volatile uint32_t *registers;
};

static bool command(const struct disk *disk, uint8_t number, uint32_t sector, void *data, bool write)
{
    struct port *port = disk->device;
    volatile uint32_t *r = port->registers;

    port->headers[0] = (struct command_header){
        .flags = (uint16_t)(FLAGS_FIS_WORDS | (write ? FLAGS_WRITE : 0)),
        .pieces = data != NULL,
        .table = (uint32_t)&port->table,
    };
    port->table = (struct command_table){
        .fis = {0x27, 0x80, number, 0,
                (uint8_t)sector, (uint8_t)(sector >> 8), (uint8_t)(sector >> 16), SELECT_LBA,
                (uint8_t)(sector >> 24), 0, 0, 0, data != NULL},
        .data = (uint32_t)data,
        .last_byte = SECTOR_SIZE - 1,
    };
    compiler_barrier();
    r[PORT_INTERRUPT] = UINT32_MAX;
    r[PORT_ISSUE] = 1;
    while (r[PORT_ISSUE] & 1)
        if (r[PORT_TASK] & TASK_ERROR)
            return false;
    compiler_barrier();
    return !(r[PORT_TASK] & (TASK_ERROR | TASK_WAIT));
}

static bool ahci_read(struct disk *disk, uint32_t sector, void *to)
{
    return command(disk, CMD_READ, sector, to, false);
}

static bool ahci_write(struct disk *disk, uint32_t sector, const void *from)
{
    return command(disk, CMD_WRITE, sector, (void *)from, true);
}

static bool ahci_flush(struct disk *disk)
{
    return command(disk, CMD_FLUSH, 0, NULL, false);
}

static const struct disk_driver driver = {ahci_read, ahci_write, ahci_flush};

static void look_at(struct disk_list *list, volatile uint32_t *registers)
{
    struct port *port = heap_take(sizeof *port);
    struct disk disk = {.driver = &driver, .device = port};
    uint16_t words[SECTOR_SIZE / 2];

    port->registers = registers;
    registers[PORT_CONTROL] &= ~(CONTROL_START | CONTROL_FIS);
    while (registers[PORT_CONTROL] & CONTROL_RUNNING)
        ;
    registers[PORT_COMMAND_LIST] = (uint32_t)port->headers;
    registers[PORT_COMMAND_LIST + 1] = 0;
    registers[PORT_FIS] = (uint32_t)port->received;
    registers[PORT_FIS + 1] = 0;
    registers[PORT_ERROR] = UINT32_MAX;
    registers[PORT_CONTROL] |= CONTROL_FIS;
    registers[PORT_CONTROL] |= CONTROL_START;

    if (registers[PORT_SIGNATURE] != SIGNATURE_DISK || !command(&disk, CMD_IDENTIFY, 0, words, false))
        return;
    disk.sectors = words[IDENTIFY_SECTORS] | (uint32_t)words[IDENTIFY_SECTORS + 1] << 16;
    disk_add(list, disk);
}

void ahci_find(struct disk_list *list, const struct pci_function *function)
{
    volatile uint32_t *host = pci_enable_memory(function, 5);
    uint32_t ports;

    if (!host)
        return;
    host[HOST_CONTROL] |= HOST_ENABLE;
    ports = host[HOST_PORTS];
    for (uint32_t p = 0; p < 32; p++)
        if (ports & 1u << p && (host[PORT_WORDS(p) + PORT_LINK] & LINK_STATE) == LINK_UP)
            look_at(list, host + PORT_WORDS(p));
}
