/* SPDX-License-Identifier: MIT */
#include "image/users.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/text.h"

static bool is_number(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* Notes a use, unless it was the last one that was noted: QEMU maps a memory file in many pieces. */
static void note(struct image_users *u, const struct image_user *use)
{
	const struct image_user *last = u->n ? &u->list[u->n - 1] : NULL;

	if (!last || last->device != use->device || last->inode != use->inode || last->pid != use->pid ||
	    last->writes != use->writes)
		*array_add(u->list, u->n) = *use;
}

/* --- processes -------------------------------------------------------------------------------------------------- */

/*
 * Both directories hold links, whose mode bits tell how the file is open or mapped (proc(5)). Returns whether the directory
 * could be read.
 */
static bool look_at_links(struct image_users *u, pid_t pid, const char *what)
{
	_cleanup_free_ char *path = text_of("/proc/%d/%s", (int)pid, what);
	bool mapped = strcmp(what, "fd") != 0;
	DIR *dir = opendir(path);
	const struct dirent *one;
	struct stat file, link;

	while (dir && (one = readdir(dir)) != NULL)
		if (one->d_name[0] != '.' && fstatat(dirfd(dir), one->d_name, &file, 0) == 0 && S_ISREG(file.st_mode) &&
		    fstatat(dirfd(dir), one->d_name, &link, AT_SYMLINK_NOFOLLOW) == 0)
			note(u, &(struct image_user){ file.st_dev, file.st_ino, pid, link.st_mode & S_IWUSR, mapped, -1 });
	if (dir)
		closedir(dir);
	return dir != NULL;
}

/*
 * A line of maps: "ADDRESS PERMISSIONS OFFSET DEVICE INODE PATH". Its device is not that of stat on btrfs, so the file is
 * looked at by its path, and must have that inode.
 */
static void look_at_mapping(struct image_users *u, pid_t pid, char *line)
{
	char permissions[8];
	unsigned long long inode;
	int at = 0;
	struct stat st;

	if (sscanf(line, "%*s %7s %*s %*s %llu %n", permissions, &inode, &at) != 2 || at == 0 || line[at] != '/')
		return;
	line[strcspn(line, "\n")] = '\0';
	if (stat(line + at, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == inode)
		note(u, &(struct image_user){ st.st_dev, st.st_ino, pid, permissions[1] == 'w' && permissions[3] == 's',
					      true, -1 });
}

/* For who may not read map_files (it wants CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE). */
static void look_at_maps(struct image_users *u, pid_t pid)
{
	_cleanup_free_ char *path = text_of("/proc/%d/maps", (int)pid), *line = NULL;
	_cleanup_fclose_ FILE *maps = fopen(path, "re");
	size_t room = 0;

	while (maps && getline(&line, &room, maps) >= 0)
		look_at_mapping(u, pid, line);
}

static bool is_of_other(pid_t pid)
{
	_cleanup_free_ char *path = text_of("/proc/%d", (int)pid);
	struct stat st;

	return stat(path, &st) == 0 && st.st_uid != geteuid();
}

static void look_at_process(struct image_users *u, pid_t pid)
{
	if (!look_at_links(u, pid, "fd")) {
		u->n_hidden += errno == EACCES && is_of_other(pid);
		return;
	}
	if (geteuid() != 0 || !look_at_links(u, pid, "map_files"))
		look_at_maps(u, pid);
}

static void look_at_processes(struct image_users *u)
{
	DIR *proc = opendir("/proc");
	const struct dirent *one;

	while (proc && (one = readdir(proc)) != NULL)
		if (is_number(one->d_name) && atoi(one->d_name) != getpid())
			look_at_process(u, atoi(one->d_name));
	if (proc)
		closedir(proc);
}

/* --- loop devices ----------------------------------------------------------------------------------------------- */

static void look_at_loop(struct image_users *u, int number)
{
	_cleanup_free_ char *path = text_of("/sys/block/loop%d/loop/backing_file", number), *line = NULL;
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	size_t room = 0;
	struct stat st;

	if (!file || getline(&line, &room, file) < 0)
		return;
	line[strcspn(line, "\n")] = '\0';
	if (stat(line, &st) == 0 && S_ISREG(st.st_mode))
		note(u, &(struct image_user){ st.st_dev, st.st_ino, 0, true, false, number });
}

static void look_at_loops(struct image_users *u)
{
	DIR *block = opendir("/sys/block");
	const struct dirent *one;

	while (block && (one = readdir(block)) != NULL)
		if (strncmp(one->d_name, "loop", 4) == 0 && is_number(one->d_name + 4))
			look_at_loop(u, atoi(one->d_name + 4));
	if (block)
		closedir(block);
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

static int compare_file(const struct image_user *a, const struct image_user *b)
{
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->inode == b->inode ? 0 : a->inode < b->inode ? -1 : 1;
}

static int compare(const void *one, const void *other)
{
	const struct image_user *a = one, *b = other;
	int order = compare_file(a, b);

	return order ? order : (int)b->writes - (int)a->writes;
}

void image_users_look(struct image_users *u)
{
	*u = (struct image_users){ 0 };
	look_at_processes(u);
	look_at_loops(u);
	if (u->n)
		qsort(u->list, u->n, sizeof(*u->list), compare);
}

const struct image_user *image_users_find(const struct image_users *u, dev_t device, ino_t inode)
{
	const struct image_user wanted = { .device = device, .inode = inode };
	size_t low = 0, high = u->n;

	while (low < high) { /* the first that is not before it */
		size_t middle = low + (high - low) / 2;

		if (compare_file(&u->list[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < u->n && compare_file(&u->list[low], &wanted) == 0 ? &u->list[low] : NULL;
}

const struct image_user *image_users_find_path(const struct image_users *u, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? image_users_find(u, st.st_dev, st.st_ino) : NULL;
}

pid_t image_users_pid(const char *path, bool writes)
{
	const struct image_user *user;
	struct image_users u;
	pid_t pid;

	image_users_look(&u);
	user = image_users_find_path(&u, path);
	pid = user && (user->writes || !writes) ? user->pid : 0;
	image_users_release(&u);
	return pid;
}

char *image_user_name(const struct image_user *user)
{
	_cleanup_free_ char *path = text_of("/proc/%d/comm", (int)user->pid);
	_cleanup_fclose_ FILE *file = user->loop < 0 ? fopen(path, "re") : NULL;
	char name[32] = "";

	if (user->loop >= 0)
		return text_of("/dev/loop%d", user->loop);
	if (!file || !fgets(name, sizeof(name), file))
		return text_of("process %d", (int)user->pid);
	name[strcspn(name, "\n")] = '\0';
	return text_of("process %d (%s)", (int)user->pid, name);
}

bool image_users_blind(const struct image_users *u)
{
	return geteuid() != 0 && u->n_hidden > 0;
}

void image_users_release(struct image_users *u)
{
	free(u->list);
	*u = (struct image_users){ 0 };
}
