/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a running adit, and what it answers. */
#include "cli/ctl.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "base/err.h"
#include "cli/print.h"

#define SERVER_SOCKET "/run/adit/server.sock"
#define CLIENT_SOCKET "/run/adit/client.sock"

struct command {
	const char *name;
	const char *arguments;
	int names_min, names_max;
	bool endless; /* a line an event, until the other end leaves */
	void (*print)(FILE *to, const json_t *answer);
	const char *help;
};

static const struct command commands[] = {
	{ "status", "", 0, 0, false, print_status,
	  "Shows version, counters that are not zero, and sessions of a running adit." },
	{ "sessions", "", 0, 0, false, print_sessions, "Shows the sessions of a running adit." },
	{ "events", "", 0, 0, true, print_event,
	  "Shows the sessions that live, then \"ready\", then what happens until it is ended." },
	{ "disconnect", " NAME", 1, 1, false, print_told, "Ends the sessions of the peer called NAME." },
	{ "rekey", " [NAME]", 0, 1, false, print_told,
	  "Begins a new generation of keys, for all sessions or for those of NAME." },
};

struct options {
	const char *name; /* of a peer, or NULL */
	const char *socket;
	bool json;
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int usage(FILE *to, const struct command *command, int code)
{
	fprintf(to,
		"usage: adit %s%s [--socket PATH] [--json]\n"
		"\n"
		"%s\n"
		"\n"
		"  --socket PATH  control socket; by default " SERVER_SOCKET ",\n"
		"                 else " CLIENT_SOCKET "\n"
		"  --json         print JSON, as docs/%s.schema.json has it\n"
		"\n"
		"Exit codes: 0 done, 1 no adit answers or it refuses, 64 bad usage.\n",
		command->name, command->arguments, command->help, command->name);
	return code;
}

/* Return: -1 to go on, else the exit code. */
static int read_options(const struct command *command, int argc, char **argv, struct options *out)
{
	int c, names;

	*out = (struct options){ 0 };
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (c == 's')
			out->socket = optarg;
		else if (c == 'j')
			out->json = true;
		else
			return usage(c == 'h' ? stdout : stderr, command, c == 'h' ? EX_OK : EX_USAGE);
	}
	names = argc - optind;
	if (names < command->names_min || names > command->names_max)
		return usage(stderr, command, EX_USAGE);
	out->name = names ? argv[optind] : NULL;
	return -1;
}

/* Return: -1 with @out, else the exit code. */
static int find_socket(const char **out)
{
	bool server = access(SERVER_SOCKET, F_OK) == 0, client = access(CLIENT_SOCKET, F_OK) == 0;

	if (server && client) {
		fprintf(stderr, "adit: both a gateway and a client run here: choose by --socket " SERVER_SOCKET
				" or --socket " CLIENT_SOCKET "\n");
		return EX_USAGE;
	}
	if (!server && !client) {
		fprintf(stderr, "adit: no adit runs here: there is neither " SERVER_SOCKET " nor " CLIENT_SOCKET "\n");
		return 1;
	}
	*out = server ? SERVER_SOCKET : CLIENT_SOCKET;
	return -1;
}

static int connect_to(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd;

	if (snprintf(name.sun_path, sizeof(name.sun_path), "%s", path) >= (int)sizeof(name.sun_path))
		return ERR_TOO_BIG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return ERR_SYS;
}

static char *request_line(const char *command, const char *name)
{
	json_t *request = json_pack("{s:s, s:s*}", "command", command, "name", name);
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	return line;
}

/* A failed write is no verdict: the other end may have refused us already, and its line waits to be read. */
static void send_line(int fd, const char *line)
{
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) >= 0)
		send(fd, "\n", 1, MSG_NOSIGNAL);
}

/* Return: 0, or the exit code 1 for an answer that says no. */
static int show(const struct command *command, const struct options *options, const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, 0, NULL);
	const char *error = json_string_value(json_object_get(answer, "error"));
	int code = answer && !error ? EX_OK : 1;

	if (error)
		print_refusal(stderr, error);
	else if (!answer)
		fprintf(stderr, "adit: the answer is not JSON\n");
	else if (options->json)
		print_json(stdout, answer);
	else
		command->print(stdout, answer);
	json_decref(answer);
	return code;
}

static int show_answers(const struct command *command, const struct options *options, FILE *from)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int code = EX_OK;

	while (code == EX_OK && (len = getline(&line, &cap, from)) > 0) {
		code = show(command, options, line, (size_t)len);
		if (!command->endless)
			goto out;
		fflush(stdout);
	}
	if (code == EX_OK) {
		fprintf(stderr, "adit: the connection has ended\n");
		code = 1;
	}
out:
	free(line);
	return code;
}

static int talk(const struct command *command, const struct options *options, const char *path)
{
	char *line = request_line(command->name, options->name);
	FILE *from = NULL;
	int fd, code = 1;

	if (!line) {
		fprintf(stderr, "adit: the name is not UTF-8\n");
		return EX_USAGE;
	}
	fd = connect_to(path);
	if (fd < 0 || !(from = fdopen(fd, "r"))) {
		fprintf(stderr, "adit: cannot connect to %s: %s\n", path, err_text(fd < 0 ? fd : ERR_SYS));
		goto out;
	}
	send_line(fd, line);
	code = show_answers(command, options, from);
out:
	if (from)
		fclose(from);
	else if (fd >= 0)
		close(fd);
	free(line);
	return code;
}

static const struct command *find_command(const char *name)
{
	const struct command *command = commands;

	while (strcmp(command->name, name) != 0)
		command++;
	return command;
}

int ctl_main(int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);
	struct options options;
	const char *path;
	int code = read_options(command, argc, argv, &options);

	if (code >= 0)
		return code;
	path = options.socket;
	if (!path && (code = find_socket(&path)) >= 0)
		return code;
	return talk(command, &options, path);
}
