/* SPDX-License-Identifier: Apache-2.0 */
/* The reply to CONNECT: a grant in its header form. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "wire/head.h"
#include "wire/http.h"
#include "wire/tunnel.h"
#include "wire/value.h"

/* A reply being read. */
struct reader {
	struct tunnel_grant *grant;
	bool cut;           /* a list of it was */
	bool psk_negotiate; /* its datagram channel is one of ours */
};

enum value_kind {
	VALUE_NUMBER,
	VALUE_MTU,
	VALUE_METHOD,
	VALUE_NAME,
	VALUE_BANNER,
	VALUE_FLAG,
	VALUE_ADDRESS,
	VALUE_ADDRESS_IP6,
	VALUE_NETMASK,
	VALUE_DNS,
	VALUE_SPLIT_DNS,
	VALUE_INCLUDE,
	VALUE_EXCLUDE,
	VALUE_NETWORK,
	VALUE_APP_ID,
	VALUE_PORT,
	VALUE_SUITE,
	VALUE_REFUSED, /* compression: never offered, so nothing may be compressed */
};

#define FIELD(name) offsetof(struct tunnel_grant, name)
static const struct {
	const char *name;
	enum value_kind kind;
	size_t field; /* for the kinds that fill one field and nothing else */
} headers[] = {
	{ "X-CSTP-Address", VALUE_ADDRESS, 0 },
	{ "X-CSTP-Address-IP6", VALUE_ADDRESS_IP6, 0 },
	{ "X-CSTP-Netmask", VALUE_NETMASK, 0 },
	{ "X-CSTP-MTU", VALUE_MTU, FIELD(mtu) },
	{ "X-DTLS-MTU", VALUE_MTU, FIELD(mtu) },
	{ "X-CSTP-Base-MTU", VALUE_MTU, FIELD(base_mtu) },
	{ "X-CSTP-DNS", VALUE_DNS, 0 },
	{ "X-CSTP-DNS-IP6", VALUE_DNS, 0 },
	{ "X-CSTP-Default-Domain", VALUE_NAME, FIELD(default_domain) },
	{ "X-CSTP-Split-DNS", VALUE_SPLIT_DNS, 0 },
	{ "X-CSTP-Split-Include", VALUE_INCLUDE, 0 },
	{ "X-CSTP-Split-Include-IP6", VALUE_INCLUDE, 0 },
	{ "X-CSTP-Split-Exclude", VALUE_EXCLUDE, 0 },
	{ "X-CSTP-Split-Exclude-IP6", VALUE_EXCLUDE, 0 },
	{ "X-CSTP-DPD", VALUE_NUMBER, FIELD(dpd_seconds) },
	{ "X-CSTP-Keepalive", VALUE_NUMBER, FIELD(keepalive_seconds) },
	{ "X-CSTP-Idle-Timeout", VALUE_NUMBER, FIELD(idle_seconds) },
	{ "X-CSTP-Disconnected-Timeout", VALUE_NUMBER, FIELD(disconnected_seconds) },
	{ "X-CSTP-Rekey-Time", VALUE_NUMBER, FIELD(rekey_seconds) },
	{ "X-CSTP-Rekey-Method", VALUE_METHOD, FIELD(rekey_method) },
	{ "X-CSTP-Banner", VALUE_BANNER, FIELD(banner) },
	{ "X-CSTP-Content-Encoding", VALUE_REFUSED, 0 },
	{ "X-DTLS-Content-Encoding", VALUE_REFUSED, 0 },
	{ "X-DTLS-App-ID", VALUE_APP_ID, 0 },
	{ "X-DTLS-Port", VALUE_PORT, FIELD(dtls_port) },
	{ "X-DTLS-CipherSuite", VALUE_SUITE, 0 },
	{ "X-DTLS-DPD", VALUE_NUMBER, FIELD(dtls_dpd_seconds) },
	{ "X-DTLS-Keepalive", VALUE_NUMBER, FIELD(dtls_keepalive_seconds) },
	{ "X-DTLS-Rekey-Time", VALUE_NUMBER, FIELD(dtls_rekey_seconds) },
	{ "X-DTLS-Rekey-Method", VALUE_METHOD, FIELD(dtls_rekey_method) },
	{ "X-Adit-Frames", VALUE_FLAG, FIELD(frames) },
	{ "X-Adit-Overlap", VALUE_FLAG, FIELD(overlap) },
	{ "X-Adit-Generation", VALUE_NUMBER, FIELD(generation) },
	{ "X-Adit-Network", VALUE_NETWORK, 0 },
};

