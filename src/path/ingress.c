/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network to TUN, told in order: receive, open records, take whole frames, check each packet against the inner-traffic
 * rules, write it into the kernel.
 */
#include "path/ingress.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "crypto/tls.h"
#include "io/sock.h"
#include "io/tun.h"
#include "ip/coalesce.h"
#include "ip/offload.h"
#include "ip/packet.h"
#include "ip/segment.h"
#include "path/egress.h"
#include "path/flow.h"
#include "path/path.h"
#include "session/channel.h"
#include "session/datagram.h"
#include "session/session.h"
#include "session/table.h"
#include "wire/dtls_header.h"
#include "wire/frame.h"
#include "wire/records.h"

struct tally {
	uint64_t packets, bytes;
};

/* A gateway hears from a client: only the client's own addresses speak. */
static enum verdict check_at_gateway(struct path *p, const struct session *s, const struct packet *packet)
{
	if (!session_owns(s, &packet->src))
		return DROP_SOURCE;
	if (packet->quotes && !session_owns(s, &packet->quoted_dst))
		return DROP_ICMP_QUOTE;
	if (!p->client_to_client && session_by_addr(p->table, &packet->dst))
		return DROP_CLIENT_TO_CLIENT;
	return PASS;
}

/* A client hears from its gateway: only what is meant for it, and never from itself. */
static enum verdict check_at_client(const struct session *s, const struct packet *packet)
{
	if (session_owns(s, &packet->src))
		return DROP_SOURCE;
	if (!session_owns(s, &packet->dst))
		return DROP_DESTINATION;
	return PASS;
}

/*
 * What is written may come back at once, for another client or as an answer, and the kernel's queue for it is short: a
 * long batch of small packets would run it over. So the other direction has its turn in between.
 */
static void note_written(struct path *p, unsigned packets, size_t bytes)
{
	p->written += packets;
	p->written_bytes += bytes;
	if (p->write_fd == p->tun_fd && !p->paused &&
	    (p->written >= PATH_BATCH_PACKETS || p->written_bytes >= PATH_BATCH_BYTES))
		egress_tun(p, p->now_ms);
}

static _Atomic bool *offload_of(struct path *p, uint8_t gso_type)
{
	return gso_type == TUN_GSO_UDP ? &p->uso : &p->tso;
}

static bool tun_takes(struct path *p, uint8_t gso_type)
{
	return gso_type == TUN_GSO_NONE || atomic_load_explicit(offload_of(p, gso_type), memory_order_relaxed);
}

/* The kernel has refused a super-packet: from now on this worker cuts those of its kind. */
static void stop_offload(struct path *p, uint8_t gso_type)
{
	log_warn("the kernel refuses super-packets, going on without: offload=%s",
		 gso_type == TUN_GSO_UDP ? "uso" : "tso");
	atomic_store_explicit(offload_of(p, gso_type), false, memory_order_relaxed);
	p->coalescer->what = (p->tso ? COALESCE_TCP : 0) | (p->uso ? COALESCE_UDP : 0);
}

static enum verdict write_pieces(struct path *p, const struct super *super)
{
	static const struct tun_header plain;
	struct segmenter it;
	enum verdict v = PASS;
	uint8_t *packet;
	size_t len;

	segment_begin(&it, super, super->gso_size, false);
	while ((packet = segment_in_place(&it, &len)))
		if (tun_write(p->write_fd, &plain, packet, len) < 0)
			v = DROP_TUN_WRITE;
	return v;
}

static enum verdict write_super(struct path *p, const struct super *super)
{
	struct tun_header header;

	note_written(p, super->segments, super->len);
	offload_header(super, &header);
	if (!tun_takes(p, header.gso_type))
		return write_pieces(p, super);
	if (tun_write(p->write_fd, &header, super->packet, super->len) == 0)
		return PASS;
	if (errno != EINVAL)
		return DROP_TUN_WRITE;
	stop_offload(p, header.gso_type);
	return write_pieces(p, super);
}

void ingress_write_merged(void *path, const struct coalesced *merged)
{
	struct path *p = path;
	struct tun_header header;
	const uint8_t *packet;
	size_t len;

	note_written(p, merged->packets, merged->len);
	if (tun_takes(p, merged->header.gso_type)) {
		if (tun_write_parts(p->write_fd, &merged->header, merged->parts, merged->n_parts) == 0)
			return;
		if (merged->packets == 1 || errno != EINVAL) {
			verdict_add(&p->ingress, DROP_TUN_WRITE, merged->packets);
			return;
		}
		stop_offload(p, merged->header.gso_type);
	}
	for (unsigned i = 0; i < merged->packets; i++) {
		packet = coalesced_packet(merged, i, &header, &len);
		if (tun_write(p->write_fd, &header, packet, len) < 0)
			verdict_count(&p->ingress, DROP_TUN_WRITE);
	}
}

