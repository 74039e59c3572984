/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an inner packet costs on its way from the client's TUN to the gateway's:
 *
 *	bench_path [stream|datagram super|large|small PACKETS]
 *
 * Two paths on one thread, joined by a stream and by UDP over the loopback device, with a session each, both with the
 * keys of a real channel; only the TUN queues are pairs of sockets, which keep packets apart as a device does. A turn
 *is what one call of egress_tun() takes; it is carried to its end before the next one begins, so that every run does
 *the same. Without arguments it times all of it. With them one traffic is carried once, for scripts/count-instructions:
 *it counts what happens within counted_egress() and counted_ingress(), and knows them by name.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <urcu/urcu-memb.h>
#include <uv.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "crypto/dtls.h"
#include "crypto/memory.h"
#include "io/sock.h"
#include "io/tun.h"
#include "io/udp.h"
#include "path/egress.h"
#include "path/flow.h"
#include "path/ingress.h"
#include "path/link.h"
#include "path/path.h"
#include "session/channel.h"
#include "session/session.h"
#include "session/table.h"
#include "testpacket.h"
#include "wire/dtls_hello.h"
#include "wire/records.h"

enum {
	ROUNDS = 10, /* the best is told */
	ROUND_PACKETS = 2000,
	PACKET_MAX = 1400,       /* of the tunnel */
	SOCKET_BUFFER = 4 << 20, /* a turn fits */
	WAIT_MS = 5000,
	GENERATION = 1,
};

/* One end of the tunnel. */
struct end {
	struct path path;
	struct session *session;
	int kernel; /* the other end of the TUN queue */
};

struct world {
	uv_loop_t loop;
	struct end client, gateway;
	struct udp udp; /* the gateway's */
	struct endpoint udp_at;
	struct dtls_context *dtls_server, *dtls_client;
	bool by_datagram;
	uint64_t now_ms; /* stands still: nothing becomes due on the way */
};

/* Packets of one flow. */
struct traffic {
	const char *name;
	bool udp;
	size_t payload_len;
	uint16_t gso_size; /* 0: they come singly */
};

static const struct traffic traffics[] = {
	{ .name = "super", .payload_len = 44 * 1348, .gso_size = 1348 }, /* as TCP fills them at an MTU of 1400 */
	{ .name = "large", .udp = true, .payload_len = 1400 - 28 },
	{ .name = "small", .udp = true, .payload_len = 64 - 28 },
};

static const char *const transports[] = { "stream", "datagram" };

/* One turn of it, laid out. */
struct load {
	struct tun_header header;
	uint8_t *packets;
	size_t len, header_len; /* of each */
	unsigned count;
	size_t segments, payload; /* of all: what has to arrive */
};

struct arrival {
	size_t segments, payload;
};

struct cost {
	size_t segments;
	double egress_ns, ingress_ns;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_path: %s\n", what);
	exit(1);
}

static void need(bool good, const char *what)
{
	if (!good)
		die(what);
}

/* ---- in place of base/random.c: what is hashed lies at the same places on every run ---- */

void random_bytes(void *out, size_t len)
{
	memset(out, 1, len);
}

uint32_t random_below(uint32_t bound)
{
	return bound - 1;
}

/* ---- sessions ---- */

static void ignore(struct session *s)
{
	(void)s;
}

static void on_lost(struct session *s, const char *why)
{
	(void)s;
	die(why);
}

static void on_over(struct session *s, const char *why, bool by_peer)
{
	(void)by_peer;
	on_lost(s, why);
}

static void on_echo(struct session *s, const uint8_t *data, size_t len)
{
	(void)s;
	(void)data;
	(void)len;
}

static const struct session_events events = {
	.moved = ignore,
	.rekey = ignore,
	.rekey_failed = on_lost,
	.lost = on_lost,
	.over = on_over,
	.drained = ignore,
	.echo = on_echo,
	.transport = ignore,
};

static void on_broken(void *owner)
{
	(void)owner;
	die("a TUN queue is gone");
}

