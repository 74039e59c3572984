/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Super-packets through the kernel's own offload code and through ours, compared byte by byte:
 *
 *   offload_probe WHAT IN OUT     WHAT: segment, read, coalesce, partial
 *
 * IN and OUT are TUN devices that the kernel routes between: what is written into IN is read from OUT, its TTL one
 * less. OUT has no offloads, so the kernel must segment and sum; only "read" gives it all. Every difference is a line.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/tun.h"
#include "ip/coalesce.h"
#include "ip/offload.h"
#include "ip/segment.h"
#include "testpacket.h"

enum {
	ALL_OFFLOADS = 0x6f, /* CSUM, TSO4, TSO6, TSO_ECN, USO4, USO6 */
	WAIT_MS = 1000,
	TRIES = 100, /* at 20 ms each */
	ROOM = SAMPLE_MAX + 64,
	KINDS = 4,
	TCP = 5, /* sets of kinds, a bit each */
	UDP = 10,
	IPV4 = 3,
	ANY = 15,
};

struct variant {
	const char *name;
	unsigned kinds;
	size_t payload_len;
	uint16_t gso_size;
	uint8_t flags, ip_options;
	uint16_t id;
	uint32_t seq;
	bool may_fragment, no_timestamps;
};

static const struct variant variants[] = {
	{ .name = "plain", ANY, 20000, 1000 },
	{ .name = "largest", ANY, 60000, 1400 },
	{ .name = "odd sizes", ANY, 7778, 777 },
	{ .name = "no short segment", ANY, 8 * 1200, 1200 },
	{ .name = "last of one byte", ANY, 3 * 1001 + 1, 1001 },
	{ .name = "64 segments", ANY, 64 * 512, 512 },
	{ .name = "psh", TCP, 5000, 1300, .flags = SAMPLE_PSH },
	{ .name = "fin", TCP, 5000, 1300, .flags = SAMPLE_FIN | SAMPLE_PSH },
	{ .name = "cwr", TCP, 5000, 1300, .flags = SAMPLE_CWR },
	{ .name = "ece, cwr", TCP, 5000, 1300, .flags = SAMPLE_CWR | SAMPLE_ECE | SAMPLE_PSH },
	{ .name = "no timestamps", TCP, 5000, 1300, .no_timestamps = true },
	{ .name = "id wraps", IPV4, 9000, 900, .id = 0xfffc },
	{ .name = "no df, id wraps", IPV4, 9000, 900, .id = 0xfffe, .may_fragment = true },
	{ .name = "sequence wraps", TCP, 9000, 900, .seq = 0xfffff000 },
	{ .name = "sequence carries", TCP, 60000, 1000, .seq = 0x1234ff00 },
	{ .name = "options or extension headers", ANY, 9000, 900, .ip_options = 8 },
};

static int in, out, differences;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int attach(const char *name, unsigned offloads)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
		die(name);
	return fd;
}

static void differ(const char *what, const struct variant *v, const struct sample *s, unsigned n)
{
	printf("%s: %s, %s over IPv%d, packet %u\n", what, v->name, s->udp ? "UDP" : "TCP", s->ipv6 ? 6 : 4, n);
	differences++;
}

static struct sample sample_of(const struct variant *v, int kind)
{
	struct sample s = kind & 1 ? sample_udp(kind & 2) : sample_tcp(kind & 2);

	s.payload_len = v->payload_len;
	s.tos = 0x28;
	s.flow_label = s.ipv6 ? 0x12345 : 0;
	s.flags |= v->flags;
	s.ip_options = v->ip_options;
	s.id = v->id ? v->id : s.id;
	s.seq = v->seq ? v->seq : s.seq;
	if (v->may_fragment)
		s.fragment = 0;
	if (v->no_timestamps)
		s.tcp_options = 0;
	return s;
}

static struct tun_header header_of(const struct sample *s, uint16_t gso_size)
{
	struct tun_header h = { .flags = TUN_NEEDS_CSUM, .gso_size = gso_size };

