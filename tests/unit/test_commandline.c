/* SPDX-License-Identifier: MIT */
/* src/mplcr-restore/commandline.h: command lines as people and managers write them, and what becomes of them. */
#include <stdlib.h>
#include <string.h>

#include "mplcr-restore/commandline/commandline.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "tap.h"

#define MAX_WORDS 64

/* The VM of the test: a disk from a chain of two, one raw disk, one read-only CD. Each test may change it. */
static struct manifest_image chain0[2], chain1[1], chain2[1];
static struct manifest_disk disks[3];
static struct manifest_block blocks[1];
static struct manifest_file files[2];
static struct manifest m;

/* The request of a test, and its result. */
static struct commandline_request request;
static struct commandline result;
static struct err error;
static char *overlays[3];
static struct manifest_included included[1];
static char *copies[1] = { "/run/r/include/v,1" };
static char *words[MAX_WORDS];

static void set_image(struct manifest_image *image, const char *path, const char *format)
{
	*image = (struct manifest_image){ .path = (char *)path, .recorded = (char *)path, .format = (char *)format };
}

/* Back to the start: `argv` is the command line, its words separated by '|'. */
static void given(const char *argv)
{
	static char copy[4096];
	size_t n = 0;
	char *save;

	commandline_release(&result);
	set_image(&chain0[0], "/vm/a.x1.ovl", "qcow2");
	set_image(&chain0[1], "/vm/a.qcow2", "qcow2");
	set_image(&chain1[0], "/vm/b, 1.img", "raw");
	set_image(&chain2[0], "/iso/cd.iso", "raw");
	disks[0] = (struct manifest_disk){ .device = "virtio0", .chain = chain0, .n_chain = 2 };
	disks[1] = (struct manifest_disk){ .device = "ide0-hd0", .chain = chain1, .n_chain = 1 };
	disks[2] = (struct manifest_disk){ .device = "ide1-cd0", .chain = chain2, .n_chain = 1, .read_only = true };
	blocks[0] = (struct manifest_block){ "pc.ram", 1 << 29 };
	files[0] = (struct manifest_file){ .name = "devices.vmstate", .size = 100 };
	files[1] = (struct manifest_file){ .name = "ram/pc.ram", .size = 1 << 29, .block = "pc.ram" };
	m = (struct manifest){ .name = "x1",
			       .checkpoint = "/vm/x1.ckpt",
			       .layout = layout_named("pages"),
			       .machine = "pc-i440fx-7.2",
			       .cwd = "/vm",
			       .qemu_version = 70222,
			       .disks = disks,
			       .n_disks = 3,
			       .blocks = blocks,
			       .n_blocks = 1,
			       .files = files,
			       .n_files = 2 };
	overlays[0] = "/run/r/virtio0.ovl";
	overlays[1] = "/run/r/ide0-hd0.ovl";
	overlays[2] = NULL;
	snprintf(copy, sizeof(copy), "%s", argv);
	words[n++] = "qemu";
	for (char *word = strtok_r(copy, "|", &save); word && n + 1 < MAX_WORDS; word = strtok_r(NULL, "|", &save))
		words[n++] = word;
	words[n] = NULL;
	request = (struct commandline_request){ .m = &m, .argv = words, .binary = "/usr/bin/qemu", .version = 70222,
						.lazy = true, .run_dir = "/run/r", .socket = "/run/r/qmp.sock",
						.overlays = overlays, .incoming = "defer", .stopped = true };
}

/* No disks, for tests of other things. */
static void given_no_disks(const char *argv)
{
	given(argv);
	m.n_disks = 0;
}

static void only_disk(int i)
{
	disks[0] = disks[i];
	overlays[0] = overlays[i];
	m.n_disks = 1;
}

static bool build(void)
{
	return commandline_build(&request, &result, &error) == 0;
}

