/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram channel of a session; theory of operation in the header. */
#include "session/datagram.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "wire/frame.h"

enum { ALERT_LEN = 2, ALERT_FATAL = 2, ALERT_CLOSE_NOTIFY = 0 }; /* RFC 5246 7.2 */

static void set_state(struct datagram *d, enum datagram_state state)
{
	enum datagram_state was = d->state;

	pthread_mutex_lock(d->tx_lock);
	d->state = state;
	pthread_mutex_unlock(d->tx_lock);
	d->events->changed(d, was);
}

static void finish(struct datagram *d, const char *why)
{
	d->why = why;
	set_state(d, DATAGRAM_OVER);
}

/* Not counted as one of the session's packets. */
static void send_pieces(struct datagram *d, const struct iovec *pieces, size_t count, uint64_t now_ms)
{
	uint8_t record[DTLS_OVERHEAD_MAX + DTLS_PLAIN_MAX];
	int record_len;

	pthread_mutex_lock(d->tx_lock);
	record_len = dtls_seal(&d->sealer, DTLS_DATA, pieces, count, record);
	pthread_mutex_unlock(d->tx_lock);
	if (record_len < 0)
		return;
	d->sent_ms = now_ms;
	d->events->send(d, record, (size_t)record_len);
}

static void send_control(struct datagram *d, uint8_t kind, const void *payload, size_t len, uint64_t now_ms)
{
	struct iovec pieces[] = { { &kind, sizeof(kind) }, { (void *)payload, len } };

	send_pieces(d, pieces, len ? 2 : 1, now_ms);
}

static void forget_late_answers(struct datagram *d, uint64_t now_ms)
{
	if (now_ms >= d->asked_ms + DATAGRAM_FORGET_MS)
		d->asked = 0;
}

/* A short DPD-REQ. */
static void ask(struct datagram *d, uint64_t now_ms)
{
	forget_late_answers(d, now_ms);
	send_control(d, FRAME_DPD_REQ, NULL, 0, now_ms);
	d->asked++;
	d->asked_ms = now_ms;
}

/* One as long as a packet of @len bytes. */
static void ask_long(struct datagram *d, unsigned len, uint64_t now_ms)
{
	static const uint8_t padding[DATAGRAM_PAYLOAD_MAX];
	uint8_t kind = FRAME_DPD_REQ;
	uint32_t mark = htobe32(len);
	struct iovec pieces[] = {
		{ &kind, sizeof(kind) },
		{ &mark, sizeof(mark) },
		{ (void *)padding, len - sizeof(mark) },
	};

	forget_late_answers(d, now_ms);
	send_pieces(d, pieces, 3, now_ms);
}

struct datagram *datagram_new(const struct datagram_settings *settings, const struct dtls_keys *keys, uint64_t now_ms)
{
	struct datagram *d = aligned_alloc(DATAGRAM_CACHE_LINE, sizeof(*d));

	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->generation = settings->generation;
	d->peer = settings->peer;
	d->gate = settings->gate;
	d->state = settings->gate == DATAGRAM_GATE_NONE ? DATAGRAM_UP : DATAGRAM_GATED;
	d->announce = settings->announce;
	d->overlap = settings->overlap;
	d->dpd_ms = (uint64_t)settings->dpd_seconds * 1000;
	d->keepalive_ms = (uint64_t)settings->keepalive_seconds * 1000;
	d->events = settings->events;
	d->owner = settings->owner;
	d->tx_lock = settings->tx_lock;
	d->since_ms = d->heard_ms = d->sent_ms = now_ms;
	pmtu_init(&d->pmtu, d->peer.addr.family,
		  settings->packet_max < DATAGRAM_PAYLOAD_MAX ? settings->packet_max : DATAGRAM_PAYLOAD_MAX,
		  settings->packet_known);
	d->packet_max = pmtu_max(&d->pmtu);
	if (dtls_sealer_init(&d->sealer, keys) < 0 || dtls_opener_init(&d->opener, keys) < 0) {
		datagram_free(d);
		return NULL;
	}
	return d;
}

const char *datagram_obstacle(const struct datagram *d)
{
	switch (d->state) {
	case DATAGRAM_GATED:
		return "the peer has not shown yet that it listens";
	case DATAGRAM_UP:
		return d->unwanted ? "the peer asks for the stream, for nothing reaches it" : NULL;
	case DATAGRAM_AWAY:
		return "nothing comes back";
	case DATAGRAM_LEAVING:
		return "left for a newer channel";
	case DATAGRAM_OVER:
		break;
	}
	return d->why;
}

