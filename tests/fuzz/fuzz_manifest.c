/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: manifests. Any bytes may be a checkpoint.json, and what is made of them must hold:
 *
 *  - it is refused with words, or it is a manifest that can be written, and read again to the same;
 *  - nothing that it says of itself makes it authentic.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "checkpoint/manifest.h"
#include "checkpoint/manifest_impl.h"
#include "fuzz.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

static struct manifest *read_json(const json_t *json)
{
	struct manifest *m = memory_of(1, sizeof(*m));
	struct err e = { 0 };

	m->checkpoint = text_copy("/nowhere/x1.ckpt");
	if (manifest_read(m, json, "fuzz", &e) == 0)
		return m;
	check(e.text[0] != '\0');
	manifest_free(m);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL), *again, *third;
	struct manifest *m = json ? read_json(json) : NULL, *n;

	if (json) {
		setenv("MPLCR_KEY", "/nowhere/key", 1);
		check(manifest_verify(json, NULL) != KEY_AUTHENTIC);
	}
	if (m) {
		again = manifest_to_json(m);
		n = read_json(again);
		check(n != NULL);
		third = manifest_to_json(n);
		check(json_equal(again, third));
		json_decref(again);
		json_decref(third);
		manifest_free(n);
	}
	manifest_free(m);
	json_decref(json);
	return 0;
}
