/* SPDX-License-Identifier: Apache-2.0 */
/* A checked view of one inner IP packet. */
#include "ip/packet.h"

#include <netinet/in.h>

enum {
	IPV4_HEADER_LEN = 20,
	IPV4_OPTION_END = 0,
	IPV4_OPTION_NOP = 1,
	IPV4_OPTION_LSRR = 131,
	IPV4_OPTION_SSRR = 137,
	IPV4_OFFSET_MASK = 0x1fff,
	IPV6_HEADER_LEN = 40,
	IPV6_EXT_LEN = 8, /* the shortest extension header */
	IPV6_OFFSET_MASK = 0xfff8,
	IPV6_ROUTING_SOURCE = 0,
	IPV6_ROUTING_MOBILE = 2,
	ICMP_QUOTE_OFFSET = 8,
	ICMPV6_ERRORS = 128, /* types below are errors (RFC 4443, section 2.1) */
};

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static enum verdict check_options(const uint8_t *at, size_t len)
{
	while (len && at[0] != IPV4_OPTION_END) {
		size_t take = 1;

		if (at[0] == IPV4_OPTION_LSRR || at[0] == IPV4_OPTION_SSRR)
			return DROP_SOURCE_ROUTE;
		if (at[0] != IPV4_OPTION_NOP) {
			if (len < 2 || at[1] < 2 || at[1] > len)
				return DROP_HEADER;
			take = at[1];
		}
		at += take;
		len -= take;
	}
	return PASS;
}

static enum verdict parse_ipv4(struct packet *p)
{
	const uint8_t *h = p->data;
	size_t header_len = (h[0] & 0x0fu) * 4;

	if (p->len < IPV4_HEADER_LEN)
		return DROP_SHORT;
	if (header_len < IPV4_HEADER_LEN || header_len > p->len)
		return DROP_HEADER;
	if (get16(h + 2) != p->len)
		return DROP_LENGTH;
	p->src = addr_from_bytes(h + 12, 32);
	p->dst = addr_from_bytes(h + 16, 32);
	p->protocol = h[9];
	p->fragment = get16(h + 6) & IPV4_OFFSET_MASK;
	p->l4_offset = header_len;
	return check_options(h + IPV4_HEADER_LEN, header_len - IPV4_HEADER_LEN);
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_ROUTING ||
	       next == IPPROTO_FRAGMENT || next == IPPROTO_AH;
}

static size_t extension_len(uint8_t kind, const uint8_t *ext)
{
	if (kind == IPPROTO_FRAGMENT)
		return IPV6_EXT_LEN;
	if (kind == IPPROTO_AH) /* counted in 4-octet units (RFC 4302, section 2.2) */
		return (ext[1] + 2u) * 4;
	return (ext[1] + 1u) * 8;
}

/* Step over one extension header. What follows a fragment's header is data unless it is the first. */
static enum verdict skip_extension(struct packet *p)
{
	const uint8_t *ext = p->data + p->l4_offset;
	size_t left = p->len - p->l4_offset;

	if (left < IPV6_EXT_LEN || extension_len(p->protocol, ext) > left)
		return DROP_HEADER;
	if (p->protocol == IPPROTO_ROUTING && (ext[2] == IPV6_ROUTING_SOURCE || ext[2] == IPV6_ROUTING_MOBILE))
		return DROP_ROUTING_HEADER;
	if (p->protocol == IPPROTO_FRAGMENT)
		p->fragment = get16(ext + 2) & IPV6_OFFSET_MASK;
	p->l4_offset += extension_len(p->protocol, ext);
	p->protocol = ext[0];
	return PASS;
}

static enum verdict parse_ipv6(struct packet *p)
{
	const uint8_t *h = p->data;
	enum verdict v;
	int n;

	if (p->len < IPV6_HEADER_LEN)
		return DROP_SHORT;
	if (get16(h + 4) != p->len - IPV6_HEADER_LEN)
		return DROP_LENGTH;
	p->src = addr_from_bytes(h + 8, 128);
	p->dst = addr_from_bytes(h + 24, 128);
	p->protocol = h[6];
	p->l4_offset = IPV6_HEADER_LEN;
	for (n = 0; is_extension(p->protocol) && !p->fragment; n++) {
		if (n == PACKET_MAX_EXT)
			return DROP_HEADER;
		if ((v = skip_extension(p)) != PASS)
			return v;
	}
	return PASS;
}

static enum verdict check_addr(const struct addr *a)
{
	if (addr_is_multicast(a))
		return DROP_MULTICAST;
	if (addr_is_link_local(a))
		return DROP_LINK_LOCAL;
	return addr_is_loopback(a) || addr_is_unspecified(a) ? DROP_LOOPBACK : PASS;
}

/* ICMP types that quote the packet they are about (RFC 792). */
static bool is_icmp_error(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static enum verdict parse_quote(struct packet *p)
{
	const uint8_t *icmp = p->data + p->l4_offset, *quote;
	size_t len = p->len - p->l4_offset;
	bool v4 = p->src.family == ADDR_V4;

	if (p->fragment || !len || p->protocol != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return PASS;
	if (v4 ? !is_icmp_error(icmp[0]) : icmp[0] >= ICMPV6_ERRORS)
		return PASS;
	if (len < ICMP_QUOTE_OFFSET + (size_t)(v4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN))
		return DROP_ICMP_QUOTE;
	quote = icmp + ICMP_QUOTE_OFFSET;
	if (quote[0] >> 4 != (v4 ? 4 : 6))
		return DROP_ICMP_QUOTE;
	p->quotes = true;
	p->quoted_dst = v4 ? addr_from_bytes(quote + 16, 32) : addr_from_bytes(quote + 24, 128);
	return PASS;
}

enum verdict packet_parse(const uint8_t *data, size_t len, struct packet *out)
{
	enum verdict v;

	*out = (struct packet){ .data = data, .len = len };
	if (!len)
		return DROP_SHORT;
	switch (data[0] >> 4) {
	case 4:
		v = parse_ipv4(out);
		break;
	case 6:
		v = parse_ipv6(out);
		break;
	default:
		return DROP_VERSION;
	}
	/* The destination first: what a kernel sends by itself to a group counts as multicast, whatever its source. */
	if (v != PASS || (v = check_addr(&out->dst)) != PASS || (v = check_addr(&out->src)) != PASS)
		return v;
	return parse_quote(out);
}

enum verdict packet_dst(const uint8_t *data, size_t len, struct addr *out)
{
	struct addr dst;

	if (!len)
		return DROP_SHORT;
	if (data[0] >> 4 != 4 && data[0] >> 4 != 6)
		return DROP_VERSION;
	if (len < (data[0] >> 4 == 4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN))
		return DROP_SHORT;
	dst = data[0] >> 4 == 4 ? addr_from_bytes(data + 16, 32) : addr_from_bytes(data + 24, 128);
	if (addr_is_multicast(&dst))
		return DROP_MULTICAST;
	if (addr_is_link_local(&dst))
		return DROP_LINK_LOCAL;
	*out = dst;
	return PASS;
}
