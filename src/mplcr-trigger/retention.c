/* SPDX-License-Identifier: MIT */
#include "retention.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/interrupt.h"
#include "base/path.h"
#include "base/text.h"

#define TOOL "mplcr-chain"

bool retention_wanted(const struct options *o)
{
	return o->keep || o->keep_within;
}

/* The program beside this one, or its name, to be looked for in PATH; malloc'd. */
static char *find_tool(void)
{
	_cleanup_free_ char *own = path_real("/proc/self/exe"), *dir = own ? path_dir(own) : NULL;
	char *beside = dir ? path_join(dir, TOOL) : NULL;

	if (beside && access(beside, X_OK) == 0)
		return beside;
	free(beside);
	return text_copy(TOOL);
}

static char **arguments(const struct options *o, const char *checkpoint)
{
	char **argv = NULL;
	size_t n = 0;

	text_list_add(&argv, &n, find_tool());
	text_list_add(&argv, &n, text_copy("prune"));
	if (o->keep)
		text_list_add(&argv, &n, text_of("--keep=%" PRIu64, o->keep));
	if (o->keep_within)
		text_list_add(&argv, &n, text_of("--keep-within=%s", o->keep_within));
	if (o->max_bandwidth)
		text_list_add(&argv, &n, text_of("--max-bandwidth=%" PRIu64, o->max_bandwidth));
	text_list_add(&argv, &n, text_of("--socket=%s", o->socket));
	text_list_add(&argv, &n, text_of("--of=%s", checkpoint));
	text_list_add(&argv, &n, text_copy("--quiet"));
	text_list_add(&argv, &n, text_copy("--"));
	text_list_add(&argv, &n, path_dir(checkpoint));
	return argv;
}

/* In the child: what it prints is not asked for here, only its messages. */
static void __attribute__((noreturn)) run_tool(char **argv)
{
	int null = open("/dev/null", O_WRONLY);

	if (null >= 0)
		dup2(null, STDOUT_FILENO);
	interrupt_release();
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	_exit(127);
}

/* The tool's exit status, or -1: it could not be run, or was killed. A signal from the terminal reaches it too. */
static int run(char **argv)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		run_tool(argv);
	signal(SIGINT, SIG_IGN);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

int retention_prune(const struct options *o, const char *checkpoint, struct err *e)
{
	char **argv = arguments(o, checkpoint);
	int status = run(argv);

	text_list_free(argv);
	if (status == 0)
		return 0;
	err_set(e, status < 0 ? "the checkpoint '%s' is complete, but " TOOL " prune could not be run"
			      : "the checkpoint '%s' is complete, but " TOOL " prune failed",
		checkpoint);
	e->status = EXIT_PARTIAL;
	return err_hint(e, "older checkpoints may be left: " TOOL " prune --help; the next checkpoint tries again");
}
