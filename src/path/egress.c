/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TUN to network, told in order: read a packet, find its session, gather it behind its frame header, seal, send. The
 * session's send lock is taken once for a run of packets; system calls once for a batch.
 */
#include "path/egress.h"

#include <string.h>

#include "base/err.h"
#include "io/sock.h"
#include "io/tun.h"
#include "ip/offload.h"
#include "ip/packet.h"
#include "ip/segment.h"
#include "path/flow.h"
#include "path/link.h"
#include "path/path.h"
#include "session/channel.h"
#include "session/datagram.h"
#include "session/table.h"
#include "wire/dtls_record.h"
#include "wire/frame.h"

/* Sends @bytes, keeps in the channel what the socket does not take. A broken socket shows when it is read. */
static bool send_sealed(struct channel *c, const uint8_t *bytes, size_t len)
{
	ssize_t sent = 0;

	if (!buf_len(&c->out) && len)
		sent = sock_send(c->fd, bytes, len);
	if (sent == ERR_AGAIN)
		sent = 0;
	if (sent < 0)
		return true;
	if ((size_t)sent < len && buf_append(&c->out, bytes + sent, len - (size_t)sent) < 0)
		c->tx_ended = true; /* the stream has a hole now: nothing may follow */
	return !buf_len(&c->out);
}

/* Where the next packet is read to: behind what is gathered and the room for its frame header. */
static uint8_t *next_packet(const struct path *p)
{
	return p->frames + p->gathered + FRAME_HEADER_LEN;
}

/* What is gathered becomes records. */
static void seal_gathered(struct path *p)
{
	struct channel *c = p->sending->tx;

	if (p->gathered && channel_seal_frames(c, p->frames, p->gathered, &p->sealed) < 0)
		c->tx_ended = true;
	p->frames += p->gathered;
	p->gathered = 0;
}

/* Seals what is gathered and sends it by the stream. */
static void send_stream(struct path *p)
{
	struct session *s = p->sending;

	seal_gathered(p);
	if (!buf_len(&p->sealed))
		return;
	if (!send_sealed(s->tx, buf_data(&p->sealed), buf_len(&p->sealed)))
		link_blocked(p, s);
	buf_clear(&p->sealed);
}

/* A client has one session: while its socket is full, or its stream swapped, the TUN's own queues hold the packets. */
static bool must_wait(const struct path *p)
{
	const struct session *s = p->sending;

	if (p->side != SESSION_CLIENT || !s)
		return false;
	if (s->handing_over)
		return true;
	return session_by_datagram(s) ? flow_is_full(s->datagram->owner) : s->tx && buf_len(&s->tx->out);
}

/* Sends the records that are sealed for the session's flow. */
static void send_records(struct path *p)
{
	struct flow *f = p->sending->datagram->owner;
	size_t longest = p->run.stride;

	flow_send(f, p);
	p->run = (struct records_run){ 0 };
	flow_sent(f, longest, p->now_ms);
	p->waits = must_wait(p);
}

/* Sends what there is for the session whose lock is held. */
static void send_all(struct path *p)
{
	struct session *s = p->sending;

	if (p->run.len)
		send_records(p);
	if (s->tx)
		send_stream(p);
	if ((s->tx || s->datagram) && session_used_up(s))
		link_used_up(p, s);
}

/* Ends the run of packets to one session and begins that to another. */
static void switch_session(struct path *p, struct session *s)
{
	if (p->sending) {
		send_all(p);
		pthread_mutex_unlock(&p->sending->tx_lock);
	}
	p->sending = s;
	if (s)
		pthread_mutex_lock(&s->tx_lock);
	p->waits = must_wait(p);
}

static bool stream_is_open(const struct session *s)
{
	return s->tx && !s->tx->tx_ended;
}

static bool stream_is_free(const struct session *s)
{
	return stream_is_open(s) && !buf_len(&s->tx->out);
}

/* A channel that can take more right now. */
static bool can_take(const struct session *s)
{
	return session_by_datagram(s) || (!s->no_stream && stream_is_free(s));
}

static void count_sent(struct session *s, const struct super *super, uint64_t now_ms)
{
	atomic_fetch_add_explicit(&s->tx_packets, super->segments, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->tx_bytes, super->len, memory_order_relaxed);
	atomic_store_explicit(&s->data_ms, now_ms, memory_order_relaxed);
}

/* A peer with frames takes a super-packet as it is, within limits; any other takes packets. */
static bool can_go_whole(const struct channel *c, const struct super *super)
{
	return c->format == FRAME_FORMAT_ADIT &&
	       (super->segments == 1 || offload_piece_len(super) >= super_payload_len(super));
}

/* The packet at the end of what is gathered joins it. */
static void gather_whole(struct path *p, struct super *super)
{
	if (!super->direct)
		offload_finish(super);
	frame_encode_data(super->partial ? FRAME_PARTIAL : 0, super->gso_size, super->len,
			  super->packet - FRAME_HEADER_LEN);
	p->sending->tx->tx_packets++;
	p->gathered += FRAME_HEADER_LEN + super->len;
}

