/* SPDX-License-Identifier: MIT */
/* nodes.h: which node of QEMU's answer is that file. */
#include "qemu/nodes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "tap.h"

static json_t *nodes;

static void add(const char *name, const char *driver, const char *file, bool read_only)
{
	json_array_append_new(nodes, json_of("{s:s, s:s, s:s, s:b}", "node-name", name, "drv", driver, "file", file,
					     "ro", read_only));
}

/* The node that is found is called `name` (NULL: none is). */
static void finds(struct node_wanted wanted, const char *name, const char *what)
{
	const json_t *node = node_find(nodes, &wanted);
	const char *found = json_text(node, "node-name");

	ok(name ? found && strcmp(found, name) == 0 : !node, "%s: %s", what, name ? name : "none");
}

static void by_name_and_file(void)
{
	finds((struct node_wanted){ .path = "/d/a.ovl" }, "top", "the image, not the file that it lies in");
	finds((struct node_wanted){ .path = "/d/a.ovl", .driver = "file" }, "#file0", "by its driver");
	finds((struct node_wanted){ .path = "/d/raw.img" }, "#file2", "the file alone, where no image is shown so");
	finds((struct node_wanted){ .name = "hidden" }, "hidden", "by name, whatever its file is shown as");
	finds((struct node_wanted){ .name = "", .path = "/d/none" }, NULL, "neither used");
	finds((struct node_wanted){ .name = "", .path = "" }, NULL, "nothing is asked for");
	finds((struct node_wanted){ .name = "gone", .path = "/d/base" }, "base", "the file, where the name is gone");
	finds((struct node_wanted){ .path = "/d/base", .writable = true }, NULL, "it is open for reading only");
	finds((struct node_wanted){ .path = "/d/a.ovl", .writable = true }, "top", "open for writing");
}

/* Names that QEMU shows relative to its directory, through a link, or as json: lead to the file. */
static void by_where_names_lead(const char *dir)
{
	struct vm_process vm = { .proc.cwd = (char *)dir };
	char *path = text_of("%s/image", dir), *link_path = text_of("%s/link", dir);
	char *json = text_of("json:{\"driver\":\"throttle\",\"file\":{\"driver\":\"qcow2\",\"file\":"
			     "{\"driver\":\"file\",\"filename\":\"%s\"}}}", path);

	close(open(path, O_WRONLY | O_CREAT, 0600));
	if (symlink("image", link_path) < 0)
		abort();
	add("relative", "qcow2", "image", false);
	finds((struct node_wanted){ .path = path }, NULL, "names are compared as they stand");
	finds((struct node_wanted){ .path = path, .vm = &vm }, "relative", "a relative name is followed");
	json_array_remove(nodes, json_array_size(nodes) - 1);
	add("linked", "qcow2", link_path, false);
	finds((struct node_wanted){ .path = path, .vm = &vm }, "linked", "a link is followed");
	json_array_remove(nodes, json_array_size(nodes) - 1);
	add("stacked", "throttle", json, false);
	finds((struct node_wanted){ .path = path, .vm = &vm }, "stacked", "a json: name is followed to its file");
	unlink(link_path);
	unlink(path);
	free(json);
	free(link_path);
	free(path);
}

int main(void)
{
	char dir[] = "/tmp/mplcr-nodes.XXXXXX";

	if (!mkdtemp(dir))
		return 1;
	nodes = json_array();
	add("#file0", "file", "/d/a.ovl", false);
	add("top", "qcow2", "/d/a.ovl", false);
	add("base", "qcow2", "/d/base", true);
	add("#file2", "file", "/d/raw.img", false);
	add("hidden", "qcow2", "json:{\"backing\":null}", false);
	by_name_and_file();
	by_where_names_lead(dir);
	json_decref(nodes);
	rmdir(dir);
	return done();
}
