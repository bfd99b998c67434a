/* SPDX-License-Identifier: MIT */
/* claim.h: where claims are, whom they name, when they hold no more, and what those of strangers do. */
#include "checkpoint/claim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "image_builder.h"
#include "in_root.h"
#include "tap.h"

static void make(const char *base, const char *user)
{
	struct err e;

	if (claim_make(base, user, "mplcr-restore", false, &e) < 0)
		printf("# %s\n", e.text);
}

static size_t count(const char *place, bool *gone, bool *authentic)
{
	struct claims c;
	size_t n;

	claims_read(&c, in(place));
	n = c.n;
	*gone = n > 0 && claim_is_gone(&c.list[0]);
	*authentic = n > 0 && c.list[0].authentic;
	claims_release(&c);
	return n;
}

static void test_places(void)
{
	_cleanup_free_ char *plain = claim_place("/v/a/base.img"), *disks = claim_place("/v/x1.ckpt/disks/d0.qcow2");
	_cleanup_free_ char *deep = claim_place("/v/x1.ckpt/disks/x2.ckpt/disks/d0"), *top = claim_place("/base.img");

	ok(strcmp(plain, "/v/a") == 0, "a base has its claims beside it");
	ok(strcmp(disks, "/v") == 0 && strcmp(deep, "/v") == 0, "one in a checkpoint beside that");
	ok(strcmp(top, "/") == 0, "in the root directory");
	ok(!claim_needed("/v/base.img", "/v/run/d0.ovl"), "who is below needs none");
	ok(claim_needed("/v/a/base.img", "/v/run/d0.ovl") && claim_needed("/v/base.img", "/vv/d0.ovl"), "others do");
}

static void test_life(void)
{
	bool gone, authentic;

	image_build(in("v/base"), NULL, NULL);
	image_build(in("else/user"), in("v/base"), "qcow2");
	make(in("v/base"), in("else/user"));
	ok(count("v", &gone, &authentic) == 1 && !gone && authentic, "an authentic claim that holds");
	ok(claim_is_left(in("v/base"), in("else/user")) && claim_vouches(in("v/base"), in("else/user")), "it is found");
	make(in("v/base"), in("else/user"));
	ok(count("v", &gone, &authentic) == 1, "made again it is the same");
	claims_sweep(in("v"));
	ok(count("v", &gone, &authentic) == 1, "sweeping leaves it");

	must(rename(in("else/user"), in("else/moved")));
	if (geteuid() == 0)
		ok(count("v", &gone, &authentic) == 1 && !gone, "a user that moved is followed");
	must(unlink(in("else/moved")));
	ok(count("v", &gone, &authentic) == 1 && gone, "without its user it is gone");
	image_build(in("else/filler"), NULL, NULL); /* takes the inode that was freed */
	image_build(in("v/other"), NULL, NULL);
	image_build(in("else/user"), in("v/other"), "qcow2");
	ok(count("v", &gone, &authentic) == 1 && gone, "and where that has another backing file");
	ok(!claim_vouches(in("v/base"), in("else/user")), "which it does not vouch for");
	image_build(in("else/user"), in("else/missing"), "qcow2");
	ok(count("v", &gone, &authentic) == 1 && !gone, "but not where that cannot be read");
	must(truncate(in("else/user"), 0));
	ok(count("v", &gone, &authentic) == 1 && !gone, "nor where it is no image yet");
	image_build(in("else/user"), in("v/other"), "qcow2");
	claims_sweep(in("v"));
	ok(count("v", &gone, &authentic) == 0 && access(in("v/" CLAIMS_DIR), F_OK) < 0, "sweeping removes all");
}

static void test_drop(void)
{
	bool gone, authentic;

	image_build(in("else/user"), in("v/base"), "qcow2");
	make(in("v/base"), in("else/user"));
	must(unlink(in("else/user")));
	claim_drop(in("v/base"), in("else/nobody"));
	ok(count("v", &gone, &authentic) == 1, "dropping that of another leaves it");
	claim_drop(in("v/base"), in("else/user"));
	ok(count("v", &gone, &authentic) == 0, "dropping removes it");
}

static void write_text(const char *path, const char *text)
{
	struct err e;

	unlink(path);
	must(file_create(AT_FDCWD, path, text, strlen(text), &e));
}

static void test_strangers(void)
{
	bool gone, authentic;
	struct claims c;

	image_build(in("else/user"), in("v/base"), "qcow2");
	make(in("v/base"), in("else/user"));
	must(setenv("MPLCR_KEY", in("other-key"), 1));
	ok(count("v", &gone, &authentic) == 1 && !gone && !authentic, "of another key it is a stranger's");
	image_build(in("else/user"), in("v/other"), "qcow2");
	ok(count("v", &gone, &authentic) == 1 && !gone, "whose user is not opened");
	must(unlink(in("else/user")));
	ok(count("v", &gone, &authentic) == 1 && gone, "and holds no more without that");
	claims_sweep(in("v"));
	ok(count("v", &gone, &authentic) == 1, "but stays");
	must(setenv("MPLCR_KEY", in("key"), 1));
	claims_sweep(in("v"));

	must(mkdir(in("v/" CLAIMS_DIR), 0700));
	must(mkfifo(in("v/" CLAIMS_DIR "/fifo.json"), 0600));
	must(symlink("/etc/passwd", in("v/" CLAIMS_DIR "/link.json")));
	write_text(in("v/" CLAIMS_DIR "/empty.json"), "");
	write_text(in("v/" CLAIMS_DIR "/none"), "");
	claims_read(&c, in("v"));
	ok(c.n == 0 && c.n_unread == 3, "what is no claim is counted");
	claims_release(&c);
}

/* Another host's files cannot be looked for here. */
static void test_hosts(void)
{
	struct claim c = { .user = in("else/nobody"), .base = in("v/base"), .host = "another", .authentic = true };

	ok(!claim_is_gone(&c), "a claim of another host holds");
}

static void test_links(void)
{
	struct err e;

	must(mkdir(in("w"), 0700));
	must(mkdir(in("target"), 0700));
	must(symlink(in("target"), in("w/" CLAIMS_DIR)));
	image_build(in("w/base"), NULL, NULL);
	image_build(in("else/user"), in("w/base"), "qcow2");
	ok(claim_make(in("w/base"), in("else/user"), "x", false, &e) < 0, "a link is no place for claims");
	ok(rmdir(in("target")) == 0, "nothing was written there");
}

int main(void)
{
	struct err e;

	strcpy(root, "/tmp/mplcr-claim.XXXXXX");
	if (!mkdtemp(root))
		return 1;
	must(setenv("MPLCR_KEY", in("key"), 1));
	must(mkdir(in("v"), 0700));
	must(mkdir(in("else"), 0700));
	test_places();
	test_life();
	test_drop();
	test_strangers();
	test_hosts();
	test_links();
	if (dir_remove_tree(root, &e) < 0)
		printf("# %s\n", e.text);
	return done();
}