/* Several headers name the MTU: the largest counts. */
static int read_mtu(const char *value, int *out)
{
	int mtu, r;

	if ((r = value_mtu(value, &mtu)) < 0)
		return r;
	if (mtu > *out)
		*out = mtu;
	return 0;
}

static enum tunnel_rekey read_method(const char *value)
{
	if (!strcasecmp(value, "ssl"))
		return TUNNEL_REKEY_SSL;
	return strcasecmp(value, "new-tunnel") ? TUNNEL_REKEY_NONE : TUNNEL_REKEY_NEW_TUNNEL;
}

/* In the old form an IPv6 address stands here too, its length in the netmask. */
static int read_address(struct tunnel_grant *g, const char *value)
{
	struct addr a;

	if (addr_parse(value, &a) < 0)
		return ERR_INVALID;
	if (a.family == ADDR_V4) {
		g->ipv4 = a;
		return 0;
	}
	g->ipv6.addr = a;
	if (!g->ipv6.len)
		g->ipv6.len = 128;
	return 0;
}

static int read_address_ip6(struct tunnel_grant *g, const char *value)
{
	struct prefix p;

	if (prefix_parse(value, &p) < 0 || p.addr.family != ADDR_V6)
		return ERR_INVALID;
	g->ipv6 = p;
	return 0;
}

static int read_netmask(struct tunnel_grant *g, const char *value)
{
	struct prefix p;

	if (prefix_parse(value, &p) < 0)
		return ERR_INVALID;
	if (p.addr.family == ADDR_V6) {
		g->ipv6.len = p.len;
		return 0;
	}
	if (value_netmask_len(&p.addr) < 0)
		return ERR_INVALID;
	g->ipv4_netmask = p.addr;
	return 0;
}

static int read_dns(struct reader *r, const char *value)
{
	struct tunnel_grant *g = r->grant;
	struct addr a;

	if (addr_parse(value, &a) < 0)
		return ERR_INVALID;
	if (g->dns_len < TUNNEL_DNS_MAX)
		g->dns[g->dns_len++] = a;
	else
		r->cut = true;
	return 0;
}

static int read_split_dns(struct reader *r, const char *value)
{
	struct tunnel_grant *g = r->grant;
	char(*more)[TUNNEL_NAME_MAX];

	if (g->split_dns_len == TUNNEL_LIST_MAX) {
		r->cut = true;
		return 0;
	}
	more = reallocarray(g->split_dns, g->split_dns_len + 1, sizeof(*more));
	if (!more)
		return ERR_NOMEM;
	g->split_dns = more;
	if (value_name(value, more[g->split_dns_len], sizeof(*more)) < 0)
		return ERR_INVALID;
	g->split_dns_len++;
	return 0;
}

static int read_prefix(struct reader *r, struct prefix **list, size_t *len, const char *value)
{
	struct prefix p, *more;

	if (value_route(value, &p) < 0)
		return ERR_INVALID;
	if (*len == TUNNEL_LIST_MAX) {
		r->cut = true;
		return 0;
	}
	more = reallocarray(*list, *len + 1, sizeof(*more));
	if (!more)
		return ERR_NOMEM;
	more[(*len)++] = prefix_network(&p);
	*list = more;
	return 0;
}

static int read_app_id(struct tunnel_grant *g, const char *value)
{
	size_t len = strlen(value);

	if (!len || len > 2 * TUNNEL_APP_ID_MAX || hex_decode(value, len, g->app_id) < 0)
		return ERR_INVALID;
	g->app_id_len = len / 2;
	return 0;
}

static int read_port(const char *value, int *out)
{
	int port, r;

	if ((r = value_number(value, UINT16_MAX, &port)) < 0)
		return r;
	if (!port)
		return ERR_INVALID;
	*out = port;
	return 0;
}

