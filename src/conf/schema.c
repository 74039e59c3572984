/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all settings, and what is asked of it. */
#include "conf/schema.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "conf/form.h"

/*
 * The limits of a generation lie well under those of AES-GCM with full records (RFC 8446 section 5.5: 2^24.5 records):
 * 2^23 records, and 64 GiB, which is 2^22 records of 16 KiB. The largest values are 2^24 and 128 GiB.
 */
enum { RECORDS_LOG2_MAX = 24, MIB_MAX = 128 * 1024 };
enum { DAY = 24 * 60 * 60, WEEK = 7 * DAY };
enum { SUN_PATH_MAX = 107 }; /* sockaddr_un.sun_path without its NUL */
enum { WORKERS_MAX = 64, SESSIONS_MAX = 1024, CLIENTS_MAX = 65536, LISTEN_MAX = 16 };
/* Twice the routes, and the rest, must fit what a client can have set up at once: ASK_NET_MAX. */
enum { ROUTES_MAX = 448, DNS_MAX = 8, DOMAINS_MAX = 64 };

#define AT(field)        .offset = offsetof(struct conf, field)
#define AT2(field)       .offset2 = offsetof(struct conf, field)
#define AT_LISTEN(field) .offset = offsetof(struct conf_listen, field)
#define AT_CLIENT(field) .offset = offsetof(struct conf_client, field)
#define RANGE(low, high) .min = (low), .max = (high)

