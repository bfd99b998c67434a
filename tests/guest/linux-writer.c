/* SPDX-License-Identifier: MIT */
/*
 * The only process of the Linux guest (tests/setup/linux.sh builds it for the initramfs, statically).
 *
 *     linux-writer FILE CONSOLE
 *
 * Appends numbered, fixed-length records to FILE, goes on after the last one that it finds there, and says "ACK n" on
 * the console only when fsync has returned for record n: from then on, losing record n is a fault.  Says "READY n" first,
 * n being the number of records found.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD_LENGTH  64       /* "record %010u", spaces, newline */
#define PAUSE_NS       10000000

static int console;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char line[128];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (write(console, line, strlen(line)) < 0)
        _exit(1);
}

/* Process 1 must not end. */
static _Noreturn void fail(const char *what)
{
    say("ERROR %s: %m\n", what);
    for (;;)
        pause();
}

/* A record that is not the next one means that the file system lost or mixed up data: it is never written over. */
static unsigned count_records(int file)
{
    char record[RECORD_LENGTH + 1] = "";
    unsigned n = 0;
    ssize_t got;

    while ((got = read(file, record, RECORD_LENGTH)) == RECORD_LENGTH)
        if (strtoul(record + strlen("record "), NULL, 10) != ++n)
            fail("records are out of order");
    if (got != 0)
        fail("the last record is cut");
    return n;
}

int main(int argc, char **argv)
{
    char record[RECORD_LENGTH + 1];
    int file;
    unsigned n;

    if (argc != 3)
        return 2;
    console = open(argv[2], O_WRONLY | O_NOCTTY);
    if (console < 0)
        return 1;
    file = open(argv[1], O_RDWR | O_CREAT | O_APPEND, 0644);
    if (file < 0)
        fail("open");

    n = count_records(file);
    say("READY %u\n", n);
    for (;;) {
        n++;
        snprintf(record, sizeof record, "record %010u%46s\n", n, "");
        if (write(file, record, RECORD_LENGTH) != RECORD_LENGTH)
            fail("write");
        if (fsync(file) != 0)
            fail("fsync");
        say("ACK %u\n", n);
        nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
    }
}
