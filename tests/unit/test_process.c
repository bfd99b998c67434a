/* SPDX-License-Identifier: MIT */
/* process.h: programs that are given input, fail, hang, leave children behind. */
#include "base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "tap.h"

/* Runs `script` in a shell for at most `ms`. Returns what process_finish did; *output is the caller's, or NULL. */
static int run(const char *script, int input, int ms, int interrupt, char **output, struct err *e)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	struct process p;

	*output = NULL;
	*e = (struct err){ 0 };
	if (process_start(&p, argv, input, e) < 0)
		return -1;
	return process_finish(&p, "the script", clock_in_ms(ms), interrupt, output, e);
}

static bool says(int result, char *output, const char *expected)
{
	bool same = result == 0 && output && strcmp(output, expected) == 0;

	free(output);
	return same;
}

static void input_and_output(void)
{
	int fd = memfd_create("input", MFD_CLOEXEC), result;
	struct err e;
	char *output;

	if (fd < 0 || write(fd, "one\ntwo\n", 8) != 8 || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	result = run("cat; echo three >&2", fd, 10000, -1, &output, &e);
	ok(says(result, output, "one\ntwo\nthree\n"), "it gets its input; output and errors are caught");
	ok(fcntl(fd, F_GETFD) >= 0, "the input stays the caller's");
	close(fd);
	result = run("cat", -1, 10000, -1, &output, &e);
	ok(says(result, output, ""), "no input is an empty one");
	result = run("kill -TERM $$; echo alive", -1, 10000, -1, &output, &e);
	ok(result == -1 && strstr(e.text, "the script failed"),
	   "it can be ended by a signal, whatever we have blocked");
	free(output);
	result = run("yes 0123456789 | head -c 3000000", -1, 10000, -1, &output, &e);
	ok(result == 0 && output && strlen(output) == 1 << 20, "of much output, a MiB is kept");
	free(output);
}

static void failures(void)
{
	char *argv[] = { "/nosuch/program", NULL };
	struct process p;
	struct err e;
	char *output;
	int result = run("echo no room; exit 3", -1, 10000, -1, &output, &e);

	ok(result == -1 && strcmp(e.text, "the script failed: no room") == 0 && e.status == EXIT_FAILED,
	   "its own words: %s", e.text);
	free(output);
	ok(process_start(&p, argv, -1, &e) == 0 &&
		   process_finish(&p, "it", clock_in_ms(60000), -1, &output, &e) == -1 &&
		   strstr(e.text, "No such file or directory"),
	   "a program that is not there: %s", e.text);
	free(output);
	ok(p.pid == 0 && p.fd == -1, "finished");
	ok(process_failed("it", NULL, &e) == -1 && strcmp(e.text, "it failed: it gave no reason") == 0, "%s", e.text);
	ok(process_failed("it", "\n\n", &e) == -1 && strcmp(e.text, "it failed: it gave no reason") == 0,
	   "empty lines are nothing");
	ok(process_failed("it", "one\ntwo\n\n", &e) == -1 && !strchr(e.text, '\n') && strstr(e.text, "one;") &&
		   strstr(e.text, "two"),
	   "lines become one: %s", e.text);
}

/* The process `pid`, a child of nobody's here, is gone soon. */
static bool is_gone(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		char path[64], state = '?';
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		f = fopen(path, "re");
		if (!f)
			return true;
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = '?';
		fclose(f);
		if (state == 'Z') /* nobody may collect it here */
			return true;
		usleep(10000);
	}
	return false;
}

/* Runs `script`, whose $1 is a file for the number of its child, for 0.3 s. Returns whether both have ended by then. */
static bool ends_in_time(const char *script, int interrupt, struct err *e)
{
	char file[] = "/tmp/test_process.XXXXXX", *argv[] = { "sh", "-c", (char *)script, "sh", file, NULL };
	int fd = mkstemp(file), child = 0;
	int64_t began = clock_ns();
	char *output = NULL;
	struct process p;
	bool ended;
	FILE *f;

	close(fd);
	ended = process_start(&p, argv, -1, e) == 0 &&
		process_finish(&p, "the script", clock_in_ms(300), interrupt, &output, e) == -1 &&
		clock_ms_between(began, clock_ns()) < 5000 && !output;
	f = fopen(file, "re");
	if (fscanf(f, "%d", &child) == 1)
		ended &= is_gone(child);
	fclose(f);
	unlink(file);
	return ended;
}

static void bounds(void)
{
	int ends[2];
	struct err e;

	ok(ends_in_time("sleep 20 & echo $! >$1; sleep 20", -1, &e) && strstr(e.text, "the script did not end in time"),
	   "what does not end is ended, and its children: %s", e.text);
	ok(ends_in_time("sleep 20 & echo $! >$1", -1, &e) && strstr(e.text, "did not end in time"),
	   "so is what it left with its output");
	ok(ends_in_time("exec >/dev/null 2>&1; sleep 20 & echo $! >$1; sleep 20", -1, &e) &&
		   strstr(e.text, "did not end in time"),
	   "closing its output gives it no more time");
	if (pipe(ends) < 0 || write(ends[1], "x", 1) != 1)
		abort();
	ok(ends_in_time("sleep 20 & echo $! >$1; sleep 20", ends[0], &e) && strcmp(e.text, "interrupted") == 0,
	   "it is ended on request: %s", e.text);
}

/* As `run`, with limits. */
static int run_as(const char *script, struct process_setup setup, char **output, struct err *e)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	struct process p;

	*output = NULL;
	if (process_start_as(&p, argv, &setup, e) < 0)
		return -1;
	return process_finish(&p, "the script", clock_in_ms(60000), -1, output, e);
}

static void setups(void)
{
	struct process_setup apart = { .input = -1, .errors_apart = true };
	struct err e;
	char *output;
	int result = run_as("echo data; yes error | head -c 3000000 >&2; echo end", apart, &output, &e);

	ok(says(result, output, "data\nend\n"), "errors apart, however many");
	result = run_as("echo data; echo why >&2; exit 2", apart, &output, &e);
	ok(result == -1 && strcmp(e.text, "the script failed: why") == 0 && strcmp(output, "data\n") == 0,
	   "a failure still has its data: %s", e.text);
	free(output);
	result = run_as("x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#x}",
			(struct process_setup){ .input = -1, .memory = 64 << 20 }, &output, &e);
	ok(!output || strcmp(output, "100000000\n") != 0, "no more memory than it may");
	free(output);
	result = run_as("while :; do :; done", (struct process_setup){ .input = -1, .cpu_seconds = 1 }, &output, &e);
	ok(result == -1 && strstr(e.text, "more processor time"), "%s", e.text);
	free(output);
}

int main(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	input_and_output();
	failures();
	bounds();
	setups();
	return done();
}