/* The new command line as one string, '|' around each word; the caller's. */
static char *joined(void)
{
	char *text = text_of("|");

	for (size_t i = 0; result.argv && result.argv[i]; i++) {
		char *longer = text_of("%s%s|", text, result.argv[i]);

		free(text);
		text = longer;
	}
	return text;
}

/* Builds, and expects these words ("-a|b") one after the other in the result. */
static void becomes(const char *what, const char *expected)
{
	bool good = result.argv || build();
	_cleanup_free_ char *all = joined(), *part = text_of("|%s|", expected);

	ok(good && strstr(all, part), "%s: %s", what, good && !strstr(all, part) ? all : good ? expected : error.text);
}

static void lacks(const char *what, const char *part)
{
	bool good = result.argv || build();
	_cleanup_free_ char *all = joined();

	ok(good && !strstr(all, part), "%s: no '%s'%s%s", what, part, good ? "" : ": ", good ? "" : error.text);
}

static void is_refused(const char *what, const char *why)
{
	ok(!build() && strstr(error.text, why), "%s: refused: %s", what, error.text);
}

static void moved(const char *what, const char *from, const char *to)
{
	for (size_t i = 0; i < result.n_moved; i++)
		if (strcmp(result.moved[i].from, from) == 0) {
			ok(strcmp(result.moved[i].to, to) == 0, "%s: %s moved to %s", what, from, result.moved[i].to);
			return;
		}
	ok(false, "%s: %s was not moved", what, from);
}

static void test_started(void)
{
	given_no_disks("-S|-daemonize|-pidfile|p|-incoming|tcp:0:4|-snapshot|-loadvm|s|--preconfig|-m|512");
	becomes("started", "/usr/bin/qemu|-m|512|-machine|pc-i440fx-7.2,memory-backend=pc.ram|-object|"
		"memory-backend-file,id=pc.ram,size=536870912,mem-path=/vm/x1.ckpt/ram/pc.ram,share=off|-qmp|"
		"unix:/run/r/qmp.sock,server=on,wait=off|-incoming|defer|-S");
	given_no_disks("-name|vm1,debug-threads=on");
	request.vm_name = "clone, 2";
	becomes("a name", "-name|clone,, 2,debug-threads=on");
	given_no_disks("-m|512");
	request.vm_name = "x";
	becomes("a new name", "-name|x");
	given_no_disks("-m|512");
	request.socket =
		"/run/123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		"12345678901234567890";
	is_refused("a long socket path", "107");
}

static void test_machine(void)
{
	given_no_disks("-M|q35,accel=tcg|-machine|usb=off");
	m.machine = "pc-q35-7.2";
	becomes("alias", "-machine|pc-q35-7.2,accel=tcg,memory-backend=pc.ram|-machine|usb=off");
	given_no_disks("-machine|accel=kvm:tcg|-m|1G");
	becomes("no type", "-machine|accel=kvm:tcg,type=pc-i440fx-7.2,memory-backend=pc.ram");
	given_no_disks("-machine|type=pc,accel=kvm");
	request.lazy = false;
	becomes("type=", "-machine|type=pc-i440fx-7.2,accel=kvm");
	lacks("eager", "-object");
}

