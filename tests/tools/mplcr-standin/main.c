/* SPDX-License-Identifier: MIT */
/*
 *     mplcr-standin [OPTION]... QEMU ARGUMENT...
 *
 * Becomes that QEMU, but for its QMP socket (`-qmp unix:PATH,...`): there the proxy listens, QEMU's child, and QEMU
 * itself at PATH.real. To who connects, the socket belongs to QEMU's own process all the same (SO_PEERCRED).
 * `-incoming cptcp:HOST:PORT` makes a receiver. What the patched QEMU prints comes on standard output.
 *
 *     --capabilities all   migration capabilities and commands that 2.9 lacks are left in sight
 *     --version 2.9.0      what QEMU says that it is; without it, it says the truth
 *     --stuck              a live stage spins for ever, as it can at a high rate
 *     --assert             the second overlay that fails in one checkpoint kills QEMU
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "standin.h"

struct options options;

static _Noreturn void proxy(int listener, const char *path)
{
	const struct end *qemu = qemu_connect(path);

	settings_begin();
	for (;;) {
		struct pollfd p[2] = { { .fd = qemu->fd, .events = POLLIN },
				       { .fd = client.fd >= 0 ? client.fd : listener, .events = POLLIN } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[0].revents)
			qemu_hear();
		if (p[1].revents && client.fd >= 0)
			client_hear();
		else if (p[1].revents)
			client_accept(listener);
		migration_follow();
	}
}

/* The path in "unix:PATH,...", malloc'd. */
static char *socket_path(const char *monitor)
{
	if (strncmp(monitor, "unix:", 5) != 0) {
		errno = EINVAL;
		die(monitor);
	}
	return strndup(monitor + 5, strcspn(monitor + 5, ","));
}

/*
 * The command line of QEMU, from `given`: its monitor is moved away, whose path is put into *path where there is one,
 * and a receiver stays paused.
 */
static char **qemu_arguments(char **given, char **path)
{
	char **arguments, *moved;
	size_t n;

	for (n = 0; given[n];)
		n++;
	arguments = calloc(n + 2, sizeof(*arguments));
	if (!arguments)
		die("memory");
	for (size_t i = 0; i < n; i++) {
		arguments[i] = given[i];
		if (strncmp(given[i], "cptcp:", 6) == 0) {
			arguments[i] += 2;
			options.receiver = true;
		}
		if (i == 0 || strcmp(given[i - 1], "-qmp") != 0)
			continue;
		*path = socket_path(given[i]);
		if (asprintf(&moved, "unix:%s.real,server=on,wait=off", *path) < 0)
			die("memory");
		arguments[i] = moved;
	}
	if (options.receiver)
		arguments[n] = "-S";
	return arguments;
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: mplcr-standin [OPTION]... QEMU ARGUMENT...\n");
	exit(2);
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = { { "capabilities", required_argument, NULL, 'c' },
					       { "version", required_argument, NULL, 'v' },
					       { "stuck", no_argument, NULL, 's' },
					       { "assert", no_argument, NULL, 'a' },
					       { 0 } };
	int *v = options.version, option;

	while ((option = getopt_long(argc, argv, "+", known, NULL)) != -1) {
		if (option == 'c')
			options.all_capabilities = strcmp(optarg, "all") == 0;
		else if (option == 's')
			options.stuck = true;
		else if (option == 'a')
			options.assert_second = true;
		else if (option != 'v' || sscanf(optarg, "%d.%d.%d", &v[0], &v[1], &v[2]) != 3)
			usage();
	}
	if (optind == argc)
		usage();
}

/* The proxy, which ends with its parent. */
static void start_proxy(const char *path)
{
	int listener = end_listen(path);
	char *real;
	pid_t pid;

	qemu_pid = getpid();
	pid = fork();
	if (pid < 0 || asprintf(&real, "%s.real", path) < 0)
		die("fork");
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != qemu_pid)
		_exit(1);
	proxy(listener, real);
}

int main(int argc, char **argv)
{
	char **arguments, *path = NULL;

	read_options(argc, argv);
	arguments = qemu_arguments(argv + optind, &path);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 }); /* it may be made to crash */
	signal(SIGPIPE, SIG_IGN);
	if (path)
		start_proxy(path);
	execvp(arguments[0], arguments);
	die(arguments[0]);
}
