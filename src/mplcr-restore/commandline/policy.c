/* SPDX-License-Identifier: MIT */
#include "commandline/policy.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "checkpoint/manifest_reader.h"
#include "commandline/args.h"
#include "qemu/secrets.h"
#include "qemu/keyval.h"

/* Which values are harmless. */
enum value {
	NOTHING, /* the option takes none */
	WORD,    /* letters, digits and . _ : + - # only: numbers, names, identifiers, and no path */
	WORDS,   /* one of the row's words */
	TEXT,    /* any text: QEMU opens nothing of that name */
	RUN,     /* a path in the run directory */
	DISK,    /* the same, or an image of the checkpoint, which is judged by itself */
	MEMORY,  /* a memory file of the checkpoint */
	STREAM,  /* a character device in the short form: none, null, or a file or UNIX listener in the run directory */
};

#define DEVICES                                                                                                       \
	"e1000 e1000e rtl8139 ne2k_pci pcnet vmxnet3 virtio-net-pci virtio-blk-pci virtio-scsi-pci virtio-rng-pci "   \
	"virtio-balloon-pci virtio-keyboard-pci virtio-mouse-pci virtio-tablet-pci virtio-gpu-pci virtio-vga "        \
	"virtio-net virtio-blk virtio-scsi virtio-rng virtio-balloon virtio-net-device virtio-blk-device "            \
	"virtio-scsi-device virtio-rng-device scsi-hd scsi-cd ide-hd ide-cd floppy nvme ahci ich9-ahci piix3-ide "     \
	"piix4-ide lsi53c895a mptsas1068 megasas isa-fdc pci-bridge pcie-pci-bridge pcie-root-port ioh3420 "          \
	"i82801b11-bridge pxb pxb-pcie piix3-usb-uhci piix4-usb-uhci ich9-usb-uhci1 ich9-usb-uhci2 ich9-usb-uhci3 "   \
	"ich9-usb-ehci1 usb-ehci nec-usb-xhci qemu-xhci usb-hub usb-kbd usb-mouse usb-tablet VGA cirrus-vga "          \
	"bochs-display ramfb secondary-vga vmware-svga qxl qxl-vga hpet mc146818rtc isa-rtc pvpanic i6300esb ib700 "  \
	"vmgenid pc-dimm"

#define DEVICE_KEYS                                                                                                   \
	"id bus addr drive netdev mac bootindex serial multifunction iothread num-queues queues mq vectors "           \
	"disable-legacy disable-modern scsi chassis slot port channel scsi-id lun unit write-cache "    \
	"share-rw logical_block_size physical_block_size rotation_rate discard_granularity ver model speed vgamem_mb " \
	"edid xres yres rng memdev node max-bytes period event_idx ioeventfd packed iommu_platform ats page-per-vq "  \
	"rombar rx_queue_size tx_queue_size csum gso guest_csum deflate-on-oom free-page-reporting p2 p3 removable"