/* Whether this peer may send this to our kernel. */
static enum verdict check(struct path *p, const struct session *s, const struct frame *f, struct super *out)
{
	struct packet packet;
	enum verdict v = packet_parse(f->payload, f->len, &packet);

	if (v != PASS)
		return v;
	v = p->side == SESSION_GATEWAY ? check_at_gateway(p, s, &packet) : check_at_client(s, &packet);
	if (v != PASS)
		return v;
	return offload_check((uint8_t *)f->payload, f->len, f->gso_size, f->flags & FRAME_PARTIAL,
			     atomic_load_explicit(&p->mtu, memory_order_relaxed), out);
}

/* Merged with the one before it from the same peer, if it simply continues that. */
static bool merge_next(struct path *p, const struct session *s, const struct frame *f)
{
	p->coalescer->from = s;
	return coalesce_next(p->coalescer, (uint8_t *)f->payload, f->len, f->flags & FRAME_PARTIAL);
}

/* What comes as a super-packet goes as it is, behind what waits; what comes packet by packet is merged before it is
 * written. */
static enum verdict take_packet(struct path *p, const struct session *s, const struct frame *f, unsigned *packets)
{
	struct super super;
	enum verdict v = check(p, s, f, &super);

	if (v != PASS)
		return v;
	*packets = super.segments;
	if (super.segments > 1) {
		coalesce_flush(p->coalescer);
		return write_super(p, &super);
	}
	coalesce_add(p->coalescer, &super);
	return PASS;
}

static void ingress_packet(struct path *p, const struct session *s, const struct frame *f, struct tally *tally)
{
	unsigned packets = 1;
	enum verdict v = !f->gso_size && merge_next(p, s, f) ? PASS : take_packet(p, s, f, &packets);

	verdict_add(&p->ingress, v, packets);
	tally->packets += packets;
	tally->bytes += f->len;
}

static void deliver(struct path *p, struct channel *c, const struct frame *f, struct tally *tally)
{
	ingress_packet(p, c->session, f, tally);
	c->rx_packets++;
}

/* One frame. Returns 0, ERR_AGAIN when it has to wait, or ERR_PROTO. */
static int take_frame(struct path *p, struct channel *c, const struct frame *f, struct tally *tally, uint64_t now_ms)
{
	int r;

	if (f->kind == FRAME_DATA) {
		if (c->rx_ended)
			return ERR_PROTO;
		if (c->session->ending)
			return 0;
		if (!session_may_deliver(c->session, c, now_ms))
			return ERR_AGAIN;
		deliver(p, c, f, tally);
		return 0;
	}
	r = session_control(c->session, c, f, now_ms);
	if (r != ERR_MISSING)
		return r;
	verdict_count(&p->ingress, DROP_FRAME_UNKNOWN);
	return 0;
}

static void count_received(struct session *s, const struct tally *tally, uint64_t now_ms)
{
	if (!tally->packets)
		return;
	atomic_fetch_add_explicit(&s->rx_packets, tally->packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->rx_bytes, tally->bytes, memory_order_relaxed);
	atomic_store_explicit(&s->data_ms, now_ms, memory_order_relaxed);
}

/* Takes whole frames off the front of @plain, a turn's worth at most. Returns 0 or ERR_PROTO. */
static int take_frames(struct path *p, struct channel *c, struct buf *plain, uint64_t now_ms)
{
	struct tally tally = { 0 };
	struct frame f;
	unsigned frames;
	int used = 0, r = 0;

	urcu_memb_read_lock();
	for (frames = 0; r == 0 && c->state != CHANNEL_CLOSED && !c->rx_held && frames < PATH_TURN_FRAMES; frames++) {
		used = frame_decode(c->format, buf_data(plain), buf_len(plain), &f);
		if (used < 0)
			break;
		if ((r = take_frame(p, c, &f, &tally, now_ms)) == 0)
			buf_consume(plain, (size_t)used);
	}
	coalesce_flush(p->coalescer);
	urcu_memb_read_unlock();
	count_received(c->session, &tally, now_ms);
	c->rx_more = frames == PATH_TURN_FRAMES && buf_len(plain) && c->state != CHANNEL_CLOSED;
	return r == ERR_PROTO || used == ERR_PROTO ? ERR_PROTO : 0;
}

