/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a running adit, and what it answers. */
#include "cli/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/print.h"
#include "io/sock.h"

#define SERVER_SOCKET "/run/adit/server.sock"
#define CLIENT_SOCKET "/run/adit/client.sock"

enum { READ_LEN = 64 * 1024 };

struct command {
	const char *name;
	const char *arguments;
	int names_min, names_max;
	bool endless; /* a line an event, until one of the ends leaves */
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

/* Whether an adit listens there, be it one that does not let us in. What a killed one leaves behind refuses. */
static bool is_served(const char *path)
{
	int fd = connect_to(path);

	if (fd < 0)
		return fd == ERR_SYS && errno != ENOENT && errno != ENOTDIR && errno != ECONNREFUSED;
	close(fd);
	return true;
}

/* Return: -1 with @out, else the exit code. */
static int find_socket(const char **out)
{
	bool server = is_served(SERVER_SOCKET), client = is_served(CLIENT_SOCKET);

	if (server && client) {
		fprintf(stderr, "adit: both a gateway and a client run here: choose by --socket " SERVER_SOCKET
				" or --socket " CLIENT_SOCKET "\n");
		return EX_USAGE;
	}
	if (!server && !client) {
		fprintf(stderr, "adit: no adit runs here: none listens on " SERVER_SOCKET " or " CLIENT_SOCKET "\n");
		return 1;
	}
	*out = server ? SERVER_SOCKET : CLIENT_SOCKET;
	return -1;
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

/* Until the other end has something to say. Return: 0, ERR_EOF when nobody reads our output any more, or ERR_SYS. */
static int wait_beside_output(int fd)
{
	struct pollfd ends[] = { { .fd = fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };

	while (poll(ends, 2, -1) < 0)
		if (errno != EINTR)
			return ERR_SYS;
	return ends[1].revents & (POLLERR | POLLHUP) ? ERR_EOF : 0;
}

/* Return: length of the line that @in begins with, 0 when none is whole yet. */
static size_t line_len(const struct buf *in)
{
	const uint8_t *data = buf_data(in), *end = data ? memchr(data, '\n', buf_len(in)) : NULL;

	return end ? (size_t)(end - data) + 1 : 0;
}

/* Return: 0, or a negative code, ERR_EOF at the end. */
static int recv_more(int fd, struct buf *in)
{
	uint8_t *room;
	ssize_t n;

	if (buf_reserve(in, READ_LEN, &room) < 0)
		return ERR_NOMEM;
	n = sock_recv(fd, room, READ_LEN);
	if (n < 0)
		return (int)n;
	buf_grow(in, (size_t)n);
	return 0;
}

static int complain_about_end(int r)
{
	fprintf(stderr, "adit: %s\n", r == ERR_EOF ? "the connection has ended" : err_text(r));
	return 1;
}

static int show_answer(const struct command *command, const struct options *options, int fd, struct buf *in)
{
	int r = 0;

	while (!r && !line_len(in))
		r = recv_more(fd, in);
	return r < 0 ? complain_about_end(r) : show(command, options, (const char *)buf_data(in), line_len(in));
}

/* Line by line until the other end leaves, which is a failure, or nobody reads them any more, which is none. */
static int follow(const struct command *command, const struct options *options, int fd, struct buf *in)
{
	size_t len;
	int code = EX_OK, r;

	while (code == EX_OK) {
		while ((len = line_len(in)) == 0) {
			if ((r = wait_beside_output(fd)) == ERR_EOF)
				return EX_OK;
			if (r < 0 || (r = recv_more(fd, in)) < 0)
				return complain_about_end(r);
		}
		code = show(command, options, (const char *)buf_data(in), len);
		buf_consume(in, len);
		if (fflush(stdout) == 0)
			continue;
		if (errno == EPIPE)
			clearerr(stdout);
		return code; /* main reports what stays */
	}
	return code;
}

static int talk(const struct command *command, const struct options *options, const char *path)
{
	char *line = request_line(command->name, options->name);
	struct buf in = BUF_INIT;
	int fd, code = 1;

	if (!line) {
		fprintf(stderr, "adit: the name is not UTF-8\n");
		return EX_USAGE;
	}
	fd = connect_to(path);
	if (fd < 0) {
		fprintf(stderr, "adit: cannot connect to %s: %s\n", path, err_text(fd));
	} else {
		send_line(fd, line);
		code = (command->endless ? follow : show_answer)(command, options, fd, &in);
		close(fd);
	}
	buf_fini(&in);
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
	if (command->endless)
		signal(SIGPIPE, SIG_IGN); /* a reader that leaves ends it, it does not kill it */
	path = options.socket;
	if (!path && (code = find_socket(&path)) >= 0)
		return code;
	return talk(command, &options, path);
}
