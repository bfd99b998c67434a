/* SPDX-License-Identifier: MIT */
/* keyval.h: QEMU's option strings, read, changed and printed back. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "qemu/keyval.h"
#include "tap.h"

static void prints(const char *text, const char *implied)
{
	_cleanup_keyval_ struct keyval kv;
	_cleanup_free_ char *back = NULL;

	keyval_parse(&kv, text, implied);
	back = keyval_text(&kv);
	ok(strcmp(back, text) == 0, "'%s' is printed as it was: '%s'", text, back);
}

static void gives(const char *text, const char *implied, const char *key, const char *value)
{
	_cleanup_keyval_ struct keyval kv;
	const char *got;

	keyval_parse(&kv, text, implied);
	got = keyval_get(&kv, key);
	ok(value ? got && strcmp(got, value) == 0 : !got, "'%s': %s is '%s'", text, key, got ? got : "(none)");
}

static void sets(const char *text, const char *key, const char *value, const char *expected)
{
	_cleanup_keyval_ struct keyval kv;
	_cleanup_free_ char *back = NULL;

	keyval_parse(&kv, text, "type");
	if (value)
		keyval_set(&kv, key, value);
	else
		keyval_remove_tree(&kv, key);
	back = keyval_text(&kv);
	ok(strcmp(back, expected) == 0, "'%s' with %s=%s: '%s'", text, key, value ? value : "(none)", back);
}

static void is_on(const char *text, const char *key, bool on)
{
	_cleanup_keyval_ struct keyval kv;

	keyval_parse(&kv, text, NULL);
	ok(keyval_on(&kv, key) == on, "'%s': %s is %s", text, key, on ? "on" : "off");
}

int main(void)
{
	prints("file=a,,b.img,format=raw,if=virtio", NULL);
	prints("q35,accel=tcg", "type");
	prints("readonly,noshare,x=on", NULL);
	prints("", "type");
	prints("file=", NULL);
	prints("file=a=b c'\"d,,,,e", NULL);
	prints("a,,b", "guest");
	gives("file=a,,b.img,format=raw", NULL, "file", "a,b.img");
	gives("file=,,", NULL, "file", ",");
	gives("file=,format=raw", NULL, "file", "");
	gives("file=a,file=b", NULL, "file", "b");
	gives("a=b=c", NULL, "a", "b=c");
	gives("q35,accel=tcg", "type", "type", "q35");
	gives("accel=tcg,q35", "type", "type", NULL);
	gives("a,,b,c=d", "guest", "guest", "a,b");
	gives("socket,id=c0,server,nowait", "backend", "wait", "off");
	gives("socket,id=c0,server,nowait", "backend", "server", "on");
	gives("no", NULL, "no", "on");
	gives("x=1", NULL, "y", NULL);
	is_on("readonly", "readonly", true);
	is_on("noreadonly", "readonly", false);
	is_on("readonly=yes", "readonly", true);
	is_on("readonly=on,readonly=off", "readonly", false);
	is_on("x", "readonly", false);
	sets("pc,accel=tcg", "type", "pc-i440fx-7.2", "pc-i440fx-7.2,accel=tcg");
	sets("accel=tcg", "type", "q35", "accel=tcg,type=q35");
	sets("pc,a=1,b=2,a=3", "a", "x,y", "pc,a=x,,y,b=2");
	sets("pc,readonly", "readonly", "off", "pc,readonly=off");
	sets("", "a", "b", "a=b");
	sets("pc,backing=x,backing.file.filename=y,backingx=1", "backing", NULL, "pc,backingx=1");
	sets("pc", "pc", NULL, "pc");
	return done();
}