/* Without the right to more the sockets hold what the host allows. */
static void widen(int fd)
{
	int bytes = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void pair(int type, int fds[2])
{
	need(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0, "no pair of sockets");
	widen(fds[0]);
	widen(fds[1]);
}

static void open_path(struct world *w, struct end *e, enum session_side side)
{
	struct path *p = &e->path;
	int fds[2];

	pair(SOCK_DGRAM, fds);
	e->kernel = fds[1];
	p->side = side;
	p->tun_fd = p->write_fd = fds[0];
	p->crew = p;
	p->crew_len = 1;
	p->mtu = PACKET_MAX;
	p->tso = p->uso = p->udp_gso = p->udp_gro = true;
	p->table = session_table_new();
	p->broken = on_broken;
	p->owner = w;
	need(p->table && path_open(p, &w->loop) == 0, "no path");
}

/* Both directions of a stream have the same keys, which is nobody's concern here. */
static struct channel *open_channel(int fd, bool peer_is_server)
{
	static const struct endpoint peer = { .addr = { ADDR_V4, { 127, 0, 0, 1 } } };
	static const struct tls_facts facts;
	struct tls_traffic traffic = { .cipher = AEAD_AES_128_GCM, .peer_is_server = peer_is_server };
	struct records *records = records_new_take(&traffic);
	struct channel *c = records ? channel_new(records, fd, &peer, &facts, FRAME_FORMAT_ADIT) : NULL;

	need(c, "no channel");
	c->generation = GENERATION;
	return c;
}

static void open_session(struct end *e, int stream_fd)
{
	enum session_side side = e->path.side;
	struct session_settings settings = {
		.side = side,
		.name = "bench",
		.ipv4 = { ADDR_V4, { 10, 1, 0, 1 } }, /* the source of all samples */
		.overlap = true,
		.events = &events,
	};
	struct link *link;

	e->session = session_new(&settings, clock_ms());
	need(e->session, "no session");
	link = link_new(&e->path, e->session);
	need(link && link_attach(link, open_channel(stream_fd, side == SESSION_CLIENT), 0, 0) == 0, "no stream");
	if (side == SESSION_CLIENT)
		session_table_fallback(e->path.table, e->session);
	else
		session_table_add(e->path.table, e->session);
}

/* ---- datagrams ---- */

static const struct flow_settings flow_settings = {
	.generation = GENERATION,
	.packet_max = PACKET_MAX,
	.gate = DATAGRAM_GATE_NONE,
	.announce = true,
};

static void send_hello_verify(struct udp *u, const struct udp_received *from, const struct dtls_hello *hello)
{
	static const uint8_t cookie[DTLS_COOKIE_LEN];
	uint8_t answer[DTLS_HELLO_VERIFY_LEN];

	dtls_hello_verify(hello, cookie, answer);
	udp_answer(u, from, answer, sizeof(answer));
}

/* The gateway's, who expects one client only. */
static enum verdict on_stranger(void *world, struct udp *u, const struct udp_received *from, uint8_t *data, size_t len,
				uint64_t now_ms)
{
	static const uint8_t psk[TLS_PSK_LEN];
	struct world *w = world;
	struct end *e = &w->gateway;
	struct datagram_packet nothing;
	struct dtls_hello hello;
	struct dtls *dtls;
	struct flow *f;
	enum verdict v = dtls_hello_peek(data, len, &hello);

	if (v != PASS)
		return v;
	if (!hello.cookie_len) {
		send_hello_verify(u, from, &hello);
		return PASS;
	}
	dtls = dtls_new(w->dtls_server, psk, NULL, 0);
	f = dtls ? flow_accept(&e->path, e->session, u, from, dtls, true, &flow_settings, now_ms) : NULL;
	return f ? flow_take(f, data, len, now_ms, &nothing) : DROP_HELLO;
}

static void on_failed(struct session *s, const char *why)
{
	on_lost(s, why);
}

static void listen_datagrams(struct world *w)
{
	static const struct endpoint loopback = { .addr = { ADDR_V4, { 127, 0, 0, 1 } } };
	int fd = udp_listen(&loopback, false);

	need(fd >= 0 && sock_local(fd, &w->udp_at) == 0 && udp_init(&w->udp, fd, true, true) == 0, "no UDP socket");
	w->gateway.path.stranger = on_stranger;
}

static void dial(struct world *w)
{
	static const uint8_t psk[TLS_PSK_LEN], id[DTLS_APP_ID_MAX];
	struct end *e = &w->client;
	int fd = udp_open(ADDR_V4);
	struct dtls *dtls = dtls_new(w->dtls_client, psk, id, sizeof(id));
	struct udp u;

	need(dtls && fd >= 0 && sock_connect(fd, &w->udp_at) == 0 && udp_init(&u, fd, true, true) == 0,
	     "no UDP socket");
	need(flow_dial(&e->path, e->session, &u, &w->udp_at, dtls, &flow_settings, on_failed) == 0, "no flow");
}

/* Packets of any length that the tunnel takes. */
static bool carries_all(const struct session *s)
{
	return session_by_datagram(s) && datagram_packet_max(s->datagram) >= PACKET_MAX;
}

/* From now on packets go by datagrams. */
static void open_datagrams(struct world *w)
{
	uint64_t end_ms = clock_ms() + WAIT_MS;

	w->dtls_server = dtls_context_new(TLS_SERVER, AEAD_AES_128_GCM);
	w->dtls_client = dtls_context_new(TLS_CLIENT, AEAD_AES_128_GCM);
	need(w->dtls_server && w->dtls_client, "no DTLS");
	listen_datagrams(w);
	dial(w);
	while (!carries_all(w->client.session) || !carries_all(w->gateway.session)) {
		need(clock_ms() < end_ms, "no datagram channel");
		uv_run(&w->loop, UV_RUN_NOWAIT);
		ingress_datagrams(&w->gateway.path, &w->udp, NULL, clock_ms());
	}
	w->by_datagram = true;
}

static void open_world(struct world *w)
{
	int stream[2];

	pair(SOCK_STREAM, stream);
	need(uv_loop_init(&w->loop) == 0, "no loop");
	open_path(w, &w->client, SESSION_CLIENT);
	open_path(w, &w->gateway, SESSION_GATEWAY);
	open_session(&w->client, stream[0]);
	open_session(&w->gateway, stream[1]);
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* ---- packets ---- */

static struct tun_header header_of(const struct sample *s, uint16_t gso_size)
{
	struct tun_header h = { .flags = TUN_NEEDS_CSUM, .gso_size = gso_size };

	h.gso_type = gso_size ? TUN_GSO_TCP4 : TUN_GSO_NONE;
	h.hdr_len = (uint16_t)sample_header_len(s);
	h.csum_start = (uint16_t)sample_l4_offset(s);
	h.csum_offset = (uint16_t)(sample_csum_at(s) - sample_l4_offset(s));
	return h;
}

static size_t segments_of(size_t payload, size_t gso_size)
{
	return gso_size ? (payload + gso_size - 1) / gso_size : 1;
}

/* As many packets as a turn takes, each where the one before it has ended. */
static struct load load_new(const struct traffic *t)
{
	struct sample s = t->udp ? sample_udp(false) : sample_tcp(false);
	size_t segments = segments_of(t->payload_len, t->gso_size);
	struct load l = { .header = header_of(&s, t->gso_size), .header_len = sample_header_len(&s) };

	s.payload_len = t->payload_len;
	l.len = l.header_len + t->payload_len;
	l.count = (unsigned)((PATH_BATCH_BYTES + l.len - 1) / l.len);
	if (l.count > PATH_BATCH_PACKETS)
		l.count = PATH_BATCH_PACKETS;
	l.segments = l.count * segments;
	l.payload = l.count * t->payload_len;
	l.packets = malloc(l.count * l.len);
	need(l.packets, "out of memory");
	for (unsigned i = 0; i < l.count; i++) {
		sample_build(l.packets + i * l.len, &s);
		sample_partial(l.packets + i * l.len, l.len, &s);
		s.seq += (uint32_t)t->payload_len;
		s.id += (uint16_t)segments;
	}
	return l;
}

static void write_load(const struct world *w, const struct load *l)
{
	for (unsigned i = 0; i < l->count; i++)
		need(tun_write(w->client.kernel, &l->header, l->packets + i * l->len, l->len) == 0,
		     "the client's TUN queue takes no whole turn");
}

static void read_arrived(const struct world *w, const struct load *l, struct arrival *got)
{
	static uint8_t packet[TUN_READ_MAX];
	struct tun_header header;
	size_t payload;
	int len;

	while ((len = tun_read(w->gateway.kernel, &header, packet)) >= 0) {
		need((size_t)len >= l->header_len, "a packet has arrived that is too short");
		payload = (size_t)len - l->header_len;
		got->segments += segments_of(payload, header.gso_size);
		got->payload += payload;
	}
}

/* ---- the journey ---- */

static bool is_readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) == 1;
}

