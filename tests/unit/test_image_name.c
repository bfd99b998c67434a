/* SPDX-License-Identifier: MIT */
/* image_name.h: the names of images, parsed as QEMU parses them. */
#include "image/name.h"

#include <string.h>

#include "base/json.h"
#include "tap.h"

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The path and the protocol of a good name. */
static void good(const char *name, const char *path, const char *protocol, const char *driver)
{
	struct image_name n;

	image_name_parse(&n, name);
	if (!ok(!n.fault[0] && same(n.path, path) && same(n.protocol, protocol) && same(n.driver, driver), "%s", name))
		printf("# path %s, protocol %s, driver %s, fault '%s'\n", n.path, n.protocol, n.driver, n.fault);
	image_name_release(&n);
}

static void bad(const char *name, const char *expected)
{
	struct image_name n;

	image_name_parse(&n, name);
	if (!ok(strstr(n.fault, expected) != NULL && expected[0], "%.60s: %s", name, expected))
		printf("# '%s'\n", n.fault);
	image_name_release(&n);
}

static void relative(const char *name, bool from_cwd)
{
	struct image_name n;

	image_name_parse(&n, name);
	ok(n.from_cwd == from_cwd, "%s is relative to %s", name, from_cwd ? "the working directory" : "the image");
	image_name_release(&n);
}

static void test_nested(void)
{
	struct image_name n, below;

	image_name_parse(&n, "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/a\"},"
			     "\"backing\":{\"driver\":\"raw\",\"file.filename\":\"/b\",\"backing\":null},"
			     "\"data-file\":{\"driver\":\"file\",\"filename\":\"/d\"}}");
	ok(n.json && same(n.path, "/a") && same(n.data_file, "/d") && json_is_object(n.backing),
	   "a whole chain in JSON");
	image_name_of_options(&below, n.backing);
	ok(same(below.path, "/b") && same(below.driver, "raw") && json_is_null(below.backing), "and its next image");
	image_name_release(&below);
	image_name_of_options(&below, json_object_get(n.backing, "driver"));
	ok(below.fault[0], "a string is no options: %s", below.fault);
	image_name_release(&below);
	image_name_release(&n);
}

/* The file at the bottom of the stack that a running QEMU shows. */
static void lowest(const char *name, const char *file)
{
	char *found = image_name_lowest_file(name);

	ok(file ? found && strcmp(found, file) == 0 : !found, "lowest file of %s: %s", name, found ? found : "none");
	free(found);
}

static void lowest_files(void)
{
	lowest("json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/a\"}}", "/a");
	lowest("json:{'driver':'qcow2','file.filename':'b'}", "b");
	lowest("json:{\"driver\":\"throttle\",\"file\":{\"driver\":\"raw\",\"file\":{\"filename\":\"c\"}}}", "c");
	lowest("json:{\"driver\":\"qcow2\",\"file\":\"node0\"}", NULL);
	lowest("json:{\"driver\":\"nbd\",\"host\":\"h\"}", NULL);
	lowest("json:{\"file\":", NULL);
}

int main(void)
{
	char deep[4096] = "json:", dots[4096] = "json:{\"";

	good("a.img", "a.img", NULL, NULL);
	good("/x/a:b.img", "/x/a:b.img", NULL, NULL);
	good("./a:b", "./a:b", NULL, NULL);
	good("file:a.img", "a.img", NULL, NULL);
	good("file:nbd:x", "nbd:x", NULL, NULL);
	good("files:a", NULL, "files", NULL);
	good("nbd://host/x", NULL, "nbd", NULL);
	good("a:b", NULL, "a", NULL);
	good("host_device:/dev/sda", NULL, "host_device", NULL);
	good("json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"a\"}}", "a", NULL, "qcow2");
	good("json:{\"file.filename\":\"a\"}", "a", NULL, NULL);
	good("json:{\"driver\":\"raw\",\"file\":{\"filename\":\"nbd://h\"}}", NULL, "nbd", "raw");
	good("json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"nbd://h\"}}", "nbd://h", NULL,
	     "raw");
	good("json:{\"driver\":\"raw\",\"file\":{\"driver\":\"rbd\",\"pool\":\"p\"}}", NULL, "rbd", "raw");
	good("json:{\"driver\":\"file\",\"filename\":\"a\"}", "a", NULL, "raw");
	good("json:{\"driver\":\"host_device\",\"filename\":\"/dev/sda\"}", NULL, "host_device", "raw");
	good("json:{'driver':'raw','file.filename':'a\"\\'b'}", "a\"'b", NULL, "raw");
	relative("a", false);
	relative("file:a", true);
	relative("json:{\"file.filename\":\"a\"}", true);
	test_nested();

	bad("", "empty");
	bad("json:", "broken");
	bad("json:[]", "no object");
	bad("json:{\"driver\":\"qcow2\"", "broken");
	bad("json:{}", "names no file");
	bad("json:{\"driver\":\"qcow2\",\"file\":\"node0\"}", "a node of a running QEMU");
	bad("json:{\"driver\":\"raw\",\"file\":{\"driver\":\"qcow2\",\"file\":{\"filename\":\"a\"}}}",
	    "stacks drivers");
	bad("json:{\"file\":{\"filename\":\"json:{}\"}}", "json: name inside");
	bad("json:{\"file\":{\"filename\":\"a\"},\"file.filename\":\"b\"}", "twice");
	bad("json:{\"a\":1,\"a\":2}", "broken");
	for (int i = 0; i < 4000; i++)
		strcat(deep, "[");
	bad(deep, "broken");
	for (int i = 0; i < 1000; i++)
		strcat(dots, "a.");
	strcat(dots, "\":1}");
	bad(dots, "nested too deeply");
	lowest_files();
	return done();
}
