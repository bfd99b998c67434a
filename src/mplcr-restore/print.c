/* SPDX-License-Identifier: MIT */
/* --print: the commands that do by hand what a restore does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cli.h"
#include "base/escape.h"
#include "base/path.h"
#include "base/text.h"
#include "qemu/secrets.h"
#include "restore.h"

/*
 * A character of a word in '…'. What could command a terminal is made by printf(1) in the shell that reads it, so that the
 * word is still the same. (Not a line feed: $(…) would drop it, and it does no harm.)
 */
static size_t print_quoted(const char *word)
{
	size_t n = *word == '\n' ? 1 : escape_plain(word);

	if (*word == '\'')
		fputs("'\\''", stdout);
	else if (n)
		fwrite(word, 1, n, stdout);
	else
		printf("'\"$(printf '\\%03o')\"'", (unsigned char)*word);
	return n ? n : 1;
}

/* Prints `word` so that a POSIX shell reads it as one word. */
static void print_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";

	if (*word && strspn(word, plain) == strlen(word)) {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	while (*word)
		word += print_quoted(word);
	putchar('\'');
}

static void print_words(char *const *words)
{
	for (; *words; words++) {
		print_word(*words);
		if (words[1])
			putchar(' ');
	}
}

static int print_overlays(const struct plan *p, struct err *e)
{
	size_t n;
	struct overlay *list = run_overlays(p, &n, e);

	if (!list)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char **argv = overlay_command(&list[i]);

		print_words(argv);
		putchar('\n');
		text_list_free(argv);
	}
	run_overlays_free(list, n);
	return 0;
}

static void print_included(const struct plan *p)
{
	if (p->m->n_included == 0)
		return;
	fputs("mkdir -m 700 ", stdout);
	print_word(p->dir);
	puts("/" INCLUDED_DIR);
	for (size_t i = 0; i < p->m->n_included; i++) {
		_cleanup_free_ char *from = path_join(p->m->checkpoint, p->m->included[i].copy.name);

		fputs("install -m 600 ", stdout);
		print_word(from);
		putchar(' ');
		print_word(p->included[i]);
		putchar('\n');
	}
}

/* QEMU in the background of the shell, its words in the log; with --foreground as it is. */
static void print_qemu(const struct plan *p)
{
	unsigned changed;
	char **masked = secrets_masked(p->c.argv, &changed);

	if (changed && !p->o->secrets)
		cli_note("%u values with passwords or keys are printed as " SECRET_MASK ": --secrets prints them",
			 changed);
	if (p->cwd) {
		fputs("(cd ", stdout);
		print_word(p->cwd);
		fputs(" && exec ", stdout);
	}
	print_words(p->o->secrets ? p->c.argv : masked);
	if (p->cwd)
		putchar(')');
	if (!p->o->foreground) {
		fputs(" </dev/null >", stdout);
		print_word(p->log);
		fputs(" 2>&1 &", stdout);
	}
	putchar('\n');
	text_list_free(masked);
}

static void print_cont(const struct plan *p)
{
	if (p->o->paused || !p->m->saved_paused)
		return;
	fputs("# Once the monitor is there, this lets the guest run:\n", stdout);
	fputs("printf '%s\\n' '{\"execute\":\"qmp_capabilities\"}' '{\"execute\":\"cont\"}' | "
	      "socat -t 5 - UNIX-CONNECT:", stdout);
	print_word(p->socket);
	putchar('\n');
}

int print_commands(const struct plan *p, struct err *e)
{
	fputs("mkdir -m 700 ", stdout);
	print_word(p->dir);
	putchar('\n');
	if (print_overlays(p, e) < 0)
		return -1;
	print_included(p);
	print_qemu(p);
	print_cont(p);
	return cli_flush(e);
}