static const struct rule {
	const char *option; /* "": an image that has no option */
	const char *keys;   /* separated by spaces; "*" all, NULL the whole value */
	enum value value;
	const char *words;
} rules[] = {
	/* what has no value */
	{ "S", NULL, NOTHING, NULL },
	{ "nodefaults", NULL, NOTHING, NULL },
	{ "no-user-config", NULL, NOTHING, NULL },
	{ "no-reboot", NULL, NOTHING, NULL },
	{ "no-shutdown", NULL, NOTHING, NULL },
	{ "no-acpi", NULL, NOTHING, NULL },
	{ "no-hpet", NULL, NOTHING, NULL },
	{ "no-fd-bootchk", NULL, NOTHING, NULL },
	{ "enable-kvm", NULL, NOTHING, NULL },
	{ "only-migratable", NULL, NOTHING, NULL },
	{ "usb", NULL, NOTHING, NULL },

	/* the machine */
	{ "machine", "type usb graphics vmport smm mem-merge dump-guest-core hpet pic pit i8042 sata smbus fd-bootchk "
	  "kernel-irqchip kernel_irqchip suppress-vmdesc memory-backend x-south-bridge acpi", WORD, NULL },
	{ "machine", "accel", WORDS, "kvm tcg kvm:tcg tcg:kvm" },
	{ "accel", "accel", WORDS, "kvm tcg" },
	{ "accel", "thread tb-size split-wx one-insn-per-tick kernel-irqchip dirty-ring-size", WORD, NULL },
	{ "cpu", "*", WORD, NULL },
	{ "smp", "cpus cores threads sockets maxcpus dies clusters modules drawers books", WORD, NULL },
	{ "m", "size slots maxmem", WORD, NULL },
	{ "numa", "type nodeid node cpus mem memdev src dst val initiator node-id socket-id core-id thread-id", WORD, NULL },
	{ "rtc", "base clock driftfix", WORD, NULL },
	{ "boot", "order once menu strict reboot-timeout splash-time", WORD, NULL },
	{ "name", "guest debug-threads", TEXT, NULL },
	{ "uuid", NULL, TEXT, NULL },
	{ "append", NULL, TEXT, NULL },
	{ "k", NULL, WORDS, "en-us en-gb de fr es it" },
	{ "msg", "timestamp guest-name", WORD, NULL },
	{ "vga", NULL, WORDS, "std cirrus vmware qxl virtio none" },
	{ "display", NULL, WORDS, "none" },
	{ "watchdog-action", NULL, WORDS, "reset shutdown poweroff pause none inject-nmi" },
	{ "global", "kvm-pit.lost_tick_policy PIIX4_PM.disable_s3 PIIX4_PM.disable_s4 ICH9-LPC.disable_s3 "
	  "ICH9-LPC.disable_s4", WORD, NULL },
	{ "audiodev", "driver", WORDS, "none" },
	{ "audiodev", "id", WORD, NULL },
	{ "incoming", NULL, TEXT, NULL }, /* ours: recorded ones are dropped */

	/* memory and threads */
	{ "object", "qom-type", WORDS, "memory-backend-ram memory-backend-memfd memory-backend-file iothread rng-builtin "
	  "throttle-group" },
	{ "object", "mem-path", MEMORY, NULL },
	{ "object", "share", WORDS, "off no false" },
	{ "object", "id size merge dump readonly rom x-use-canonical-path-for-ramblock-id poll-max-ns", WORD, NULL },

	/* disks */
	{ "", NULL, DISK, NULL },
	{ "hda", NULL, DISK, NULL },
	{ "hdb", NULL, DISK, NULL },
	{ "hdc", NULL, DISK, NULL },
	{ "hdd", NULL, DISK, NULL },
	{ "cdrom", NULL, DISK, NULL },
	{ "fda", NULL, DISK, NULL },
	{ "fdb", NULL, DISK, NULL },
	{ "drive", "file filename", DISK, NULL },
	{ "drive", "driver format", WORDS, "file qcow2 raw qcow qed vmdk vdi vpc" },
	{ "drive", "if id index media bus unit cache cache.direct cache.no-flush cache.writeback aio discard detect-zeroes "
	  "readonly read-only auto-read-only werror rerror locking snapshot copy-on-read node-name serial", WORD, NULL },
	{ "blockdev", "filename", DISK, NULL },
	{ "blockdev", "file backing data-file node-name", WORD, NULL }, /* names of nodes */
	{ "blockdev", "driver", WORDS, "file qcow2 raw qcow qed vmdk vdi vpc throttle copy-on-read" },
	{ "blockdev", "cache.direct cache.no-flush aio discard detect-zeroes read-only auto-read-only locking force-share "
	  "discard-no-unref lazy-refcounts pass-discard-request l2-cache-size cache-size throttle-group", WORD, NULL },

	/* devices and the network */
	{ "device", "driver", WORDS, DEVICES },
	{ "device", DEVICE_KEYS, WORD, NULL },
	{ "device", "romfile", WORDS, "" }, /* none */
	{ "netdev", "type", WORDS, "user" },
	{ "nic", "type", WORDS, "user none" },
	{ "net", "type", WORDS, "user nic none" },
	{ "netdev", "id net host ipv4 ipv6 restrict hostname dhcpstart dns", WORD, NULL },
	{ "nic", "id model mac netdev", WORD, NULL },
	{ "net", "id model macaddr netdev name", WORD, NULL },

	/* what goes into the run directory */
	{ "serial", NULL, STREAM, NULL },
	{ "parallel", NULL, STREAM, NULL },
	{ "monitor", NULL, STREAM, NULL },
	{ "qmp", NULL, STREAM, NULL },
	{ "qmp-pretty", NULL, STREAM, NULL },
	{ "kernel", NULL, RUN, NULL },
	{ "initrd", NULL, RUN, NULL },
};