static void swap_bufs(struct buf *a, struct buf *b)
{
	struct buf was = *a;

	*a = *b;
	*b = was;
}

/*
 * What is not a whole frame yet waits in the channel; the worker's own memory is for the batch. What is left over for
 * further turns may be much, so the memory itself goes, and comes back with take_rest().
 */
static int keep_rest(struct channel *c, struct buf *plain)
{
	int r = 0;

	if (c->rx_more)
		swap_bufs(&c->plain, plain);
	else if (buf_len(plain) && c->state != CHANNEL_CLOSED)
		r = buf_append(&c->plain, buf_data(plain), buf_len(plain));
	else
		buf_fini(&c->plain);
	buf_clear(plain);
	return r;
}

static int take_rest(struct channel *c, struct buf *plain)
{
	int r;

	if (c->rx_more) {
		swap_bufs(&c->plain, plain);
		buf_fini(&c->plain); /* another channel may have made it as big */
		return 0;
	}
	r = buf_append(plain, buf_data(&c->plain), buf_len(&c->plain));
	buf_clear(&c->plain); /* its memory is for the next rest: in bulk there nearly always is one */
	return r;
}

/* Which end broke the stream off, and by which alert. */
static void report_lost(const struct channel *c)
{
	int refusal = records_refusal(c->records);
	int alert = refusal < 0 ? records_alert(c->records) : refusal;

	log_limited(LOG_LEVEL_WARN, "records ended session=%llu name=%s generation=%u %s=\"%s\"",
		    (unsigned long long)c->session->id, c->session->name, c->generation,
		    refusal < 0 ? "alert" : "refused", tls_alert_text(alert));
}

/* The last that the peer gets: the alert, if there is one to send. */
static void send_alert(struct channel *c)
{
	struct session *s = c->session;

	pthread_mutex_lock(&s->tx_lock);
	records_close(c->records, &c->out);
	c->tx_ended = true;
	pthread_mutex_unlock(&s->tx_lock);
	s->io->flush(c);
}

/* Why the stream is over, for people; NULL when it goes on. */
static const char *end_reason(int opened, int framed)
{
	if (opened == ERR_EOF)
		return "closed by the peer";
	if (opened < 0)
		return "a record could not be opened";
	return framed < 0 ? "protocol error in a frame" : NULL;
}

/* Opens and delivers @len bytes off the wire. */
static void ingress_bytes(struct path *p, struct channel *c, const uint8_t *wire, size_t len, uint64_t now_ms)
{
	struct buf *plain = &p->plain;
	size_t before = buf_len(&c->plain);
	const char *why;
	int opened, framed = 0;

	p->now_ms = now_ms;
	if (buf_len(&c->plain) && take_rest(c, plain) < 0) {
		session_gone(c->session, c, err_text(ERR_NOMEM), now_ms);
		return;
	}
	opened = records_open(c->records, wire, len, plain);
	if (opened < 0 && opened != ERR_EOF) {
		report_lost(c);
		send_alert(c);
	}
	if (buf_len(plain) > before)
		session_heard(c->session, c, now_ms);
	c->rx_more = false;
	if (buf_len(plain))
		framed = take_frames(p, c, plain, now_ms);
	if (keep_rest(c, plain) < 0)
		framed = ERR_PROTO;
	if (framed < 0)
		log_limited(LOG_LEVEL_WARN, "bad frame session=%llu name=%s generation=%u",
			    (unsigned long long)c->session->id, c->session->name, c->generation);
	if (c->rx_more && framed == 0) {
		c->session->io->resume(c); /* the end of the stream, too, is told again then */
		return;
	}
	why = end_reason(opened, framed);
	if (why)
		session_gone(c->session, c, why, now_ms);
}

void ingress_stream(struct path *p, struct channel *c, uint64_t now_ms)
{
	ssize_t len = sock_recv(c->fd, p->wire, PATH_WIRE_LEN);

	if (len == ERR_AGAIN)
		return;
	if (len < 0)
		session_gone(c->session, c, len == ERR_EOF ? "closed by the peer" : err_text(ERR_SYS), now_ms);
	else
		ingress_bytes(p, c, p->wire, (size_t)len, now_ms);
}

void ingress_begin(struct path *p, struct channel *c, uint64_t now_ms)
{
	if (buf_len(&c->plain))
		session_heard(c->session, c, now_ms); /* opened before the channel was one */
	ingress_bytes(p, c, NULL, 0, now_ms);
}