static void test_memory(void)
{
	given_no_disks("-object|memory-backend-ram,id=pc.ram,size=512M,prealloc=on|-machine|pc,memory-backend=pc.ram");
	becomes("ram backend", "-object|memory-backend-file,id=pc.ram,size=536870912,mem-path=/vm/x1.ckpt/ram/pc.ram,"
		"share=off|-machine|pc-i440fx-7.2,memory-backend=pc.ram");
	given_no_disks("-object|{\"qom-type\":\"memory-backend-ram\",\"id\":\"pc.ram\",\"size\":536870912}");
	becomes("JSON object", "-object|{\"qom-type\":\"memory-backend-file\",\"id\":\"pc.ram\",\"size\":536870912,"
		"\"mem-path\":\"/vm/x1.ckpt/ram/pc.ram\",\"share\":false}");
	given_no_disks("-object|memory-backend-file,id=pc.ram,mem-path=/old/x0.ckpt/ram/pc.ram,share=off,size=512M");
	becomes("restored before", "-object|memory-backend-file,id=pc.ram,size=536870912,"
		"mem-path=/vm/x1.ckpt/ram/pc.ram,share=off");
	given_no_disks("-object|memory-backend-file,id=pc.ram,size=512M,mem-path=/old/x0.ckpt/ram/pc.ram,share=off");
	request.lazy = false;
	becomes("restored before, eager now", "-object|memory-backend-ram,id=pc.ram,size=512M");
	given_no_disks("-object|memory-backend-file,id=mem,size=512M,mem-path=shm/x,share=on");
	request.lazy = false;
	becomes("a shared file is the source's",
		"-object|memory-backend-file,id=mem,size=512M,mem-path=/run/r/x,share=on");
	moved("shared file", "/vm/shm/x", "/run/r/x");
	given_no_disks("-mem-path|/hugepages|-mem-prealloc|-m|512");
	lacks("-mem-path", "-mem-p");
	given_no_disks("-m|512");
	request.version = 100013;
	becomes("read-only file",
		"-object|memory-backend-file,id=pc.ram,size=536870912,mem-path=/vm/x1.ckpt/ram/pc.ram,"
		"share=off,readonly=on,rom=off");
	given_no_disks("-m|512");
	request.version = 20900;
	becomes("QEMU 2.9", "-mem-path|/vm/x1.ckpt/ram/pc.ram");
	given_no_disks("-m|512");
	m.machine = "pc-i440fx-3.1";
	becomes("old block names",
		"-object|memory-backend-file,id=pc.ram,size=536870912,mem-path=/vm/x1.ckpt/ram/pc.ram,"
		"share=off,x-use-canonical-path-for-ramblock-id=off");
	given_no_disks("-m|512");
	m.checkpoint = "/a,b/x1.ckpt";
	becomes("a comma in the path", "-object|memory-backend-file,id=pc.ram,size=536870912,"
		"mem-path=/a,,b/x1.ckpt/ram/pc.ram,share=off");
}

static void why(const char *argv, int version, const char *expected)
{
	const char *got;

	given_no_disks(argv);
	got = commandline_why_eager(&m, words, version);
	ok(expected ? got && strstr(got, expected) : !got, "'%s' lazily: %s", argv, got ? got : "yes");
}

static void test_why_eager(void)
{
	why("-m|512", 70222, NULL);
	why("-device|virtio-balloon-pci,id=b", 70222, "balloon");
	why("-device|virtio-balloon-pci,id=b", 80200, NULL);
	why("-balloon|none", 70222, NULL);
	why("-object|memory-backend-file,id=pc.ram,size=1,mem-path=x,share=on", 70222, "share=on");
	why("-object|memory-backend-memfd,id=pc.ram,size=1", 70222, "share=on");
	why("-object|memory-backend-memfd,id=pc.ram,size=1,share=off", 70222, NULL);
	why("-object|memory-backend-ram,id=pc.ram,size=1", 20900, "main memory");
	given_no_disks("");
	m.layout = layout_named("stream");
	ok(commandline_why_eager(&m, words, 70222) != NULL, "layout stream is eager");
}

