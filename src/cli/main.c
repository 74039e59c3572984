/* SPDX-License-Identifier: Apache-2.0 */
/* The program: a list of subcommands. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/err.h"
#include "cli/check.h"
#include "cli/ctl.h"
#include "cli/run.h"
#include "crypto/memory.h"

static int help(int argc, char **argv);
static int version(int argc, char **argv);

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* words from the command on; returns the exit code */
	const char *arguments;
	const char *help;
} commands[] = {
	{ "server", run_server, "-c FILE", "run a gateway" },
	{ "client", run_client, "-c FILE", "connect to a gateway" },
	{ "check", check_main, "FILE", "check a configuration" },
	{ "status", ctl_main, "", "how a running adit is doing" },
	{ "sessions", ctl_main, "", "who is connected" },
	{ "events", ctl_main, "", "what happens, as it happens" },
	{ "disconnect", ctl_main, "NAME", "end the sessions of a peer" },
	{ "rekey", ctl_main, "[NAME]", "begin a new generation of keys" },
	{ "version", version, "", "which version this is" },
	{ "help", help, "[COMMAND]", "this text, or that of a command" },
};

static const struct command *find_command(const char *name)
{
	size_t i;

	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version"))
		name = "version";
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int usage(FILE *to, int code)
{
	size_t i;

	fprintf(to, "usage: adit COMMAND [ARGUMENTS]\n"
		    "\n"
		    "A VPN over TLS 1.3 in which both ends prove themselves with certificates.\n"
		    "\n");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-10s %-9s  %s\n", commands[i].name, commands[i].arguments, commands[i].help);
	fprintf(to, "\n"
		    "`adit COMMAND --help` says more; adit(8) says all.\n");
	return code;
}

static int help(int argc, char **argv)
{
	char *ask[] = { argc > 1 ? argv[1] : argv[0], "--help", NULL };
	const struct command *command = find_command(ask[0]);

	if (argc > 2 || !command)
		return usage(stderr, EX_USAGE);
	if (command->run == help)
		return usage(stdout, EX_OK);
	return command->run(2, ask);
}

static int version(int argc, char **argv)
{
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--help") != 0)) {
		fprintf(stderr, "usage: adit version\n");
		return EX_USAGE;
	}
	if (argc == 2)
		printf("usage: adit version\n\nPrints the version.\n");
	else
		printf("adit " ADIT_VERSION "\n");
	return EX_OK;
}

/* A command whose words could not be written has failed, whatever it did. */
static int finish(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "adit: cannot write: %s\n", err_text(ERR_SYS));
	return code ? code : 1;
}

int main(int argc, char **argv)
{
	const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;

	if (crypto_memory_init() < 0) {
		fprintf(stderr, "adit: OpenSSL cannot be made to wipe its memory\n");
		return 1;
	}
	if (!command)
		return usage(stderr, EX_USAGE);
	return finish(command->run(argc - 1, argv + 1));
}
