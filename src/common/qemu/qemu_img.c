/* SPDX-License-Identifier: MIT */
#include "qemu/qemu_img.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "qemu/keyval.h"
#include "base/process.h"

int qemu_img_run(const char *const *argv, int64_t deadline, int interrupt, struct err *e)
{
	_cleanup_free_ char *output = NULL, *name = text_of("qemu-img %s", argv[1]);
	struct process process;

	if (process_start(&process, (char *const *)argv, -1, e) < 0)
		return -1;
	if (process_finish(&process, name, deadline, interrupt, &output, e) == 0)
		return 0;
	if (output && strcmp(output, strerror(ENOENT)) == 0)
		err_hint(e, "is qemu-img installed? (package qemu-utils)");
	return -1;
}

/* The image as --image-opts takes it; malloc'd. */
static char *image_options(const struct qemu_img_header *h)
{
	_cleanup_free_ char *file = keyval_escape(h->path);
	_cleanup_free_ char *data = h->data ? keyval_escape(h->data) : NULL;

	if (!data)
		return text_of("driver=%s,file.driver=file,file.filename=%s", h->format, file);
	return text_of("driver=%s,file.driver=file,file.filename=%s,data-file.driver=file,data-file.filename=%s",
		       h->format, file, data);
}

int qemu_img_set_backing(const struct qemu_img_header *h, const char *backing, const char *format, struct err *e)
{
	_cleanup_free_ char *options = image_options(h);
	const char *const name[] = { "qemu-img", "rebase", "-q",    "-u", "--image-opts", "-F", format,
				     "-b",       backing,  options, NULL };
	const char *const none[] = { "qemu-img", "rebase", "-q", "-u", "--image-opts", "-b", "", options, NULL };

	return qemu_img_run(backing ? name : none, h->deadline, h->interrupt, e);
}

int qemu_img_set_data(const struct qemu_img_header *h, const char *data, struct err *e)
{
	_cleanup_free_ char *options = image_options(h), *word = keyval_escape(data);
	_cleanup_free_ char *setting = text_of("data_file=%s", word);
	const char *const argv[] = { "qemu-img", "amend", "-q", "--image-opts", "-o", setting, options, NULL };

	return qemu_img_run(argv, h->deadline, h->interrupt, e);
}
