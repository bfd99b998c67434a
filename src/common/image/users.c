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
#include "base/memory.h"
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

/* --- what is open ----------------------------------------------------------------------------------------------- */

/* Links, whose mode bits tell how the file is open (proc(5)). Returns whether the directory could be read. */
static bool look_at_fds(struct image_users *u, pid_t pid)
{
	_cleanup_free_ char *path = text_of("/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	const struct dirent *one;
	struct stat file, link;

	while (dir && (one = readdir(dir)) != NULL)
		if (one->d_name[0] != '.' && fstatat(dirfd(dir), one->d_name, &file, 0) == 0 && S_ISREG(file.st_mode) &&
		    fstatat(dirfd(dir), one->d_name, &link, AT_SYMLINK_NOFOLLOW) == 0)
			note(u, &(struct image_user){ file.st_dev, file.st_ino, pid, link.st_mode & S_IWUSR, false, -1 });
	if (dir)
		closedir(dir);
	return dir != NULL;
}

/* --- what is mapped ----------------------------------------------------------------------------------------------- */

/*
 * A file as maps tells of it. Most are libraries that every process maps: each is looked at once, whoever maps it, which
 * makes a look some ten times as fast. (The path tells files apart whose device and inode are the same, as those of two
 * subvolumes of btrfs are in maps.)
 */
struct mapped {
	char *path, *device;
	unsigned long long inode;
	bool regular;
	struct stat st;
};

struct mappings {
	struct mapped *list; /* an open hash table */
	size_t n, room;      /* a power of two */
};

static struct mapped *slot(const struct mappings *m, const struct mapped *wanted)
{
	size_t at = (wanted->inode * 0x9e3779b97f4a7c15 >> 20) & (m->room - 1);

	for (;; at = (at + 1) & (m->room - 1)) {
		struct mapped *there = &m->list[at];

		if (!there->path || (there->inode == wanted->inode && strcmp(there->device, wanted->device) == 0 &&
				     strcmp(there->path, wanted->path) == 0))
			return there;
	}
}

static void make_room(struct mappings *m)
{
	struct mappings old = *m;

	if (2 * m->n < m->room)
		return;
	m->room = old.room ? 2 * old.room : 1024;
	m->list = memory_of(m->room, sizeof(*m->list));
	for (size_t i = 0; i < old.room; i++)
		if (old.list[i].path)
			*slot(m, &old.list[i]) = old.list[i];
	free(old.list);
}

static void mappings_release(struct mappings *m)
{
	for (size_t i = 0; i < m->room; i++) {
		free(m->list[i].path);
		free(m->list[i].device);
	}
	free(m->list);
}

/*
 * What the file is that is mapped at `range`: as map_files shows it, also where it has no name any more; who may not
 * read that (it wants CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE) looks at the path, which must have that inode.
 */
static bool stat_mapped(pid_t pid, const char *range, const struct mapped *m, struct stat *st)
{
	_cleanup_free_ char *link = text_of("/proc/%d/map_files/%s", (int)pid, range);

	return (stat(link, st) == 0 || (stat(m->path, st) == 0 && st->st_ino == m->inode)) && S_ISREG(st->st_mode);
}

/* A line of maps: "RANGE PERMISSIONS OFFSET DEVICE INODE PATH". (Its device is not that of stat on btrfs.) */
static void look_at_mapping(struct image_users *u, struct mappings *known, pid_t pid, char *line)
{
	char *save = NULL, *range = strtok_r(line, " ", &save), *permissions = strtok_r(NULL, " ", &save);
	char *offset = strtok_r(NULL, " ", &save), *device = strtok_r(NULL, " ", &save);
	char *inode = strtok_r(NULL, " ", &save);
	struct mapped wanted = { .device = device }, *m;

	if (!offset || !inode)
		return;
	wanted.inode = strtoull(inode, NULL, 10);
	wanted.path = save + strspn(save, " ");
	if (wanted.inode == 0 || wanted.path[0] != '/')
		return;
	make_room(known);
	m = slot(known, &wanted);
	if (!m->path) {
		*m = (struct mapped){ text_copy(wanted.path), text_copy(device), wanted.inode, false, { 0 } };
		m->regular = stat_mapped(pid, range, &wanted, &m->st);
		known->n++;
	}
	if (m->regular)
		note(u, &(struct image_user){ m->st.st_dev, m->st.st_ino, pid,
					      permissions[1] == 'w' && permissions[3] == 's', true, -1 });
}

static void look_at_maps(struct image_users *u, struct mappings *known, pid_t pid)
{
	_cleanup_free_ char *path = text_of("/proc/%d/maps", (int)pid), *line = NULL;
	_cleanup_fclose_ FILE *maps = fopen(path, "re");
	size_t room = 0;

	while (maps && getline(&line, &room, maps) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		look_at_mapping(u, known, pid, line);
	}
}

/* --- processes -------------------------------------------------------------------------------------------------- */

static bool is_of_other(pid_t pid)
{
	_cleanup_free_ char *path = text_of("/proc/%d", (int)pid);
	struct stat st;

	return stat(path, &st) == 0 && st.st_uid != geteuid();
}

static void look_at_process(struct image_users *u, struct mappings *known, pid_t pid)
{
	if (look_at_fds(u, pid))
		look_at_maps(u, known, pid);
	else
		u->n_hidden += errno == EACCES && is_of_other(pid);
}

static void look_at_processes(struct image_users *u)
{
	DIR *proc = opendir("/proc");
	struct mappings known = { 0 };
	const struct dirent *one;

	while (proc && (one = readdir(proc)) != NULL)
		if (is_number(one->d_name) && atoi(one->d_name) != getpid())
			look_at_process(u, &known, atoi(one->d_name));
	if (proc)
		closedir(proc);
	mappings_release(&known);
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

	if (order)
		return order;
	return a->writes != b->writes ? b->writes - a->writes : a->mapped - b->mapped;
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