/* clang-format off */
static const struct schema_key keys[] = {
	{ "listen", SCHEMA_GROUP, SCHEMA_SERVER, .list = true, .required = true, .max = LISTEN_MAX, AT(listen),
	  .item_size = sizeof(struct conf_listen), .help = "where clients connect; makes the file a server's" },
	{ "listen.address", SCHEMA_STRING, SCHEMA_SERVER, .fallback = "*", AT_LISTEN(address),
	  .valid = form_listen, .form = "\"*\" or an IP address", .help = "\"*\" is every address of the host" },
	{ "listen.port", SCHEMA_INT, SCHEMA_SERVER, RANGE(1, 65535), .fallback = "443", AT_LISTEN(port),
	  .help = "TCP, and UDP for datagrams" },
	{ "listen.datagrams", SCHEMA_BOOL, SCHEMA_SERVER, .fallback = "true", AT_LISTEN(datagrams),
	  .help = "offer DTLS on UDP besides TLS on TCP" },

	{ "server", SCHEMA_HOST_PORT, SCHEMA_CLIENT, .required = true, AT(server_host), AT2(server_port),
	  .help = "the gateway; port 443 when none is given; makes the file a client's" },

	{ "identity", SCHEMA_GROUP, SCHEMA_BOTH, .required = true, .help = "who we are" },
	{ "identity.certificate", SCHEMA_PEM, SCHEMA_BOTH, .required = true, .reloadable = true,
	  AT(identity.certificate), .pem = CONF_PEM_CERTIFICATE, .help = "our certificate, intermediates behind it" },
	{ "identity.key", SCHEMA_PEM, SCHEMA_BOTH, .required = true, .reloadable = true, AT(identity.key), .pem = CONF_PEM_KEY,
	  .help = "its private key; the file that holds it must have mode 0600" },

	{ "trust", SCHEMA_GROUP, SCHEMA_BOTH, .required = true, .help = "whom we believe" },
	{ "trust.ca", SCHEMA_PEM, SCHEMA_BOTH, .required = true, .reloadable = true, AT(trust.ca), .pem = CONF_PEM_CA,
	  .help = "certificates of the authorities that vouch for the other end" },
	{ "trust.crl", SCHEMA_PEM, SCHEMA_BOTH, .reloadable = true, .empty_ok = true, AT(trust.crl), .pem = CONF_PEM_CRL, AT2(trust.crl_path),
	  .help = "lists of revoked certificates" },
	{ "trust.crl_policy", SCHEMA_CHOICE, SCHEMA_BOTH, .reloadable = true, .words = { "warn", "strict" },
	  .fallback = "warn", AT(trust.crl_policy), .help = "what a lapsed list does besides revoking: warn or refuse" },
	{ "trust.identity", SCHEMA_CHOICE, SCHEMA_SERVER, .words = { "cn", "san_dns", "san_email" }, .fallback = "cn",
	  AT(trust.identity), .help = "which part of a client's certificate is its name" },
	{ "trust.name", SCHEMA_STRING, SCHEMA_CLIENT, AT(trust.name), .valid = form_host,
	  .form = "a host name or an IP address",
	  .help = "name the gateway's certificate must prove; when left out, the host in server" },

	{ "tunnel", SCHEMA_GROUP, SCHEMA_BOTH, .help = "the network interface" },
	{ "tunnel.device", SCHEMA_STRING, SCHEMA_BOTH, .fallback = "adit%d", AT(tunnel.device), .valid = form_device,
	  .form = "an interface name of at most 15 characters, one %d for a free number",
	  .help = "its name; %d becomes the first free number" },
	{ "tunnel.mtu", SCHEMA_INT, SCHEMA_SERVER, RANGE(576, 65535), .fallback = "1400", AT(tunnel.mtu),
	  .help = "largest packet; with IPv6 at least 1280" },
	{ "tunnel.mtu", SCHEMA_INT, SCHEMA_CLIENT, RANGE(576, 65535), AT(tunnel.mtu),
	  .help = "largest packet; when left out, what the gateway announces" },

	{ "addresses", SCHEMA_GROUP, SCHEMA_SERVER, .required = true, .help = "what clients get addresses from" },
	{ "addresses.ipv4", SCHEMA_PREFIX, SCHEMA_SERVER, .empty_ok = true, .family = ADDR_V4, AT(addresses.ipv4),
	  .help = "the gateway takes the first address; at least one of ipv4 and ipv6 is required" },
	{ "addresses.ipv6", SCHEMA_PREFIX, SCHEMA_SERVER, .empty_ok = true, .family = ADDR_V6, AT(addresses.ipv6),
	  .help = "likewise" },

	{ "push", SCHEMA_GROUP, SCHEMA_SERVER, .reloadable = true, .help = "what clients are told" },
	{ "push.routes", SCHEMA_PREFIX, SCHEMA_SERVER, .list = true, .max = ROUTES_MAX, .reloadable = true,
	  AT(push.routes),
	  .help = "networks reached through the tunnel, 0.0.0.0/0 and ::/0 for all; when empty, the addresses networks" },
	{ "push.exclude", SCHEMA_PREFIX, SCHEMA_SERVER, .list = true, .max = ROUTES_MAX, .reloadable = true,
	  AT(push.exclude), .help = "networks kept out of the tunnel" },
	{ "push.dns", SCHEMA_ADDR, SCHEMA_SERVER, .list = true, .max = DNS_MAX, .reloadable = true, AT(push.dns),
	  .help = "name servers" },
	{ "push.domains", SCHEMA_STRING, SCHEMA_SERVER, .list = true, .max = DOMAINS_MAX, .reloadable = true,
	  AT(push.domains), .valid = form_domain, .form = "a domain name", .help = "domains these name servers answer for" },

	{ "transport", SCHEMA_CHOICE, SCHEMA_CLIENT, .words = { "auto", "dtls", "tls" }, .fallback = "auto",
	  AT(transport),
	  .help = "auto: datagrams when they pass, the stream when they do not; dtls: the stream only for what no "
		  "datagram carries" },

	{ "rekey", SCHEMA_GROUP, SCHEMA_BOTH, .reloadable = true, .help = "when fresh keys are made" },
	{ "rekey.seconds", SCHEMA_INT, SCHEMA_BOTH, RANGE(1, DAY), .fallback = "900", .reloadable = true,
	  AT(rekey.seconds), .help = "at this age; between two ends the smaller value counts" },
	{ "rekey.records_log2", SCHEMA_INT, SCHEMA_BOTH, RANGE(10, RECORDS_LOG2_MAX), .fallback = "23", .reloadable = true,
	  AT(rekey.records_log2), .help = "after 2 to this power records in one direction" },
	{ "rekey.mib", SCHEMA_INT, SCHEMA_BOTH, RANGE(1, MIB_MAX), .fallback = "65536", .reloadable = true,
	  AT(rekey.mib), .help = "after this many MiB in one direction" },
	{ "rekey.stock", SCHEMA_CHOICE, SCHEMA_SERVER, .words = { "strict", "smooth" }, .fallback = "strict",
	  .reloadable = true, AT(rekey.stock),
	  .help = "clients other than adit: strict gives datagrams fresh keys too, smooth loses no packet" },

	{ "dpd", SCHEMA_GROUP, SCHEMA_BOTH, .reloadable = true, .help = "detection of dead peers" },
	{ "dpd.seconds", SCHEMA_INT, SCHEMA_BOTH, RANGE(1, 3600), .fallback = "20", .reloadable = true, AT(dpd.seconds),
	  .help = "ask a peer that has been silent for so long" },
	{ "dpd.keepalive_seconds", SCHEMA_INT, SCHEMA_BOTH, RANGE(1, 3600), .fallback = "30", .reloadable = true,
	  AT(dpd.keepalive_seconds), .help = "send something at least this often, for the sake of NAT" },

	{ "clients", SCHEMA_GROUP, SCHEMA_SERVER, .list = true, .reloadable = true, .max = CLIENTS_MAX, AT(clients),
	  .item_size = sizeof(struct conf_client), .help = "what is fixed for single clients; others need no entry" },
	{ "clients.name", SCHEMA_STRING, SCHEMA_SERVER, .required = true, AT_CLIENT(name), .valid = form_name,
	  .form = "1..64 of A-Z a-z 0-9 . _ @ -", .help = "the name its certificate proves" },
	{ "clients.ipv4", SCHEMA_ADDR, SCHEMA_SERVER, .empty_ok = true, .family = ADDR_V4, AT_CLIENT(ipv4),
	  .help = "fixed address" },
	{ "clients.ipv6", SCHEMA_ADDR, SCHEMA_SERVER, .empty_ok = true, .family = ADDR_V6, AT_CLIENT(ipv6),
	  .help = "fixed address" },
	{ "clients.networks", SCHEMA_PREFIX, SCHEMA_SERVER, .list = true, .max = ROUTES_MAX, AT_CLIENT(networks),
	  .help = "networks behind this client, routed to it" },
	{ "clients.sessions", SCHEMA_INT, SCHEMA_SERVER, RANGE(0, SESSIONS_MAX), .fallback = "0", AT_CLIENT(sessions),
	  .help = "sessions at once; 0: limits.sessions_per_client" },
	{ "client_to_client", SCHEMA_BOOL, SCHEMA_SERVER, .reloadable = true, .fallback = "true", AT(client_to_client),
	  .help = "whether clients reach each other" },

	{ "limits", SCHEMA_GROUP, SCHEMA_SERVER, .reloadable = true, .help = "what strangers and clients may cost" },
	{ "limits.handshake_seconds", SCHEMA_INT, SCHEMA_SERVER, RANGE(1, 300), .fallback = "10", .reloadable = true,
	  AT(limits.handshake_seconds), .help = "from connect to tunnel" },
	{ "limits.unauthenticated", SCHEMA_INT, SCHEMA_SERVER, RANGE(1, 65536), .fallback = "1024", .reloadable = true,
	  AT(limits.unauthenticated), .help = "connections in handshake; beyond it the oldest is dropped" },
	{ "limits.per_source", SCHEMA_INT, SCHEMA_SERVER, RANGE(1, 65536), .fallback = "64", .reloadable = true,
	  AT(limits.per_source), .help = "of these, from one address" },
	{ "limits.sessions_per_client", SCHEMA_INT, SCHEMA_SERVER, RANGE(1, SESSIONS_MAX), .fallback = "1",
	  .reloadable = true, AT(limits.sessions_per_client), .help = "sessions of one name; the newest replaces the oldest" },
	{ "limits.cookie_seconds", SCHEMA_INT, SCHEMA_SERVER, RANGE(1, WEEK), .fallback = "3600", .reloadable = true,
	  AT(limits.cookie_seconds), .help = "how long a broken session may be resumed, its addresses kept" },
	{ "limits.idle_seconds", SCHEMA_INT, SCHEMA_SERVER, RANGE(0, WEEK), .fallback = "0", .reloadable = true,
	  AT(limits.idle_seconds), .help = "end a session without traffic; 0: never" },

	{ "hooks", SCHEMA_GROUP, SCHEMA_SERVER, .reloadable = true, .help = "programs run for each session" },
	{ "hooks.connect", SCHEMA_PROGRAM, SCHEMA_SERVER, .empty_ok = true, .fallback = "", .reloadable = true,
	  AT(hooks.connect), .help = "before a session begins; its failure refuses the client" },
	{ "hooks.disconnect", SCHEMA_PROGRAM, SCHEMA_SERVER, .empty_ok = true, .fallback = "", .reloadable = true,
	  AT(hooks.disconnect), .help = "after a session has ended" },
	{ "hooks.seconds", SCHEMA_INT, SCHEMA_SERVER, RANGE(1, 300), .fallback = "10", .reloadable = true,
	  AT(hooks.seconds), .help = "a hook that runs longer is killed and has failed" },

	{ "script", SCHEMA_PROGRAM, SCHEMA_CLIENT, .empty_ok = true, .fallback = "", AT(script),
	  .help = "a vpnc-script that sets addresses, routes and DNS instead of adit" },

	{ "workers", SCHEMA_INT, SCHEMA_BOTH, RANGE(0, WORKERS_MAX), .fallback = "0", AT(workers),
	  .help = "threads that carry packets; 0: one for each processor at a server, one at a client" },
	{ "aead", SCHEMA_CHOICE, SCHEMA_BOTH, .words = { "auto", "ipsec-mb", "evp" }, .fallback = "auto", AT(aead),
	  .help = "what protects records; auto: Intel's ipsec-mb where it is installed, else OpenSSL's EVP" },
	{ "offload", SCHEMA_GROUP, SCHEMA_BOTH, .help = "work left to the kernel" },
	{ "offload.tso", SCHEMA_BOOL, SCHEMA_BOTH, .fallback = "true", AT(offload.tso),
	  .help = "TCP segmentation on the tunnel's interface" },
	{ "offload.uso", SCHEMA_BOOL, SCHEMA_BOTH, .fallback = "true", AT(offload.uso),
	  .help = "UDP segmentation on the tunnel's interface" },
	{ "offload.udp_gso", SCHEMA_BOOL, SCHEMA_BOTH, .fallback = "true", AT(offload.udp_gso),
	  .help = "many datagrams in one send" },
	{ "offload.udp_gro", SCHEMA_BOOL, SCHEMA_BOTH, .fallback = "true", AT(offload.udp_gro),
	  .help = "many datagrams in one receive" },

	{ "control", SCHEMA_PATH, SCHEMA_SERVER, .max = SUN_PATH_MAX, .fallback = "/run/adit/server.sock", AT(control),
	  .help = "socket for adit status and its like" },
	{ "control", SCHEMA_PATH, SCHEMA_CLIENT, .max = SUN_PATH_MAX, .fallback = "/run/adit/client.sock", AT(control),
	  .help = "socket for adit status and its like" },
	{ "control_group", SCHEMA_STRING, SCHEMA_BOTH, .empty_ok = true, .fallback = "", AT(control_group),
	  .valid = form_account, .form = "the name of a group", .help = "group that may use the socket; \"\": root only" },
	{ "user", SCHEMA_STRING, SCHEMA_BOTH, .fallback = "adit", AT(user), .valid = form_account,
	  .form = "the name of a user", .help = "who the engine runs as; without such a user: nobody" },
	{ .name = NULL },
};
/* clang-format on */

