/* SPDX-License-Identifier: MIT */
#include "base/cli.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/options.h"
#include "restore.h"

#define TIMEOUT_MAX_S 86400
#define COUNT_MAX 10000

static const struct cli_option option_table[] = {
	{ NULL, 0, NULL, "Loading the state:", CLI_HEADING },
	{ "lazy", 'l', NULL,
	  "run at once on the checkpoint's memory file, mapped privately\n(default with layout pages)",
	  TO_FLAG(struct options, lazy) },
	{ "eager", 'e', NULL, "load the whole memory before the guest runs", TO_FLAG(struct options, eager) },
	{ "paused", 'p', NULL, "load the state, but do not let the guest run", TO_FLAG(struct options, paused) },
	{ "timeout", 't', "SECONDS", "give up after this time (default 60)",
	  TO_SECONDS(struct options, timeout_ms, TIMEOUT_MAX_S) },
	{ "receiver", 'r', "SOCKET",
	  "go on in the QEMU that the state was sent to, which waits\nthere paused; SOCKET is its QMP socket",
	  TO_SOCKET(struct options, receiver) },
	{ NULL, 0, NULL, "The run:", CLI_HEADING },
	{ "name", 'n', "NAME", "name of the run and of the VM (default run-1, run-2, ...)",
	  TO_TEXT(struct options, name) },
	{ "count", 'c', "N", "start N VMs; of --name NAME they are called NAME-1, NAME-2, ...",
	  TO_NUMBER(struct options, count, 1, COUNT_MAX) },
	{ "all-or-none", 0, NULL, "with --count: where one cannot be started, none runs",
	  TO_FLAG(struct options, all_or_none) },
	{ "dir", 'd', "DIR", "make the run directory CHECKPOINT.NAME/ in DIR\n(default: beside the checkpoint)",
	  TO_DIRECTORY(struct options, dir) },
	{ "socket", 's', "PATH", "QMP socket of the new VM (default: qmp.sock in the run\ndirectory)",
	  TO_SOCKET(struct options, socket) },
	{ "foreground", 'F', NULL,
	  "stay in the foreground with QEMU on this terminal until it\nends, and exit with its status",
	  TO_FLAG(struct options, foreground) },
	{ "print", 0, NULL, "make nothing, only print the commands for a shell", TO_FLAG(struct options, print) },
	{ "secrets", 0, NULL, "with --print: passwords and keys in full", TO_FLAG(struct options, secrets) },
	{ NULL, 0, NULL, "Checks:", CLI_HEADING },
	{ "trust", 'T', NULL,
	  "do what a foreign checkpoint wants, this time: one that this\nuser's key did not sign",
	  TO_FLAG(struct options, trust) },
	{ "adopt", 0, NULL, "start nothing; show what the checkpoint wants, and sign it",
	  TO_FLAG(struct options, adopt) },
	{ "verify", 0, NULL, "read all files of the checkpoint and compare their checksums",
	  TO_FLAG(struct options, verify) },
	{ "force", 'f', NULL,
	  "go on although an image was changed, QEMU is older than the\n"
	  "one that saved the state, the socket's name is taken, or a\n"
	  "receiver waits at another port",
	  TO_FLAG(struct options, force) },
	{ NULL, 0, NULL, "Output:", CLI_HEADING },
	{ "json", 'j', NULL, "print one JSON object", TO_FLAG(struct options, json) },
	CLI_COMMON_OPTIONS,
	CLI_END,
};

static const struct cli tool;

static int parse(int argc, char **argv, struct options *o, struct err *e)
{
	bool dashes;
	int i = cli_parse(&tool, argc, argv, o, &dashes, e);

	if (i < 0)
		return -1;
	if (i == argc) {
		err_usage(e, "no checkpoint given");
		return err_hint(e, "mplcr-restore NAME.ckpt");
	}
	o->checkpoint = argv[i];
	if (dashes)
		o->own = argv + i + 1;
	else if (i + 1 < argc)
		return err_usage(e, "more than one checkpoint given: '%s'", argv[i + 1]);
	return 0;
}

static int restore(struct plan *p, int64_t began, struct err *e)
{
	struct vm vm = { 0 };

	return run_start(p, &vm, e) < 0 ? -1 : run_hand_over(p, &vm, began, e);
}

static int resume_receiver(struct plan *p, int64_t began, struct err *e)
{
	struct vm vm = { .feed_fd = -1, .interrupt = interrupt_open(e) };

	if (vm.interrupt < 0)
		return -1;
	vm.deadline = clock_in_ms((int64_t)p->o->timeout_ms);
	if (receiver_resume(&vm, p, e) < 0) {
		qmp_close(vm.qmp);
		return -1;
	}
	return run_hand_over(p, &vm, began, e);
}

static int restore_main(int argc, char **argv)
{
	struct options o = { .timeout_ms = 60000 };
	struct plan p = { 0 };
	struct err e = { 0 };
	int64_t began = clock_ns();
	int status = -1;

	if (parse(argc, argv, &o, &e) == 0 && plan_restore(&p, &o, &e) == 0)
		status = o.adopt      ? trust_adopt(&p, &e)
			 : o.print    ? print_commands(&p, &e)
			 : o.count    ? many_restore(&p, began, &e)
			 : o.receiver ? resume_receiver(&p, began, &e)
				      : restore(&p, began, &e);
	plan_free(&p);
	return status < 0 ? cli_report(&e) : status;
}

static const struct cli tool = {
	.tool = "mplcr-restore",
	.usage = "[OPTION]... CHECKPOINT [-- QEMU ARG...]\n"
		 "--receiver SOCKET [OPTION]... CHECKPOINT",
	.about = "Starts a VM from a checkpoint of mplcr-trigger, any number of times: each run gets\n"
		 "fresh overlays, and the checkpoint and its images never change. QEMU gets the command\n"
		 "line that the VM had, or the one after --, in which {disk:DEVICE}, {include:PATH} and\n"
		 "{ram} stand for the overlay of a disk, this run's copy of a file that the checkpoint\n"
		 "includes, and the memory file.",
	.options = option_table,
	.operands = CLI_CHECKPOINTS,
	.most_operands = 1,
	.command = "qemu-system-",
	.run = restore_main,
};

int main(int argc, char **argv)
{
	return cli_main(&tool, argc, argv);
}
