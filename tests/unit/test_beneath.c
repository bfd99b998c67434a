/* SPDX-License-Identifier: MIT */
/* beneath.h, with openat2 and, behind a filter that hides it, without. */
#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "tap.h"

/* From now on the kernel does not know openat2, as it seems: as before Linux 5.6 (ENOSYS), or in a sandbox (EPERM). */
static bool hide(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static const struct {
	const char *name;
	int errors[2]; /* one of them, else */
} cases[] = {
	{ "file", { 0, 0 } },
	{ "sub/file", { 0, 0 } },
	{ "sub//file", { 0, 0 } },
	{ "sub", { 0, 0 } },
	{ "nosuch", { ENOENT, 0 } },
	{ "link", { ELOOP, 0 } },
	{ "sublink/file", { ELOOP, ENOTDIR } },
	{ "sub/out/file", { ELOOP, ENOTDIR } },
	{ "sub/../file", { EXDEV, 0 } }, /* openat2 knows that it stays inside */
	{ "../file", { EXDEV, 0 } },
	{ "sub/../../file", { EXDEV, 0 } },
	{ "pipe", { ENXIO, 0 } },
};

static void make(const char *dir)
{
	ok(chdir(dir) == 0 && mkdir("d", 0700) == 0 && mkdir("d/sub", 0700) == 0, "directories");
	ok(creat("d/file", 0600) >= 0 && creat("d/sub/file", 0600) >= 0 && creat("file", 0600) >= 0, "files");
	ok(symlink("file", "d/link") == 0 && symlink("sub", "d/sublink") == 0 && symlink("../..", "d/sub/out") == 0,
	   "links");
	ok(mkfifo("d/pipe", 0600) == 0, "a pipe");
}

static void try_all(const char *how)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_close_ int fd = beneath_open_at("d", cases[i].name);
		int error = fd < 0 ? errno : 0;
		bool expected = error == cases[i].errors[0] || error == cases[i].errors[1];

		if (strcmp(cases[i].name, "sub/../file") == 0)
			expected = fd >= 0 || expected;
		ok(expected, "%s: %s (%d)", how, cases[i].name, error);
	}
	ok(beneath_open_at("d", "/etc/passwd") < 0 && errno == EXDEV, "%s: an absolute name", how);
}

int main(void)
{
	char dir[] = "/tmp/test_beneath.XXXXXX";
	char *command;

	if (!mkdtemp(dir))
		return 1;
	make(dir);
	try_all("openat2");
	ok(hide(EPERM), "openat2 is forbidden");
	try_all("forbidden");
	ok(hide(ENOSYS), "openat2 is hidden");
	try_all("hidden");
	command = text_of("rm -rf '%s'", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
