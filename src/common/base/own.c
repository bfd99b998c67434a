/* SPDX-License-Identifier: MIT */
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/host.h"
#include "base/json.h"
#include "base/text.h"

/* The first line of a small file. */
static char *line_of(const char *path)
{
	struct err ignored;
	size_t size;
	char *text = file_read(AT_FDCWD, path, 4096, &size, &ignored);

	if (!text)
		return text_copy("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

char *own_boot(void)
{
	return line_of("/proc/sys/kernel/random/boot_id");
}

int own_file(int dirfd, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "it cannot be opened");
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(e, "it is a link, or not a file");
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return err_set(e, "others can have written it");
	return 0;
}

int own_signed(const struct key *k, const char *kind, const json_t *record, struct err *e)
{
	switch (key_verify(k, kind, record)) {
	case KEY_UNSIGNED:
		return err_set(e, "it is not signed");
	case KEY_FOREIGN:
		return err_set(e, "it is not signed with the key of this user on this host, or was changed");
	case KEY_AUTHENTIC:
		break;
	}
	return 0;
}

int own_written_here(const json_t *record, struct err *e)
{
	_cleanup_free_ char *host = host_id();
	const char *of = json_text(record, "host");

	if (!of || strcmp(of, host) != 0 || json_int(record, "uid", -1) != (int64_t)geteuid())
		return err_set(e, "it was written on another host, or by another user");
	return 0;
}
