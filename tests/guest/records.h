/* SPDX-License-Identifier: MIT */
/*
 * The disk half of the oracle.
 *
 * Step k writes record k to slot k mod N_SLOTS of every disk, flushes, and only then is k counted in memory.  Before the
 * next step, the disks are compared with memory.  With k counted, an aligned disk holds
 *
 *     slot k         record k              else the disk is older than memory (or another one)
 *     slot k - 1     record k - 1
 *     slot k + 1     record k + 1 - N_SLOTS, or nothing: anything newer means that the disk is newer than memory
 *
 * A record names the disk it was written to, so that disks which changed places are told apart, and the run of the guest,
 * so that a disk of another VM, or of the same VM's earlier boot, never passes.
 */
#ifndef GUEST_RECORDS_H
#define GUEST_RECORDS_H

#include "disk.h"

/* Empties all slots of all disks. */
void records_start(struct disk *disks, uint32_t n);

/* Compares all disks with memory's count, and halts the guest with a MISALIGNED line when they do not fit. */
void records_check(uint32_t count);

/* Writes record `k` to all disks but the last `skip` ones, and flushes them. */
void records_write(uint32_t k, uint32_t skip);

/* A fault for the tests of the oracle. */
void records_swap_disks(void);

#endif
