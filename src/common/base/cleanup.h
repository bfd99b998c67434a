/* SPDX-License-Identifier: MIT */
/*
 * Single resources that end with their scope: `_cleanup_free_ char *s = …;`. A descriptor's cleaner keeps errno.
 * Handing a resource on is an explicit steal_fd() or steal_ptr().
 */
#ifndef MPLCR_CLEANUP_H
#define MPLCR_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f) {
		int saved = errno;

		fclose(*f);
		errno = saved;
	}
}

#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_fclose)))

/* The descriptor at *fd, which is -1 afterwards: the caller owns it. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* The pointer in the variable `p`, which is NULL afterwards: the caller owns it. */
#define steal_ptr(p)                         \
	__extension__({                      \
		__typeof__(p) taken_ = (p);  \
		(p) = NULL;                  \
		taken_;                      \
	})

#endif