static void test_outside(void)
{
	given_no_disks(
		"-qmp|unix:/tmp/vm1.qmp,server=on,wait=off|-monitor|unix:/tmp/mon,server,nowait|-serial|file:s.log|"
		"-serial|mon:unix:/tmp/con,server=on|-D|/var/log/d|-gdb|tcp::1234|-serial|stdio|-serial|file:/dev/"
		"ttyS0|"
		"-serial|telnet::4,server");
	becomes("short forms",
		"-qmp|unix:/run/r/vm1.qmp,server=on,wait=off|-monitor|unix:/run/r/mon,server,wait=off|-serial|"
		"file:/run/r/s.log|-serial|mon:unix:/run/r/con,server=on,wait=off|-D|/run/r/"
		"d|-gdb|tcp::1234|-serial|stdio|"
		"-serial|file:/dev/ttyS0|-serial|telnet::4,server,wait=off");
	moved("relative", "/vm/s.log", "/run/r/s.log");
	given_no_disks("-chardev|socket,id=c0,path=/tmp/c0,server=on|-chardev|file,id=c1,path=out,logfile=/l/out|"
		       "-chardev|socket,id=c2,path=/run/vhost|-chardev|socket,id=c3,host=0,port=5,server=on|"
		       "-mon|chardev=c0,mode=control");
	becomes("chardevs",
		"-chardev|socket,id=c0,path=/run/r/c0,server=on,wait=off|-chardev|file,id=c1,path=/run/r/out,"
		"logfile=/run/r/out.2|-chardev|socket,id=c2,path=/run/"
		"vhost|-chardev|socket,id=c3,host=0,port=5,server=on,wait=off|"
		"-mon|chardev=c0,mode=control");
	given_no_disks("-vnc|unix:/tmp/v,password=on|-vnc|:1|-display|vnc=unix:/tmp/w|-spice|unix=on,addr=/tmp/s,x=1");
	becomes("displays", "-vnc|unix:/run/r/v,password=on|-vnc|:1|-display|vnc=unix:/run/r/w|-spice|"
		"unix=on,addr=/run/r/s,x=1");
	given_no_disks("-qmp|unix:/old/qmp.sock,server=on,wait=off|-m|1");
	becomes("the monitor of a restored VM", "-qmp|unix:/run/r/qmp.sock,server=on,wait=off");
	lacks("it", "qmp.sock.2");
	moved("it", "/old/qmp.sock", "/run/r/qmp.sock");
	given_no_disks("-netdev|stream,id=n,server=on,addr.type=unix,addr.path=/tmp/"
		       "n|-object|filter-dump,id=f,netdev=n,file=p");
	becomes("netdev", "-netdev|stream,id=n,server=on,addr.type=unix,addr.path=/run/r/n|-object|"
		"filter-dump,id=f,netdev=n,file=/run/r/p");
	given_no_disks("-netdev|tap,id=n,fd=27");
	is_refused("a descriptor", "open descriptor");
	given_no_disks("-add-fd|set=1,fd=3");
	is_refused("-add-fd", "open descriptor");
	given_no_disks("-netdev|{\"type\":\"tap\",\"vhostfd\":\"30\",\"id\":\"n\"}");
	is_refused("a JSON descriptor", "open descriptor");
	given_no_disks("-netdev|user,id=n,hostfwd=tcp::2222-:22|-device|e1000,netdev=n");
	becomes("user network", "-netdev|user,id=n,hostfwd=tcp::2222-:22|-device|e1000,netdev=n");
}

