/* SPDX-License-Identifier: MIT */
/*
 * info, the map of the room:
 *
 *   info.c     options, operands; the whole as a table
 *   json.c     the same as JSON
 *   device.c   --device: the fields of devices
 */
#ifndef MPLCR_STATE_INFO_H
#define MPLCR_STATE_INFO_H

#include <jansson.h>
#include <stdbool.h>

#include "saved/saved.h"

/* All of it as an object, the caller's. */
json_t *info_to_json(const struct saved *s);

/* A device without its fields, as an object; the caller's. */
json_t *info_device_to_json(const struct device *d);

/* The table of all devices. */
void info_print_devices(const struct saved *s);

/*
 * Prints the fields of the devices called `name` ("NAME" or, one of several, "NAME:INSTANCE"); "": the list of all devices.
 * Returns 0 or -1.
 */
int info_device(const struct saved *s, const char *name, bool json, struct err *e) __attribute__((warn_unused_result));

#endif