int datagram_seal(struct datagram *d, const struct iovec *pieces, size_t count, uint8_t *out)
{
	int len;

	if (!datagram_usable(d))
		return ERR_REFUSED;
	len = dtls_seal(&d->sealer, DTLS_DATA, pieces, count, out);
	if (len >= 0)
		d->tx_packets++;
	return len;
}

/* What is longer than the packet that every way carries. */
static bool is_long(const struct datagram *d, size_t record_len)
{
	return record_len > d->pmtu.sizes[d->pmtu.count - 1] + DATAGRAM_KIND_LEN + DTLS_OVERHEAD_MAX;
}

bool datagram_sent(struct datagram *d, size_t longest, uint64_t now_ms)
{
	atomic_store_explicit(&d->tx_data_ms, now_ms, memory_order_relaxed);
	if (is_long(d, longest) && longest > atomic_load_explicit(&d->long_sent, memory_order_relaxed))
		atomic_store_explicit(&d->long_sent, longest, memory_order_relaxed);
	return probe_sent(&d->probe, now_ms);
}

void datagram_refused(struct datagram *d, size_t record_len)
{
	if (record_len > dtls_record_len(d->sealer.cipher, datagram_packet_max(d) + DATAGRAM_KIND_LEN))
		return; /* cut for a length that has been given up already */
	atomic_store(&d->packet_max, pmtu_below(&d->pmtu, datagram_packet_max(d)));
	atomic_store(&d->refused, true);
}

/* Whether this record shows that the peer takes packets now: while openconnect measures the path, it answers nothing.
 */
static void maybe_open_gate(struct datagram *d, uint8_t kind)
{
	if (d->state != DATAGRAM_GATED)
		return;
	if (d->gate == DATAGRAM_GATE_RECORD || kind == FRAME_DATA || kind == FRAME_KEEPALIVE || kind == FRAME_DPD_RESP)
		set_state(d, DATAGRAM_UP);
}

static void heard(struct datagram *d, uint8_t kind, uint64_t now_ms)
{
	d->heard_ms = now_ms;
	probe_received(&d->probe);
	maybe_open_gate(d, kind);
}

static void use_length(struct datagram *d)
{
	atomic_store(&d->packet_max, pmtu_max(&d->pmtu));
}

/*
 * The answer to a long DPD-REQ begins with its mark. Openconnect, and ocserv when its own way back is narrower, answer
 * all alike with nothing: such answers are for the short ones first.
 */
static void take_length(struct datagram *d, const uint8_t *payload, size_t len, uint64_t now_ms)
{
	uint64_t longest;
	uint32_t mark;

	if (d->overlap && len == DATAGRAM_REPORT_LEN) {
		memcpy(&longest, payload, sizeof(longest));
		pmtu_reported(&d->pmtu, d->tried && be64toh(longest) >= d->tried, now_ms);
	} else if (len >= sizeof(mark)) {
		memcpy(&mark, payload, sizeof(mark));
		pmtu_answered(&d->pmtu, be32toh(mark), now_ms);
	} else if (d->asked) {
		d->asked--;
		pmtu_short_answered(&d->pmtu);
	} else {
		pmtu_answered(&d->pmtu, pmtu_probing(&d->pmtu), now_ms);
	}
	use_length(d);
}

static void take_answer(struct datagram *d, const uint8_t *payload, size_t len, uint64_t now_ms)
{
	if (probe_answered(&d->probe) && d->state == DATAGRAM_AWAY)
		set_state(d, DATAGRAM_UP);
	if (d->state == DATAGRAM_UP)
		take_length(d, payload, len, now_ms);
}

/* All of it goes back: openconnect learns from it what the path carries. An adit wants to know of one direction, and
 * whether long packets arrive. */
static enum verdict answer(struct datagram *d, const uint8_t *payload, size_t len, uint64_t now_ms)
{
	uint64_t longest = htobe64(d->longest);

	d->measured_ms = now_ms;
	if (d->answered >= DATAGRAM_ANSWERS_BATCH || d->state >= DATAGRAM_LEAVING)
		return DROP_FRAME_UNKNOWN;
	d->answered++;
	if (d->overlap && !len) {
		d->longest = 0;
		send_control(d, FRAME_DPD_RESP, &longest, sizeof(longest), now_ms);
	} else {
		send_control(d, FRAME_DPD_RESP, payload,
			     d->overlap && len > DATAGRAM_MARK_LEN ? DATAGRAM_MARK_LEN : len, now_ms);
	}
	return PASS;
}

/* All that was under way is here. */
static void maybe_left(struct datagram *d)
{
	if (d->state == DATAGRAM_LEAVING && d->rx_ended && d->rx_packets >= d->rx_end)
		finish(d, "all its packets are through");
}

