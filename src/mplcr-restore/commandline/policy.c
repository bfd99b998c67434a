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
#include "commandline/commandline.h"
#include "commandline/optvalue.h"
#include "qemu/secrets.h"
#include "qemu/keyval.h"

/* Which values are harmless. */
enum value {
	NOTHING, /* the option takes none */
	WORD,    /* letters, digits and . _ : + - # only: numbers, names, identifiers, and no path */
	WORDS,   /* one of the row's words */
	TEXT,    /* any text: QEMU opens nothing of that name */
	COPY,    /* this run's copy of an included file; without a comma, at which -initrd begins another file */
	DISK,    /* an overlay of this run, or an image of the checkpoint, which is judged by itself */
	DRIVE,   /* the same, or, as raw alone, a copy of an included file: nobody judges what that says in a header */
	NODE,    /* a node: where a format is the driver, a file, since images within images are judged by nobody */
	MEMORY,  /* a memory file of the checkpoint */
	STREAM,  /* a character device in the short form: none, null, or a file or UNIX listener that was moved to the run */
	STATE,   /* where a state comes in that we feed: "defer", "fd:N" */
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

/* Those that name no other file, or in a header that disk_chain_check reads. (A vmdk names its extents.) */
#define IMAGE_FORMATS "qcow2 raw qcow qed vdi vpc"

/* Of a node, whatever its driver; and of the file below it. */
#define NODE_KEYS                                                                                                     \
	"cache.direct cache.no-flush cache.writeback discard detect-zeroes readonly read-only auto-read-only locking " \
	"copy-on-read node-name force-share discard-no-unref lazy-refcounts pass-discard-request l2-cache-size "      \
	"cache-size throttle-group file.node-name file.aio file.locking file.cache.direct file.cache.no-flush "       \
	"file.discard file.detect-zeroes file.read-only file.auto-read-only file.force-share"

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
	{ "incoming", NULL, STATE, NULL },
	{ "mem-path", NULL, MEMORY, NULL },

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
	{ "drive", "file", DRIVE, NULL },
	{ "drive", "filename file.filename", DISK, NULL },
	{ "drive", "driver format", WORDS, IMAGE_FORMATS },
	{ "drive", "if id index media bus unit cache aio werror rerror snapshot serial " NODE_KEYS, WORD, NULL },
	{ "blockdev", "filename file.filename", DISK, NULL },
	{ "blockdev", "file data-file", NODE, NULL },
	{ "blockdev", "backing", WORD, NULL }, /* the name of a node, which is judged by itself */
	{ "blockdev", "driver", WORDS, "file throttle copy-on-read " IMAGE_FORMATS },
	{ "blockdev", "aio locking " NODE_KEYS, WORD, NULL },
	{ "drive", "file.driver", WORDS, "file" },
	{ "blockdev", "file.driver", WORDS, "file" },

	/* devices and the network */
	{ "device", "driver", WORDS, DEVICES },
	{ "device", DEVICE_KEYS, WORD, NULL },
	{ "device", "romfile", WORDS, "" }, /* none */
	{ "netdev", "type", WORDS, "user" },
	{ "nic", "type", WORDS, "user none" },
	{ "net", "type", WORDS, "user nic none" },
	{ "netdev", "id ipv4 ipv6 restrict", WORD, NULL },
	{ "netdev", "net host hostname dhcpstart dns", TEXT, NULL },
	{ "nic", "id model mac netdev", WORD, NULL },
	{ "net", "id model macaddr netdev name", WORD, NULL },

	/* what goes into the run directory */
	{ "serial", NULL, STREAM, NULL },
	{ "parallel", NULL, STREAM, NULL },
	{ "monitor", NULL, STREAM, NULL },
	{ "qmp", NULL, STREAM, NULL },
	{ "qmp-pretty", NULL, STREAM, NULL },
	{ "kernel", NULL, COPY, NULL },
	{ "initrd", NULL, COPY, NULL },
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
	  "chroot loadvm run-with semihosting-config " },
	{ "socket", " chardev serial parallel monitor mon qmp qmp-pretty vnc spice gdb s qtest debugcon display nographic "
	  "curses sdl incoming " },
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

