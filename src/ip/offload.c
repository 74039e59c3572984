/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about checksum and segments, judged by the packet itself. */
#include "ip/offload.h"

#include <netinet/in.h>

#include "ip/checksum.h"
#include "ip/header_int.h"
#include "ip/packet.h"

static void nothing_to_do(struct super *s)
{
	s->kind = SUPER_OTHER;
	s->l4_offset = s->header_len = s->csum_offset = 0;
	s->direct = false;
}

static void parse_tcp(struct super *s)
{
	const uint8_t *tcp = s->packet + s->l4_offset;
	size_t left = s->len - s->l4_offset, tcp_len;

	if (left < TCP_LEN)
		return;
	tcp_len = (tcp[TCP_DATA_OFFSET] >> 4) * 4u;
	if (tcp_len < TCP_LEN || tcp_len > left)
		return;
	s->kind = is_ipv4(s->packet) ? SUPER_TCP4 : SUPER_TCP6;
	s->header_len = s->l4_offset + tcp_len;
	s->csum_offset = TCP_CHECKSUM;
}

static void parse_udp(struct super *s)
{
	size_t left = s->len - s->l4_offset;

	if (left < UDP_LEN || get16(s->packet + s->l4_offset + UDP_LENGTH) != left)
		return;
	s->kind = SUPER_UDP;
	s->header_len = s->l4_offset + UDP_LEN;
	s->csum_offset = UDP_CHECKSUM;
}

static void parse_l4(struct super *s, uint8_t protocol)
{
	if (protocol == IPPROTO_TCP)
		parse_tcp(s);
	else if (protocol == IPPROTO_UDP)
		parse_udp(s);
	if (s->kind == SUPER_OTHER || s->header_len > OFFLOAD_HEADER_MAX)
		nothing_to_do(s);
}

static enum verdict parse_ipv4(struct super *s)
{
	const uint8_t *h = s->packet;

	if (s->len < IPV4_LEN)
		return DROP_SHORT;
	if (ipv4_header_len(h) < IPV4_LEN || ipv4_header_len(h) > s->len)
		return DROP_HEADER;
	if (get16(h + IPV4_TOTAL_LENGTH) != s->len)
		return DROP_LENGTH;
	if (get16(h + IPV4_FRAGMENT) & IPV4_IS_FRAGMENT)
		return PASS;
	s->l4_offset = ipv4_header_len(h);
	s->direct = s->l4_offset == IPV4_LEN;
	parse_l4(s, h[IPV4_PROTOCOL]);
	return PASS;
}

/* Those that a segment may have in front of its layer 4; behind a fragment's header or AH nothing is segmented. */
static bool is_skipped(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_ROUTING;
}

static enum verdict parse_ipv6(struct super *s)
{
	const uint8_t *h = s->packet;
	size_t at = IPV6_LEN;
	uint8_t next;
	int n;

	if (s->len < IPV6_LEN)
		return DROP_SHORT;
	if (get16(h + IPV6_PAYLOAD_LENGTH) != s->len - IPV6_LEN)
		return DROP_LENGTH;
	next = h[IPV6_NEXT];
	for (n = 0; n < PACKET_MAX_EXT && is_skipped(next) && s->len - at >= IPV6_EXT_MIN; n++) {
		size_t ext_len = (h[at + 1] + 1u) * 8;

		if (ext_len > s->len - at)
			return PASS;
		next = h[at];
		at += ext_len;
	}
	s->l4_offset = at;
	s->direct = at == IPV6_LEN;
	parse_l4(s, next);
	return PASS;
}

/* Kind and lengths of the headers. What is not TCP or UDP in good order stays SUPER_OTHER. */
static enum verdict parse(uint8_t *packet, size_t len, struct super *out)
{
	*out = (struct super){ .packet = packet, .len = len, .kind = SUPER_OTHER, .segments = 1 };
	if (!len)
		return DROP_SHORT;
	switch (packet[0] >> 4) {
	case 4:
		return parse_ipv4(out);
	case 6:
		return parse_ipv6(out);
	default:
		return DROP_VERSION;
	}
}

static bool has_tcp_flag(const struct super *s, uint8_t flags)
{
	return s->kind != SUPER_UDP && s->packet[s->l4_offset + TCP_FLAGS] & flags;
}

static uint8_t protocol_of(const struct super *s)
{
	return s->kind == SUPER_UDP ? IPPROTO_UDP : IPPROTO_TCP;
}

void offload_put_pseudo_sum(struct super *s)
{
	uint64_t sum = checksum_pseudo(s->packet, protocol_of(s), s->len - s->l4_offset);

	put_sum(s->packet + s->l4_offset + s->csum_offset, checksum_fold(sum));
}

/* A payload that one segment holds is one packet. */
static void set_segments(struct super *s, uint16_t gso_size)
{
	size_t payload_len = super_payload_len(s);

	if (payload_len <= gso_size)
		return;
	s->gso_size = gso_size;
	s->segments = (unsigned)((payload_len + gso_size - 1) / gso_size);
	s->partial = true;
}

static bool field_is_inside(const struct tun_header *h, size_t len)
{
	return (size_t)h->csum_start + h->csum_offset + sizeof(uint16_t) <= len;
}