static void egress(struct world *w)
{
	egress_tun(&w->client.path, w->now_ms);
}

static void ingress(struct world *w)
{
	struct channel *c = w->gateway.session->current;
	struct path *p = &w->gateway.path;

	if (w->by_datagram) {
		ingress_datagrams(p, &w->udp, NULL, w->now_ms);
		return;
	}
	ingress_stream(p, c, w->now_ms);
	while (c->rx_more)
		ingress_begin(p, c, w->now_ms);
}

__attribute__((noinline)) static void counted_egress(struct world *w)
{
	egress(w);
}

__attribute__((noinline)) static void counted_ingress(struct world *w)
{
	ingress(w);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double timed(struct world *w, void (*step)(struct world *w))
{
	double begun = now_ns();

	step(w);
	return now_ns() - begun;
}

static int wire(const struct world *w)
{
	return w->by_datagram ? w->udp.fd : w->gateway.session->current->fd;
}

static void turn(struct world *w, const struct load *l, void (*out)(struct world *w), void (*in)(struct world *w),
		 struct cost *cost)
{
	struct arrival got = { 0 };

	write_load(w, l);
	while (is_readable(w->client.path.tun_fd, 0))
		cost->egress_ns += timed(w, out);
	while (got.segments < l->segments) {
		need(is_readable(wire(w), WAIT_MS), "packets are lost on the way");
		cost->ingress_ns += timed(w, in);
		read_arrived(w, l, &got);
	}
	need(got.segments == l->segments && got.payload == l->payload, "other packets have arrived than were sent");
	cost->segments += l->segments;
}

/* Before it is counted everything has grown to its size. */
static struct cost carry(struct world *w, const struct load *l, unsigned long packets)
{
	struct cost cost = { 0 }, warm = { 0 };

	w->now_ms = clock_ms();
	turn(w, l, egress, ingress, &warm);
	for (unsigned long sent = 0; sent < packets; sent += l->count)
		turn(w, l, counted_egress, counted_ingress, &cost);
	return cost;
}

static double least(double best, double ns)
{
	return best > 0 && best < ns ? best : ns;
}

static void time_traffic(struct world *w, const struct traffic *t)
{
	struct load l = load_new(t);
	double egress_ns = 0, ingress_ns = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct cost cost = carry(w, &l, ROUND_PACKETS);

		egress_ns = least(egress_ns, cost.egress_ns / (double)cost.segments);
		ingress_ns = least(ingress_ns, cost.ingress_ns / (double)cost.segments);
	}
	printf("%-8s %-5s  a packet of %4zu bytes: egress %5.0f ns, ingress %5.0f ns\n", transports[w->by_datagram],
	       t->name, l.header_len + (t->gso_size ? t->gso_size : t->payload_len), egress_ns, ingress_ns);
	free(l.packets);
}