static bool is_among(char *const *list, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] && strcmp(list[i], path) == 0)
			return true;
	return false;
}

/* A file or socket that was moved to the run directory, or the new monitor. */
static bool is_moved(const struct policy_places *p, const char *path)
{
	for (size_t i = 0; i < p->n_moved; i++)
		if (strcmp(p->moved[i].to, path) == 0)
			return true;
	return strcmp(path, p->socket) == 0;
}

static bool is_copy(const struct policy_places *p, const char *path)
{
	return is_among(p->included, p->m->n_included, path);
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

		if (strcmp(item->key, "path") == 0 ? !is_moved(p, item->value) : !has_word("server wait", item->key))
			return false;
	}
	return keyval_get(&kv, "path") && keyval_on(&kv, "server");
}

static bool is_stream(const struct policy_places *p, const char *value)
{
	if (has_word("none null", value))
		return true;
	if (strncmp(value, "file:", 5) == 0)
		return is_moved(p, value + 5);
	return strncmp(value, "unix:", 5) == 0 && is_listener(p, value + 5);
}

static bool is_state(const char *value)
{
	return strcmp(value, "defer") == 0 ||
	       (strncmp(value, "fd:", 3) == 0 && value[3 + strspn(value + 3, "0123456789")] == '\0');
}

/* --- disks ------------------------------------------------------------------------------------------------------ */

/* What a value stands in. */
struct look {
	const struct policy_places *p;
	const struct args *a;
	const struct arg *arg;
	const char *option, *key;
};

/* Whether -drive takes its file as it is. */
static bool is_raw_alone(const struct look *at)
{
	_cleanup_keyval_ struct keyval kv = { 0 };
	bool raw = false;

	keyval_parse(&kv, at->arg->value, NULL);
	for (size_t i = 0; i < kv.n; i++) {
		const char *key = kv.items[i].key;

		if (strncmp(key, "file.", 5) == 0)
			return false;
		if (strcmp(key, "format") != 0 && strcmp(key, "driver") != 0)
			continue;
		if (strcmp(kv.items[i].value, "raw") != 0)
			return false;
		raw = true;
	}
	return raw;
}

/* Whether -blockdev gives the node `name` with one of those drivers. */
static bool node_has_driver(const struct args *a, const char *name, const char *drivers)
{
	for (size_t i = 0; i < a->n; i++) {
		_cleanup_optvalue_ struct optvalue v = { 0 };
		const char *node, *driver;

		if (!arg_is(&a->items[i], "blockdev") || !a->items[i].value)
			continue;
		optvalue_parse(&v, a->items[i].value, "driver");
		node = optvalue_get(&v, "node-name");
		driver = optvalue_get(&v, "driver");
		if (node && strcmp(node, name) == 0)
			return driver && has_word(drivers, driver);
	}
	return false;
}

static bool is_plain_node(const struct look *at, const char *name)
{
	_cleanup_optvalue_ struct optvalue v = { 0 };
	const char *driver;

	if (node_has_driver(at->a, name, "file"))
		return true;
	optvalue_parse(&v, at->arg->value, "driver");
	driver = optvalue_get(&v, "driver");
	return strcmp(at->key, "file") == 0 && driver && has_word("raw throttle copy-on-read", driver) && is_word(name);
}

static bool is_disk(const struct look *at, const char *path)
{
	return is_among(at->p->overlays, at->p->m->n_disks, path) || is_image(at->p->m, path);
}

/* --- one value -------------------------------------------------------------------------------------------------- */

static bool allows(const struct rule *rule, const struct look *at, const char *value)
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
	case COPY:
		return is_copy(at->p, value) && !strchr(value, ',');
	case DISK:
		return is_disk(at, value);
	case DRIVE:
		return is_disk(at, value) || (is_copy(at->p, value) && is_raw_alone(at));
	case NODE:
		return is_plain_node(at, value);
	case MEMORY:
		return is_memory(at->p->m, value);
	case STREAM:
		return is_stream(at->p, value);
	case STATE:
		return is_state(value);
	}
	return false;
}

/* --- options ---------------------------------------------------------------------------------------------------- */

