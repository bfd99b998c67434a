/* SPDX-License-Identifier: MIT */
/*
 * What QEMU can do from which version on, as qmp_version counts it (70222 is 7.2.22): one fact a line, each with the
 * page of QEMU's sources, the commit or the measurement that says so. No version stands anywhere else.
 */
#ifndef MPLCR_QEMU_VERSIONS_H
#define MPLCR_QEMU_VERSIONS_H

/* query-memory-size-summary (qapi: "Since: 2.11"). */
#define QEMU_MEMORY_SUMMARY 21100

/* Block jobs wait at their end: "auto-finalize" off, block-job-finalize (qapi/block-core.json: "Since: 2.12"). */
#define QEMU_JOB_FINALIZE 21200

/* query-block lists disks without a backend's name too, those of -blockdev and -device (the schema does not say since when). */
#define QEMU_LISTS_ALL_DISKS 30000

/* block-commit takes the name of a node, "base-node" (qapi/block-core.json: "since 3.1"). */
#define QEMU_COMMIT_BASE_NODE 30100

/* query-named-block-nodes takes "flat" (qapi/block-core.json: "Since 5.0"); before, each node repeats its chain. */
#define QEMU_FLAT_NODES 50000

/* The machine's memory can be a memory backend (-machine memory-backend=); before, there is -mem-path alone. */
#define QEMU_MACHINE_BACKEND 50000

/*
 * Nothing is written into guest memory before a state that is to come. Before, rom_reset (hw/core/loader.c) copies ROMs
 * and an ELF kernel into it.
 */
#define QEMU_CLEAN_INCOMING 50000

/*
 * A memory file can be opened for reading only and still be mapped privately (qapi/qom.json, memory-backend-file,
 * "rom": since 8.2). Before, QEMU opens it for writing, and a guest that gives memory back (balloon) punches holes into
 * it.
 */
#define QEMU_READ_ONLY_MEMORY_FILE 80200

/*
 * A background snapshot can be cancelled. Before QEMU commit "migration: stop tracking ram writes when cancelling
 * background migration" (2023, 8.1) memory stays write-protected then and the guest hangs; measured: 7.2 does, 10.0
 * does not. Of the versions in between none is tried, so they count as the older ones.
 */
#define QEMU_BREAKABLE_BACKGROUND 90000

/* The VM stays paused in a background snapshot until it is told to go on; up to 8.2 QEMU lets it run (measured). */
#define QEMU_BACKGROUND_STAYS_PAUSED 90000

/* blockdev-set-active (QEMU qapi/block-core.json, "Since: 10.0"); measured on 10.0. */
#define QEMU_SET_ACTIVE 100000

/* The migration dirty bitmap sees every store of TCG (QEMU commit 03bfc2188f, 9.0). */
#define QEMU_TCG_DIRTY_BITMAP 90000

#endif
