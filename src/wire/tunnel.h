/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT /CSCOSSLC/tunnel: what the client asks for and what the gateway grants, as structs, with their header forms.
 * Names are written in their canonical case (some peers compare bytes) and read in any case.
 */
#ifndef WIRE_TUNNEL_H
#define WIRE_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"

struct http_message;

enum {
	TUNNEL_COOKIE_MAX = 512,
	TUNNEL_LIST_MAX = 1024, /* routes and the like in one grant */
	TUNNEL_DNS_MAX = 8,
	TUNNEL_NAME_MAX = 256, /* host names, domains */
	TUNNEL_TEXT_MAX = 512,
	TUNNEL_APP_ID_MAX = 32,
};

#define TUNNEL_PATH          "/CSCOSSLC/tunnel"
#define TUNNEL_PSK_NEGOTIATE "PSK-NEGOTIATE" /* in X-DTLS-CipherSuite: DTLS with the PSK of this connection */

enum tunnel_rekey { TUNNEL_REKEY_NONE, TUNNEL_REKEY_SSL, TUNNEL_REKEY_NEW_TUNNEL };

struct tunnel_offer {
	char cookie[TUNNEL_COOKIE_MAX];
	char user_agent[TUNNEL_NAME_MAX];
	char hostname[TUNNEL_NAME_MAX]; /* X-CSTP-Hostname, "" when absent or not a host name */
	int base_mtu, mtu;              /* 0: not said */
	bool ipv4, ipv6;                /* X-CSTP-Address-Type; absent means both */
	bool full_ipv6;                 /* X-CSTP-Full-IPv6-Capability: understands the -IP6 headers */
	struct addr had_ipv4, had_ipv6; /* addresses of the session before, ADDR_NONE when new */
	bool psk_negotiate;             /* offers DTLS with the PSK of this connection */
	/* extensions between two adits */
	bool frames;   /* X-Adit-Frames: 1 */
	bool overlap;  /* X-Adit-Overlap: 1 */
	unsigned join; /* X-Adit-Join: N: be generation N of the living session; 0: new session or reconnect */
};

struct tunnel_grant {
	int status;                   /* 200, 401, 403, 503, ... */
	char reason[TUNNEL_TEXT_MAX]; /* X-Reason, or the text behind the status */
	struct addr ipv4;
	struct addr ipv4_netmask;
	struct prefix ipv6; /* address with prefix length; family ADDR_NONE: none */
	int base_mtu, mtu;
	struct addr dns[TUNNEL_DNS_MAX];
	size_t dns_len;
	char default_domain[TUNNEL_NAME_MAX]; /* several are separated by blanks */
	char (*split_dns)[TUNNEL_NAME_MAX];   /* owned */
	size_t split_dns_len;
	struct prefix *includes, *excludes; /* owned; none included: everything goes through the tunnel */
	size_t includes_len, excludes_len;
	int dpd_seconds, keepalive_seconds, idle_seconds; /* 0: off */
	int rekey_seconds;                                /* 0: never */
	enum tunnel_rekey rekey_method;
	int disconnected_seconds; /* how long a broken session is kept; 0: not said */
	char banner[TUNNEL_TEXT_MAX];
	/* datagram channel, always that of PSK-NEGOTIATE; app_id_len 0: not granted */
	uint8_t app_id[TUNNEL_APP_ID_MAX]; /* session id of the ClientHello, by which the gateway finds the session */
	size_t app_id_len;
	int dtls_port; /* 1..65535, on the gateway's address of this connection; 0: not granted */
	int dtls_dpd_seconds, dtls_keepalive_seconds, dtls_rekey_seconds;
	enum tunnel_rekey dtls_rekey_method;
	/* extensions */
	bool frames, overlap;
	unsigned generation; /* X-Adit-Generation: which generation of the session this connection is; 0: not said */
	struct prefix *networks; /* X-Adit-Network, owned: prefixes behind the client that are routed to it */
	size_t networks_len;
};

/**
 * tunnel_encode_offer() - The client's CONNECT request, whole
 * @o:    offer
 * @host: for the Host header
 * @port: named when it is not 443
 * @out:  bytes are appended
 *
 * Return: 0 or ERR_NOMEM.
 */
int tunnel_encode_offer(const struct tunnel_offer *o, const char *host, int port, struct buf *out);

/**
 * tunnel_decode_offer() - Read a CONNECT request
 * @m:   whole request head
 * @out: filled; what is absent is zero
 *
 * Return: 0, ERR_MISSING (no webvpn cookie), ERR_INVALID (a header we use is malformed), ERR_TOO_BIG.
 */
int tunnel_decode_offer(const struct http_message *m, struct tunnel_offer *out);

/**
 * tunnel_encode_grant() - The gateway's reply, whole
 * @g:     grant; with a status other than 200 only status, reason matter
 * @offer: shapes the reply: old-style IPv6 headers without full_ipv6, no X-Adit-* and no X-DTLS-* that was not offered
 * @out:   bytes are appended
 *
 * No two replies to one session may differ in addresses or netmask: clients compare the text.
 *
 * Routes and DNS of a family are written only with an address of that family, IPv6 ones only for a client that
 * understands them. Includes that cover all of every family so written are left out, for "none" says the same to every
 * client; when only one family is covered, its prefix of length 0 is written like any other.
 *
 * Return: 0 or ERR_NOMEM.
 */
int tunnel_encode_grant(const struct tunnel_grant *g, const struct tunnel_offer *offer, struct buf *out);

/**
 * tunnel_decode_grant() - Read the reply to CONNECT
 * @m:   reply head
 * @out: filled, lists owned by it; free with tunnel_grant_fini(), also after a failure
 *
 * A status other than 200 is decoded, not an error. Lists longer than their limits are cut with one warning, malformed
 * DNS servers, domains and excludes left out with one each. An include is not: with none left all would be included.
 * A datagram channel is granted by App-ID, port and PSK-NEGOTIATE together; without one of them, or with the suite of
 * the legacy form, it is not.
 *
 * Return: 0; ERR_INVALID with @out->reason filled (no MTU, no address, a malformed value, an unknown content encoding);
 * ERR_NOMEM.
 */
int tunnel_decode_grant(const struct http_message *m, struct tunnel_grant *out);

/** tunnel_grant_fini() - Free the lists */
void tunnel_grant_fini(struct tunnel_grant *g);

#endif
