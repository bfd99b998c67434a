/* SPDX-License-Identifier: MIT */
/* The reader of claims, given any JSON: what it takes stays below its place, and is judged without being opened. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/path.h"
#include "checkpoint/claim.h"
#include "fuzz.h"

#define PLACE "/nowhere/place"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *json = json_loadb((const char *)data, size, 0, NULL);
	struct claim c;

	if (!json)
		return 0;
	if (claim_parse(&c, json, PLACE) == 0) {
		if (!path_below(PLACE, c.base) || strstr(c.base, "/../") || c.user[0] != '/' || c.authentic)
			abort();
		(void)!claim_is_gone(&c);
		(void)!claim_needed(c.base, c.user);
	}
	claim_release(&c);
	return 0;
}