static enum verdict take_end(struct datagram *d, const uint8_t *payload, size_t len)
{
	uint64_t packets_be;

	if (!d->overlap || len != FRAME_END_LEN || d->rx_ended)
		return DROP_FRAME_UNKNOWN;
	memcpy(&packets_be, payload, sizeof(packets_be));
	d->rx_end = be64toh(packets_be);
	d->rx_ended = true;
	maybe_left(d);
	return PASS;
}

static enum verdict take_control(struct datagram *d, uint8_t kind, const uint8_t *payload, size_t len, uint64_t now_ms)
{
	switch (kind) {
	case FRAME_DPD_REQ:
		return answer(d, payload, len, now_ms);
	case FRAME_DPD_RESP:
		take_answer(d, payload, len, now_ms);
		return PASS;
	case FRAME_KEEPALIVE:
		return PASS;
	case FRAME_END:
		return take_end(d, payload, len);
	default:
		return DROP_FRAME_UNKNOWN;
	}
}

/* Other warnings say nothing that matters here. */
static void take_alert(struct datagram *d, const struct dtls_plain *alert)
{
	if (alert->len == ALERT_LEN && alert->data[1] == ALERT_CLOSE_NOTIFY)
		finish(d, "closed by the peer");
	else if (alert->len == ALERT_LEN && alert->data[0] == ALERT_FATAL)
		finish(d, "ended by an alert of the peer");
}

enum verdict datagram_open(struct datagram *d, uint8_t *data, size_t len, uint64_t now_ms,
			   struct datagram_packet *packet)
{
	struct dtls_plain plain;
	enum verdict v;
	uint8_t kind;

	if (d->state == DATAGRAM_OVER)
		return DROP_EPOCH;
	if ((v = dtls_open(&d->opener, data, len, &plain)) != PASS)
		return v;
	*packet = (struct datagram_packet){ .record_len = plain.record_len };
	if (plain.type == DTLS_ALERT) {
		take_alert(d, &plain);
		return PASS;
	}
	if (plain.len < DATAGRAM_KIND_LEN)
		return DROP_FRAME_UNKNOWN;
	kind = plain.data[0];
	heard(d, kind, now_ms);
	packet->partial = d->overlap && kind == FRAME_PARTIAL_DATA;
	if (kind != FRAME_DATA && !packet->partial)
		return take_control(d, kind, plain.data + DATAGRAM_KIND_LEN, plain.len - DATAGRAM_KIND_LEN, now_ms);
	d->rx_packets++;
	packet->data = plain.data + DATAGRAM_KIND_LEN;
	packet->len = plain.len - DATAGRAM_KIND_LEN;
	if (plain.record_len > d->longest)
		d->longest = plain.record_len;
	maybe_left(d);
	return PASS;
}

/* The way may be another when packets pass again. */
static void search_anew(struct datagram *d)
{
	pmtu_restart(&d->pmtu);
	use_length(d);
}

bool datagram_is_newer(struct datagram *d, const uint8_t *data, size_t len, uint8_t *room)
{
	return d->state < DATAGRAM_LEAVING && dtls_open_trial(&d->opener, data, len, room);
}

void datagram_moved(struct datagram *d, const struct endpoint *peer)
{
	if (!addr_equal(&d->peer.addr, &peer->addr))
		search_anew(d);
	d->peer = *peer;
}

void datagram_doubt(struct datagram *d, uint64_t now_ms)
{
	if (d->state != DATAGRAM_UP)
		return;
	d->measured_ms = 0;
	search_anew(d);
	set_state(d, DATAGRAM_GATED);
	ask(d, now_ms);
	probe_sent(&d->probe, now_ms);
}

void datagram_asked(struct datagram *d, bool here)
{
	if (d->unwanted == !here)
		return;
	pthread_mutex_lock(d->tx_lock);
	d->unwanted = !here;
	pthread_mutex_unlock(d->tx_lock);
	d->events->changed(d, d->state);
}