/* ---- datagrams ---- */

/* All records of one datagram. */
static void take_datagram(struct path *p, struct flow *f, uint8_t *data, size_t len, uint64_t now_ms,
			  struct tally *tally)
{
	struct datagram_packet packet;
	struct frame frame;
	enum verdict v;

	do {
		v = flow_take(f, data, len, now_ms, &packet);
		if (v != PASS)
			verdict_count(&p->ingress, v);
		if (v != PASS && v != DROP_FRAME_UNKNOWN)
			return; /* where the next record would begin is not known */
		if (v == PASS && packet.len) {
			frame = (struct frame){
				.kind = FRAME_DATA,
				.flags = packet.partial ? FRAME_PARTIAL : 0,
				.payload = packet.data,
				.len = packet.len,
			};
			ingress_packet(p, flow_session(f), &frame, tally);
		}
		data += packet.record_len;
		len -= packet.record_len;
	} while (len);
}

/* A datagram of no flow, or one that begins a new handshake. Returns the flow whose record it is: its client has moved.
 */
static struct flow *take_stranger(struct path *p, struct udp *u, const struct udp_received *got, uint8_t *data,
				  size_t len, uint64_t now_ms)
{
	struct flow *f = NULL;
	enum verdict v;

	if (len && data[0] == DTLS_DATA)
		v = flow_roam(p, u, got, data, len, now_ms, &f);
	else
		v = p->stranger(p->owner, u, got, data, len, now_ms);
	if (v != PASS)
		verdict_count(&p->ingress, v);
	return f;
}

static void end_batch(struct flow *f, struct tally *tally, uint64_t now_ms)
{
	if (f) {
		count_received(flow_session(f), tally, now_ms);
		flow_batch_done(f);
	}
	*tally = (struct tally){ 0 };
}

/* A buffer holds one datagram, or several from one address. */
static void take_buffer(struct path *p, struct udp *u, struct flow *own, const struct udp_received *got,
			uint64_t now_ms)
{
	struct tally tally = { 0 };
	struct flow *f = own ? own : flow_find(p, &got->peer), *moved;
	size_t at, len;

	if (f)
		flow_batch(f);
	for (at = 0; at < got->len; at += len) {
		len = got->len - at < got->stride ? got->len - at : got->stride;
		if (f && !flow_is_stranger(f, got->data + at, len)) {
			take_datagram(p, f, got->data + at, len, now_ms, &tally);
			continue;
		}
		end_batch(f, &tally, now_ms);
		moved = take_stranger(p, u, got, got->data + at, len, now_ms); /* may free the flow */
		f = flow_find(p, &got->peer);
		if (f)
			flow_batch(f);
		if (moved)
			take_datagram(p, moved, got->data + at, len, now_ms, &tally);
	}
	end_batch(f, &tally, now_ms);
}

void ingress_datagram(struct path *p, struct flow *f, uint8_t *data, size_t len, uint64_t now_ms)
{
	struct tally tally = { 0 };

	p->now_ms = now_ms;
	flow_batch(f);
	take_datagram(p, f, data, len, now_ms, &tally);
	end_batch(f, &tally, now_ms);
	coalesce_flush(p->coalescer);
}

/*
 * A kernel that merges datagrams fills a few buffers with what a turn may work on. From one that does not, each brings
 * a single datagram, and a few of those are too little to be worth a turn.
 */
static unsigned next_receive_max(const struct path *p, const struct udp_received *got, unsigned n)
{
	size_t bytes = 0;

	if (n < p->receive_max)
		return PATH_MERGED_MAX;
	for (unsigned i = 0; i < n; i++)
		bytes += got[i].len;
	return bytes > PATH_BATCH_BYTES / 2 ? PATH_MERGED_MAX : UDP_RECV_MAX;
}

void ingress_datagrams(struct path *p, struct udp *u, struct flow *own, uint64_t now_ms)
{
	struct udp_received got[UDP_RECV_MAX];
	unsigned i;
	int n;

	for (i = 0; i < p->receive_max; i++)
		got[i].data = p->received + (size_t)i * UDP_RECV_ROOM;
	n = udp_recv_batch(u, got, p->receive_max);
	if (n <= 0)
		return;
	urcu_memb_read_lock();
	p->now_ms = now_ms;
	for (i = 0; i < (unsigned)n; i++)
		take_buffer(p, u, own, &got[i], now_ms);
	coalesce_flush(p->coalescer);
	urcu_memb_read_unlock();
	p->receive_max = next_receive_max(p, got, (unsigned)n);
}