static int read_value(struct reader *r, enum value_kind kind, void *field, const char *value)
{
	struct tunnel_grant *g = r->grant;

	switch (kind) {
	case VALUE_NUMBER:
		return value_number(value, INT_MAX, field);
	case VALUE_MTU:
		return read_mtu(value, field);
	case VALUE_METHOD:
		*(enum tunnel_rekey *)field = read_method(value);
		return 0;
	case VALUE_NAME:
		return value_name(value, field, TUNNEL_NAME_MAX);
	case VALUE_BANNER:
		value_banner(value, field, TUNNEL_TEXT_MAX);
		return 0;
	case VALUE_FLAG:
		*(bool *)field = value_is_one(value);
		return 0;
	case VALUE_ADDRESS:
		return read_address(g, value);
	case VALUE_ADDRESS_IP6:
		return read_address_ip6(g, value);
	case VALUE_NETMASK:
		return read_netmask(g, value);
	case VALUE_DNS:
		return read_dns(r, value);
	case VALUE_SPLIT_DNS:
		return read_split_dns(r, value);
	case VALUE_INCLUDE:
		return read_prefix(r, &g->includes, &g->includes_len, value);
	case VALUE_EXCLUDE:
		return read_prefix(r, &g->excludes, &g->excludes_len, value);
	case VALUE_NETWORK:
		return read_prefix(r, &g->networks, &g->networks_len, value);
	case VALUE_APP_ID:
		return read_app_id(g, value);
	case VALUE_PORT:
		return read_port(value, field);
	case VALUE_SUITE:
		r->psk_negotiate = !strcasecmp(value, TUNNEL_PSK_NEGOTIATE);
		return 0;
	case VALUE_REFUSED:
		break;
	}
	return ERR_INVALID;
}

/* A tunnel without it is still what the gateway meant: a malformed one is left out, not the end. */
static bool can_do_without(enum value_kind kind)
{
	return kind == VALUE_DNS || kind == VALUE_SPLIT_DNS || kind == VALUE_EXCLUDE;
}

static int read_header(struct reader *r, const struct http_header *h)
{
	char text[TUNNEL_TEXT_MAX];
	size_t i = 0;
	int result;

	while (i < sizeof(headers) / sizeof(headers[0]) && strcasecmp(h->name, headers[i].name))
		i++;
	if (i == sizeof(headers) / sizeof(headers[0]))
		return 0;
	result = read_value(r, headers[i].kind, (char *)r->grant + headers[i].field, h->value);
	if (result != ERR_INVALID)
		return result;
	value_text(h->value, text, sizeof(text));
	if (can_do_without(headers[i].kind)) {
		log_limited(LOG_LEVEL_WARN, "left out of the gateway's grant: %s: \"%s\"", headers[i].name, text);
		return 0;
	}
	snprintf(r->grant->reason, sizeof(r->grant->reason), "%s: \"%.128s\"", headers[i].name, text);
	return result;
}

static int check_grant(const struct reader *r)
{
	struct tunnel_grant *g = r->grant;

	if (!r->psk_negotiate || !g->dtls_port || !g->app_id_len) {
		g->app_id_len = 0; /* it takes all three */
		g->dtls_port = 0;
	}
	if (g->ipv6.addr.family == ADDR_NONE)
		g->ipv6.len = 0; /* a netmask for an address that did not come */
	if (!g->mtu)
		snprintf(g->reason, sizeof(g->reason), "no MTU");
	else if (!g->ipv4.family && !g->ipv6.addr.family)
		snprintf(g->reason, sizeof(g->reason), "no address");
	else
		return 0;
	return ERR_INVALID;
}

static void write_seconds(struct head *h, const char *name, int seconds)
{
	if (seconds)
		head_line(h, "%s: %d", name, seconds);
}

static void write_rekey(struct head *h, const char *channel, int seconds, enum tunnel_rekey method)
{
	if (!seconds || method == TUNNEL_REKEY_NONE)
		return;
	head_line(h, "X-%s-Rekey-Time: %d", channel, seconds);
	head_line(h, "X-%s-Rekey-Method: %s", channel, method == TUNNEL_REKEY_SSL ? "ssl" : "new-tunnel");
}

static void write_addresses(struct head *h, const struct tunnel_grant *g, bool full_ipv6)
{
	char text[PREFIX_TEXT_LEN];

	if (g->ipv4.family)
		head_line(h, "X-CSTP-Address: %s", addr_format(&g->ipv4, text));
	if (g->ipv4.family && g->ipv4_netmask.family)
		head_line(h, "X-CSTP-Netmask: %s", addr_format(&g->ipv4_netmask, text));
	if (!g->ipv6.addr.family)
		return;
	if (full_ipv6) {
		head_line(h, "X-CSTP-Address-IP6: %s", prefix_format(&g->ipv6, text));
		return;
	}
	head_line(h, "X-CSTP-Address: %s", addr_format(&g->ipv6.addr, text));
	head_line(h, "X-CSTP-Netmask: %s", prefix_format(&g->ipv6, text));
}

