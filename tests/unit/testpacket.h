/* SPDX-License-Identifier: Apache-2.0 */
/* TCP and UDP packets made to order, with sums counted word by word: nothing here is shared with what is tested. */
#ifndef TESTPACKET_H
#define TESTPACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	SAMPLE_MAX = 65535,
	SAMPLE_FIN = 0x01,
	SAMPLE_SYN = 0x02,
	SAMPLE_RST = 0x04,
	SAMPLE_PSH = 0x08,
	SAMPLE_ACK = 0x10,
	SAMPLE_URG = 0x20,
	SAMPLE_ECE = 0x40,
	SAMPLE_CWR = 0x80,
	SAMPLE_TIMESTAMPS = 12, /* bytes of options */
};

struct sample {
	bool ipv6, udp;
	uint8_t ip_options; /* bytes in front of layer 4: no-operation options, or one hop-by-hop header of padding */
	uint8_t tos, ttl;
	uint16_t fragment; /* IPv4: flags and offset */
	uint16_t id;
	uint32_t flow_label;
	uint16_t source_port;
	uint32_t seq, ack;
	uint8_t flags; /* TCP */
	uint16_t window, urgent;
	uint8_t tcp_options; /* bytes, a multiple of 4: timestamps first */
	uint32_t timestamp;
	size_t payload_len;
};

/* What most tests begin with. */
static inline struct sample sample_tcp(bool ipv6)
{
	return (struct sample){ .ipv6 = ipv6,
				.ttl = 64,
				.fragment = 0x4000,
				.id = 0x1234,
				.source_port = 5000,
				.seq = 0x10203040,
				.ack = 0x55667788,
				.flags = SAMPLE_ACK,
				.window = 500,
				.tcp_options = SAMPLE_TIMESTAMPS,
				.timestamp = 0x01020304 };
}

static inline struct sample sample_udp(bool ipv6)
{
	return (struct sample){
		.ipv6 = ipv6, .udp = true, .ttl = 64, .fragment = 0x4000, .id = 0x1234, .source_port = 5000
	};
}

static inline size_t sample_l4_offset(const struct sample *s)
{
	return (s->ipv6 ? 40u : 20u) + s->ip_options;
}

static inline size_t sample_header_len(const struct sample *s)
{
	return sample_l4_offset(s) + (s->udp ? 8u : 20u + s->tcp_options);
}

static inline uint32_t sample_read16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline void sample_put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void sample_put32(uint8_t *at, uint32_t value)
{
	sample_put16(at, value >> 16);
	sample_put16(at + 2, value & 0xffff);
}

