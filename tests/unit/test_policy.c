/* SPDX-License-Identifier: MIT */
/* policy.h: what the command line of a foreign checkpoint may ask for, and that it is nothing else. */
#include <stdlib.h>
#include <string.h>

#include "mplcr-restore/commandline/commandline.h"
#include "mplcr-restore/commandline/policy.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "tap.h"

#define MAX_WORDS 32

static struct manifest_image image = { .path = "/vm/cd.iso", .recorded = "/vm/cd.iso", .format = "raw" };
static struct manifest_disk disks[] = { { .device = "d0", .chain = &image, .n_chain = 1 },
					{ .device = "d1", .chain = &image, .n_chain = 1, .read_only = true } };
static struct manifest_file files[] = { { .name = "devices.vmstate" }, { .name = "ram/pc.ram", .block = "pc.ram" } };
static char *overlays[] = { "/vm/run/d0.ovl", NULL }, *copies[] = { "/vm/run/in/vars", "/vm/run/in/a,b" };
static struct commandline_move moved[] = { { "/x/serial", "/vm/run/serial" }, { "/x/mon", "/vm/run/mon" } };
static struct manifest m = { .name = "x1", .checkpoint = "/vm/x1.ckpt", .disks = disks, .n_disks = 2, .files = files,
			     .n_files = 2, .n_included = 2 };
static const struct policy_places places = { &m, overlays, copies, moved, 2, "/vm/run/qmp.sock" };

/* What may be added to the command line of a foreign checkpoint; words are separated by '|'. */
static const char *const harmless[] = {
	"",
	"-S|-nodefaults|-no-user-config|-no-reboot|-no-shutdown|-usb|-enable-kvm",
	"-machine|q35,accel=kvm,kernel-irqchip=split,memory-backend=pc.ram",
	"--machine|pc",
	"-M|pc-i440fx-7.2,usb=off",
	"-cpu|Skylake-Client,+avx512f,hv-relaxed=on",
	"-smp|4,sockets=1,cores=4,threads=1",
	"-m|1G,slots=2,maxmem=4G",
	"-rtc|base=utc,driftfix=slew",
	"-name|guest=my vm,,one,debug-threads=on",
	"-append|root=/dev/vda console=ttyS0|-kernel|/vm/run/in/vars",
	"-object|memory-backend-file,id=pc.ram,size=1G,mem-path=/vm/x1.ckpt/ram/pc.ram,share=off,readonly=on,rom=off",
	"-object|{\"qom-type\":\"memory-backend-ram\",\"id\":\"m\",\"size\":1073741824}",
	"-object|iothread,id=i|-object|rng-builtin,id=r|-device|virtio-rng-pci,rng=r",
	"-mem-path|/vm/x1.ckpt/ram/pc.ram",
	"-drive|file=/vm/run/d0.ovl,format=qcow2,if=virtio,cache=none,aio=native,id=d0",
	"-drive|file=/vm/cd.iso,media=cdrom,readonly=on",
	"-drive|if=pflash,format=raw,file=/vm/run/in/vars",
	"-cdrom|/vm/cd.iso",
	"-hda|/vm/run/d0.ovl",
	"/vm/run/d0.ovl",
	"-drive|if=none,id=d,driver=qcow2,file.driver=file,file.filename=/vm/run/d0.ovl,file.locking=off",
	"-drive|if=none,id=d,file=/vm/run/d0.ovl,backing.driver=raw,backing.file.filename=/vm/cd.iso",
	"-blockdev|driver=file,node-name=f,filename=/vm/run/d0.ovl|-blockdev|driver=qcow2,node-name=q,file=f",
	"-blockdev|{\"driver\":\"qcow2\",\"node-name\":\"q\",\"file\":{\"driver\":\"file\",\"filename\":\"/vm/cd.iso\"},"
	"\"backing\":null,\"read-only\":true,\"cache\":{\"direct\":true}}",
	"-blockdev|driver=file,node-name=f,filename=/vm/cd.iso|-blockdev|driver=raw,node-name=r,file=f"
	"|-blockdev|driver=copy-on-read,node-name=c,file=r",
	"-device|virtio-blk-pci,drive=d0,bootindex=1,id=v,write-cache=on",
	"-device|{\"driver\":\"virtio-net-pci\",\"netdev\":\"n\",\"mac\":\"52:54:00:12:34:56\"}",
	"-device|e1000,netdev=n,romfile=",
	"-netdev|user,id=n,net=10.0.2.0/24,dhcpstart=10.0.2.15,restrict=on",
	"-netdev|{\"type\":\"user\",\"id\":\"n\"}",
	"-nic|user,model=e1000|-nic|none|-net|nic,model=rtl8139|-net|user",
	"-serial|none|-parallel|null|-monitor|none|-vga|std|-audiodev|none,id=a",
	"-serial|file:/vm/run/serial|-monitor|unix:/vm/run/mon,server=on,wait=off",
	"-qmp|unix:/vm/run/qmp.sock,server=on,wait=off",
	"-boot|order=c,menu=on|-uuid|x|-k|de|-msg|timestamp=on|-watchdog-action|reset",
	"-global|kvm-pit.lost_tick_policy=delay",
	"-incoming|defer",
	"-incoming|fd:17",
};