void datagram_leave(struct datagram *d, uint64_t now_ms)
{
	uint64_t packets_be;

	if (d->state >= DATAGRAM_LEAVING)
		return;
	d->leave_ms = now_ms + DATAGRAM_LEAVE_MS;
	set_state(d, DATAGRAM_LEAVING);
	if (!d->overlap)
		return;
	packets_be = htobe64(d->tx_packets); /* no packet is sealed any more */
	send_control(d, FRAME_END, &packets_be, sizeof(packets_be), now_ms);
	maybe_left(d);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void datagram_raise(const struct datagram *d, uint64_t *records, uint64_t *bytes)
{
	*records =
		larger(*records, larger(d->sealer.records, atomic_load_explicit(&d->rx_records, memory_order_relaxed)));
	*bytes = larger(*bytes, larger(d->sealer.bytes, atomic_load_explicit(&d->rx_bytes, memory_order_relaxed)));
}

static bool used_up(struct datagram *d)
{
	bool full;

	pthread_mutex_lock(d->tx_lock);
	full = d->sealer.records >= dtls_seal_max(d->sealer.cipher);
	pthread_mutex_unlock(d->tx_lock);
	return full || d->opener.failed >= dtls_fail_max(d->opener.cipher);
}

static uint64_t gate_deadline(const struct datagram *d)
{
	if (d->state != DATAGRAM_GATED || d->gate != DATAGRAM_GATE_READY || !d->measured_ms)
		return CLOCK_NEVER;
	return d->measured_ms + DATAGRAM_MEASURED_MS;
}

static uint64_t idle_deadline(const struct datagram *d)
{
	return d->dpd_ms && d->state < DATAGRAM_AWAY ? d->heard_ms + d->dpd_ms : CLOCK_NEVER;
}

static uint64_t keepalive_deadline(const struct datagram *d)
{
	uint64_t data_ms = atomic_load_explicit(&d->tx_data_ms, memory_order_relaxed);

	return d->keepalive_ms ? (data_ms > d->sent_ms ? data_ms : d->sent_ms) + d->keepalive_ms : CLOCK_NEVER;
}

static void tick_idle(struct datagram *d, uint64_t now_ms)
{
	if (now_ms >= idle_deadline(d)) {
		d->heard_ms = now_ms;
		ask(d, now_ms);
		probe_sent(&d->probe, now_ms);
	}
	if (now_ms >= keepalive_deadline(d))
		send_control(d, FRAME_KEEPALIVE, NULL, 0, now_ms);
}

static void tick_probe(struct datagram *d, uint64_t now_ms)
{
	enum probe_verdict v = probe_check(&d->probe, now_ms);

	if (v == PROBE_QUIET)
		return;
	if (v == PROBE_VAIN) {
		d->events->changed(d, d->state);
		return;
	}
	ask(d, now_ms);
	if (v == PROBE_LOST) {
		search_anew(d);
		set_state(d, DATAGRAM_AWAY);
	}
}

/* A probe that is lost with the short request behind it says nothing of length. */
static uint64_t tick_length(struct datagram *d, uint64_t now_ms)
{
	unsigned len;

	if (d->state != DATAGRAM_UP)
		return CLOCK_NEVER;
	if (atomic_exchange(&d->refused, false))
		pmtu_refused(&d->pmtu);
	len = pmtu_check(&d->pmtu, atomic_load_explicit(&d->long_sent, memory_order_relaxed), now_ms);
	use_length(d);
	if (len) {
		d->tried = atomic_exchange_explicit(&d->long_sent, 0, memory_order_relaxed);
		ask_long(d, len, now_ms);
		ask(d, now_ms);
		probe_sent(&d->probe, now_ms);
	}
	return pmtu_deadline(&d->pmtu, atomic_load_explicit(&d->long_sent, memory_order_relaxed));
}

/* The channel is in use or may come back to it. */
static uint64_t tick_living(struct datagram *d, uint64_t now_ms)
{
	uint64_t at;

	if (d->announce) {
		d->announce = false;
		ask(d, now_ms);
		probe_sent(&d->probe, now_ms);
	}
	if (now_ms >= gate_deadline(d))
		set_state(d, DATAGRAM_UP);
	tick_idle(d, now_ms);
	tick_probe(d, now_ms);
	at = tick_length(d, now_ms); /* may ask the probe to watch */
	at = clock_sooner(at, clock_sooner(probe_deadline(&d->probe, now_ms), gate_deadline(d)));
	return clock_sooner(at, clock_sooner(idle_deadline(d), keepalive_deadline(d)));
}

uint64_t datagram_tick(struct datagram *d, uint64_t now_ms)
{
	if (d->state < DATAGRAM_LEAVING && used_up(d))
		finish(d, "its keys are used up");
	if (d->state < DATAGRAM_LEAVING)
		return tick_living(d, now_ms);
	if (d->state == DATAGRAM_LEAVING && now_ms >= d->leave_ms)
		finish(d, "left");
	return d->state == DATAGRAM_LEAVING ? d->leave_ms : CLOCK_NEVER;
}

void datagram_free(struct datagram *d)
{
	if (!d)
		return;
	dtls_sealer_fini(&d->sealer);
	dtls_opener_fini(&d->opener);
	free(d);
}