/* Whether things of a family are written: with its address only, and IPv6 only to whom understands it. */
static bool speaks(const struct tunnel_grant *g, const struct tunnel_offer *offer, uint8_t family)
{
	return family == ADDR_V4 ? g->ipv4.family != ADDR_NONE : g->ipv6.addr.family != ADDR_NONE && offer->full_ipv6;
}

static void write_dns(struct head *h, const struct tunnel_grant *g, const struct tunnel_offer *offer)
{
	bool cisco = !strncasecmp(offer->user_agent, "AnyConnect", strlen("AnyConnect"));
	char text[ADDR_TEXT_LEN];

	for (size_t i = 0; i < g->dns_len; i++)
		if (speaks(g, offer, g->dns[i].family))
			head_line(h, "X-CSTP-DNS%s: %s", cisco && g->dns[i].family == ADDR_V6 ? "-IP6" : "",
				  addr_format(&g->dns[i], text));
	if (g->default_domain[0])
		head_line(h, "X-CSTP-Default-Domain: %s", g->default_domain);
	for (size_t i = 0; i < g->split_dns_len; i++)
		head_line(h, "X-CSTP-Split-DNS: %s", g->split_dns[i]);
}

static void write_route(struct head *h, const char *name, const struct prefix *p)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };
	struct prefix mask = { .addr = addr_from_bytes(ones, 32), .len = p->len };
	char net[PREFIX_TEXT_LEN], mask_text[ADDR_TEXT_LEN];

	if (p->addr.family == ADDR_V6) {
		head_line(h, "%s-IP6: %s", name, prefix_format(p, net));
		return;
	}
	mask = prefix_network(&mask);
	head_line(h, "%s: %s/%s", name, addr_format(&p->addr, net), addr_format(&mask.addr, mask_text));
}

static bool includes_all(const struct tunnel_grant *g, uint8_t family)
{
	for (size_t i = 0; i < g->includes_len; i++)
		if (g->includes[i].addr.family == family && !g->includes[i].len)
			return true;
	return false;
}

static bool includes_everything(const struct tunnel_grant *g, const struct tunnel_offer *offer)
{
	return !g->includes_len || ((!speaks(g, offer, ADDR_V4) || includes_all(g, ADDR_V4)) &&
				    (!speaks(g, offer, ADDR_V6) || includes_all(g, ADDR_V6)));
}

static void write_routes(struct head *h, const struct tunnel_grant *g, const struct tunnel_offer *offer)
{
	bool everything = includes_everything(g, offer);

	for (size_t i = 0; i < g->includes_len && !everything; i++)
		if (speaks(g, offer, g->includes[i].addr.family))
			write_route(h, "X-CSTP-Split-Include", &g->includes[i]);
	for (size_t i = 0; i < g->excludes_len; i++)
		if (speaks(g, offer, g->excludes[i].addr.family))
			write_route(h, "X-CSTP-Split-Exclude", &g->excludes[i]);
	head_line(h, "X-CSTP-Tunnel-All-DNS: %s", everything ? "true" : "false");
}

static void write_timers(struct head *h, const struct tunnel_grant *g)
{
	write_seconds(h, "X-CSTP-DPD", g->dpd_seconds);
	write_seconds(h, "X-CSTP-Keepalive", g->keepalive_seconds);
	if (g->idle_seconds)
		head_line(h, "X-CSTP-Idle-Timeout: %d", g->idle_seconds);
	else
		head_line(h, "X-CSTP-Idle-Timeout: none");
	write_rekey(h, "CSTP", g->rekey_seconds, g->rekey_method);
	head_line(h, "X-CSTP-Session-Timeout: none");
	write_seconds(h, "X-CSTP-Disconnected-Timeout", g->disconnected_seconds);
	head_line(h, "X-CSTP-Keep: true");
	head_line(h, "X-CSTP-TCP-Keepalive: true");
	head_line(h, "X-CSTP-License: accept");
}

