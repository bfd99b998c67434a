/* SPDX-License-Identifier: MIT */
#include "pci.h"
#include "io.h"

#define CONFIG_ADDRESS   0xcf8
#define CONFIG_DATA      0xcfc
#define CONFIG_ENABLE    0x80000000u

#define REG_ID           0x00
#define REG_COMMAND      0x04
#define REG_CLASS        0x08
#define REG_HEADER_TYPE  0x0c
#define REG_BAR0         0x10

#define COMMAND_PORTS    0x1
#define COMMAND_MEMORY   0x2
#define COMMAND_DMA      0x4
#define MULTI_FUNCTION   0x00800000u
#define BAR_IS_PORTS     0x1

static uint32_t config_read(uint32_t address, uint32_t reg)
{
    out32(CONFIG_ADDRESS, address | reg);
    return in32(CONFIG_DATA);
}

static void config_write(uint32_t address, uint32_t reg, uint32_t value)
{
    out32(CONFIG_ADDRESS, address | reg);
    out32(CONFIG_DATA, value);
}

void pci_each_function(void (*visit)(const struct pci_function *function, void *context), void *context)
{
    for (uint32_t device = 0; device < 32; device++) {
        uint32_t functions = 1;

        for (uint32_t f = 0; f < functions; f++) {
            uint32_t address = CONFIG_ENABLE | device << 11 | f << 8;
            uint32_t id = config_read(address, REG_ID);

            if ((id & 0xffff) == 0xffff)
                continue;
            if (f == 0 && config_read(address, REG_HEADER_TYPE) & MULTI_FUNCTION)
                functions = 8;
            visit(&(struct pci_function){address, (uint16_t)id, (uint16_t)(id >> 16),
                                         config_read(address, REG_CLASS) >> 8}, context);
        }
    }
}

static void enable(const struct pci_function *function, uint32_t what)
{
    uint32_t command = config_read(function->address, REG_COMMAND) & 0xffff;

    config_write(function->address, REG_COMMAND, command | what | COMMAND_DMA);
}

uint16_t pci_enable_ports(const struct pci_function *function)
{
    uint32_t bar = config_read(function->address, REG_BAR0);

    if (!(bar & BAR_IS_PORTS))
        return 0;
    enable(function, COMMAND_PORTS);
    return (uint16_t)(bar & ~3u);
}

void *pci_enable_memory(const struct pci_function *function, uint32_t bar)
{
    uint32_t address = config_read(function->address, REG_BAR0 + 4 * bar);

    if (address & BAR_IS_PORTS)
        return NULL;
    enable(function, COMMAND_MEMORY);
    return (void *)(address & ~0xfu);
}
