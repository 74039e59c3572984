/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open groups of packets, one for each flow, at most COALESCE_GROUPS. A packet
 *
 *   - that cannot be merged at all closes its flow's group and goes through alone: pure ACK, SYN, FIN, ICMP, ...
 *   - that continues its flow's group is appended;
 *   - that does not closes that group and opens another; where all are in use, the one longest unused is closed.
 *
 * A group is closed, that is, emitted, as soon as nothing can follow: after PSH, after a short packet, when it is full;
 * at the latest at the end of the batch. So no open group has PSH or a short packet in it. Nothing is written to the
 * packets; the headers of the whole are made in the group.
 */
#include "ip/coalesce.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/checksum.h"
#include "ip/header_int.h"
#include "ip/packet.h"

/* Kernels raise a smaller segment size to this one (TCP_MIN_GSO_SIZE), which would move the borders of datagrams. */
enum { PAYLOAD_MIN = 8 };

static const uint8_t *l4_of(const struct super *s)
{
	return s->packet + s->l4_offset;
}

static bool bytes_equal(const struct super *a, const struct super *b, size_t at, size_t len)
{
	return memcmp(a->packet + at, b->packet + at, len) == 0;
}

static bool l4_equal(const struct super *a, const struct super *b, size_t at, size_t len)
{
	return memcmp(l4_of(a) + at, l4_of(b) + at, len) == 0;
}

static bool same_ends(const struct super *a, const struct super *b)
{
	if (is_ipv4(a->packet) != is_ipv4(b->packet))
		return false;
	if (is_ipv4(a->packet))
		return bytes_equal(a, b, IPV4_ADDRESSES, IPV4_ADDRESSES_LEN);
	return bytes_equal(a, b, IPV6_ADDRESSES, IPV6_ADDRESSES_LEN);
}

/* Of what cannot be understood only the addresses are known: it may belong to each flow between them. */
static bool may_be_same_flow(const struct super *a, const struct super *b)
{
	if (!same_ends(a, b))
		return false;
	return b->kind == SUPER_OTHER || (a->kind == b->kind && l4_equal(a, b, 0, PORTS_LEN));
}

static bool checksum_holds(const struct super *s)
{
	uint8_t protocol = s->kind == SUPER_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	size_t l4_len = s->len - s->l4_offset;

	if (s->partial)
		return true;
	return checksum_fold(checksum_add(checksum_pseudo(s->packet, protocol, l4_len), l4_of(s), l4_len)) == 0xffff;
}

/* That of a partial one has been looked at: offload_check() does, before it says so. */
static bool ip_header_holds(const struct super *s)
{
	return s->partial || !is_ipv4(s->packet) || checksum_fold(checksum_add(0, s->packet, IPV4_LEN)) == 0xffff;
}

/* A datagram over IPv4 may go without a checksum (RFC 768); merged, it gets one. */
static bool udp_can_merge(const struct super *s)
{
	if (get16(l4_of(s) + UDP_CHECKSUM) == 0 && !s->partial)
		return is_ipv4(s->packet);
	return checksum_holds(s);
}

static bool tcp_can_merge(const struct super *s)
{
	uint8_t flags = l4_of(s)[TCP_FLAGS];

	return (flags & (uint8_t)~TCP_PSH) == TCP_ACK && checksum_holds(s);
}

static bool can_merge(const struct coalescer *c, const struct super *s)
{
	if (!s->direct || super_payload_len(s) < PAYLOAD_MIN || !ip_header_holds(s))
		return false;
	if (s->kind == SUPER_UDP)
		return c->what & COALESCE_UDP && udp_can_merge(s);
	return c->what & COALESCE_TCP && tcp_can_merge(s);
}