static void seal_frame(struct path *p, uint8_t *packet, size_t len)
{
	struct channel *c = p->sending->tx;

	if (channel_seal_frames(c, packet - FRAME_HEADER_LEN, FRAME_HEADER_LEN + len, &p->sealed) < 0)
		c->tx_ended = true;
	c->tx_packets++;
}

/* The packet at the end of what is gathered is cut, inside its own memory, into pieces that are sealed one by one. */
static void seal_pieces(struct path *p, const struct super *super)
{
	bool whole = p->sending->tx->format == FRAME_FORMAT_ADIT && super->direct;
	size_t len, step = whole ? offload_piece_len(super) : super->gso_size;
	struct segmenter it;
	uint8_t *piece;

	seal_gathered(p);
	segment_begin(&it, super, step, whole);
	while ((piece = segment_in_place(&it, &len))) {
		if (whole)
			frame_encode_data(FRAME_PARTIAL, step > super->gso_size ? super->gso_size : 0, len,
					  piece - FRAME_HEADER_LEN);
		else
			frame_encode_header(p->sending->tx->format, FRAME_DATA, len, piece - FRAME_HEADER_LEN);
		seal_frame(p, piece, len);
	}
}

/* One packet to a peer without frames: it is a record by itself. */
static void seal_single(struct path *p, struct super *super)
{
	offload_finish(super);
	frame_encode_header(FRAME_FORMAT_CSTP, FRAME_DATA, super->len, super->packet - FRAME_HEADER_LEN);
	seal_frame(p, super->packet, super->len);
}

/* By the stream. */
static enum verdict stream_packet(struct path *p, struct super *super)
{
	struct channel *c = p->sending->tx;
	size_t longest = super->segments > 1 ? super->header_len + super->gso_size : super->len;

	if (c->format == FRAME_FORMAT_CSTP && longest > FRAME_CSTP_PAYLOAD_MAX)
		return DROP_TOO_BIG;
	if (can_go_whole(c, super))
		gather_whole(p, super);
	else if (super->segments > 1)
		seal_pieces(p, super);
	else
		seal_single(p, super);
	atomic_store_explicit(&c->tx_data_ms, p->now_ms, memory_order_relaxed);
	return PASS;
}

/* One record behind the others of its run: all of one length but the last, for the kernel cuts them apart by that. */
static enum verdict seal_record(struct path *p, uint8_t *packet, size_t len, bool partial)
{
	struct datagram *d = p->sending->datagram;
	struct iovec plain = { packet - DATAGRAM_KIND_LEN, DATAGRAM_KIND_LEN + len };
	size_t record_len = dtls_record_len(d->sealer.cipher, plain.iov_len);
	int sealed;

	if (p->run.closed || p->run.count == UDP_SEGMENTS_MAX || p->run.len + record_len > UDP_SEND_MAX ||
	    (p->run.len && record_len > p->run.stride))
		send_records(p);
	packet[-DATAGRAM_KIND_LEN] = partial ? FRAME_PARTIAL_DATA : FRAME_DATA;
	sealed = datagram_seal(d, &plain, 1, p->records + p->run.len);
	if (sealed < 0) { /* its key is used up: its loop is to see that */
		flow_sent(d->owner, 0, p->now_ms);
		return DROP_SEND;
	}
	if (!p->run.len)
		p->run.stride = (size_t)sealed;
	p->run.closed = (size_t)sealed < p->run.stride;
	p->run.len += (size_t)sealed;
	p->run.count++;
	return PASS;
}

/* Whether it can be cut into pieces of @max bytes at most; TCP may be cut smaller than its sender thought. */
static bool fits_datagrams(const struct super *super, size_t max)
{
	if (super->segments == 1)
		return super->len <= max;
	return super->header_len + super->gso_size <= max || (super->kind != SUPER_UDP && super->header_len < max);
}

/* By datagrams, cut inside its own memory. */
static enum verdict datagram_packet(struct path *p, struct super *super, size_t max)
{
	size_t room = max - super->header_len, step = super->gso_size < room ? super->gso_size : room;
	bool partial = p->sending->datagram->overlap && super->direct && super->partial;
	struct segmenter it;
	enum verdict v = PASS;
	uint8_t *packet;
	size_t len;

	if (super->segments == 1) {
		if (!partial)
			offload_finish(super);
		return seal_record(p, super->packet, super->len, partial);
	}
	segment_begin(&it, super, step, partial);
	while (v == PASS && (packet = segment_in_place(&it, &len)))
		v = seal_record(p, packet, len, partial);
	return v;
}

/*
 * What no datagram carries goes by the stream, also when that is not wanted for the rest: else it would never arrive.
 * One that the stream has no room for is lost; a client then reads no more until it has.
 */
static enum verdict send_super(struct path *p, struct super *super)
{
	struct session *s = p->sending;
	size_t max = session_by_datagram(s) ? datagram_packet_max(s->datagram) : 0;

