/* SPDX-License-Identifier: Apache-2.0 */
/* Running a gateway or a client. */
#include "cli/run.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "client/client.h"
#include "conf/conf.h"
#include "crypto/aead.h"
#include "crypto/tls.h"
#include "monitor/monitor.h"
#include "server/server.h"

/* A gateway or a client. */
struct role {
	enum conf_role role;
	const char *name;
	const char *purpose;
	int (*engine)(const struct engine_start *start);
};

struct options {
	const char *file;
	enum log_level level;
};

#ifdef ADIT_KEYLOG
#define KEYLOG_USAGE  " [--keylog-fd N]"
#define KEYLOG_OPTION { "keylog-fd", required_argument, NULL, 'k' },

static int set_keylog(const char *text)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (errno || end == text || *end || fd < 0 || fd > INT_MAX)
		return EX_USAGE;
	tls_keylog_to((int)fd);
	return EX_OK;
}
#else
#define KEYLOG_USAGE
#define KEYLOG_OPTION

static int set_keylog(const char *text)
{
	(void)text;
	return EX_USAGE; /* there is no such option */
}
#endif

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	KEYLOG_OPTION{ 0 },
};

static int usage(FILE *to, const struct role *role, int code)
{
	fprintf(to,
		"usage: adit %s [-v] -c FILE" KEYLOG_USAGE "\n"
		"\n"
		"%s Stays in the foreground and logs on stderr.\n"
		"\n"
		"  -c, --config FILE  the configuration\n"
		"  -v, --verbose      log what a developer asks for, too\n"
		"\n"
		"SIGTERM and SIGINT end it cleanly. Exit codes: 0 ended as asked, 1 failed,\n"
		"2 refused by the other end, 64 bad usage, 78 bad configuration.\n",
		role->name, role->purpose);
	return code;
}

/* Return: -1 to go on, else the exit code. */
static int read_options(const struct role *role, int argc, char **argv, struct options *out)
{
	int c;

	*out = (struct options){ .level = LOG_LEVEL_INFO };
	while ((c = getopt_long(argc, argv, "c:vh", long_options, NULL)) != -1) {
		if (c == 'c')
			out->file = optarg;
		else if (c == 'v')
			out->level = LOG_LEVEL_DEBUG;
		else if (c == 'h')
			return usage(stdout, role, EX_OK);
		else if (c != 'k' || set_keylog(optarg) != EX_OK)
			return usage(stderr, role, EX_USAGE);
	}
	return out->file && optind == argc ? -1 : usage(stderr, role, EX_USAGE);
}

/* Before the fork: the engine may open no file. */
static int choose_aead(enum conf_aead wanted)
{
	static const enum aead_choice choices[] = {
		[CONF_AEAD_AUTO] = AEAD_AUTO,
		[CONF_AEAD_IPSEC_MB] = AEAD_IPSEC_MB,
		[CONF_AEAD_EVP] = AEAD_EVP,
	};
	int r = aead_choose(choices[wanted]);

	if (r < 0)
		log_err("aead: ipsec-mb cannot be had: %s", aead_missing());
	else
		log_debug("records are protected by %s%s%s", aead_name(), aead_missing() ? ": " : "",
			  aead_missing() ? aead_missing() : "");
	return r;
}

static int run(const struct role *role, int argc, char **argv)
{
	struct options options;
	struct conf *conf;
	int code = read_options(role, argc, argv, &options);

	if (code >= 0)
		return code;
	log_init(options.level, "monitor");
	if (conf_load(options.file, &conf) < 0)
		return EX_CONFIG;
	code = EX_CONFIG;
	if (conf->role != role->role)
		fprintf(stderr, "%s: this is not the configuration of a %s\n", options.file, role->name);
	else if (choose_aead(conf->aead) == 0)
		code = monitor_run(conf, role->engine);
	conf_free(conf);
	return code;
}

int run_server(int argc, char **argv)
{
	static const struct role server = { CONF_SERVER, "server", "Runs a gateway.", server_engine };

	return run(&server, argc, argv);
}

int run_client(int argc, char **argv)
{
	static const struct role client = { CONF_CLIENT, "client", "Connects to a gateway.", client_engine };

	return run(&client, argc, argv);
}