	if (gso_size)
		h.gso_type = s->udp ? TUN_GSO_UDP : s->ipv6 ? TUN_GSO_TCP6 : TUN_GSO_TCP4;
	if (gso_size && !s->udp && s->flags & SAMPLE_CWR)
		h.gso_type |= TUN_GSO_ECN;
	h.hdr_len = (uint16_t)sample_header_len(s);
	h.csum_start = (uint16_t)sample_l4_offset(s);
	h.csum_offset = s->udp ? 6 : 16;
	return h;
}

/* By the destination: the kernel may have something to say itself. */
static bool is_ours(const uint8_t *packet)
{
	if (packet[0] >> 4 == 4)
		return packet[16] == 10 && packet[17] == 2;
	return packet[24] == 0xfd && packet[25] == 2;
}

/* The next packet of ours out of the kernel, 0 when none comes. */
static size_t from_kernel(struct tun_header *h, uint8_t *packet)
{
	struct pollfd ready = { out, POLLIN, 0 };
	int len;

	while (poll(&ready, 1, WAIT_MS) == 1)
		if ((len = tun_read(out, h, packet)) > 0 && is_ours(packet))
			return (size_t)len;
	return 0;
}

/* The super-packet of a sample, cut by us. */
static void cut(struct segmenter *it, const struct sample *s, uint16_t gso_size, uint8_t *packet)
{
	struct tun_header h = header_of(s, gso_size);
	size_t len = sample_build(packet, s);
	struct super super;

	sample_partial(packet, len, s);
	if (offload_read(&h, packet, len, &super) != PASS) {
		printf("our own super-packet is refused\n");
		exit(1);
	}
	segment_begin(it, &super, gso_size, false);
}

static void to_kernel(const struct variant *v, const struct sample *s, uint16_t gso_size)
{
	static uint8_t packet[ROOM];
	struct tun_header h = header_of(s, gso_size);
	size_t len = sample_build(packet, s);

	sample_partial(packet, len, s);
	if (tun_write(in, &h, packet, len) < 0)
		differ("refused by the kernel", v, s, 0);
}

/* Whatever has not been read when a comparison ended early. */
static void drain(void)
{
	static uint8_t packet[ROOM];
	struct tun_header h;

	while (tun_read(out, &h, packet) > 0)
		;
}

/* A device that has just been opened drops what is sent to it for a moment. */
static void wait_for_link(void)
{
	static uint8_t packet[ROOM];
	static const struct tun_header plain;
	struct sample s = sample_udp(false);
	struct pollfd ready = { out, POLLIN, 0 };
	size_t len = sample_build(packet, &s);

	for (int i = 0; i < TRIES && poll(&ready, 1, i ? 20 : 0) == 0; i++)
		if (tun_write(in, &plain, packet, len) < 0)
			die("write");
	drain();
}

static void segment_one(const struct variant *v, int kind)
{
	static uint8_t whole[ROOM], ours[ROOM], theirs[ROOM];
	struct sample s = sample_of(v, kind), routed = s;
	struct tun_header h;
	struct segmenter it;
	unsigned n = 0;
	size_t len;

	routed.ttl--;
	to_kernel(v, &s, v->gso_size);
	cut(&it, &routed, v->gso_size, whole);
	for (; (len = segment_write(&it, ours)); n++)
		if (from_kernel(&h, theirs) != len || memcmp(ours, theirs, len) != 0) {
			differ("segmented otherwise", v, &s, n);
			break;
		}
	drain();
}

/* What the kernel hands over whole, with a hdr_len of its own; it may have cut it in two. */
static void read_one(const struct variant *v, int kind)
{
	static uint8_t whole[ROOM], ours[ROOM], theirs[ROOM], handed[ROOM];
	struct sample s = sample_of(v, kind), routed = s;
	struct segmenter it, their_it;
	struct super super = { 0 };
	struct tun_header h;
	unsigned n = 0;
	size_t len, left = 0;

	routed.ttl--;
	to_kernel(v, &s, v->gso_size);
	cut(&it, &routed, v->gso_size, whole);
	for (; (len = segment_write(&it, ours)); n++) {
		if (!left) {
			if (offload_read(&h, handed, from_kernel(&h, handed), &super) != PASS)
				break;
			segment_begin(&their_it, &super, super.gso_size ? super.gso_size : super_payload_len(&super),
				      false);
			left = super.segments;
		}
		left--;
		if (segment_write(&their_it, theirs) != len || memcmp(ours, theirs, len) != 0)
			break;
	}
	if (len)
		differ("handed over otherwise", v, &s, n);
	drain();
}

