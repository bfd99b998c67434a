/* SPDX-License-Identifier: MIT */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

int library_load(const char *file, const char *const names[], size_t n, void *functions, struct err *e)
{
	if (!dlopen(file, RTLD_NOW | RTLD_GLOBAL))
		return err_set(e, "cannot load %s: %s", file, dlerror());
	for (size_t i = 0; i < n; i++) {
		/* search all loaded libraries, as the linker does, so that a preloaded function takes precedence */
		void *function = dlsym(RTLD_DEFAULT, names[i]);

		if (!function)
			return err_set(e, "cannot load %s: it has no %s", file, names[i]);
		/* POSIX: a pointer to a function fits into one to an object, as dlsym returns it */
		memcpy((char *)functions + i * sizeof(function), &function, sizeof(function));
	}
	return 0;
}