static void test_drives(void)
{
	given("-drive|file=a.qcow2,if=virtio,cache=none,aio=native|-hda|b, 1.img|-cdrom|/iso/cd.iso");
	becomes("-drive by image, -hda, -cdrom",
		"-drive|file=/run/r/virtio0.ovl,if=virtio,cache=none,aio=native,format=qcow2|"
		"-drive|file=/run/r/ide0-hd0.ovl,format=qcow2,index=0,media=disk|-cdrom|/iso/cd.iso");
	given("-drive|id=virtio0,file=/other/x.qcow2,backing.file.filename=/y|-drive|file=/vm/b,, "
	      "1.img,format=raw,serial=7,readonly=off");
	m.n_disks = 2;
	becomes("-drive by id, comma", "-drive|id=virtio0,file=/run/r/virtio0.ovl,format=qcow2|-drive|"
		"file=/run/r/ide0-hd0.ovl,format=qcow2,serial=7,readonly=off");
	given("./../vm/b, 1.img|-m|1");
	only_disk(1);
	becomes("alone", "-drive|file=/run/r/ide0-hd0.ovl,format=qcow2,index=0,media=disk|-m|1");
	given("-pflash|/vm/b, 1.img");
	only_disk(1);
	becomes("-pflash", "-drive|file=/run/r/ide0-hd0.ovl,format=qcow2,if=pflash");
	given("-drive|driver=raw,file.driver=file,file.filename=/vm/b,, 1.img,file.locking=off,if=none");
	only_disk(1);
	becomes("dotted",
		"-drive|driver=qcow2,file.driver=file,file.filename=/run/r/ide0-hd0.ovl,file.locking=off,if=none");
	given("-drive|file=json:{\"driver\":\"qcow2\",,\"file\":{\"driver\":\"file\",,\"filename\":\"/vm/a.qcow2\"}}");
	m.n_disks = 1;
	becomes("json:", "-drive|file=/run/r/virtio0.ovl,format=qcow2");
	given("-drive|file=/vm/b,, 1.img,format=raw,offset=512");
	only_disk(1);
	is_refused("a window", "offset");
	given("-hda|c.img");
	m.n_disks = 1;
	is_refused("no argument", "virtio0");
	ok(strstr(error.hint, "{disk:virtio0}"), "and how to go on: %s", error.hint);
	given("-drive|file=/old/cd.iso,media=cdrom,readonly=on");
	only_disk(2);
	chain2[0] = (struct manifest_image){ "/new/cd.iso", "/old/cd.iso", "raw", { 0 }, true, { 0 }, false, 0, NULL };
	becomes("a moved CD", "-drive|file=/new/cd.iso,media=cdrom,readonly=on");
	given("-drive|file=/old/ro.qcow2,readonly=on");
	disks[0].read_only = true;
	overlays[0] = NULL;
	m.n_disks = 1;
	chain0[0] = (struct manifest_image){ "/new/ro.qcow2", "/old/ro.qcow2", "qcow2", { 0 }, true, { 0 }, false, 0, NULL };
	chain0[1] = (struct manifest_image){ "/new/base", "/old/base", "raw", { 0 }, true, { 0 }, false, 0, NULL };
	becomes("a moved read-only chain", "-drive|file=/new/ro.qcow2,readonly=on,backing.driver=raw,"
		"backing.file.driver=file,backing.file.filename=/new/base");
}

/* As libvirt writes them. */
static void test_blockdev_json(void)
{
	given("-blockdev|{\"driver\":\"file\",\"filename\":\"/vm/base.img\",\"node-name\":\"l2s\",\"read-only\":true}|"
	      "-blockdev|{\"node-name\":\"l2f\",\"read-only\":true,\"driver\":\"raw\",\"file\":\"l2s\"}|"
	      "-blockdev|{\"driver\":\"file\",\"filename\":\"/vm/"
	      "a.qcow2\",\"node-name\":\"l1s\",\"auto-read-only\":true}|"
	      "-blockdev|{\"node-name\":\"l1f\",\"read-only\":false,\"driver\":\"qcow2\",\"file\":\"l1s\",\"backing\":"
	      "\"l2f\"}|"
	      "-device|virtio-blk-pci,drive=l1f");
	m.n_disks = 1;
	disks[0].device = "l1f";
	becomes("libvirt",
		"/usr/bin/qemu|"
		"-blockdev|{\"driver\":\"file\",\"filename\":\"/run/r/"
		"virtio0.ovl\",\"node-name\":\"l1s\",\"auto-read-only\":true}|"
		"-blockdev|{\"node-name\":\"l1f\",\"read-only\":false,\"driver\":\"qcow2\",\"file\":\"l1s\"}|"
		"-device|virtio-blk-pci,drive=l1f");
	given("-blockdev|{\"driver\":\"file\",\"filename\":\"/vm/b, 1.img\",\"node-name\":\"s\",\"aio\":\"io_uring\"}|"
	      "-device|virtio-blk-pci,drive=s");
	only_disk(1);
	disks[0].device = "s";
	becomes("a protocol node alone",
		"-blockdev|{\"node-name\":\"s\",\"file\":{\"filename\":\"/run/r/ide0-hd0.ovl\","
		"\"aio\":\"io_uring\",\"driver\":\"file\"},\"driver\":\"qcow2\"}");
	given("-blockdev|{\"driver\":\"raw\",\"node-name\":\"d\",\"file\":{\"driver\":\"file\",\"filename\":\"/vm/b, "
	      "1.img\"}}");
	only_disk(1);
	becomes("by image", "-blockdev|{\"driver\":\"qcow2\",\"node-name\":\"d\",\"file\":{\"driver\":\"file\","
		"\"filename\":\"/run/r/ide0-hd0.ovl\"}}");
}