static void time_all(struct world *w)
{
	for (size_t i = 0; i < sizeof(traffics) / sizeof(traffics[0]); i++)
		time_traffic(w, &traffics[i]);
}

/* Says how many inner packets there were, and who sealed them. */
static void count_one(struct world *w, const char *traffic, const char *packets)
{
	for (size_t i = 0; i < sizeof(traffics) / sizeof(traffics[0]); i++) {
		struct load l;

		if (strcmp(traffic, traffics[i].name))
			continue;
		l = load_new(&traffics[i]);
		printf("%zu %s\n", carry(w, &l, strtoul(packets, NULL, 10)).segments, aead_name());
		free(l.packets);
		return;
	}
	die("no such traffic");
}

static void usage(void)
{
	fputs("usage: bench_path [stream|datagram super|large|small PACKETS]\n", stderr);
	exit(64);
}

int main(int argc, char **argv)
{
	static struct world w; /* it ends with the process */

	if (argc != 1 && (argc != 4 || (strcmp(argv[1], transports[0]) && strcmp(argv[1], transports[1]))))
		usage();
	urcu_memb_register_thread();
	need(crypto_memory_init() == 0 && aead_choose(AEAD_AUTO) == 0, "no cryptography");
	open_world(&w);
	if (argc == 4) {
		if (!strcmp(argv[1], transports[1]))
			open_datagrams(&w);
		count_one(&w, argv[2], argv[3]);
		return 0;
	}
	printf("%s, %s\n", aead_name(), "aes-128-gcm");
	time_all(&w);
	open_datagrams(&w);
	time_all(&w);
	return 0;
}
