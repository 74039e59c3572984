/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TUN to network, told in order: read a packet, find its session, gather it behind its frame header, seal, send. The
 * session's send lock is taken once for a run of packets; system calls and counters once for a batch.
 */
#include "path/egress.h"

#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "io/sock.h"
#include "io/tun.h"
#include "ip/checksum.h"
#include "ip/packet.h"
#include "path/link.h"
#include "path/path.h"
#include "session/channel.h"
#include "session/table.h"
#include "wire/frame.h"

enum { VIRTIO_NEEDS_CSUM = 1 }; /* VIRTIO_NET_HDR_F_NEEDS_CSUM */

/* What the kernel left to us: the checksum. No other offload is on. */
static enum verdict finish_packet(const struct tun_header *h, uint8_t *packet, size_t len)
{
	if (h->gso_type)
		return DROP_OFFLOAD;
	if (h->flags & VIRTIO_NEEDS_CSUM && checksum_finish(packet, len, h->csum_start, h->csum_offset) < 0)
		return DROP_HEADER;
	return PASS;
}

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

/* Seals and sends what has been gathered for the session whose lock is held. */
static void send_gathered(struct path *p)
{
	struct session *s = p->sending;

	if (p->gathered && channel_seal_frames(s->tx, p->gather, p->gathered, &p->sealed) < 0)
		s->tx->tx_ended = true;
	p->gathered = 0;
	if (!buf_len(&p->sealed))
		return;
	if (!send_sealed(s->tx, buf_data(&p->sealed), buf_len(&p->sealed)))
		link_blocked(p, s);
	if (session_used_up(s))
		link_used_up(p, s);
	buf_clear(&p->sealed);
}

/* Ends the run of packets to one session and begins that to another. */
static void switch_session(struct path *p, struct session *s)
{
	if (p->sending) {
		if (p->sending->tx)
			send_gathered(p);
		pthread_mutex_unlock(&p->sending->tx_lock);
	}
	p->sending = s;
	if (s)
		pthread_mutex_lock(&s->tx_lock);
}

/* A channel that can take more right now; otherwise packets wait. */
static bool can_send(const struct session *s)
{
	return s->tx && !s->tx->tx_ended && !buf_len(&s->tx->out) && queue_empty(&s->queue);
}

static void count_sent(struct session *s, size_t len, uint64_t now_ms)
{
	atomic_fetch_add_explicit(&s->tx_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->tx_bytes, len, memory_order_relaxed);
	atomic_store_explicit(&s->data_ms, now_ms, memory_order_relaxed);
}

/* The frame at the end of what is gathered joins it; in CSTP format it becomes a record at once. */
static enum verdict gather_frame(struct path *p, size_t len, uint64_t now_ms)
{
	struct channel *c = p->sending->tx;
	uint8_t *frame = p->gather + p->gathered;

	if (c->format == FRAME_FORMAT_CSTP && len > FRAME_CSTP_PAYLOAD_MAX)
		return DROP_TOO_BIG;
	frame_encode_header(c->format, FRAME_DATA, len, frame);
	c->tx_packets++;
	atomic_store_explicit(&c->tx_data_ms, now_ms, memory_order_relaxed);
	count_sent(p->sending, len, now_ms);
	if (c->format == FRAME_FORMAT_ADIT) {
		p->gathered += FRAME_HEADER_LEN + len;
		return PASS;
	}
	if (channel_seal_frames(c, frame, FRAME_HEADER_LEN + len, &p->sealed) < 0)
		c->tx_ended = true;
	return PASS;
}

static void count_stale(struct path *p, unsigned packets)
{
	while (packets--)
		verdict_count(&p->egress, DROP_QUEUE);
}

/* One packet, lying behind the room for its header at the end of what is gathered. */
static enum verdict egress_packet(struct path *p, const struct tun_header *header, size_t len, uint64_t now_ms)
{
	uint8_t *packet = p->gather + p->gathered + FRAME_HEADER_LEN;
	struct session *s;
	struct addr dst;
	enum verdict v;

	if ((v = finish_packet(header, packet, len)) != PASS || (v = packet_dst(packet, len, &dst)) != PASS)
		return v;
	s = session_by_dst(p->table, &dst);
	if (!s)
		return DROP_NO_SESSION;
	if (s != p->sending) {
		switch_session(p, s); /* leaves nothing gathered: the packet moves to the front */
		memmove(p->gather + FRAME_HEADER_LEN, packet, len);
		packet = p->gather + FRAME_HEADER_LEN;
	}
	if (!can_send(s)) {
		count_stale(p, queue_expire(&s->queue, now_ms));
		return queue_push(&s->queue, packet, len, now_ms) < 0 ? DROP_QUEUE : PASS;
	}
	return gather_frame(p, len, now_ms);
}

/* A client has one session: while its stream is full the TUN's own queue holds the packets. */
static bool must_wait(struct path *p)
{
	struct session *s = p->sending;

	return p->side == SESSION_CLIENT && s && s->tx && buf_len(&s->tx->out);
}

void egress_tun(struct path *p, uint64_t now_ms)
{
	struct tun_header header;
	size_t packets = 0, bytes = 0;
	int len;

	p->written = 0;
	p->written_bytes = 0;
	urcu_memb_read_lock();
	while (packets < PATH_BATCH_PACKETS && bytes < PATH_BATCH_BYTES && !must_wait(p)) {
		len = tun_read(p->tun_fd, &header, p->gather + p->gathered + FRAME_HEADER_LEN);
		if (len < 0)
			break;
		packets++;
		bytes += (size_t)len;
		verdict_count(&p->egress, egress_packet(p, &header, (size_t)len, now_ms));
	}
	switch_session(p, NULL);
	urcu_memb_read_unlock();
}

/* Seals waiting packets into the channel until it is full. Under tx_lock. */
static void drain_queue(struct path *p, struct session *s, uint64_t now_ms)
{
	const uint8_t *packet;
	size_t len;

	p->sending = s;
	count_stale(p, queue_expire(&s->queue, now_ms));
	while (!s->tx->tx_ended && !buf_len(&s->tx->out) && (packet = queue_front(&s->queue, &len))) {
		memcpy(p->gather + p->gathered + FRAME_HEADER_LEN, packet, len);
		if (gather_frame(p, len, now_ms) != PASS)
			verdict_count(&p->egress, DROP_TOO_BIG);
		queue_pop(&s->queue);
		if (p->gathered + buf_len(&p->sealed) >= PATH_BATCH_BYTES / 4)
			send_gathered(p);
	}
	send_gathered(p);
	p->sending = NULL;
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
