/* SPDX-License-Identifier: MIT */
#include "base/path_list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

#define MAX_PATHS 1000000

void path_list_add(struct path_list *l, const char *path)
{
	text_list_add(&l->paths, &l->n, text_copy(path));
}

void path_list_release(struct path_list *l)
{
	text_list_free(l->paths);
	*l = (struct path_list){ 0 };
}

int path_list_read_fd(struct path_list *l, int fd, const char *what, bool nul_separated, struct err *e)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_fclose_ FILE *in = NULL;
	int separator = nul_separated ? '\0' : '\n', own = dup(fd);
	size_t room = 0;
	ssize_t n;

	in = own >= 0 ? fdopen(own, "r") : NULL;
	if (!in) {
		err_sys(e, errno, "cannot read %s", what);
		if (own >= 0)
			close(own);
		return -1;
	}
	while (errno = 0, (n = getdelim(&line, &room, separator, in)) > 0) {
		if (line[n - 1] == separator)
			line[--n] = '\0';
		if (n == 0)
			continue;
		if (n >= PATH_MAX)
			return err_usage(e, "%s: a path is longer than %d bytes", what, PATH_MAX - 1);
		if (strlen(line) != (size_t)n)
			return err_usage(e, "%s: a path contains a NUL: is -0 missing?", what);
		if (l->n >= MAX_PATHS)
			return err_usage(e, "%s: more than %d paths", what, MAX_PATHS);
		path_list_add(l, line);
	}
	return ferror(in) ? err_sys(e, errno, "cannot read %s", what) : 0;
}

int path_list_read(struct path_list *l, char *const *operands, size_t n, bool nul_separated, struct err *e)
{
	bool read = false;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(operands[i], "-") != 0) {
			path_list_add(l, operands[i]);
			continue;
		}
		if (read)
			return err_usage(e, "'-' is given twice");
		read = true;
		if (path_list_read_fd(l, STDIN_FILENO, "standard input", nul_separated, e) < 0)
			return -1;
	}
	return 0;
}