static const char *leaf_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static bool in_group(const struct schema_key *key, const char *group)
{
	size_t len = strlen(group);
	const char *leaf = leaf_of(key->name);

	if (!len)
		return leaf == key->name;
	return leaf == key->name + len + 1 && !strncmp(key->name, group, len);
}

const struct schema_key *schema_next(const struct schema_key *after, const char *group, enum conf_role role)
{
	const struct schema_key *key;

	for (key = after ? after + 1 : keys; key->name; key++)
		if (key->roles & 1U << role && in_group(key, group))
			return key;
	return NULL;
}

const struct schema_key *schema_find(const char *name, enum conf_role role)
{
	const struct schema_key *key;

	for (key = keys; key->name; key++)
		if (key->roles & 1U << role && !strcmp(key->name, name))
			return key;
	return NULL;
}

/* Levenshtein's distance; texts are cut at SCHEMA_NAME_LEN. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[SCHEMA_NAME_LEN + 1], diagonal, above, best;
	size_t len = strnlen(b, SCHEMA_NAME_LEN), i, j;

	for (j = 0; j <= len; j++)
		row[j] = (unsigned)j;
	for (i = 0; a[i] && i < SCHEMA_NAME_LEN; i++) {
		diagonal = row[0]++;
		for (j = 0; j < len; j++) {
			above = row[j + 1];
			best = diagonal + (a[i] != b[j]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
			diagonal = above;
		}
	}
	return row[len];
}

/* A third of the letters may be wrong; a word of the same group is nearer than the same word elsewhere. */
const struct schema_key *schema_nearest(const char *name, enum conf_role role)
{
	const struct schema_key *key, *nearest = NULL;
	const char *leaf = leaf_of(name), *other;
	unsigned wrong, cost, best = UINT_MAX;

	for (key = keys; key->name; key++) {
		other = leaf_of(key->name);
		wrong = distance(leaf, other);
		cost = 2 * wrong;
		if (other - key->name != leaf - name || strncmp(key->name, name, (size_t)(leaf - name)) != 0)
			cost++;
		if (key->roles & 1U << role && wrong <= strlen(other) / 3 + 1 && cost < best) {
			best = cost;
			nearest = key;
		}
	}
	return nearest;
}