static void write_datagrams(struct head *h, const struct tunnel_grant *g, const struct tunnel_offer *offer)
{
	char app_id[2 * TUNNEL_APP_ID_MAX + 1];

	if (!g->app_id_len || !offer->psk_negotiate)
		return;
	hex_encode(g->app_id, g->app_id_len, app_id);
	write_seconds(h, "X-DTLS-DPD", g->dtls_dpd_seconds);
	head_line(h, "X-DTLS-Port: %d", g->dtls_port);
	write_rekey(h, "DTLS", g->dtls_rekey_seconds, g->dtls_rekey_method);
	write_seconds(h, "X-DTLS-Keepalive", g->dtls_keepalive_seconds);
	head_line(h, "X-DTLS-App-ID: %s", app_id);
	head_line(h, "X-DTLS-CipherSuite: " TUNNEL_PSK_NEGOTIATE);
}

static void write_extensions(struct head *h, const struct tunnel_grant *g, const struct tunnel_offer *offer)
{
	char text[PREFIX_TEXT_LEN];

	if (!offer->frames && !offer->overlap)
		return;
	if (g->frames && offer->frames)
		head_line(h, "X-Adit-Frames: 1");
	if (g->overlap && offer->overlap)
		head_line(h, "X-Adit-Overlap: 1");
	if (g->generation)
		head_line(h, "X-Adit-Generation: %u", g->generation);
	for (size_t i = 0; i < g->networks_len; i++)
		head_line(h, "X-Adit-Network: %s", prefix_format(&g->networks[i], text));
}

static void write_banner(struct head *h, const char *banner)
{
	char text[3 * TUNNEL_TEXT_MAX];
	size_t len = 0;

	for (; *banner; banner++) {
		if (*banner == '%' || iscntrl((unsigned char)*banner)) {
			text[len++] = '%';
			hex_encode((const uint8_t *)banner, 1, text + len);
			len += 2;
		} else {
			text[len++] = *banner;
		}
	}
	text[len] = '\0';
	head_line(h, "X-CSTP-Banner: %s", text);
}

static void write_refusal(struct head *h, const struct tunnel_grant *g)
{
	const char *reason = g->reason[0] ? g->reason : "Refused";

	head_line(h, "HTTP/1.1 %d %s", g->status, reason);
	head_line(h, "X-Reason: %s", reason);
	head_line(h, "Connection: close");
}

static void write_granted(struct head *h, const struct tunnel_grant *g, const struct tunnel_offer *offer)
{
	head_line(h, "HTTP/1.1 200 CONNECTED");
	head_line(h, "X-CSTP-Version: 1");
	head_line(h, "X-CSTP-Server-Name: adit");
	if (value_is_host(offer->hostname))
		head_line(h, "X-CSTP-Hostname: %s", offer->hostname);
	write_addresses(h, g, offer->full_ipv6);
	write_dns(h, g, offer);
	write_routes(h, g, offer);
	write_timers(h, g);
	write_extensions(h, g, offer);
	write_datagrams(h, g, offer);
	if (g->base_mtu)
		head_line(h, "X-CSTP-Base-MTU: %d", g->base_mtu);
	head_line(h, "X-CSTP-MTU: %d", g->mtu);
	if (g->banner[0])
		write_banner(h, g->banner);
}

int tunnel_encode_grant(const struct tunnel_grant *g, const struct tunnel_offer *offer, struct buf *out)
{
	struct head h = head_begin(out);

	if (g->status == 200)
		write_granted(&h, g, offer);
	else
		write_refusal(&h, g);
	return head_end(&h, NULL, 0);
}

int tunnel_decode_grant(const struct http_message *m, struct tunnel_grant *out)
{
	const char *reason = http_find(m, "X-Reason");
	struct reader reader = { .grant = out };
	int r;

	memset(out, 0, sizeof(*out));
	out->status = m->status;
	value_text(reason ? reason : m->reason, out->reason, sizeof(out->reason));
	if (m->status != 200)
		return 0;
	for (size_t i = 0; i < m->headers_len; i++)
		if ((r = read_header(&reader, &m->headers[i])) < 0)
			return r;
	if (reader.cut)
		log_warn("the gateway sends more routes, domains or DNS servers than we take: the rest is left out");
	return check_grant(&reader);
}

void tunnel_grant_fini(struct tunnel_grant *g)
{
	free(g->split_dns);
	free(g->includes);
	free(g->excludes);
	free(g->networks);
	*g = (struct tunnel_grant){ 0 };
}
