/* SPDX-License-Identifier: MIT */
/* state/description.h: devices found and decoded by the description; what does not fit is refused or left as bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "state/description.h"
#include "stream_builder.h"
#include "tap.h"

#define FIELD(name, type, size) "{\"name\":\"" name "\",\"type\":\"" type "\",\"size\":" #size
#define DEVICE(fields) "{\"devices\":[{\"name\":\"dev\",\"instance_id\":0,\"fields\":[" fields "]"

/* A tail of one device with that content, and the description. */
static int read_one(struct devices *d, const void *content, size_t size, const char *description, struct err *e)
{
	struct build b = { 0 };

	build_section(&b, 4, 7, "dev", 3);
	build_bytes(&b, content, size);
	build_footer(&b, 7);
	build_number(&b, 0, 1);
	build_number(&b, 6, 1);
	build_number(&b, strlen(description), 4);
	build_bytes(&b, description, strlen(description));
	return devices_read(d, b.data, b.len, strlen(description), e);
}

static int list_field(void *ctx, const struct device_field *f, struct err *e)
{
	char **list = ctx;
	_cleanup_free_ char *before = *list, *text = device_field_text(f, 16);

	(void)e;
	*list = text_of("%s%s%s=%s", before, before[0] ? " " : "", f->name, text);
	return 0;
}

/* Whether the fields of the device are those. */
static void check_fields(const char *content, size_t size, const char *description, const char *expected)
{
	_cleanup_free_ char *list = text_of("%s", "");
	struct devices d;
	struct err e = { 0 };
	bool good = read_one(&d, content, size, description, &e) == 0 && d.n == 1 && d.list[0].size == size &&
		    device_fields(&d.list[0], list_field, &list, &e) == 0;

	ok(good && strcmp(list, expected) == 0, "%s %s", list, e.text);
	devices_release(&d);
}

static void check_refused(const char *content, size_t size, const char *description, const char *why)
{
	struct devices d;
	struct err e = { 0 };

	ok(read_one(&d, content, size, description, &e) < 0 && strstr(e.text, why), "%s", e.text);
	devices_release(&d);
}

static void check_types(void)
{
	check_fields("\1\xff\xff\xff\xff\xff\xff", 7,
		     DEVICE(FIELD("b", "bool", 1) "}," FIELD("i", "int16", 2) "}," FIELD("u", "uint32", 4) "}") "}]}",
		     "b=true i=-1 u=4294967295 (0xffffffff)");
	check_fields("running\0\0\0\1\2\3", 13, DEVICE(FIELD("s", "buffer", 10) "}," FIELD("x", "qtailq", 3) "}") "}]}",
		     "s='running' x=010203");
	check_fields("\0\1\2\3\4\5\6\7\10\11", 10, DEVICE(FIELD("x", "buffer", 10) "}") "}]}", "x=0001020304050607...");
}

static void check_structures(void)
{
	check_fields("\1\2\3", 3, DEVICE(FIELD("a", "uint8", 1) ",\"array_len\":3}") "}]}", "a[0]=1 a[1]=2 a[2]=3");
	check_fields("\1\2", 2,
		     DEVICE(FIELD("s", "struct", 2) ",\"struct\":{\"fields\":[" FIELD("x", "uint8", 1) "}," FIELD(
			     "y", "uint8", 1) "}]}}") "}]}",
		     "s.x=1 s.y=2");
	check_fields("\1\2", 2, DEVICE(FIELD("t", "tmp", 2) ",\"fields\":[" FIELD("x", "uint16", 2) "}]}") "}]}",
		     "t.x=258");
	/* an inner structure that does not fit its bytes is bytes */
	check_fields("\1\2", 2, DEVICE(FIELD("s", "struct", 2) ",\"struct\":{\"fields\":[" FIELD("x", "uint8", 1) "}]}}") "}]}",
		     "s=0102");
	check_fields("\1\5\7dev/sub\0\0\0\1\x2a", 15,
		     DEVICE(FIELD("x", "uint8", 1) "}") ",\"subsections\":[{\"vmsd_name\":\"dev/sub\",\"fields\":[" FIELD(
			     "y", "uint8", 1) "}]}]}]}",
		     "x=1 sub.y=42");
}

static void check_lies(void)
{
	check_refused("\1", 1, DEVICE(FIELD("x", "uint8", 1) ",\"array_len\":4611686018427387904}") "}]}", "longer");
	check_refused("\1", 1, DEVICE(FIELD("x", "uint8", -1) "}") "}]}", "no size");
	check_refused("\1\2", 2, DEVICE(FIELD("x", "uint8", 1) "}") "}]}", "does not fit");
	check_refused("\1", 1, DEVICE(FIELD("x", "uint8", 1) "}") ",\"subsections\":[{\"vmsd_name\":\"dev/s\"}]}]}", "is not there");
	check_refused("\1", 1, "{\"devices\":[]}", "more devices");
	check_refused("\1", 1, "{}", "lists no devices");
	check_refused("\1", 1, "{\"devices\":", "not JSON");
	check_refused("\1", 1, "{\"devices\":[{\"name\":\"other\",\"instance_id\":0,\"fields\":[]}]}", "'other' is described");
	check_fields("", 0, DEVICE(FIELD("x", "uint8", 0) ",\"array_len\":4611686018427387904}") "}]}", "");
}

static void check_none(void)
{
	struct devices d;
	struct err e = { 0 };

	ok(devices_read(&d, NULL, 0, 0, &e) == 0 && d.n == 0 && !devices_find(&d, "dev", 0), "no description, no devices");
	devices_release(&d);
}

int main(void)
{
	check_types();
	check_structures();
	check_lies();
	check_none();
	return done();
}