static void test_blockdev(void)
{
	given("-blockdev|raw,node-name=ide0-hd0,file.driver=file,file.filename=/vm/b,, 1.img,cache.direct=on");
	only_disk(1);
	becomes("nested", "-blockdev|qcow2,node-name=ide0-hd0,file.driver=file,file.filename=/run/r/"
			  "ide0-hd0.ovl,cache.direct=on");
	given("-blockdev|driver=file,node-name=f0,filename=a.qcow2|-blockdev|driver=qcow2,node-name=q0,file=f0,discard="
	      "unmap");
	m.n_disks = 1;
	becomes("by image through its node", "-blockdev|driver=file,node-name=f0,filename=/run/r/virtio0.ovl|-blockdev|"
		"driver=qcow2,node-name=q0,file=f0,discard=unmap");
	given("-blockdev|driver=file,node-name=f0,filename=a.qcow2|-blockdev|driver=qcow2,node-name=q0,file=f0|-"
	      "blockdev|"
	      "driver=throttle,node-name=t0,throttle-group=g,file=q0");
	m.n_disks = 1;
	disks[0].device = "t0";
	becomes("under a filter",
		"-blockdev|driver=file,node-name=f0,filename=/run/r/virtio0.ovl|-blockdev|driver=qcow2,"
		"node-name=q0,file=f0|-blockdev|driver=throttle,node-name=t0,throttle-group=g,file=q0");
	given("-blockdev|driver=raw,node-name=q0,file.driver=file,file.filename=/vm/b,, 1.img,size=1M");
	only_disk(1);
	is_refused("a window", "size");
	given("-blockdev|qcow2,node-name=q0,file.driver=file,file.filename=/vm/a.qcow2,encrypt.format=luks");
	m.n_disks = 1;
	is_refused("an encrypted image", "encrypt");
}

static void given_own(const char *argv)
{
	given(argv);
	request.own = true;
}

static void test_own(void)
{
	overlays[0] = "/r,1/virtio0.ovl";
	given_own("-drive|file={disk:virtio0},if=virtio|-hda|{disk:ide0-hd0}|-cdrom|{disk:ide1-cd0}|-serial|file:x|-M|"
		  "q35");
	overlays[0] = "/r,1/v\"0.ovl";
	becomes("placeholders",
		"-drive|file=/r,,1/v\"0.ovl,if=virtio|-hda|/run/r/ide0-hd0.ovl|-cdrom|/iso/cd.iso|-serial|"
		"file:x|-machine|q35,memory-backend=pc.ram|-object|memory-backend-file,id=pc.ram,size=536870912,"
		"mem-path=/vm/x1.ckpt/ram/pc.ram,share=off|-qmp|unix:/run/r/"
		"qmp.sock,server=on,wait=off|-incoming|defer|-S");
	given_own("-blockdev|{\"driver\":\"file\",\"filename\":\"{disk:virtio0}\"}|{disk:ide0-hd0}");
	overlays[0] = "/r,1/v\"0.ovl";
	becomes("JSON, and alone",
		"-blockdev|{\"driver\":\"file\",\"filename\":\"/r,1/v\\\"0.ovl\"}|/run/r/ide0-hd0.ovl");
	given_own("-object|memory-backend-file,id=pc.ram,size=512M,mem-path={ram},share=off|-machine|pc,memory-backend="
		  "pc.ram");
	becomes("{ram}",
		"-object|memory-backend-file,id=pc.ram,size=512M,mem-path=/vm/x1.ckpt/ram/pc.ram,share=off|-machine|"
		"pc,memory-backend=pc.ram|-qmp");
	ok(result.n_notes == 2, "disks that are not used are noted");
	given_own("-hda|{disk:sda}");
	is_refused("an unknown disk", "'sda'");
	ok(strstr(error.hint, "virtio0, ide0-hd0, ide1-cd0") && error.status == EXIT_USAGE, "the known ones: %s",
	   error.hint);
	given_own("-incoming|defer");
	is_refused("-incoming", "-incoming");
	given_own("-hda|{disk:virtio0");
	is_refused("no end", "}");
}

