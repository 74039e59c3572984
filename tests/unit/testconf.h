/* SPDX-License-Identifier: Apache-2.0 */
/* Builds configuration files in a folder of their own, loads them and keeps what was said on stderr. */
#ifndef TESTCONF_H
#define TESTCONF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/conf.h"

#define TESTCONF_CERT "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
#define TESTCONF_KEY  "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"

static char testconf_dir[] = "/tmp/adit-conf-XXXXXX";
static char testconf_said[65536]; /* stderr of the latest load */

/* One line each, so that what a test adds stands on the line after. */
struct testconf_parts {
	const char *what, *identity, *trust, *addresses;
};
#define TESTCONF_IDENTITY "identity = { certificate = \"a.crt\"; key = \"a.key\"; };"
#define TESTCONF_TRUST    "trust = { ca = \"ca.crt\"; };"
static const struct testconf_parts testconf_server = {
	"listen = ( { } );", TESTCONF_IDENTITY, TESTCONF_TRUST,
	"addresses = { ipv4 = \"10.20.0.0/24\"; ipv6 = \"fd20::/64\"; };"
};
static const struct testconf_parts testconf_client = { "server = \"vpn.example.com\";", TESTCONF_IDENTITY,
						       TESTCONF_TRUST, "" };

static inline const char *testconf_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", testconf_dir, name);
	return path;
}

static inline void testconf_write(const char *name, const char *text, mode_t mode)
{
	int fd;

	unlink(testconf_path(name));
	fd = open(testconf_path(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline int testconf_setup(void **state)
{
	(void)state;
	if (!mkdtemp(testconf_dir))
		return -1;
	mkdir(testconf_path("sub"), 0700);
	testconf_write("a.crt", TESTCONF_CERT, 0644);
	testconf_write("a.key", TESTCONF_KEY, 0600);
	testconf_write("ca.crt", TESTCONF_CERT, 0644);
	testconf_write("hook", "#!/bin/true\n", 0700);
	return 0;
}

static inline int testconf_teardown(void **state)
{
	char command[600];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", testconf_dir);
	return system(command);
}

/* What conf_load() makes of the file @name; *@out is NULL when it refuses. */
static inline int testconf_load_file(const char *name, struct conf **out)
{
	int saved = dup(STDERR_FILENO), into = open(testconf_path("stderr"), O_RDWR | O_CREAT | O_TRUNC, 0600), r;
	ssize_t n;

	assert_true(saved >= 0 && into >= 0);
	*out = NULL;
	dup2(into, STDERR_FILENO);
	r = conf_load(testconf_path(name), out);
	dup2(saved, STDERR_FILENO);
	n = pread(into, testconf_said, sizeof(testconf_said) - 1, 0);
	testconf_said[n > 0 ? n : 0] = '\0';
	close(saved);
	close(into);
	return r;
}

static inline int testconf_load_text(const char *text, struct conf **out)
{
	testconf_write("test.conf", text, 0600);
	return testconf_load_file("test.conf", out);
}

static inline int testconf_load(struct testconf_parts parts, const char *extra, struct conf **out)
{
	char text[16384];

	snprintf(text, sizeof(text), "%s\n%s\n%s\n%s\n%s\n", parts.what, parts.identity, parts.trust, parts.addresses,
		 extra);
	return testconf_load_text(text, out);
}

static inline struct conf *testconf_good(struct testconf_parts parts, const char *extra)
{
	struct conf *c;

	if (testconf_load(parts, extra, &c) < 0)
		fail_msg("refused %s: %s", extra, testconf_said);
	assert_string_equal(testconf_said, "");
	return c;
}

/* The only fault must be @fault, "LINE: KEY: ...", "@" before a path in it standing for the folder; it may go on behind
 * that. */
static inline void testconf_bad(struct testconf_parts parts, const char *extra, const char *fault)
{
	char want[1024];
	const char *at = strstr(fault, "@/");
	struct conf *c;
	int r = testconf_load(parts, extra, &c);

	if (at)
		snprintf(want, sizeof(want), "%s:%.*s%s%s", testconf_path("test.conf"), (int)(at - fault), fault,
			 testconf_dir, at + 1);
	else
		snprintf(want, sizeof(want), "%s:%s", testconf_path("test.conf"), fault);
	conf_free(c);
	if (!r)
		fail_msg("accepted %s, expected %s", extra, want);
	if (strncmp(testconf_said, want, strlen(want)) != 0 ||
	    strchr(testconf_said, '\n') != strrchr(testconf_said, '\n'))
		fail_msg("said %s, expected %s", testconf_said, want);
	assert_int_equal(r, ERR_CONFIG);
}

#endif