static void allowed_words(const struct schema_key *key, char *out, size_t room)
{
	size_t len = 0, i;

	for (i = 0; i < SCHEMA_WORDS_MAX && key->words[i] && len < room; i++)
		len += (size_t)snprintf(out + len, room - len, "%s\"%s\"", i ? " or " : "", key->words[i]);
}

static const char *family_text(enum addr_family family)
{
	return family == ADDR_V4 ? "IPv4" : family == ADDR_V6 ? "IPv6" : "IP";
}

static void allowed_one(const struct schema_key *key, char *out, size_t room)
{
	switch (key->type) {
	case SCHEMA_GROUP:
		snprintf(out, room, "a group { ... }");
		break;
	case SCHEMA_BOOL:
		snprintf(out, room, "true or false");
		break;
	case SCHEMA_INT:
		snprintf(out, room, "an integer %d..%d", key->min, key->max);
		break;
	case SCHEMA_CHOICE:
		allowed_words(key, out, room);
		break;
	case SCHEMA_STRING:
		if (key->words[0])
			allowed_words(key, out, room);
		else
			snprintf(out, room, "%s", key->form);
		break;
	case SCHEMA_ADDR:
		snprintf(out, room, "an %s address", family_text(key->family));
		break;
	case SCHEMA_PREFIX:
		snprintf(out, room, "an %s network such as %s", family_text(key->family),
			 key->family == ADDR_V6 ? "fd20:aa::/64" : "10.20.0.0/24");
		break;
	case SCHEMA_PATH:
		snprintf(out, room, "a path of at most %d bytes", key->max);
		break;
	case SCHEMA_PROGRAM:
		snprintf(out, room, "the path of an executable file");
		break;
	case SCHEMA_PEM:
		snprintf(out, room, "PEM text or the path of a PEM file");
		break;
	case SCHEMA_HOST_PORT:
		snprintf(out, room, "\"host\" or \"host:port\", an IPv6 address in brackets");
		break;
	case SCHEMA_TYPES:
		break;
	}
}

const char *schema_allowed(const struct schema_key *key, char out[SCHEMA_ALLOWED_LEN])
{
	size_t len = 0;

	if (key->list)
		len = (size_t)snprintf(out, SCHEMA_ALLOWED_LEN, "a list of at most %d, each ", key->max);
	allowed_one(key, out + len, SCHEMA_ALLOWED_LEN - len);
	len = strlen(out);
	if (key->empty_ok)
		snprintf(out + len, SCHEMA_ALLOWED_LEN - len, " or \"\"");
	return out;
}

int schema_word(const struct schema_key *key, const char *text)
{
	int i;

	for (i = 0; i < SCHEMA_WORDS_MAX && key->words[i]; i++)
		if (!strcmp(key->words[i], text))
			return i;
	return ERR_MISSING;
}

size_t schema_item_size(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_GROUP:
		return key->item_size;
	case SCHEMA_ADDR:
		return sizeof(struct addr);
	case SCHEMA_PREFIX:
		return sizeof(struct prefix);
	default:
		return sizeof(char *);
	}
}
