/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a server or client as the rest of the program sees them. Only this room knows libconfig. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum conf_role { CONF_SERVER, CONF_CLIENT };
enum conf_crl_policy { CONF_CRL_WARN, CONF_CRL_STRICT };
enum conf_aead { CONF_AEAD_AUTO, CONF_AEAD_IPSEC_MB, CONF_AEAD_EVP };
enum conf_identity_from { CONF_IDENTITY_CN, CONF_IDENTITY_SAN_DNS, CONF_IDENTITY_SAN_EMAIL }; /* trust.identity */
enum conf_stock_rekey { CONF_STOCK_STRICT, CONF_STOCK_SMOOTH };
enum conf_pem { CONF_PEM_CERTIFICATE, CONF_PEM_KEY, CONF_PEM_CA, CONF_PEM_CRL, CONF_PEMS }; /* as enum tls_pem */
enum conf_transport { CONF_TRANSPORT_AUTO, CONF_TRANSPORT_DTLS, CONF_TRANSPORT_TLS };

struct conf_strings {
	char **items; /* NUL-terminated strings */
	size_t len;
};

struct conf_prefixes {
	struct prefix *items; /* networks: bits behind the length are clear */
	size_t len;
};

struct conf_addrs {
	struct addr *items;
	size_t len;
};

struct conf_listen {
	char *address; /* "*" (both families), or an address */
	int port;
	bool datagrams;
};

/* One entry of `clients`: what the operator fixed for a name. */
struct conf_client {
	char *name;
	struct addr ipv4, ipv6;        /* ADDR_NONE: from the pool */
	struct conf_prefixes networks; /* behind this client, routed to it */
	int sessions;                  /* limit of its own; 0: limits.sessions_per_client */
};

struct conf {
	enum conf_role role;
	char *path; /* the file, for messages */

	/* PEM text, read from the file named or given inline; pem_at: "FILE:LINE: KEY" of each that was given */
	char *pem_at[CONF_PEMS];
	struct {
		char *certificate; /* leaf first, then intermediates */
		char *key;         /* wiped by conf_free() and conf_wipe_key() */
	} identity;
	struct {
		char *ca;
		char *crl;      /* NULL: none */
		char *crl_path; /* NULL: inline or none */
		enum conf_crl_policy crl_policy;
		enum conf_identity_from identity;
		char *name; /* client: name the gateway must prove */
	} trust;
	struct {
		char *device; /* may hold one %d */
		int mtu;      /* server; client: 0 = what the gateway announces */
	} tunnel;
	struct {
		int seconds;
		int records_log2;
		int mib;
		enum conf_stock_rekey stock;
	} rekey;
	struct {
		int seconds;
		int keepalive_seconds;
	} dpd;
	int workers;
	enum conf_aead aead;
	struct {
		bool tso, uso, udp_gso, udp_gro;
	} offload;
	char *control;
	char *control_group; /* "": root only */
	char *user;

	/* server */
	struct {
		struct conf_listen *items;
		size_t len;
	} listen;
	struct {
		struct prefix ipv4, ipv6; /* family ADDR_NONE: not configured */
	} addresses;
	struct {
		struct conf_prefixes routes, exclude;
		struct conf_addrs dns;
		struct conf_strings domains;
	} push;
	struct {
		struct conf_client *items;
		size_t len;
	} clients;
	bool client_to_client;
	struct {
		int handshake_seconds, unauthenticated, per_source, sessions_per_client, cookie_seconds, idle_seconds;
	} limits;
	struct {
		char *connect, *disconnect; /* "": none; absolute or relative to the file, resolved */
		int seconds;
	} hooks;

	/* client */
	char *server_host; /* name or address, without brackets */
	int server_port;
	enum conf_transport transport;
	char *script; /* "": none */
};

/**
 * conf_load() - Read, check and complete a configuration file
 * @path: the file
 * @out:  filled with settings in which every default stands; free with conf_free()
 *
 * Every fault found is one line on stderr: file, line, key, what was found, what is allowed. One syntax error or all
 * schema errors are reported in one run. Files that the configuration names are read here.
 *
 * Return: 0, or ERR_CONFIG (reported) with @out untouched.
 */
int conf_load(const char *path, struct conf **out);

/** conf_wipe_key() - Wipe the private key's text once it has been loaded; identity.key is then NULL */
void conf_wipe_key(struct conf *c);

/** conf_pem_at() - Where a PEM setting stands, for messages: "FILE:LINE: KEY"; the file alone when it was not given */
const char *conf_pem_at(const struct conf *c, enum conf_pem pem);

/** conf_free() - Wipe and free; accepts NULL */
void conf_free(struct conf *c);

/**
 * conf_print_reference() - Write the schema as text for the man page and `adit check --keys`
 * @role: whose keys
 *
 * One line a key on stdout: name, what it may hold, default, help.
 */
void conf_print_reference(enum conf_role role);

#endif