/* What backs an image has the same members as it, and the data file those of the file. */
static const char *member_of_image(const char *option, const char *key)
{
	if (!has_word("drive blockdev", option))
		return key;
	while (strncmp(key, "backing.", 8) == 0)
		key += 8;
	return strncmp(key, "data-file.", 10) == 0 ? key + 5 : key;
}

static bool member_allowed(const struct look *where, const char *key, const char *value)
{
	const char *member = member_of_image(where->option, key);
	struct look at = *where;

	at.key = key;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(rule->option, at.option) == 0 && rule->keys &&
		    (strcmp(rule->keys, "*") == 0 || has_word(rule->keys, member)) && allows(rule, &at, value))
			return true;
	}
	return false;
}

/* A JSON value at `key`, and all below it: text as it is, numbers and booleans as QEMU would write them. */
static bool json_allowed(const struct look *at, const char *key, const json_t *json)
{
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)json, name, value) {
		_cleanup_free_ char *whole = *key ? text_of("%s.%s", key, name) : text_of("%s", name);

		if (!json_allowed(at, whole, value))
			return false;
	}
	json_array_foreach(json, i, value)
		if (!json_allowed(at, key, value))
			return false;
	if (json_is_string(json)) /* with a NUL, it is not what it looks like */
		return strlen(json_string_value(json)) == json_string_length(json) &&
		       member_allowed(at, key, json_string_value(json));
	if (json_is_object(json) || json_is_array(json))
		return true;
	return member_allowed(at, key, json_is_false(json) ? "off" : json_is_true(json) ? "on" : "0");
}

static bool members_allowed(const struct look *at, const struct form *form, const char *value)
{
	_cleanup_keyval_ struct keyval kv = { 0 };

	if (value[0] == '{') {
		_cleanup_json_ json_t *json = form && form->json ? json_loads(value, JSON_REJECT_DUPLICATES, NULL) : NULL;

		return json_is_object(json) && json_allowed(at, "", json);
	}
	keyval_parse(&kv, value, form ? form->implied : NULL);
	for (size_t i = 0; i < kv.n; i++)
		if (!member_allowed(at, kv.items[i].key, kv.items[i].value))
			return false;
	return true;
}

static bool option_allowed(const struct policy_places *p, const struct args *a, const struct arg *arg)
{
	const struct look at = { .p = p, .a = a, .arg = arg, .option = arg->name ? arg->name : "", .key = "" };
	const struct form *form = NULL;
	bool members = false;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (strcmp(forms[i].option, at.option) == 0)
			form = &forms[i];
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(rule->option, at.option) != 0)
			continue;
		if (!rule->keys && (arg->value ? allows(rule, &at, arg->value) : rule->value == NOTHING))
			return true;
		members |= rule->keys != NULL;
	}
	return members && arg->value && members_allowed(&at, form, arg->value);
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

static void judge(const struct policy_places *p, const struct args *a, const struct arg *arg, struct wants *w)
{
	_cleanup_free_ char *option = arg->name ? text_of("-%s", arg->name) : text_of("image");
	_cleanup_free_ char *what = arg->value ? secret_masked(arg->name, arg->value) : text_of("%s", "");

	if (!option_allowed(p, a, arg))
		wants_add(w, arg->name ? kind_of(arg->name) : "file", option, what);
}

void policy_judge(const struct policy_places *p, char *const *recorded, char *const *argv, struct wants *w)
{
	_cleanup_args_ struct args a = { 0 }, dropped = { 0 };

	args_parse(&a, argv + 1);
	for (size_t i = 0; i < a.n; i++)
		if (!arg_is(&a.items[i], "incoming")) /* this is ours: recorded ones are left out */
			judge(p, &a, &a.items[i], w);
	if (!says_display(&a))
		wants_add(w, "socket", "-display", "a window or a VNC port, for want of -display none");
	args_parse(&dropped, recorded + 1);
	for (size_t i = 0; i < dropped.n; i++)
		if (dropped.items[i].name && (arg_is(&dropped.items[i], "incoming") || !args_find(&a, dropped.items[i].name)))
			judge(p, &dropped, &dropped.items[i], w);
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
