/* SPDX-License-Identifier: MIT */
/* What the processor of a host can do, by Linux's names: the flags of /proc/cpuinfo. */
#ifndef MPLCR_CPU_FLAGS_H
#define MPLCR_CPU_FLAGS_H

/* Those of this host, separated by spaces; malloc'd, or NULL where Linux does not tell. */
char *cpu_flags_of_host(void);

/* The words of `wanted` that are not in `have`, separated by spaces; malloc'd, or NULL where there are none. */
char *cpu_flags_missing(const char *wanted, const char *have);

#endif
