/* SPDX-License-Identifier: MIT */
/* Which host this is, for files that only hold where they were written. */
#ifndef MPLCR_HOST_H
#define MPLCR_HOST_H

/* Its machine-id(5), "" if it has none; malloc'd. */
char *host_id(void);

#endif