/* An identification is of use to fragments only: with DF set it need not count up (RFC 6864, section 4.1). */
static bool ipv4_continues(const struct super *a, const struct super *b, unsigned packets)
{
	uint16_t id = (uint16_t)(get16(a->packet + IPV4_ID) + packets);

	if (a->packet[IPV4_TOS] != b->packet[IPV4_TOS] || a->packet[IPV4_TTL] != b->packet[IPV4_TTL] ||
	    !bytes_equal(a, b, IPV4_FRAGMENT, 2))
		return false;
	return get16(a->packet + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT || get16(b->packet + IPV4_ID) == id;
}

static bool ipv6_continues(const struct super *a, const struct super *b)
{
	return bytes_equal(a, b, 0, IPV6_FLOW_LEN) && a->packet[IPV6_HOP_LIMIT] == b->packet[IPV6_HOP_LIMIT];
}

/* No byte between what is there and what comes; same acknowledgement, data offset, window and, so long, options. */
static bool tcp_continues(const struct coalesce_group *g, const struct super *b)
{
	const struct super *a = &g->first;

	return get32(l4_of(b) + TCP_SEQ) == g->next_seq && l4_equal(a, b, TCP_ACK_NUMBER, TCP_FLAGS - TCP_ACK_NUMBER) &&
	       l4_equal(a, b, TCP_WINDOW, TCP_CHECKSUM - TCP_WINDOW) &&
	       l4_equal(a, b, TCP_URGENT, a->header_len - a->l4_offset - TCP_URGENT);
}

static bool continues(const struct coalesce_group *g, const struct super *b)
{
	const struct super *a = &g->first;

	if (a->partial != b->partial || super_payload_len(b) > super_payload_len(a))
		return false;
	if (g->out.len + super_payload_len(b) > PACKET_MAX_LEN)
		return false;
	if (is_ipv4(a->packet) ? !ipv4_continues(a, b, g->out.packets) : !ipv6_continues(a, b))
		return false;
	return a->kind == SUPER_UDP || tcp_continues(g, b);
}

/* Headers of the whole, from those of the first packet. */
static void make_headers(struct coalesce_group *g)
{
	struct super whole = g->first;
	uint8_t *l4 = g->headers + whole.l4_offset;
	size_t l4_len = g->out.len - whole.l4_offset;
	uint8_t protocol = whole.kind == SUPER_UDP ? IPPROTO_UDP : IPPROTO_TCP;

	memcpy(g->headers, g->first.packet, whole.header_len);
	set_ip_length(g->headers, g->out.len);
	if (whole.kind == SUPER_UDP)
		put16(l4 + UDP_LENGTH, l4_len);
	else if (g->pushed)
		l4[TCP_FLAGS] |= TCP_PSH;
	put_sum(l4 + whole.csum_offset, checksum_fold(checksum_pseudo(g->headers, protocol, l4_len)));
	whole.packet = g->headers;
	whole.len = g->out.len;
	whole.gso_size = (uint16_t)super_payload_len(&g->first);
	whole.segments = g->out.packets;
	whole.partial = true;
	offload_header(&whole, &g->out.header);
	g->out.parts[0] = (struct iovec){ g->headers, whole.header_len };
	g->out.n_parts = 1 + g->out.packets;
}

static void emit_one(const struct coalescer *c, struct coalesced *out, const struct super *one)
{
	offload_header(one, &out->header);
	out->parts[0] = (struct iovec){ one->packet, one->len };
	out->n_parts = 1;
	out->packets = 1;
	out->len = one->len;
	out->header_len = one->header_len;
	out->partial = one->partial;
	c->emit(c->context, out);
}

/* The group at place @i of the order: emit it and move its place behind those in use. */
static void close_group(struct coalescer *c, unsigned i)
{
	uint8_t index = c->order[i];
	struct coalesce_group *g = &c->groups[index];

	c->open--;
	memmove(c->order + i, c->order + i + 1, c->open - i);
	c->order[c->open] = index;
	if (g->out.packets == 1) {
		emit_one(c, &g->out, &g->first);
		return;
	}
	make_headers(g);
	c->emit(c->context, &g->out);
}

static void move_to_front(struct coalescer *c, unsigned i)
{
	uint8_t index = c->order[i];

	memmove(c->order + 1, c->order, i);
	c->order[0] = index;
}

static void append(struct coalesce_group *g, const struct super *one)
{
	size_t payload_len = super_payload_len(one);

	g->out.packets++;
	g->out.parts[g->out.packets] = (struct iovec){ one->packet + one->header_len, payload_len };
	g->out.len += payload_len;
	if (one->kind == SUPER_UDP)
		return;
	g->next_seq = get32(l4_of(one) + TCP_SEQ) + (uint32_t)payload_len;
	g->pushed = l4_of(one)[TCP_FLAGS] & TCP_PSH;
}

static void open_group(struct coalescer *c, const struct super *one)
{
	struct coalesce_group *g;

	if (c->open == COALESCE_GROUPS)
		close_group(c, COALESCE_GROUPS - 1);
	move_to_front(c, c->open++);
	g = &c->groups[c->order[0]];
	g->first = *one;
	g->from = c->from;
	g->pushed = false;
	g->out.packets = 0;
	g->out.len = g->out.header_len = one->header_len;
	g->out.partial = one->partial;
	append(g, one);
}

/* Whether nothing may follow @last, which was appended just now. */
static bool is_complete(const struct coalesce_group *g, const struct super *last)
{
	return g->pushed || super_payload_len(last) < super_payload_len(&g->first) ||
	       g->out.packets == COALESCE_PACKETS_MAX;
}

/* A packet that goes through alone goes behind all of its flow. */
static void close_flow(struct coalescer *c, const struct super *one)
{
	unsigned i = 0;

	while (i < c->open) {
		if (may_be_same_flow(&c->groups[c->order[i]].first, one))
			close_group(c, i);
		else
			i++;
	}
}

static unsigned find_flow(const struct coalescer *c, const struct super *one)
{
	unsigned i;

	for (i = 0; i < c->open && !may_be_same_flow(&c->groups[c->order[i]].first, one); i++)
		;
	return i;
}

static void merge(struct coalescer *c, const struct super *one)
{
	unsigned i = find_flow(c, one);

	if (i < c->open && continues(&c->groups[c->order[i]], one)) {
		move_to_front(c, i);
		append(&c->groups[c->order[0]], one);
	} else {
		if (i < c->open)
			close_group(c, i);
		open_group(c, one);
	}
	if (is_complete(&c->groups[c->order[0]], one))
		close_group(c, 0);
}

void coalesce_init(struct coalescer *c, coalesce_emit *emit, void *context, unsigned what)
{
	c->emit = emit;
	c->context = context;
	c->from = NULL;
	c->what = what;
	c->open = 0;
	for (unsigned i = 0; i < COALESCE_GROUPS; i++)
		c->order[i] = (uint8_t)i;
}

void coalesce_add(struct coalescer *c, const struct super *one)
{
	assert(one->segments == 1);
	if (can_merge(c, one)) {
		merge(c, one);
		return;
	}
	close_flow(c, one);
	emit_one(c, &c->alone, one);
}

/* What offload_check() would find: the same kind of packet with headers of the same length, and the lengths right. */
static bool same_shape(const struct super *a, const struct super *b)
{
	if (a->packet[0] != b->packet[0] || super_payload_len(b) < PAYLOAD_MIN)
		return false;
	if (is_ipv4(b->packet)) {
		if (b->packet[IPV4_PROTOCOL] != a->packet[IPV4_PROTOCOL] ||
		    get16(b->packet + IPV4_TOTAL_LENGTH) != b->len)
			return false;
	} else if (b->packet[IPV6_NEXT] != a->packet[IPV6_NEXT] ||
		   get16(b->packet + IPV6_PAYLOAD_LENGTH) != b->len - IPV6_LEN) {
		return false;
	}
	return b->kind != SUPER_UDP || get16(l4_of(b) + UDP_LENGTH) == b->len - b->l4_offset;
}

bool coalesce_next(struct coalescer *c, uint8_t *packet, size_t len, bool partial)
{
	struct coalesce_group *g = &c->groups[c->order[0]];
	struct super one;

	if (!c->open || g->from != c->from || len <= g->first.header_len || partial != g->first.partial)
		return false;
	one = g->first;
	one.packet = packet;
	one.len = len;
	if (!same_shape(&g->first, &one) || !may_be_same_flow(&g->first, &one) || !continues(g, &one))
		return false;
	if (is_ipv4(packet) && checksum_fold(checksum_add(0, packet, IPV4_LEN)) != 0xffff)
		return false;
	if (one.kind == SUPER_UDP ? !udp_can_merge(&one) : !tcp_can_merge(&one))
		return false;
	if (partial)
		offload_put_pseudo_sum(&one);
	append(g, &one);
	if (is_complete(g, &one))
		close_group(c, 0);
	return true;
}

void coalesce_flush(struct coalescer *c)
{
	while (c->open)
		close_group(c, c->open - 1u);
}

const uint8_t *coalesced_packet(const struct coalesced *out, unsigned i, struct tun_header *header, size_t *len)
{
	*header = out->header;
	if (out->packets == 1) {
		*len = out->len;
		return out->parts[0].iov_base;
	}
	header->gso_type = TUN_GSO_NONE;
	header->gso_size = 0;
	if (!out->partial)
		*header = (struct tun_header){ 0 };
	*len = out->header_len + out->parts[1 + i].iov_len;
	return (const uint8_t *)out->parts[1 + i].iov_base - out->header_len;
}