/* The VM went on with the images, whose clones are frozen: its command line names what was cloned. */
static void cloned(const char *argv)
{
	given(argv);
	disks[0].method = MANIFEST_REFLINK;
	disks[0].active = "/now/a.qcow2";
	disks[0].active_recorded = "/vm/a.qcow2";
	set_image(&chain0[0], "/vm/x1.ckpt/disks/a.qcow2", "qcow2");
	set_image(&chain0[1], "/vm/base.qcow2", "qcow2");
	only_disk(0);
}

static void test_cloned(void)
{
	cloned("-drive|file=/vm/a.qcow2,if=virtio");
	becomes("a cloned image", "-drive|file=/run/r/virtio0.ovl,if=virtio,format=qcow2");
	cloned("-hda|a.qcow2");
	becomes("by its relative name", "-drive|file=/run/r/virtio0.ovl,format=qcow2,index=0,media=disk");
	cloned("-drive|file=/now/a.qcow2");
	becomes("where it is now", "-drive|file=/run/r/virtio0.ovl,format=qcow2");
	cloned("-drive|file=/vm/base.qcow2");
	becomes("one below it", "-drive|file=/run/r/virtio0.ovl,format=qcow2");
	cloned("-drive|file=/vm/a.qcow2");
	disks[0].method = MANIFEST_OVERLAY;
	is_refused("no clone: that is another image", "virtio0");
}

static void with_included(const char *argv)
{
	given_no_disks(argv);
	included[0] = (struct manifest_included){ .path = "/now/v,1", .recorded = "/vm/v,1" };
	m.included = included;
	m.n_included = 1;
	request.included = copies;
}

static void test_included(void)
{
	with_included("-bios|/vm/v,1|-drive|if=pflash,file=/vm/v,,1|-append|/vm/v,1|-name|/vm/v,1");
	becomes("a whole option, and a part of one", "-bios|/run/r/include/v,1|-drive|if=pflash,file=/run/r/include/v,,1|"
		"-append|/vm/v,1|-name|/vm/v,1");
	with_included("-bios|v,1|-object|x,path=/now/v,,1,y=1|-drive|file=/vm/v,,12");
	becomes("relative, and where it is now",
		"-bios|/run/r/include/v,1|-object|x,path=/run/r/include/v,,1,y=1|-drive|file=/vm/v,,12");
	with_included("-blockdev|{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/vm/v,1\"}}");
	becomes("JSON", "-blockdev|{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/run/r/include/v,1\"}}");
	with_included("-bios|{include:/vm/v,1}|-drive|if=pflash,file={include:/vm/v,1}|-bios|/vm/v,1");
	request.own = true;
	becomes("placeholders", "-bios|/run/r/include/v,1|-drive|if=pflash,file=/run/r/include/v,,1|-bios|/vm/v,1");
	with_included("-bios|{include:/none}");
	request.own = true;
	is_refused("a file that is not included", "/none");
	with_included("-bios|{include:/vm/v");
	request.own = true;
	is_refused("no end", "}");
}

int main(void)
{
	test_cloned();
	test_included();
	test_started();
	test_machine();
	test_memory();
	test_why_eager();
	test_outside();
	test_drives();
	test_blockdev_json();
	test_blockdev();
	test_own();
	commandline_release(&result);
	return done();
}
