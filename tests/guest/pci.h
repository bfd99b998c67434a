/* SPDX-License-Identifier: MIT */
/*
 * The functions on PCI bus 0, where QEMU puts devices unless told otherwise, through configuration mechanism 1.
 */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include <stdint.h>

struct pci_function {
    uint32_t address;           /* as the configuration port wants it */
    uint16_t vendor, device;
    uint32_t class_code;        /* class, subclass, programming interface: three bytes */
};

/* Calls `visit` for every function, in order of address. */
void pci_each_function(void (*visit)(const struct pci_function *function, void *context), void *context);

/* The I/O ports of base address register 0, enabled together with DMA; 0 if that is not an I/O register. */
uint16_t pci_enable_ports(const struct pci_function *function);

/* The registers in memory behind base address register `bar`, enabled together with DMA; NULL if that is none. */
void *pci_enable_memory(const struct pci_function *function, uint32_t bar);

#endif