static void write_whole(void *context, const struct coalesced *o)
{
	static uint8_t whole[ROOM];
	size_t at = 0;

	for (unsigned i = 0; i < o->n_parts; at += o->parts[i++].iov_len)
		memcpy(whole + at, o->parts[i].iov_base, o->parts[i].iov_len);
	if (tun_write(in, &o->header, whole, at) < 0)
		printf("a super-packet of ours is refused by the kernel\n");
	else if (o->packets > *(unsigned *)context)
		*(unsigned *)context = o->packets;
}

/* Packets as they come, one by one; the kernel gets them together and cuts them again. */
static void coalesce_one(const struct variant *v, int kind)
{
	static struct coalescer c;
	static uint8_t packets[64][1500], whole[ROOM], theirs[ROOM], expected[1500];
	struct sample s = sample_of(v, kind), routed = s;
	struct tun_header h;
	struct segmenter it;
	struct super one;
	unsigned n = 0, i, most = 0;
	size_t len;

	coalesce_init(&c, write_whole, &most, COALESCE_TCP | COALESCE_UDP);
	cut(&it, &s, v->gso_size, whole);
	for (; (len = segment_write(&it, packets[n])); n++)
		if (offload_check(packets[n], len, 0, false, sizeof(packets[n]), &one) == PASS)
			coalesce_add(&c, &one);
	coalesce_flush(&c);
	routed.ttl--;
	cut(&it, &routed, v->gso_size, whole);
	for (i = 0; i < n; i++) {
		len = segment_write(&it, expected);
		if (from_kernel(&h, theirs) != len || memcmp(expected, theirs, len) != 0) {
			differ("coalesced and cut otherwise", v, &s, i);
			break;
		}
	}
	/* All with ECE or options stay apart, FIN and CWR are on one packet each. */
	if (!v->ip_options && !(s.flags & SAMPLE_ECE) && most < n - 2)
		differ("hardly coalesced", v, &s, most);
	drain();
}

/* One packet whose checksum is left to the kernel. */
static void partial_one(const struct variant *v, int kind)
{
	static uint8_t expected[ROOM], theirs[ROOM];
	struct sample s = sample_of(v, kind), routed;
	struct tun_header h;
	struct super super;
	size_t len;

	s.payload_len = v->gso_size;
	routed = s;
	routed.ttl--;
	len = sample_build(expected, &s);
	if (v->ip_options)
		return;
	if (offload_check(expected, len, 0, true, 1500, &super) != PASS)
		differ("refused", v, &s, 0);
	offload_header(&super, &h);
	if (tun_write(in, &h, expected, len) < 0)
		differ("refused by the kernel", v, &s, 0);
	len = sample_build(expected, &routed);
	if (from_kernel(&h, theirs) != len || memcmp(expected, theirs, len) != 0)
		differ("finished otherwise", v, &s, 0);
	drain();
}

static const struct {
	const char *name;
	void (*run)(const struct variant *v, int kind);
	unsigned out_offloads;
} tests[] = {
	{ "segment", segment_one, 0 },
	{ "read", read_one, ALL_OFFLOADS },
	{ "coalesce", coalesce_one, 0 },
	{ "partial", partial_one, 0 },
};

int main(int argc, char **argv)
{
	size_t t = 0;

	while (argc == 4 && t < sizeof(tests) / sizeof(tests[0]) && strcmp(tests[t].name, argv[1]) != 0)
		t++;
	if (argc != 4 || t == sizeof(tests) / sizeof(tests[0])) {
		fprintf(stderr, "usage: offload_probe segment|read|coalesce|partial IN OUT\n");
		return 2;
	}
	in = attach(argv[2], ALL_OFFLOADS);
	out = attach(argv[3], tests[t].out_offloads);
	wait_for_link();
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		for (int kind = 0; kind < KINDS; kind++)
			if (variants[i].kinds >> kind & 1)
				tests[t].run(&variants[i], kind);
	return differences ? 1 : 0;
}
