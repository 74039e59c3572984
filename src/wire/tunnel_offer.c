/* SPDX-License-Identifier: Apache-2.0 */
/* The CONNECT request: an offer in its header form. */
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "wire/auth.h"
#include "wire/head.h"
#include "wire/http.h"
#include "wire/tunnel.h"
#include "wire/value.h"

/* Whether @token is one of a list separated by colons. */
static bool has_token(const char *list, const char *token)
{
	size_t len, token_len = strlen(token);

	for (; list && *list; list += len + (list[len] == ':')) {
		len = strcspn(list, ":");
		if (len == token_len && !strncasecmp(list, token, len))
			return true;
	}
	return false;
}

/* The families the client can use; without the header both. */
static int read_families(const struct http_message *m, struct tunnel_offer *o)
{
	const char *value = http_find(m, "X-CSTP-Address-Type");

	o->ipv4 = !value || strcasestr(value, "IPv4");
	o->ipv6 = !value || strcasestr(value, "IPv6");
	return o->ipv4 || o->ipv6 ? 0 : ERR_INVALID;
}

/* The addresses it had before: one header for each family. */
static int read_had(const struct http_message *m, struct tunnel_offer *o)
{
	struct addr a;

	for (size_t i = 0; i < m->headers_len; i++) {
		if (strcasecmp(m->headers[i].name, "X-CSTP-Address"))
			continue;
		if (addr_parse(m->headers[i].value, &a) < 0)
			return ERR_INVALID;
		if (a.family == ADDR_V4)
			o->had_ipv4 = a;
		else
			o->had_ipv6 = a;
	}
	return 0;
}

static int read_mtus(const struct http_message *m, struct tunnel_offer *o)
{
	const char *base = http_find(m, "X-CSTP-Base-MTU"), *mtu = http_find(m, "X-CSTP-MTU");

	if ((base && value_mtu(base, &o->base_mtu) < 0) || (mtu && value_mtu(mtu, &o->mtu) < 0))
		return ERR_INVALID;
	return 0;
}

/* An extension in a version that is not ours counts as not offered. */
static int read_extensions(const struct http_message *m, struct tunnel_offer *o)
{
	const char *join = http_find(m, "X-Adit-Join");
	int n = 0;

	o->frames = value_is_one(http_find(m, "X-Adit-Frames"));
	o->overlap = value_is_one(http_find(m, "X-Adit-Overlap"));
	if (join && (value_number(join, INT_MAX, &n) < 0 || !n))
		return ERR_INVALID;
	o->join = (unsigned)n;
	return 0;
}

int tunnel_encode_offer(const struct tunnel_offer *o, const char *host, int port, struct buf *out)
{
	const char *families = o->ipv4 == o->ipv6 ? "IPv6,IPv4" : o->ipv6 ? "IPv6" : "IPv4";
	struct head h = head_begin(out);
	char text[ADDR_TEXT_LEN];

	head_line(&h, "CONNECT " TUNNEL_PATH " HTTP/1.1");
	head_host(&h, host, port);
	head_line(&h, "User-Agent: %s", o->user_agent[0] ? o->user_agent : AUTH_USER_AGENT);
	head_line(&h, "Cookie: webvpn=%s", o->cookie);
	head_line(&h, "X-CSTP-Version: 1");
	if (value_is_host(o->hostname))
		head_line(&h, "X-CSTP-Hostname: %s", o->hostname);
	if (o->base_mtu)
		head_line(&h, "X-CSTP-Base-MTU: %d", o->base_mtu);
	if (o->mtu)
		head_line(&h, "X-CSTP-MTU: %d", o->mtu);
	head_line(&h, "X-CSTP-Address-Type: %s", families);
	if (o->had_ipv4.family)
		head_line(&h, "X-CSTP-Address: %s", addr_format(&o->had_ipv4, text));
	if (o->full_ipv6)
		head_line(&h, "X-CSTP-Full-IPv6-Capability: true");
	if (o->had_ipv6.family)
		head_line(&h, "X-CSTP-Address: %s", addr_format(&o->had_ipv6, text));
	if (o->psk_negotiate)
		head_line(&h, "X-DTLS-CipherSuite: " TUNNEL_PSK_NEGOTIATE);
	if (o->frames)
		head_line(&h, "X-Adit-Frames: 1");
	if (o->overlap)
		head_line(&h, "X-Adit-Overlap: 1");
	if (o->join)
		head_line(&h, "X-Adit-Join: %u", o->join);
	return head_end(&h, NULL, 0);
}

int tunnel_decode_offer(const struct http_message *m, struct tunnel_offer *out)
{
	const char *agent = http_find(m, "User-Agent"), *hostname = http_find(m, "X-CSTP-Hostname");
	int r;

	memset(out, 0, sizeof(*out));
	if ((r = http_cookie(m, "webvpn", out->cookie, sizeof(out->cookie))) < 0)
		return r;
	if (!out->cookie[0])
		return ERR_MISSING;
	if (agent)
		value_text(agent, out->user_agent, sizeof(out->user_agent));
	if (hostname && value_is_host(hostname))
		value_text(hostname, out->hostname, sizeof(out->hostname));
	out->full_ipv6 = value_is_true(http_find(m, "X-CSTP-Full-IPv6-Capability"));
	out->psk_negotiate = has_token(http_find(m, "X-DTLS-CipherSuite"), TUNNEL_PSK_NEGOTIATE);
	if ((r = read_mtus(m, out)) < 0 || (r = read_families(m, out)) < 0 || (r = read_had(m, out)) < 0)
		return r;
	return read_extensions(m, out);
}
