/* SPDX-License-Identifier: MIT */
/*
 * The names that images have in headers and on command lines: a path, "file:PATH", "json:{…}", or "PROTOCOL:…". They
 * are parsed, never opened. (QEMU block.c: path_has_protocol, bdrv_fill_options, parse_json_protocol; a colon before
 * the first '/' makes a protocol.)
 */
#ifndef MPLCR_IMAGE_NAME_H
#define MPLCR_IMAGE_NAME_H

#include <jansson.h>
#include <stdbool.h>

struct image_name {
	char *path;      /* the local file, as it is written: absolute or relative; NULL where it is none */
	char *protocol;  /* "nbd", "http", …: of what is not a local file; else NULL */
	char *driver;    /* the format that a json: name says, "qcow2", or NULL */
	char *data_file; /* the external data file that a json: name says, as written, or NULL */
	bool json;       /* it is a json: name */
	bool from_cwd;   /* QEMU resolves a relative `path` against its own working directory, not the naming image's */
	json_t *backing; /* what a json: name says of the backing file, in place of the header: an object (nested
			  * options), a string (node or file name) or null (none); NULL where it says nothing */
	char fault[128]; /* why it cannot be used (broken JSON, no file in it, nested too deeply), or "" */
};

/* Parses `name`. Never fails: see `fault`. To be released in any case. */
void image_name_parse(struct image_name *n, const char *name);

/* The same for the options of a nested "backing" object, borrowed. */
void image_name_of_options(struct image_name *n, const json_t *options);

/* Whether it is a json: name. */
bool image_name_is_json(const char *name);

/*
 * The file at the bottom of a json: name, as it is written there, however many drivers are stacked on it (a running
 * QEMU shows such names). Malloc'd, or NULL.
 */
char *image_name_lowest_file(const char *name);

void image_name_release(struct image_name *n);

#endif