/* Each of these is one want. */
static const char *const wants[] = {
	"-readconfig|/etc/passwd",
	"-chardev|socket,id=c,host=10.0.0.1,port=1",
	"-chardev|file,id=c,path=/etc/x",
	"-chardev|pipe,id=c,path=/etc/x",
	"--device|vfio-pci,host=0:0.0",
	"-devic|e1000",
	"-device|e1000|---device|e1000",
	"-netdev|bridge,id=n,br=br0,helper=/x",
	"-netdev|user,id=n,tftp=/etc",
	"-netdev|{\"type\":\"user\",\"id\":\"n\",\"hostfwd\":[{\"str\":\"tcp::1-:1\"}]}",
	"-netdev|type=user,id=n,type=tap",
	"-fsdev|local,id=f,path=/,security_model=none",
	"-drive|if=none,file.driver=nbd,file.host=x",
	"-drive|if=none,file=json:{\"driver\":\"file\"}",
	"-drive|if=none,file=fat:rw:/etc",
	"-drive|if=none,file=a.qcow2,,b",
	"-blockdev|driver=vvfat,node-name=p,dir=/etc",
	"-blockdev|driver=file,node-name=p,filename=/dev/sda",
	"-device|{\"driver\":\"e1000\",\"romfile\":\"/etc/passwd\"}",
	"-object|rng-random,id=r,filename=/dev/random",
	"-object|filter-dump,id=f,netdev=n,file=/x",
	"-object|memory-backend-ram,id=m,size=1M,nonsense=1",
	"-incoming|exec:touch /x",
	"-incoming|tcp:0:1",
	"-loadvm|x",
	"-pidfile|/x",
	"-daemonize",
	"-chroot|/x",
	"-run-with|chroot=/x",
	"-mem-path|/dev/hugepages",
	"-qmp-pretty|tcp:0:1,server",
	"-mon|chardev=c",
	"-monitor|pty",
	"-monitor|stdio",
	"-serial|mon:stdio",
	"-serial|pipe:/x",
	"-kernel|/etc/passwd",
	"-initrd|/etc/passwd",
	"-dtb|/etc/passwd",
	"-pflash|/etc/passwd",
	"-global|isa-fdc.driveA=x",
	"-set|device.x.romfile=/etc/passwd",
	"-acpitable|file=/etc/passwd",
	"-smbios|file=/etc/passwd",
	"-tpmdev|emulator,id=t,chardev=c",
	"-L|/x",
	"-option-rom|/x",
	"-accel|kvm,device=/x",
	"-accel|qtest",
	"-name|x,process=y",
	"-boot|splash=/x",
	"-machine|pc,firmware=/x",
	"-usbdevice|serial:/dev/x",
	"-qtest|tcp:0:1",
	"-dump-vmstate|/x",
	"-audiodev|wav,id=a,path=/x",
	"-semihosting-config|enable=on,chardev=c",
	"-nographic",
	"-vga|std,romfile=/x",
	"-fw_cfg|name=opt/x,file=/etc/passwd",
	"-object|secret,id=s,file=/etc/passwd",
	"-object|{\"qom-type\":\"secret\",\"id\":\"s\",\"file\":\"/etc/passwd\"}",
	"-object|memory-backend-file,id=m,size=1M,share=on,mem-path=/etc",
	"-monitor|tcp:0.0.0.0:1,server=on,wait=off",
	"-qmp|tcp:0.0.0.0:1,server=on,wait=off",
	"-vnc|0.0.0.0:1",
	"-spice|port=5900",
	"-gdb|tcp::1",
	"-s",
	"-trace|enable=x,file=/x/y",
	"-plugin|/x.so",
	"-netdev|tap,id=n,script=/x",
	"-netdev|user,id=n,hostfwd=tcp::1-:1",
	"-netdev|user,id=n,guestfwd=tcp:1.1.1.1:1-cmd:id",
	"-nic|user,smb=/etc",
	"-device|vfio-pci,host=0:0.0",
	"-device|e1000,romfile=/etc/passwd",
	"-device|{\"driver\":\"usb-host\",\"hostbus\":1}",
	"-drive|file=/etc/passwd,format=raw,if=none,id=p",
	"-drive|{},file=/etc/passwd,format=raw,if=none",
	"-blockdev|driver=file,node-name=p,filename=/etc/passwd",
	"-blockdev|{\"driver\":\"nbd\",\"node-name\":\"p\",\"host\":\"x\"}",
	"-hdb|/etc/passwd",
	"/etc/passwd",
	"-bios|/etc/passwd",
	"-machine|dumpdtb=/etc/x",
	"-serial|tcp:1.1.1.1:1",
	"-serial|/dev/ttyS0",
	"-virtfs|local,path=/,mount_tag=x,security_model=none",
	"-runas|nobody",
	"-sandbox|off",
	"-D|/x",
	"-nonsense|x",
	"-display|vnc=:1",
	"--iscsi|password=x",
	/* in our own directory, but nothing of ours */
	"-serial|file:/vm/run/other",
	"-serial|file:/vm/run/../run/serial",
	"-serial|unix:/vm/run/mon",
	"-monitor|unix:/vm/run/mon,server=on,wait=off,logfile=/x",
	"-kernel|/vm/run/d0.ovl",
	"-initrd|/vm/run/in/vars,/etc/passwd",
	"-initrd|/vm/run/in/a,b",
	"-object|memory-backend-file,id=m,size=1,mem-path=/vm/x1.ckpt/devices.vmstate,share=off",
	"-object|memory-backend-file,id=m,size=1,mem-path=/vm/x1.ckpt/ram/pc.ram,share=on",
	"-object|memory-backend-file,id=m,size=1,mem-path=/vm/x1.ckpt/../x1.ckpt/ram/pc.ram,share=off",
	/* images of which nobody read the header */
	"-drive|if=pflash,file=/vm/run/in/vars",
	"-drive|if=none,format=qcow2,file=/vm/run/in/vars",
	"-drive|if=none,format=raw,format=qcow2,file=/vm/run/in/vars",
	"-drive|if=none,format=raw,file=/vm/run/in/vars,file.driver=file",
	"-cdrom|/vm/run/in/vars",
	"-blockdev|driver=file,node-name=f,filename=/vm/run/in/vars",
	"-drive|if=none,driver=qcow2,file.driver=qcow2,file.file.filename=/vm/cd.iso",
	"-drive|if=none,driver=vmdk,file=/vm/cd.iso",
	"-drive|if=none,driver=raw,offset=65536,file=/vm/cd.iso",
	"-drive|{\"file\":\"/vm/cd.iso\"}",
	"-blockdev|driver=file,node-name=f,filename=/vm/cd.iso|-blockdev|driver=qcow2,node-name=q,file=f"
	"|-blockdev|driver=qcow2,node-name=q2,file=q",
	"-blockdev|driver=qcow2,node-name=q,file.driver=raw,file.file.filename=/vm/cd.iso",
	"-blockdev|{\"driver\":\"qcow2\",\"node-name\":\"q\",\"file\":{\"driver\":\"qcow2\",\"file\":"
	"{\"driver\":\"file\",\"filename\":\"/vm/cd.iso\"}}}",
	"-blockdev|{\"driver\":\"qcow2\",\"node-name\":\"q\",\"file\":\"nosuch\"}",
	"-blockdev|driver=nbd,node-name=n,server.type=unix,server.path=/x",
	"-hda|nbd://x/",
	"nbd:unix:/x",
	"-",
	"-device|e1000,romfile=efi-e1000.rom",
	"-device|{\"driver\":\"e1000\",\"driver\":\"vfio-pci\"}",
	"-device|{\"driver\":\"e1000\\u0000x\"}",
	"-device|{\"driver\":\"e1000\"",
	"-device",
	"-cpu|/x",
	"-netdev|,type=tap,id=n",
	"-netdev|tap",
	"--",
	"---S",
	"-incoming|fd:1;x",
	"-incoming|{\"transport\":\"exec\"}",
};

static size_t count(const char *extra, struct wants *w)
{
	_cleanup_free_ char *text = text_of("qemu-system-x86_64|-display|none%s%s", *extra ? "|" : "", extra);
	char *argv[MAX_WORDS] = { 0 }, *final[MAX_WORDS] = { 0 };
	size_t n = 0, n_final = 0;

	for (char *at = text; at; n++) {
		argv[n] = at;
		at = strchr(at, '|');
		if (at)
			*at++ = '\0';
	}
	/* as commandline_build leaves them out */
	for (size_t i = 0; i < n; i++)
		if (strcmp(argv[i], "-incoming") == 0)
			i++;
		else
			final[n_final++] = argv[i];
	policy_judge(&places, argv, final, w);
	return w->n;
}

int main(void)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		struct wants w = { 0 };

		ok(count(harmless[i], &w) == 0, "harmless: %s%s%s", harmless[i], w.n ? " but " : "",
		   w.n ? w.list[0].what : "");
		wants_release(&w);
	}
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		struct wants w = { 0 };

		ok(count(wants[i], &w) == 1, "a want: %s (%zu)", wants[i], w.n);
		wants_release(&w);
	}
	return done();
}
