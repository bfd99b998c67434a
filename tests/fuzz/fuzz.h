/* SPDX-License-Identifier: MIT */
/*
 * The frame of every fuzz target, included by it once. With clang's -fsanitize=fuzzer -DMPLCR_FUZZ the target is a
 * fuzzer; else this makes a program of it that runs the files and directories given as arguments, and says so in TAP.
 */
#ifndef MPLCR_FUZZ_H
#define MPLCR_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef MPLCR_FUZZ
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/path.h"

static int run_path(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t size;
	struct err e;
	char *bytes;
	int runs = 0;

	if (dir) {
		while ((entry = readdir(dir)) != NULL) {
			char *name = path_join(path, entry->d_name);

			if (entry->d_name[0] != '.')
				runs += run_path(name);
			free(name);
		}
		closedir(dir);
		return runs;
	}
	bytes = file_read(AT_FDCWD, path, 1 << 24, &size, &e);
	if (!bytes) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
	free(bytes);
	return 1;
}

int main(int argc, char **argv)
{
	int runs = 0;

	for (int i = 1; i < argc; i++)
		runs += run_path(argv[i]);
	printf("%sok 1 - the corpus of %d files runs\n1..1\n", runs ? "" : "not ", runs);
	return runs == 0;
}
#endif

#endif