/* The key of a first value without one, and whether QEMU takes JSON there. */
static const struct form {
	const char *option, *implied;
	bool json;
} forms[] = {
	{ "machine", "type", false },   { "accel", "accel", false },   { "cpu", "model", false },
	{ "smp", "cpus", false },       { "m", "size", false },        { "numa", "type", false },
	{ "boot", "order", false },     { "name", "guest", false },    { "audiodev", "driver", true },
	{ "object", "qom-type", true }, { "blockdev", "driver", true }, { "device", "driver", true },
	{ "netdev", "type", true },     { "nic", "type", false },      { "net", "type", false },
};

/* What an option that no row allows asks for; all others are options. */
static const struct {
	const char *kind, *options;
} kinds[] = {
	{ "file", " drive blockdev hda hdb hdc hdd cdrom fda fdb sd mtdblock pflash kernel initrd dtb bios L option-rom "
	  "acpitable smbios fw_cfg readconfig writeconfig D d pidfile mem-path plugin trace virtfs fsdev dump-vmstate k "
	  "chroot " },
	{ "socket", " chardev serial parallel monitor mon qmp qmp-pretty vnc spice gdb s qtest debugcon display nographic "
	  "curses sdl " },
	{ "network", " netdev nic net iscsi redir " },
	{ "device", " device usbdevice " },
};

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	if (!*list || strchr(word, ' '))
		return !*list && n == 0;
	for (const char *at = n ? strstr(list, word) : NULL; at; at = strstr(at + 1, word))
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

/* --- values ----------------------------------------------------------------------------------------------------- */

static bool is_word(const char *value)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:+-#=";

	return strspn(value, letters) == strlen(value);
}

static bool is_in_run(const struct policy_places *p, const char *path)
{
	const char *below = path_below(p->run_dir, path);

	return strcmp(path, p->socket) == 0 || (below && text_stays_below(below));
}

static bool is_image(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->n_disks; i++)
		for (size_t j = 0; j < m->disks[i].n_chain; j++) {
			const struct manifest_image *image = &m->disks[i].chain[j];

			if (strcmp(path, image->path) == 0 || (image->data && strcmp(path, image->data->path) == 0))
				return true;
		}
	return false;
}

static bool is_memory(const struct manifest *m, const char *path)
{
	const char *name = path_below(m->checkpoint, path);
	const struct manifest_file *file = name ? manifest_file_named(m, name) : NULL;

	return file && file->block;
}

/* A listener in the run directory that waits for nobody. */
static bool is_listener(const struct policy_places *p, const char *text)
{
	_cleanup_keyval_ struct keyval kv = { 0 };

	keyval_parse(&kv, text, "path");
	for (size_t i = 0; i < kv.n; i++) {
		const struct keyval_item *item = &kv.items[i];

		if (strcmp(item->key, "path") == 0 ? !is_in_run(p, item->value) : !has_word("server wait", item->key))
			return false;
	}
	return keyval_get(&kv, "path") && keyval_on(&kv, "server");
}

static bool is_stream(const struct policy_places *p, const char *value)
{
	if (has_word("none null", value))
		return true;
	if (strncmp(value, "file:", 5) == 0)
		return is_in_run(p, value + 5);
	return strncmp(value, "unix:", 5) == 0 && is_listener(p, value + 5);
}

static bool allows(const struct rule *rule, const struct policy_places *p, const char *value)
{
	switch (rule->value) {
	case NOTHING:
		return false; /* it has none */
	case WORD:
		return is_word(value);
	case WORDS:
		return has_word(rule->words, value);
	case TEXT:
		return true;
	case RUN:
		return is_in_run(p, value);
	case DISK:
		return is_in_run(p, value) || is_image(p->m, value);
	case MEMORY:
		return is_memory(p->m, value);
	case STREAM:
		return is_stream(p, value);
	}
	return false;
}

/* --- options ---------------------------------------------------------------------------------------------------- */

