/* SPDX-License-Identifier: Apache-2.0 */
/* `adit check`: loads a configuration with the certificates it names, or prints the reference of all keys. */
#include "cli/check.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "conf/conf.h"
#include "crypto/aead.h"
#include "crypto/tls.h"

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: adit check FILE\n"
		    "       adit check --keys server|client\n"
		    "\n"
		    "Checks a configuration with the certificates, keys and lists it names, or prints\n"
		    "every key with what it may hold, its default and its meaning.\n");
	return code;
}

static int check_keys(int argc, char **argv)
{
	if (argc != 1 || (strcmp(argv[0], "server") != 0 && strcmp(argv[0], "client") != 0))
		return usage(stderr, EX_USAGE);
	conf_print_reference(strcmp(argv[0], "server") ? CONF_CLIENT : CONF_SERVER);
	return EX_OK;
}

static int check_tls(const struct conf *c)
{
	const struct tls_settings settings = {
		.role = c->role == CONF_SERVER ? TLS_SERVER : TLS_CLIENT,
		.certificate = c->identity.certificate,
		.key = c->identity.key,
		.ca = c->trust.ca,
		.crl = c->trust.crl,
		.crl_strict = c->trust.crl_policy == CONF_CRL_STRICT,
		.peer_name = c->trust.name,
	};
	struct tls_context *ctx = NULL;
	struct tls_fault fault;
	int r = tls_context_new(&settings, &ctx, &fault);

	if (r < 0)
		fprintf(stderr, "%s: %s\n", conf_pem_at(c, (enum conf_pem)fault.pem), fault.why);
	tls_context_free(ctx);
	return r;
}

static int check_aead(const struct conf *c, const char *path)
{
	int r = c->aead == CONF_AEAD_IPSEC_MB ? aead_choose(AEAD_IPSEC_MB) : 0;

	if (r < 0)
		fprintf(stderr, "%s: aead: ipsec-mb cannot be had: %s\n", path, aead_missing());
	return r;
}

static int check_file(const char *path)
{
	struct conf *c;
	int code = EX_CONFIG;

	if (conf_load(path, &c) < 0)
		return EX_CONFIG;
	if (!check_tls(c) && !check_aead(c, path)) {
		printf("%s: ok (%s)\n", path, c->role == CONF_SERVER ? "server" : "client");
		code = EX_OK;
	}
	conf_free(c);
	return code;
}

int check_main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, EX_OK);
	if (argc > 1 && !strcmp(argv[1], "--keys"))
		return check_keys(argc - 2, argv + 2);
	if (argc != 2 || *argv[1] == '-')
		return usage(stderr, EX_USAGE);
	return check_file(argv[1]);
}
