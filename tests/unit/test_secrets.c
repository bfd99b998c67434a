/* SPDX-License-Identifier: MIT */
/* secrets.h: what is masked on command lines, and what is not. */
#include "qemu/secrets.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "tap.h"

static const struct {
	const char *option, *value, *masked; /* NULL: it stays */
} cases[] = {
	{ "object", "secret,id=s,data=a,,b,format=raw", "secret,id=s,data=***,format=raw" },
	{ "object", "{\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"x\"}",
	  "{\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"***\"}" },
	{ "object", "secret,id=s,file=/run/secret", NULL },
	{ "object", "sev-guest,id=s,cbitpos=47,launch-secret=x", "sev-guest,id=s,cbitpos=47,launch-secret=***" },
	{ "iscsi", "user=me,password=x,initiator-name=i", "user=me,password=***,initiator-name=i" },
	{ "iscsi", "user=me,password-secret=s", NULL },
	{ "spice", "port=1,password=x,x509-key-password=y", "port=1,password=***,x509-key-password=***" },
	{ "vnc", ":1,password=on", NULL },
	{ "vnc", ":1,password", NULL },
	{ "vnc", ":1,password-secret=s", NULL },
	{ "drive", "file=iscsi://me%x@host/iqn/1,if=none", "file=iscsi://me%***@host/iqn/1,if=none" },
	{ "drive", "file=https://me:x@host/i.qcow2,if=none", "file=https://me:***@host/i.qcow2,if=none" },
	{ "drive", "file=rbd:pool/i:id=me:key=AQ\\:x==:conf=/c,if=none", "file=rbd:pool/i:id=me:key=***:conf=/c,if=none" },
	{ "drive", "file.driver=https,file.cookie=x,file.url=https://me@host/", "file.driver=https,file.cookie=***,"
	  "file.url=https://me@host/" },
	{ "drive", "file=json:{\"driver\":\"https\",,\"cookie\":\"x\"},if=none",
	  "file=json:{\"driver\":\"https\",,\"cookie\":\"***\"},if=none" },
	{ "blockdev", "{\"driver\":\"raw\",\"file\":{\"driver\":\"iscsi\",\"password\":\"x\"}}",
	  "{\"driver\":\"raw\",\"file\":{\"driver\":\"iscsi\",\"password\":\"***\"}}" },
	{ "blockdev", "{\"driver\":\"https\",\"url\":\"https://me:x@host/\"}",
	  "{\"driver\":\"https\",\"url\":\"https://me:***@host/\"}" },
	{ "blockdev", "driver=rbd,pool=p,image=i,key-secret=s", NULL },
	{ NULL, "json:{\"driver\":\"https\",\"cookie\":\"x\"}", "json:{\"driver\":\"https\",\"cookie\":\"***\"}" },
	{ NULL, "nbd://host/x", NULL },
	{ "fw_cfg", "name=opt/x,string=x", "name=opt/x,string=***" },
	{ "smbios", "type=11,value=io.systemd.credential:p=x", "type=11,value=***" },
	{ "append", "root=/dev/vda,data=x", NULL },
	{ "name", "guest=data,password=mine", NULL },
	{ "device", "isa-applesmc,osk=x", "isa-applesmc,osk=***" },
};

static void whole(void)
{
	char *argv[] = { "qemu", "--object", "secret,id=s,data=x y", "-append", "data=x", NULL };
	unsigned changed;
	char **masked = secrets_masked(argv, &changed);
	_cleanup_free_ char *hidden = secrets_hidden(argv, "-object secret,id=s,data=x y: no: secret,id=s,data=x y");

	ok(changed == 1 && strcmp(masked[2], "secret,id=s,data=***") == 0 && strcmp(masked[4], "data=x") == 0 &&
		   !masked[5],
	   "a command line");
	ok(strcmp(hidden, "-object secret,id=s,data=***: no: secret,id=s,data=***") == 0, "a message: %s", hidden);
	text_list_free(masked);
}

static void answer(void)
{
	_cleanup_json_ json_t *json = json_loads("{\"return\":[{\"file\":\"https://me:x@host/\",\"n\":1},"
						 "{\"data\":{\"password\":\"x\",\"data\":[\"x\"]}}],\"data\":{}}", 0, NULL);
	_cleanup_free_ char *text = NULL;

	ok(secret_mask_json(json), "an answer of QEMU has some");
	text = json_dumps(json, JSON_COMPACT);
	ok(strcmp(text, "{\"return\":[{\"file\":\"https://me:***@host/\",\"n\":1},{\"data\":{\"password\":\"***\","
			"\"data\":[\"x\"]}}],\"data\":{}}") == 0, "they are masked: %s", text);
	ok(!secret_mask_json(json), "once");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *expected = cases[i].masked ? cases[i].masked : cases[i].value;
		_cleanup_free_ char *masked = secret_masked(cases[i].option, cases[i].value);

		ok(strcmp(masked, expected) == 0, "-%s %s: %s", cases[i].option ? cases[i].option : "", cases[i].value,
		   masked);
	}
	whole();
	answer();
	return done();
}