	if (max && fits_datagrams(super, max))
		return datagram_packet(p, super, max);
	if (stream_is_free(s))
		return stream_packet(p, super);
	p->waits = p->side == SESSION_CLIENT && stream_is_open(s); /* it is full */
	return DROP_SEND;
}

/* The packet at the end of what is gathered, for the session whose lock is held and which can take it. */
static enum verdict send_packet(struct path *p, const struct tun_header *header, size_t len, unsigned *packets)
{
	struct super super;
	enum verdict v = offload_read(header, next_packet(p), len, &super);

	if (v != PASS)
		return v;
	*packets = super.segments;
	v = send_super(p, &super);
	if (v == PASS)
		count_sent(p->sending, &super, p->now_ms);
	return v;
}

static void count_stale(struct path *p, unsigned packets)
{
	if (packets)
		verdict_add(&p->egress, DROP_QUEUE, packets);
}

/* One packet or super-packet, lying behind the room for its header at the end of what is gathered. */
static enum verdict egress_packet(struct path *p, const struct tun_header *header, size_t len, unsigned *packets)
{
	struct session *s;
	struct addr dst;
	enum verdict v = packet_dst(next_packet(p), len, &dst);

	if (v != PASS)
		return v;
	s = session_by_dst(p->table, &dst);
	if (!s)
		return DROP_NO_SESSION;
	if (s != p->sending)
		switch_session(p, s); /* what was gathered is sealed, so the packet is the first of what comes */
	if (queue_empty(&s->queue) && can_take(s))
		return send_packet(p, header, len, packets);
	count_stale(p, queue_expire(&s->queue, p->now_ms));
	return queue_push(&s->queue, header, next_packet(p), len, p->now_ms) < 0 ? DROP_QUEUE : PASS;
}

void egress_tun(struct path *p, uint64_t now_ms)
{
	struct tun_header header;
	size_t reads = 0, bytes = 0;
	unsigned packets;
	enum verdict v;
	int len;

	p->written = 0;
	p->written_bytes = 0;
	p->frames = p->gather;
	p->now_ms = now_ms;
	urcu_memb_read_lock();
	if (p->side == SESSION_CLIENT) /* before the first read, which it may have to wait with */
		switch_session(p, session_fallback(p->table));
	while (reads < PATH_BATCH_PACKETS && bytes < PATH_BATCH_BYTES && !p->waits) {
		len = tun_read(p->tun_fd, &header, next_packet(p));
		if (len < 0)
			break;
		reads++;
		bytes += (size_t)len;
		packets = 1;
		v = egress_packet(p, &header, (size_t)len, &packets);
		verdict_add(&p->egress, v, packets);
	}
	if (p->waits)
		path_pause(p);
	switch_session(p, NULL);
	urcu_memb_read_unlock();
}

/* Sends waiting packets until the channel is full. Under tx_lock. */
static void drain_queue(struct path *p, struct session *s, uint64_t now_ms)
{
	struct tun_header header;
	const uint8_t *packet;
	unsigned packets;
	enum verdict v;
	size_t len;

	p->sending = s;
	p->frames = p->gather;
	p->now_ms = now_ms;
	count_stale(p, queue_expire(&s->queue, now_ms));
	while (can_take(s) && (packet = queue_front(&s->queue, &header, &len))) {
		memcpy(next_packet(p), packet, len);
		v = send_packet(p, &header, len, &packets);
		if (v != PASS)
			verdict_count(&p->egress, v);
		queue_pop(&s->queue);
		if (p->gathered + buf_len(&p->sealed) >= PATH_BATCH_BYTES / 4) {
			send_all(p);
			p->frames = p->gather;
		}
	}
	send_all(p);
	p->sending = NULL;
}

void egress_resume(struct path *p, struct session *s, uint64_t now_ms)
{
	pthread_mutex_lock(&s->tx_lock);
	drain_queue(p, s, now_ms);
	pthread_mutex_unlock(&s->tx_lock);
	path_resume_all(p);
}

void egress_expire(struct path *p, struct session *s, uint64_t now_ms)
{
	pthread_mutex_lock(&s->tx_lock);
	count_stale(p, queue_expire(&s->queue, now_ms));
	pthread_mutex_unlock(&s->tx_lock);
}

bool egress_flush(struct path *p, struct channel *c, uint64_t now_ms)
{
	struct session *s = c->session;
	ssize_t sent;
	bool done;

	pthread_mutex_lock(&s->tx_lock);
	while (buf_len(&c->out) && (sent = sock_send(c->fd, buf_data(&c->out), buf_len(&c->out))) != ERR_AGAIN) {
		if (sent < 0)
			buf_clear(&c->out); /* a broken socket shows when it is read */
		else
			buf_consume(&c->out, (size_t)sent);
	}
	if (!buf_len(&c->out)) {
		buf_fini(&c->out);
		if (c == s->tx)
			drain_queue(p, s, now_ms);
	}
	done = !buf_len(&c->out);
	pthread_mutex_unlock(&s->tx_lock);
	return done;
}