/* The definition (RFC 1071), folded, not inverted. */
static inline uint16_t sample_sum(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)data[i] << 8 | (i + 1 < len ? data[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Of the addresses in a packet, a protocol and the length of layer 4. */
static inline uint16_t sample_pseudo(const uint8_t *packet, uint8_t protocol, size_t l4_len)
{
	bool ipv6 = packet[0] >> 4 == 6;

	return sample_sum((uint32_t)(protocol + l4_len), packet + (ipv6 ? 8 : 12), ipv6 ? 32 : 8);
}

/* The byte of a stream at a place. */
static inline uint8_t sample_byte(uint32_t at)
{
	at *= 2654435761u;
	return (uint8_t)(at >> 24 ^ at >> 11);
}

static inline void sample_put_ipv4(uint8_t *out, const struct sample *s, size_t len, uint8_t protocol)
{
	out[0] = (uint8_t)(0x45 + s->ip_options / 4);
	out[1] = s->tos;
	sample_put16(out + 2, len);
	sample_put16(out + 4, s->id);
	sample_put16(out + 6, s->fragment);
	out[8] = s->ttl;
	out[9] = protocol;
	memcpy(out + 12, (const uint8_t[8]){ 10, 1, 0, 1, 10, 2, 0, 2 }, 8);
	memset(out + 20, 1, s->ip_options);
	sample_put16(out + 10, 0);
	sample_put16(out + 10, (uint16_t)~sample_sum(0, out, 20u + s->ip_options));
}

static inline void sample_put_ipv6(uint8_t *out, const struct sample *s, size_t len, uint8_t protocol)
{
	sample_put32(out, 0x60000000 | (uint32_t)s->tos << 20 | s->flow_label);
	sample_put16(out + 4, len - 40);
	out[6] = s->ip_options ? 0 : protocol;
	out[7] = s->ttl;
	memcpy(out + 8, (const uint8_t[16]){ 0xfd, 1, [15] = 1 }, 16);
	memcpy(out + 24, (const uint8_t[16]){ 0xfd, 2, [15] = 2 }, 16);
	if (!s->ip_options)
		return;
	memset(out + 40, 0, s->ip_options);
	out[40] = protocol;
	out[41] = (uint8_t)(s->ip_options / 8 - 1);
	out[42] = 1; /* PadN over the rest */
	out[43] = (uint8_t)(s->ip_options - 4);
}

static inline void sample_put_tcp(uint8_t *tcp, const struct sample *s)
{
	sample_put16(tcp, s->source_port);
	sample_put16(tcp + 2, 443);
	sample_put32(tcp + 4, s->seq);
	sample_put32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)((20 + s->tcp_options) / 4 << 4);
	tcp[13] = s->flags;
	sample_put16(tcp + 14, s->window);
	sample_put16(tcp + 18, s->urgent);
	memset(tcp + 20, 1, s->tcp_options);
	if (s->tcp_options < SAMPLE_TIMESTAMPS)
		return;
	sample_put16(tcp + 22, 0x080a);
	sample_put32(tcp + 24, s->timestamp);
	sample_put32(tcp + 28, 0x0a0b0c0d);
}

static inline void sample_put_udp(uint8_t *udp, const struct sample *s)
{
	sample_put16(udp, s->source_port);
	sample_put16(udp + 2, 443);
	sample_put16(udp + 4, 8 + s->payload_len);
}

/** sample_csum_at() - Where the layer 4 checksum is in the packet */
static inline size_t sample_csum_at(const struct sample *s)
{
	return sample_l4_offset(s) + (s->udp ? 6 : 16);
}

/** sample_finish() - Count the layer 4 checksum of the @len bytes of a packet made with @s */
static inline void sample_finish(uint8_t *packet, size_t len, const struct sample *s)
{
	size_t l4_offset = sample_l4_offset(s), l4_len = len - l4_offset;
	uint16_t sum;

	sample_put16(packet + sample_csum_at(s), 0);
	sum = (uint16_t)~sample_sum(sample_pseudo(packet, s->udp ? 17 : 6, l4_len), packet + l4_offset, l4_len);
	sample_put16(packet + sample_csum_at(s), !sum && s->udp ? 0xffff : sum);
}

/** sample_partial() - Leave the checksum to others: the folded sum of the pseudo-header */
static inline void sample_partial(uint8_t *packet, size_t len, const struct sample *s)
{
	sample_put16(packet + sample_csum_at(s), sample_pseudo(packet, s->udp ? 17 : 6, len - sample_l4_offset(s)));
}

/**
 * sample_build() - Make the packet, checksums complete
 * @out: room for header and payload
 *
 * The payload is that of a stream: it depends on the sequence number, or for UDP on the identification.
 *
 * Return: its bytes.
 */
static inline size_t sample_build(uint8_t *out, const struct sample *s)
{
	size_t header_len = sample_header_len(s), len = header_len + s->payload_len;
	uint8_t *l4 = out + sample_l4_offset(s);

	if (s->ipv6)
		sample_put_ipv6(out, s, len, s->udp ? 17 : 6);
	else
		sample_put_ipv4(out, s, len, s->udp ? 17 : 6);
	if (s->udp)
		sample_put_udp(l4, s);
	else
		sample_put_tcp(l4, s);
	for (size_t i = 0; i < s->payload_len; i++)
		out[header_len + i] = sample_byte((s->udp ? s->id : s->seq) + (uint32_t)i);
	sample_finish(out, len, s);
	return len;
}

#endif