/* Nodes below an image have the same members as it. */
static const char *member_of_image(const char *option, const char *key)
{
	static const char *const below[] = { "file.", "backing.", "data-file." };

	if (!has_word("drive blockdev", option))
		return key;
	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++)
		if (strncmp(key, below[i], strlen(below[i])) == 0)
			return member_of_image(option, key + strlen(below[i]));
	return key;
}

static bool member_allowed(const struct policy_places *p, const char *option, const char *key, const char *value)
{
	const char *member = member_of_image(option, key);

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(rule->option, option) == 0 && rule->keys &&
		    (strcmp(rule->keys, "*") == 0 || has_word(rule->keys, member)) && allows(rule, p, value))
			return true;
	}
	return false;
}

/* A JSON value at `key`, and all below it: text as it is, numbers and booleans as QEMU would write them. */
static bool json_allowed(const struct policy_places *p, const char *option, const char *key, const json_t *at)
{
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)at, name, value) {
		_cleanup_free_ char *whole = *key ? text_of("%s.%s", key, name) : text_of("%s", name);

		if (!json_allowed(p, option, whole, value))
			return false;
	}
	json_array_foreach(at, i, value)
		if (!json_allowed(p, option, key, value))
			return false;
	if (json_is_string(at)) /* with a NUL, it is not what it looks like */
		return strlen(json_string_value(at)) == json_string_length(at) &&
		       member_allowed(p, option, key, json_string_value(at));
	if (json_is_object(at) || json_is_array(at))
		return true;
	return member_allowed(p, option, key, json_is_false(at) ? "off" : json_is_true(at) ? "on" : "0");
}

static bool members_allowed(const struct policy_places *p, const struct form *form, const char *option,
			    const char *value)
{
	_cleanup_keyval_ struct keyval kv = { 0 };

	if (value[0] == '{') {
		_cleanup_json_ json_t *json = form && form->json ? json_loads(value, JSON_REJECT_DUPLICATES, NULL) : NULL;

		return json_is_object(json) && json_allowed(p, option, "", json);
	}
	keyval_parse(&kv, value, form ? form->implied : NULL);
	for (size_t i = 0; i < kv.n; i++)
		if (!member_allowed(p, option, kv.items[i].key, kv.items[i].value))
			return false;
	return true;
}

static bool option_allowed(const struct policy_places *p, const struct arg *arg)
{
	const char *option = arg->name ? arg->name : "";
	const struct form *form = NULL;
	bool members = false;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (strcmp(forms[i].option, option) == 0)
			form = &forms[i];
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(rule->option, option) != 0)
			continue;
		if (!rule->keys && (arg->value ? allows(rule, p, arg->value) : rule->value == NOTHING))
			return true;
		members |= rule->keys != NULL;
	}
	return members && arg->value && members_allowed(p, form, option, arg->value);
}

static const char *kind_of(const char *option)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (has_word(kinds[i].options, option))
			return kinds[i].kind;
	return "option";
}

/* A QEMU that is not told otherwise opens a window or, without one, a VNC port. */
static bool says_display(const struct args *a)
{
	return args_find(a, "display") || args_find(a, "nographic") || args_find(a, "vnc") || args_find(a, "spice");
}

void policy_judge(const struct policy_places *p, char *const *argv, struct wants *w)
{
	_cleanup_args_ struct args a;

	args_parse(&a, argv + 1);
	for (size_t i = 0; i < a.n; i++) {
		const struct arg *arg = &a.items[i];
		_cleanup_free_ char *option = arg->name ? text_of("-%s", arg->name) : text_of("image");
		_cleanup_free_ char *what = arg->value ? secret_masked(arg->name, arg->value) : text_of("%s", "");

		if (!option_allowed(p, arg))
			wants_add(w, arg->name ? kind_of(arg->name) : "file", option, what);
	}
	if (!says_display(&a))
		wants_add(w, "socket", "-display", "a window or a VNC port, for want of -display none");
}

void wants_add(struct wants *w, const char *kind, const char *option, const char *what)
{
	*array_add(w->list, w->n) = (struct want){ kind, text_copy(option), text_copy(what) };
}

void wants_release(struct wants *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->list[i].option);
		free(w->list[i].what);
	}
	free(w->list);
	*w = (struct wants){ 0 };
}
