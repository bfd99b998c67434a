/* SPDX-License-Identifier: MIT */
/*
 * One QMP command from the shell, for the tests.  It shares no code with the tools, so that a test has a second
 * opinion.
 *
 *     qmp [-t SECONDS] SOCKET COMMAND [ARGUMENTS]   prints the return value as compact JSON
 *     qmp [-t SECONDS] SOCKET hmp 'COMMAND LINE'    prints what the human monitor says
 *     qmp [-t SECONDS] SOCKET wait EVENT            prints the first such event that comes from now on
 *
 * ARGUMENTS is one JSON object, or words NAME=VALUE where VALUE is JSON if it parses as such and else a string.
 * Waits for the socket to appear.  Exits 1 with QEMU's error on stderr when there is one, or after SECONDS
 * ($QMP_SECONDS, or 10).
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "qmp: %s: %s\n", what, why);
    _exit(1); /* what is held is no leak: it ends here */
}

/* One alarm bounds everything: connecting, the greeting that a busy monitor never sends, the answer. */
static void on_alarm(int number)
{
    static const char text[] = "qmp: no answer in time\n";

    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    _exit(1);
}

static FILE *connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket", strerror(errno));
    if (strlen(path) >= sizeof address.sun_path)
        die(path, "name is too long for a socket");
    strcpy(address.sun_path, path);
    while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno != ENOENT && errno != ECONNREFUSED)
            die(path, strerror(errno));
        usleep(2000);
    }
    return fdopen(fd, "r+");
}

static json_t *receive(FILE *monitor)
{
    char *line = NULL;
    size_t size = 0;
    json_t *message;

    if (getline(&line, &size, monitor) < 0)
        die("monitor", "connection closed");
    message = json_loads(line, 0, NULL);
    if (!message)
        die("not JSON", line);
    free(line);
    return message;
}

static void print(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
}

/* Sends the command; takes over `arguments`.  Events that come before the answer are passed over. */
static json_t *execute(FILE *monitor, const char *command, json_t *arguments)
{
    json_t *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    json_t *message, *value;
    int fd = fileno(monitor);
    char *text = json_dumps(request, JSON_COMPACT);

    if (dprintf(fd, "%s\n", text) < 0)
        die("monitor", strerror(errno));
    free(text);
    json_decref(request);
    for (;;) {
        message = receive(monitor);
        if ((value = json_object_get(message, "error")))
            die(command, json_string_value(json_object_get(value, "desc")));
        if ((value = json_object_get(message, "return"))) {
            json_incref(value);
            json_decref(message);
            return value;
        }
        json_decref(message);
    }
}

static void wait_event(FILE *monitor, const char *name)
{
    for (;;) {
        json_t *message = receive(monitor);
        const char *event = json_string_value(json_object_get(message, "event"));

        if (event && !strcmp(event, name)) {
            print(message);
            json_decref(message);
            return;
        }
        json_decref(message);
    }
}

static json_t *parse_arguments(int n, char **words)
{
    json_t *arguments;

    if (n == 0)
        return NULL;
    if (words[0][0] == '{') {
        arguments = json_loads(words[0], 0, NULL);
        if (!arguments)
            die("arguments are not JSON", words[0]);
        return arguments;
    }
    arguments = json_object();
    for (int i = 0; i < n; i++) {
        char *value = strchr(words[i], '=');
        json_t *parsed;

        if (!value)
            die("no NAME=VALUE", words[i]);
        *value++ = '\0';
        parsed = json_loads(value, JSON_DECODE_ANY, NULL);
        json_object_set_new(arguments, words[i], parsed ? parsed : json_string(value));
    }
    return arguments;
}

int main(int argc, char **argv)
{
    const char *given = getenv("QMP_SECONDS");
    unsigned seconds = given ? (unsigned)strtoul(given, NULL, 10) : 10;
    json_t *result;
    FILE *monitor;
    int option;

    while ((option = getopt(argc, argv, "+t:")) != -1) {
        if (option != 't')
            return 2;
        seconds = (unsigned)strtoul(optarg, NULL, 10);
    }
    argv += optind;
    argc -= optind;
    if (argc < 2) {
        fprintf(stderr, "usage: qmp [-t SECONDS] SOCKET COMMAND|hmp|wait [ARGUMENTS]\n");
        return 2;
    }

    signal(SIGALRM, on_alarm);
    signal(SIGPIPE, SIG_IGN);
    alarm(seconds);
    monitor = connect_to(argv[0]);
    json_decref(receive(monitor));
    json_decref(execute(monitor, "qmp_capabilities", NULL));

    if (!strcmp(argv[1], "wait") && argc == 3) {
        wait_event(monitor, argv[2]);
    } else if (!strcmp(argv[1], "hmp") && argc == 3) {
        result = execute(monitor, "human-monitor-command", json_pack("{s:s}", "command-line", argv[2]));
        fputs(json_string_value(result), stdout);
        json_decref(result);
    } else {
        result = execute(monitor, argv[1], parse_arguments(argc - 2, argv + 2));
        print(result);
        json_decref(result);
    }
    fclose(monitor);
    return fflush(stdout) ? 1 : 0;
}