/* A sum may begin further in: that of a packet which the host itself has put into a tunnel inside ours. */
static enum verdict read_one(const struct tun_header *h, struct super *s)
{
	if (!(h->flags & TUN_NEEDS_CSUM))
		return PASS;
	if (!field_is_inside(h, s->len))
		return DROP_OFFLOAD_FIELDS;
	s->partial = true;
	if (s->kind != SUPER_OTHER && h->csum_start == s->l4_offset && h->csum_offset == s->csum_offset)
		return PASS;
	nothing_to_do(s);
	s->l4_offset = h->csum_start;
	s->csum_offset = h->csum_offset;
	return PASS;
}

static bool type_fits(uint8_t gso_type, const struct super *s)
{
	switch (gso_type) {
	case TUN_GSO_TCP4:
	case TUN_GSO_TCP4 | TUN_GSO_ECN:
		return s->kind == SUPER_TCP4;
	case TUN_GSO_TCP6:
	case TUN_GSO_TCP6 | TUN_GSO_ECN:
		return s->kind == SUPER_TCP6;
	case TUN_GSO_UDP:
		return s->kind == SUPER_UDP;
	default:
		return false;
	}
}

/* Whatever the checksum field of one with a GSO type holds, the kernel makes it anew; so do we. */
static enum verdict read_super(const struct tun_header *h, struct super *s)
{
	if (!type_fits(h->gso_type, s) || !h->gso_size || has_tcp_flag(s, TCP_SYN | TCP_RST))
		return DROP_OFFLOAD_FIELDS;
	if (h->flags & TUN_NEEDS_CSUM && (h->csum_start != s->l4_offset || h->csum_offset != s->csum_offset))
		return DROP_OFFLOAD_FIELDS;
	s->partial = true;
	set_segments(s, h->gso_size);
	return PASS;
}

enum verdict offload_read(const struct tun_header *h, uint8_t *packet, size_t len, struct super *out)
{
	uint8_t type = h->gso_type & (uint8_t)~TUN_GSO_ECN;
	enum verdict v;

	if (type != TUN_GSO_NONE && type != TUN_GSO_TCP4 && type != TUN_GSO_TCP6 && type != TUN_GSO_UDP)
		return DROP_OFFLOAD;
	if ((v = parse(packet, len, out)) != PASS)
		return v;
	return type == TUN_GSO_NONE ? read_one(h, out) : read_super(h, out);
}

static bool header_checksum_holds(const struct super *s)
{
	return !is_ipv4(s->packet) || checksum_fold(checksum_add(0, s->packet, s->l4_offset)) == 0xffff;
}

static enum verdict check_segments(const struct super *s, size_t mtu)
{
	if (s->segments > OFFLOAD_SEGMENTS_MAX || s->gso_size < OFFLOAD_GSO_MIN)
		return DROP_OFFLOAD_FIELDS;
	if (has_tcp_flag(s, TCP_SYN | TCP_RST | TCP_URG))
		return DROP_OFFLOAD_FIELDS;
	return s->header_len + s->gso_size > mtu ? DROP_TOO_BIG : PASS;
}

enum verdict offload_check(uint8_t *packet, size_t len, uint16_t gso_size, bool partial, size_t mtu, struct super *out)
{
	enum verdict v;

	if ((v = parse(packet, len, out)) != PASS)
		return v;
	if (!gso_size && !partial)
		return len > mtu ? DROP_TOO_BIG : PASS;
	if (!out->direct)
		return DROP_OFFLOAD_FIELDS;
	if (!header_checksum_holds(out))
		return DROP_HEADER_CHECKSUM;
	out->partial = partial;
	if (gso_size)
		set_segments(out, gso_size);
	if (out->segments > 1)
		v = check_segments(out, mtu);
	else if (len > mtu)
		v = DROP_TOO_BIG;
	if (v == PASS && out->partial)
		offload_put_pseudo_sum(out);
	return v;
}

static uint8_t gso_type(const struct super *s)
{
	if (s->kind == SUPER_UDP)
		return TUN_GSO_UDP;
	return (s->kind == SUPER_TCP4 ? TUN_GSO_TCP4 : TUN_GSO_TCP6) | (has_tcp_flag(s, TCP_CWR) ? TUN_GSO_ECN : 0);
}

void offload_header(const struct super *s, struct tun_header *out)
{
	*out = (struct tun_header){ 0 };
	if (!s->partial)
		return;
	out->flags = TUN_NEEDS_CSUM;
	out->hdr_len = (uint16_t)s->header_len;
	out->csum_start = (uint16_t)s->l4_offset;
	out->csum_offset = (uint16_t)s->csum_offset;
	if (s->segments == 1)
		return;
	out->gso_type = gso_type(s);
	out->gso_size = s->gso_size;
}

void offload_finish(struct super *s)
{
	if (!s->partial)
		return;
	if (s->kind != SUPER_OTHER)
		offload_put_pseudo_sum(s);
	checksum_finish(s->packet, s->len, s->l4_offset, s->csum_offset);
	s->partial = false;
}

size_t offload_piece_len(const struct super *s)
{
	size_t payload_len = super_payload_len(s), most = (size_t)s->gso_size * OFFLOAD_SEGMENTS_MAX;

	if (s->segments == 1)
		return payload_len;
	if (!s->direct || s->gso_size < OFFLOAD_GSO_MIN || has_tcp_flag(s, TCP_URG))
		return s->gso_size;
	return payload_len < most ? payload_len : most;
}
