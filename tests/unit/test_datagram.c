/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram channel: two ends in memory; datagrams arrive when the test says so, and time is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "crypto/dtls.h"
#include "session/datagram.h"
#include "wire/frame.h"

enum { START = 1000000, QUEUE = 64, ROOM = 2048, CLOSE_NOTIFY = 0, THREAD_ROUNDS = 2000 };

struct end {
	struct datagram *d;
	struct end *other;
	bool deaf;         /* what is sent to it is lost */
	size_t pass_max;   /* longer records to it are lost; 0: none */
	bool answers_bare; /* as openconnect: never with a payload */
	uint8_t waiting[QUEUE][ROOM];
	size_t lens[QUEUE], count;
	/* what it has learned */
	unsigned changes, packets, sent;
	enum datagram_state was;
	uint8_t last_packet[ROOM];
	size_t last_len, last_sent; /* the latter: a record */
	bool last_partial;
	enum verdict verdict; /* of the last record */
};

static struct end client, gateway;
static uint64_t now;
static bool alone = true; /* no other thread takes the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void assert_unlocked(void)
{
	if (alone) {
		assert_int_equal(pthread_mutex_trylock(&lock), 0);
		pthread_mutex_unlock(&lock);
	}
}

static void send_kind(struct end *e, uint8_t kind, const void *payload, size_t len);

static void on_send(struct datagram *d, const uint8_t *record, size_t len)
{
	struct end *from = d->owner, *to = from->other;

	assert_unlocked();
	if (from->answers_bare && (len == dtls_record_len(AEAD_AES_128_GCM, 1 + DATAGRAM_MARK_LEN) ||
				   len == dtls_record_len(AEAD_AES_128_GCM, 1 + DATAGRAM_REPORT_LEN))) {
		send_kind(from, FRAME_DPD_RESP, NULL, 0);
		return;
	}
	from->sent++;
	from->last_sent = len;
	if (to->deaf || (to->pass_max && len > to->pass_max))
		return;
	assert_true(to->count < QUEUE && len <= ROOM);
	memcpy(to->waiting[to->count], record, len);
	to->lens[to->count++] = len;
}

static void on_changed(struct datagram *d, enum datagram_state was)
{
	struct end *e = d->owner;

	assert_unlocked();
	e->changes++;
	e->was = was;
}

static const struct datagram_events events = { on_send, on_changed };

static struct datagram *make(struct end *e, struct datagram_settings settings)
{
	struct dtls_keys keys = { .cipher = AEAD_AES_128_GCM, .tx_number = DTLS_NUMBER_FIRST };
	struct datagram *d;

	memset(keys.tx.key, e == &client ? 1 : 2, sizeof(keys.tx.key));
	memset(keys.rx.key, e == &client ? 2 : 1, sizeof(keys.rx.key));
	settings.events = &events;
	settings.owner = e;
	settings.tx_lock = &lock;
	d = datagram_new(&settings, &keys, now);
	assert_non_null(d);
	return d;
}

static void open_ends(enum datagram_gate at_client, enum datagram_gate at_gateway)
{
	now = START;
	memset(&client, 0, sizeof(client));
	memset(&gateway, 0, sizeof(gateway));
	client.other = &gateway;
	gateway.other = &client;
	client.d = make(&client, (struct datagram_settings){ .gate = at_client, .announce = true, .overlap = true });
	gateway.d = make(&gateway, (struct datagram_settings){ .gate = at_gateway, .overlap = true });
}

static int end_test(void **state)
{
	(void)state;
	datagram_free(client.d);
	datagram_free(gateway.d);
	return 0;
}

/* A datagram of one record, as ingress takes it. */
static void take(struct end *e, uint8_t *record, size_t len)
{
	struct datagram_packet packet = { 0 };

	e->verdict = datagram_open(e->d, record, len, now, &packet);
	if (e->verdict != PASS || !packet.len)
		return;
	assert_int_equal(packet.record_len, len);
	e->packets++;
	memcpy(e->last_packet, packet.data, packet.len);
	e->last_len = packet.len;
	e->last_partial = packet.partial;
}

static void deliver_to(struct end *e)
{
	size_t count = e->count;

	datagram_batch(e->d);
	for (size_t i = 0; i < count; i++)
		take(e, e->waiting[i], e->lens[i]);
	e->count -= count;
	memmove(e->waiting, e->waiting + count, e->count * ROOM);
	memmove(e->lens, e->lens + count, e->count * sizeof(e->lens[0]));
}

static void deliver(void)
{
	while (client.count || gateway.count) {
		deliver_to(&client);
		deliver_to(&gateway);
	}
}

static void tick_both(void)
{
	datagram_tick(client.d, now);
	datagram_tick(gateway.d, now);
	deliver();
}

/* Lets time pass, from deadline to deadline. */
static void pass(uint64_t ms)
{
	uint64_t until = now + ms, at;

	do {
		tick_both();
		at = clock_sooner(datagram_tick(client.d, now), datagram_tick(gateway.d, now));
		assert_true(at > now);
		deliver();
		now = clock_sooner(at, until);
	} while (now < until);
	tick_both();
}

static int send_packet(struct end *e, const void *bytes, size_t len)
{
	uint8_t plain[ROOM] = { FRAME_DATA }, record[ROOM];
	struct iovec piece = { plain, 1 + len };
	int r;

	memcpy(plain + 1, bytes, len);
	pthread_mutex_lock(&lock);
	r = datagram_seal(e->d, &piece, 1, record);
	pthread_mutex_unlock(&lock);
	if (r < 0)
		return r;
	on_send(e->d, record, (size_t)r);
	if (datagram_sent(e->d, (size_t)r, now))
		datagram_tick(e->d, now);
	return 0;
}

/* Control of any kind, as a foreign peer may send it; takes the sender's own way around its rules. */
static void send_kind(struct end *e, uint8_t kind, const void *payload, size_t len)
{
	uint8_t record[ROOM];
	struct iovec pieces[] = { { &kind, 1 }, { (void *)payload, len } };
	int r = dtls_seal(&e->d->sealer, DTLS_DATA, pieces, len ? 2 : 1, record);

	on_send(e->d, record, (size_t)r);
}

static void send_alert(struct end *e, uint8_t level, uint8_t description)
{
	uint8_t alert[] = { level, description }, record[ROOM];
	struct iovec piece = { alert, sizeof(alert) };
	int r = dtls_seal(&e->d->sealer, DTLS_ALERT, &piece, 1, record);

	on_send(e->d, record, (size_t)r);
}

static void open_up(void)
{
	open_ends(DATAGRAM_GATE_RECORD, DATAGRAM_GATE_RECORD);
	pass(0);
	assert_int_equal(client.d->state, DATAGRAM_UP);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
}

/* ---- the gate ---- */

static void two_adits_open_by_one_exchange(void **state)
{
	(void)state;
	open_ends(DATAGRAM_GATE_RECORD, DATAGRAM_GATE_RECORD);
	assert_int_equal(send_packet(&client, "x", 1), ERR_REFUSED);
	assert_int_equal(send_packet(&gateway, "x", 1), ERR_REFUSED);
	datagram_tick(client.d, now);
	assert_int_equal(client.d->state, DATAGRAM_GATED);
	deliver_to(&gateway);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
	assert_int_equal(gateway.was, DATAGRAM_GATED);
	deliver_to(&client);
	assert_int_equal(client.d->state, DATAGRAM_UP);
	assert_int_equal(client.changes, 1);
	assert_int_equal(gateway.changes, 1);
}

static void announcement_is_sent_once(void **state)
{
	(void)state;
	open_ends(DATAGRAM_GATE_RECORD, DATAGRAM_GATE_RECORD);
	gateway.deaf = true;
	datagram_tick(client.d, now);
	datagram_tick(client.d, now);
	assert_int_equal(client.sent, 1);
}

/* The first one may be lost. */
static void announcement_is_repeated_until_it_is_heard(void **state)
{
	(void)state;
	open_ends(DATAGRAM_GATE_RECORD, DATAGRAM_GATE_RECORD);
	gateway.deaf = true;
	pass(PROBE_SILENCE_MS - 1);
	gateway.deaf = false;
	pass(1);
	assert_int_equal(client.d->state, DATAGRAM_UP);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
}

static void announcement_that_is_never_heard_means_away(void **state)
{
	(void)state;
	open_ends(DATAGRAM_GATE_RECORD, DATAGRAM_GATE_RECORD);
	gateway.deaf = true;
	pass(1300);
	assert_int_equal(client.d->state, DATAGRAM_AWAY);
	assert_int_equal(client.was, DATAGRAM_GATED);
	gateway.deaf = false;
	pass(PROBE_AWAY_MS);
	assert_int_equal(client.d->state, DATAGRAM_UP);
}

static void client_of_another_gateway_sends_at_once(void **state)
{
	(void)state;
	open_ends(DATAGRAM_GATE_NONE, DATAGRAM_GATE_READY);
	assert_int_equal(send_packet(&client, "x", 1), 0);
}

static void probes_of_openconnect_do_not_open_the_gate(void **state)
{
	(void)state;
	open_ends(DATAGRAM_GATE_NONE, DATAGRAM_GATE_READY);
	for (int i = 0; i < 6; i++) {
		send_kind(&client, FRAME_DPD_REQ, "0123456789", 10);
		pass(DATAGRAM_MEASURED_MS - 1);
		assert_int_equal(gateway.d->state, DATAGRAM_GATED);
	}
	pass(1);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
}

static void data_and_keepalive_open_the_gate_to_openconnect(void **state)
{
	static const uint8_t kinds[] = { FRAME_DATA, FRAME_KEEPALIVE };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		open_ends(DATAGRAM_GATE_NONE, DATAGRAM_GATE_READY);
		send_kind(&client, kinds[i], "x", 1);
		deliver_to(&gateway);
		assert_int_equal(gateway.d->state, DATAGRAM_UP);
		if (!i)
			end_test(state);
	}
}

/* ---- doubt ---- */

static void open_to_openconnect(void)
{
	open_ends(DATAGRAM_GATE_NONE, DATAGRAM_GATE_READY);
	client.d->announce = false;
	send_kind(&client, FRAME_KEEPALIVE, NULL, 0);
	deliver_to(&gateway);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
}

static void doubted_channel_asks_and_opens_with_the_answer(void **state)
{
	(void)state;
	open_to_openconnect();
	datagram_doubt(gateway.d, now);
	assert_int_equal(gateway.d->state, DATAGRAM_GATED);
	assert_int_equal(send_packet(&gateway, "x", 1), ERR_REFUSED);
	assert_int_equal(client.count, 1);
	deliver_to(&client);
	deliver_to(&gateway);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
}

/* openconnect, while it opens its next stream: what waits in its socket is answered when it reads again. */
static void doubted_channel_opens_when_the_client_reads_again(void **state)
{
	(void)state;
	open_to_openconnect();
	datagram_doubt(gateway.d, now);
	now += 1000;
	datagram_tick(gateway.d, now);
	assert_int_equal(gateway.d->state, DATAGRAM_GATED);
	deliver_to(&client);
	deliver_to(&gateway);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
}

static void doubt_that_nothing_removes_is_being_away(void **state)
{
	(void)state;
	open_to_openconnect();
	client.deaf = true;
	datagram_doubt(gateway.d, now);
	pass(1300);
	assert_int_equal(gateway.d->state, DATAGRAM_AWAY);
	datagram_doubt(gateway.d, now);
	assert_int_equal(gateway.d->state, DATAGRAM_AWAY);
	client.deaf = false;
	pass(PROBE_AWAY_MS);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
}

static void obstacle_is_told_while_there_is_one(void **state)
{
	(void)state;
	open_to_openconnect();
	assert_null(datagram_obstacle(gateway.d));
	datagram_asked(gateway.d, false);
	assert_non_null(strstr(datagram_obstacle(gateway.d), "asks for the stream"));
	datagram_asked(gateway.d, true);
	client.deaf = true;
	datagram_doubt(gateway.d, now);
	assert_non_null(strstr(datagram_obstacle(gateway.d), "listens"));
	pass(2000);
	assert_string_equal(datagram_obstacle(gateway.d), "nothing comes back");
	datagram_leave(gateway.d, now);
	assert_non_null(strstr(datagram_obstacle(gateway.d), "newer"));
	pass(DATAGRAM_LEAVE_MS);
	assert_string_equal(datagram_obstacle(gateway.d), "left");
}

/* ---- packets ---- */

static void packets_arrive_both_ways(void **state)
{
	uint8_t packet[1400];

	(void)state;
	open_up();
	memset(packet, 0x45, sizeof(packet));
	assert_int_equal(send_packet(&client, packet, sizeof(packet)), 0);
	assert_int_equal(send_packet(&gateway, packet, 20), 0);
	deliver();
	assert_int_equal(gateway.last_len, sizeof(packet));
	assert_memory_equal(gateway.last_packet, packet, sizeof(packet));
	assert_int_equal(client.last_len, 20);
	assert_int_equal(gateway.d->rx_packets, 1);
	assert_int_equal(client.d->tx_packets, 1);
}

/* What others may read is as of the last batch, and less than what they have already counts nothing. */
static void usage_is_that_of_the_busier_direction(void **state)
{
	uint64_t records = 0, bytes = 0, before, before_bytes;

	(void)state;
	open_up();
	datagram_batch_done(gateway.d);
	datagram_raise(gateway.d, &records, &bytes);
	before = records, before_bytes = bytes;
	for (int i = 0; i < 10; i++)
		send_packet(&client, "0123456789", 10);
	deliver();
	datagram_raise(gateway.d, &records, &bytes);
	assert_int_equal(records, before);
	datagram_batch_done(gateway.d);
	datagram_raise(gateway.d, &records, &bytes);
	assert_int_equal(records, before + 10);
	assert_int_equal(bytes, 1 + 110); /* a request of one byte before */
	records = before = 1000, bytes = before_bytes = 100000;
	datagram_raise(gateway.d, &records, &bytes);
	assert_int_equal(records, before);
	assert_int_equal(bytes, before_bytes);
}

static void unknown_kinds_are_counted_and_ignored(void **state)
{
	static const uint8_t kinds[] = { FRAME_DISCONNECT, FRAME_COMPRESSED, FRAME_TERMINATE, FRAME_REKEY, 0xff };

	(void)state;
	open_up();
	for (size_t i = 0; i < sizeof(kinds); i++) {
		send_kind(&client, kinds[i], "x", 1);
		deliver_to(&gateway);
		assert_int_equal(gateway.verdict, DROP_FRAME_UNKNOWN);
		assert_int_equal(gateway.d->state, DATAGRAM_UP);
	}
}

static void checksum_may_be_left_out_between_adits(void **state)
{
	(void)state;
	open_up();
	send_kind(&client, FRAME_PARTIAL_DATA, "packet", 6);
	deliver_to(&gateway);
	assert_int_equal(gateway.verdict, PASS);
	assert_true(gateway.last_partial);
	gateway.d->overlap = false;
	send_kind(&client, FRAME_PARTIAL_DATA, "packet", 6);
	deliver_to(&gateway);
	assert_int_equal(gateway.verdict, DROP_FRAME_UNKNOWN);
}

static void empty_record_is_ignored(void **state)
{
	struct iovec nothing = { NULL, 0 };
	uint8_t record[ROOM];
	int r;

	(void)state;
	open_up();
	r = dtls_seal(&client.d->sealer, DTLS_DATA, &nothing, 1, record);
	take(&gateway, record, (size_t)r);
	assert_int_equal(gateway.verdict, DROP_FRAME_UNKNOWN);
}

static void requests_are_echoed_whole_to_other_programs(void **state)
{
	uint8_t measure[1400] = { 1, 2, 3, 4 };

	(void)state;
	open_up();
	send_kind(&client, FRAME_DPD_REQ, measure, sizeof(measure));
	deliver_to(&gateway);
	assert_int_equal(gateway.last_sent, dtls_record_len(AEAD_AES_128_GCM, 1 + DATAGRAM_MARK_LEN));
	gateway.d->overlap = false;
	send_kind(&client, FRAME_DPD_REQ, measure, sizeof(measure));
	deliver_to(&gateway);
	assert_int_equal(gateway.last_sent, dtls_record_len(AEAD_AES_128_GCM, 1 + sizeof(measure)));
}

static void requests_are_not_answered_without_end(void **state)
{
	(void)state;
	open_up();
	gateway.sent = 0;
	for (int i = 0; i < DATAGRAM_ANSWERS_BATCH + 5; i++)
		send_kind(&client, FRAME_DPD_REQ, NULL, 0);
	deliver_to(&gateway);
	assert_int_equal(gateway.sent, DATAGRAM_ANSWERS_BATCH);
	assert_int_equal(gateway.verdict, DROP_FRAME_UNKNOWN);
}

/* ---- the length of packets ---- */

enum { LONGEST = 1400, BASE = 1134, LEAST = 510 }; /* over IPv4; session/pmtu.h */

static size_t record_of(size_t packet_len)
{
	return dtls_record_len(AEAD_AES_128_GCM, 1 + packet_len);
}

/* The client's packets are measured on a way that carries records of @pass_max bytes; 0: all. */
static void open_measuring(size_t pass_max, bool bare)
{
	open_ends(DATAGRAM_GATE_NONE, DATAGRAM_GATE_NONE);
	datagram_free(client.d);
	client.d = make(&client, (struct datagram_settings){ .gate = DATAGRAM_GATE_NONE,
							     .overlap = true,
							     .peer.addr.family = ADDR_V4,
							     .packet_max = LONGEST });
	gateway.pass_max = pass_max;
	gateway.answers_bare = bare;
	assert_int_equal(datagram_packet_max(client.d), BASE);
}

static void longest_packet_is_confirmed_by_one_exchange(void **state)
{
	(void)state;
	open_measuring(0, false);
	pass(0);
	assert_int_equal(datagram_packet_max(client.d), LONGEST);
	pass(10000);
	assert_int_equal(client.sent, 2);
	assert_int_equal(client.d->state, DATAGRAM_UP);
}

static void narrow_way_is_found_and_kept_to(void **state)
{
	(void)state;
	open_measuring(record_of(1334), false);
	pass(3 * PMTU_ANSWER_MS);
	assert_int_equal(datagram_packet_max(client.d), 1334);
	assert_int_equal(client.d->state, DATAGRAM_UP);
}

/* Openconnect answers every request with a byte. */
static void answers_without_payload_are_told_apart(void **state)
{
	(void)state;
	open_measuring(0, true);
	pass(0);
	assert_int_equal(datagram_packet_max(client.d), LONGEST);
	end_test(state);
	open_measuring(record_of(1334), true);
	pass(3 * PMTU_ANSWER_MS);
	assert_int_equal(datagram_packet_max(client.d), 1334);
}

static void way_that_becomes_narrow_is_noticed_while_long_packets_are_sent(void **state)
{
	uint8_t packet[LONGEST] = { 0 };
	uint64_t since;

	(void)state;
	open_measuring(0, false);
	pass(5000);
	gateway.pass_max = record_of(1214);
	for (since = now; datagram_packet_max(client.d) == LONGEST; pass(10))
		send_packet(&client, packet, sizeof(packet));
	assert_in_range(now - since, 900, 2000);
	assert_int_equal(client.d->state, DATAGRAM_UP);
	pass(3000);
	assert_int_equal(datagram_packet_max(client.d), 1214);
}

static void way_that_loses_much_is_not_narrow(void **state)
{
	uint8_t packet[1300] = { 0 };

	(void)state;
	open_measuring(0, false);
	pass(5000);
	for (int i = 0; i < 500; i++) {
		gateway.pass_max = 0; /* packets pass, every probe is lost */
		send_packet(&client, packet, sizeof(packet));
		gateway.pass_max = record_of(1214);
		pass(10);
		assert_int_equal(datagram_packet_max(client.d), LONGEST);
	}
}

static void short_packets_need_no_confirmation(void **state)
{
	uint8_t packet[LEAST] = { 0 };

	(void)state;
	open_measuring(0, false);
	pass(5000);
	client.sent = 0;
	for (int i = 0; i < 1000; i++) {
		send_packet(&client, packet, sizeof(packet));
		send_packet(&gateway, packet, sizeof(packet));
		pass(10);
	}
	assert_int_equal(client.sent, 1000);
}

/* However long it was dead, and whether answers can be told apart or not: those that are lost are not waited for. */
static void dead_way_says_nothing_of_length(void **state)
{
	static const uint64_t times[] = { 2000, 40000 };
	uint8_t packet[LONGEST] = { 0 };

	for (int i = 0; i < 4; i++) {
		open_measuring(0, i & 1);
		pass(5000);
		gateway.deaf = true;
		send_packet(&client, packet, sizeof(packet));
		pass(times[i / 2]);
		assert_int_equal(client.d->state, DATAGRAM_AWAY);
		assert_int_equal(datagram_packet_max(client.d), BASE);
		gateway.deaf = false;
		pass(PROBE_AWAY_MS + PROBE_ANSWER_MS);
		assert_int_equal(client.d->state, DATAGRAM_UP);
		pass(1000);
		assert_int_equal(datagram_packet_max(client.d), LONGEST);
		end_test(state);
	}
	open_up();
}

static void refusal_of_the_kernel_counts_at_once(void **state)
{
	(void)state;
	open_measuring(0, false);
	pass(0);
	gateway.pass_max = record_of(1214);
	datagram_refused(client.d, record_of(LONGEST));
	assert_int_equal(datagram_packet_max(client.d), BASE);
	datagram_refused(client.d, record_of(LONGEST)); /* cut before that was known */
	assert_int_equal(datagram_packet_max(client.d), BASE);
	pass(3 * PMTU_ANSWER_MS);
	assert_int_equal(datagram_packet_max(client.d), 1214);
}

/* ---- away and back ---- */

static void dead_path_is_noticed_within_two_seconds(void **state)
{
	(void)state;
	open_up();
	client.deaf = gateway.deaf = true;
	assert_int_equal(send_packet(&client, "x", 1), 0);
	pass(1299);
	assert_int_equal(client.d->state, DATAGRAM_UP);
	pass(1);
	assert_int_equal(client.d->state, DATAGRAM_AWAY);
	assert_int_equal(send_packet(&client, "x", 1), ERR_REFUSED);
	assert_int_equal(gateway.d->state, DATAGRAM_UP); /* it has sent nothing */
}

static void path_that_works_again_is_used_again(void **state)
{
	(void)state;
	open_up();
	client.deaf = gateway.deaf = true;
	send_packet(&client, "x", 1);
	pass(20000);
	assert_int_equal(client.d->state, DATAGRAM_AWAY);
	client.deaf = gateway.deaf = false;
	pass(PROBE_AWAY_MS);
	assert_int_equal(client.d->state, DATAGRAM_UP);
	assert_int_equal(client.was, DATAGRAM_AWAY);
	assert_int_equal(send_packet(&client, "x", 1), 0);
}

/* We hear the peer, but nothing of ours arrives: that is away, too, as the peer will tell. */
static void hearing_alone_does_not_bring_it_back(void **state)
{
	(void)state;
	open_up();
	client.deaf = gateway.deaf = true;
	send_packet(&client, "x", 1);
	pass(1300);
	client.deaf = false;
	for (int i = 0; i < 10; i++) {
		send_packet(&gateway, "x", 1);
		pass(100);
	}
	assert_int_equal(client.d->state, DATAGRAM_AWAY);
	assert_int_equal(client.packets, 10);
}

static void traffic_both_ways_needs_no_probe(void **state)
{
	(void)state;
	open_up();
	client.sent = gateway.sent = 0;
	for (int i = 0; i < 100; i++) {
		send_packet(&client, "x", 1);
		send_packet(&gateway, "x", 1);
		pass(50);
	}
	assert_int_equal(client.sent, 100);
	assert_int_equal(gateway.sent, 100);
}

/* One way only: probes hold it up. */
static void traffic_one_way_stays(void **state)
{
	(void)state;
	open_up();
	for (int i = 0; i < 1000; i++) {
		send_packet(&client, "x", 1);
		pass(10);
	}
	assert_int_equal(client.d->state, DATAGRAM_UP);
	assert_int_equal(client.changes, 1);
	assert_int_equal(gateway.packets, 1000);
	assert_in_range(client.sent - 1000, 10, 30);
}

static void silence_costs_nothing(void **state)
{
	(void)state;
	open_up();
	pass(1000);
	client.sent = gateway.sent = 0;
	assert_int_equal(datagram_tick(client.d, now), CLOCK_NEVER);
	pass(100000);
	assert_int_equal(client.sent + gateway.sent, 0);
	assert_int_equal(client.d->state, DATAGRAM_UP);
}

static void peer_may_ask_for_the_stream(void **state)
{
	(void)state;
	open_up();
	datagram_asked(client.d, false);
	assert_int_equal(client.changes, 2);
	assert_int_equal(client.was, DATAGRAM_UP);
	assert_false(datagram_usable(client.d));
	assert_int_equal(send_packet(&client, "x", 1), ERR_REFUSED);
	datagram_asked(client.d, false);
	assert_int_equal(client.changes, 2);
	datagram_asked(client.d, true);
	assert_true(datagram_usable(client.d));
	assert_int_equal(client.changes, 3);
}

/* ---- intervals ---- */

static void open_with_intervals(unsigned dpd, unsigned keepalive)
{
	open_ends(DATAGRAM_GATE_RECORD, DATAGRAM_GATE_RECORD);
	datagram_free(client.d);
	client.d = make(&client, (struct datagram_settings){ .gate = DATAGRAM_GATE_RECORD,
							     .announce = true,
							     .dpd_seconds = dpd,
							     .keepalive_seconds = keepalive });
	pass(1000);
	client.sent = gateway.sent = 0;
}

static void silence_is_asked_about_each_interval(void **state)
{
	(void)state;
	open_with_intervals(20, 0);
	pass(18999);
	assert_int_equal(client.sent, 0);
	pass(1);
	assert_int_equal(client.sent, 1);
	pass(40000);
	assert_int_equal(client.sent, 3);
	assert_int_equal(client.d->state, DATAGRAM_UP);
}

static void what_is_heard_puts_the_question_off(void **state)
{
	(void)state;
	open_with_intervals(20, 0);
	pass(15000);
	send_kind(&gateway, FRAME_KEEPALIVE, NULL, 0);
	pass(19999);
	assert_int_equal(client.sent, 0);
	pass(1);
	assert_int_equal(client.sent, 1);
}

static void silent_death_is_found_by_the_interval(void **state)
{
	(void)state;
	open_with_intervals(20, 0);
	client.deaf = gateway.deaf = true;
	pass(21000);
	assert_int_equal(client.d->state, DATAGRAM_AWAY);
}

static void away_is_not_asked_about_as_well(void **state)
{
	(void)state;
	open_with_intervals(2, 0);
	client.deaf = gateway.deaf = true;
	pass(10000);
	assert_int_equal(client.d->state, DATAGRAM_AWAY);
	client.sent = 0;
	pass(10 * PROBE_AWAY_MS);
	assert_int_equal(client.sent, 10);
}

static void silence_of_ours_is_kept_alive(void **state)
{
	(void)state;
	open_with_intervals(0, 30);
	pass(29000);
	assert_int_equal(client.sent, 1);
	pass(15000);
	send_packet(&client, "x", 1);
	send_packet(&gateway, "y", 1); /* so that nothing is probed */
	pass(29999);
	assert_int_equal(client.sent, 2);
	pass(1);
	assert_int_equal(client.sent, 3);
}

/* ---- the end of a generation ---- */

static void leaving_is_over_when_all_packets_are_in(void **state)
{
	(void)state;
	open_up();
	send_packet(&client, "1", 1);
	send_packet(&client, "2", 1);
	datagram_leave(client.d, now);
	datagram_leave(gateway.d, now);
	assert_int_equal(client.d->state, DATAGRAM_LEAVING);
	assert_int_equal(send_packet(&client, "x", 1), ERR_REFUSED);
	take(&gateway, gateway.waiting[2], gateway.lens[2]); /* END overtakes */
	assert_int_equal(gateway.d->state, DATAGRAM_LEAVING);
	take(&gateway, gateway.waiting[0], gateway.lens[0]);
	assert_int_equal(gateway.d->state, DATAGRAM_LEAVING);
	take(&gateway, gateway.waiting[1], gateway.lens[1]);
	assert_int_equal(gateway.packets, 2);
	assert_int_equal(gateway.d->state, DATAGRAM_OVER);
	gateway.count = 0;
	deliver_to(&client);
	assert_int_equal(client.d->state, DATAGRAM_OVER);
}

static void end_that_came_before_we_left_counts(void **state)
{
	(void)state;
	open_up();
	datagram_leave(client.d, now);
	deliver_to(&gateway);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
	datagram_leave(gateway.d, now);
	assert_int_equal(gateway.d->state, DATAGRAM_OVER);
}

static void leaving_does_not_wait_for_ever(void **state)
{
	(void)state;
	open_up();
	client.deaf = true;
	datagram_leave(client.d, now);
	assert_int_equal(datagram_tick(client.d, now), now + DATAGRAM_LEAVE_MS);
	now += DATAGRAM_LEAVE_MS - 1;
	datagram_tick(client.d, now);
	assert_int_equal(client.d->state, DATAGRAM_LEAVING);
	now++;
	assert_int_equal(datagram_tick(client.d, now), CLOCK_NEVER);
	assert_int_equal(client.d->state, DATAGRAM_OVER);
	assert_non_null(client.d->why);
}

static void nothing_is_sent_behind_end(void **state)
{
	(void)state;
	open_up();
	datagram_leave(client.d, now);
	client.sent = 0;
	send_kind(&gateway, FRAME_DPD_REQ, NULL, 0);
	deliver_to(&client);
	assert_int_equal(client.verdict, DROP_FRAME_UNKNOWN);
	datagram_leave(client.d, now);
	datagram_tick(client.d, now + 100);
	assert_int_equal(client.sent, 0);
}

static void end_is_not_for_other_programs(void **state)
{
	uint64_t none = 0;

	(void)state;
	open_up();
	client.d->overlap = false;
	client.sent = 0;
	send_kind(&gateway, FRAME_END, &none, sizeof(none));
	deliver_to(&client);
	assert_int_equal(client.verdict, DROP_FRAME_UNKNOWN);
	datagram_leave(client.d, now);
	assert_int_equal(client.sent, 0);
	assert_int_equal(client.d->state, DATAGRAM_LEAVING);
}

static void malformed_end_is_ignored(void **state)
{
	uint64_t none = 0;

	(void)state;
	open_up();
	send_kind(&client, FRAME_END, &none, 7);
	deliver_to(&gateway);
	assert_int_equal(gateway.verdict, DROP_FRAME_UNKNOWN);
	assert_false(gateway.d->rx_ended);
	send_kind(&client, FRAME_END, &none, 8);
	send_kind(&client, FRAME_END, &none, 8);
	deliver_to(&gateway);
	assert_true(gateway.d->rx_ended);
	assert_int_equal(gateway.verdict, DROP_FRAME_UNKNOWN);
}

static void alerts_that_end_it_and_those_that_do_not(void **state)
{
	(void)state;
	open_up();
	send_alert(&client, 1, 100); /* no_renegotiation */
	deliver_to(&gateway);
	assert_int_equal(gateway.verdict, PASS);
	assert_int_equal(gateway.d->state, DATAGRAM_UP);
	send_alert(&client, 2, 40);
	deliver_to(&gateway);
	assert_int_equal(gateway.d->state, DATAGRAM_OVER);
	send_alert(&gateway, 1, CLOSE_NOTIFY);
	deliver_to(&client);
	assert_int_equal(client.d->state, DATAGRAM_OVER);
	send_kind(&gateway, FRAME_DATA, "x", 1);
	deliver_to(&client);
	assert_int_equal(client.verdict, DROP_EPOCH);
}

static void used_up_key_ends_it(void **state)
{
	(void)state;
	open_up();
	client.d->sealer.records = dtls_seal_max(AEAD_AES_128_GCM);
	assert_int_equal(send_packet(&client, "x", 1), ERR_REFUSED);
	assert_int_equal(datagram_tick(client.d, now), CLOCK_NEVER);
	assert_int_equal(client.d->state, DATAGRAM_OVER);
	gateway.d->opener.failed = dtls_fail_max(AEAD_AES_128_GCM);
	datagram_tick(gateway.d, now);
	assert_int_equal(gateway.d->state, DATAGRAM_OVER);
}

static void *seal_many(void *arg)
{
	struct datagram *d = arg;
	uint8_t plain[64] = { FRAME_DATA }, record[ROOM];
	struct iovec piece = { plain, sizeof(plain) };
	uint64_t records = 0, bytes = 0;

	for (int i = 0; i < THREAD_ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		datagram_seal(d, &piece, 1, record);
		datagram_raise(d, &records, &bytes);
		pthread_mutex_unlock(&lock);
		datagram_sent(d, sizeof(record), START);
	}
	return NULL;
}

/* ThreadSanitizer watches. */
static void another_worker_may_seal_meanwhile(void **state)
{
	uint64_t records = 0, bytes = 0;
	pthread_t sealer;

	(void)state;
	open_up();
	alone = false;
	assert_int_equal(pthread_create(&sealer, NULL, seal_many, gateway.d), 0);
	for (int i = 0; i < THREAD_ROUNDS; i++) {
		send_kind(&client, i % 2 ? FRAME_DPD_REQ : FRAME_DATA, "x", 1);
		deliver_to(&gateway);
		datagram_batch_done(gateway.d);
		client.count = 0;
		datagram_tick(gateway.d, ++now);
		datagram_asked(gateway.d, i % 2);
	}
	pthread_join(sealer, NULL);
	alone = true;
	datagram_asked(gateway.d, true);
	datagram_raise(gateway.d, &records, &bytes);
	assert_true(records >= THREAD_ROUNDS);
	assert_int_equal(gateway.d->rx_packets, THREAD_ROUNDS / 2);
}

static void strangers_bytes_change_nothing(void **state)
{
	uint8_t record[ROOM] = { 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 60 };
	struct datagram_packet packet;

	(void)state;
	open_ends(DATAGRAM_GATE_RECORD, DATAGRAM_GATE_RECORD);
	assert_int_equal(datagram_open(gateway.d, record, sizeof(record), now, &packet), DROP_TAG);
	assert_int_equal(gateway.d->state, DATAGRAM_GATED);
	assert_int_equal(gateway.changes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(two_adits_open_by_one_exchange, end_test),
		cmocka_unit_test_teardown(announcement_is_sent_once, end_test),
		cmocka_unit_test_teardown(announcement_is_repeated_until_it_is_heard, end_test),
		cmocka_unit_test_teardown(announcement_that_is_never_heard_means_away, end_test),
		cmocka_unit_test_teardown(client_of_another_gateway_sends_at_once, end_test),
		cmocka_unit_test_teardown(probes_of_openconnect_do_not_open_the_gate, end_test),
		cmocka_unit_test_teardown(data_and_keepalive_open_the_gate_to_openconnect, end_test),
		cmocka_unit_test_teardown(doubted_channel_asks_and_opens_with_the_answer, end_test),
		cmocka_unit_test_teardown(doubted_channel_opens_when_the_client_reads_again, end_test),
		cmocka_unit_test_teardown(doubt_that_nothing_removes_is_being_away, end_test),
		cmocka_unit_test_teardown(obstacle_is_told_while_there_is_one, end_test),
		cmocka_unit_test_teardown(packets_arrive_both_ways, end_test),
		cmocka_unit_test_teardown(usage_is_that_of_the_busier_direction, end_test),
		cmocka_unit_test_teardown(unknown_kinds_are_counted_and_ignored, end_test),
		cmocka_unit_test_teardown(checksum_may_be_left_out_between_adits, end_test),
		cmocka_unit_test_teardown(empty_record_is_ignored, end_test),
		cmocka_unit_test_teardown(requests_are_echoed_whole_to_other_programs, end_test),
		cmocka_unit_test_teardown(requests_are_not_answered_without_end, end_test),
		cmocka_unit_test_teardown(longest_packet_is_confirmed_by_one_exchange, end_test),
		cmocka_unit_test_teardown(narrow_way_is_found_and_kept_to, end_test),
		cmocka_unit_test_teardown(answers_without_payload_are_told_apart, end_test),
		cmocka_unit_test_teardown(way_that_becomes_narrow_is_noticed_while_long_packets_are_sent, end_test),
		cmocka_unit_test_teardown(way_that_loses_much_is_not_narrow, end_test),
		cmocka_unit_test_teardown(short_packets_need_no_confirmation, end_test),
		cmocka_unit_test_teardown(dead_way_says_nothing_of_length, end_test),
		cmocka_unit_test_teardown(refusal_of_the_kernel_counts_at_once, end_test),
		cmocka_unit_test_teardown(dead_path_is_noticed_within_two_seconds, end_test),
		cmocka_unit_test_teardown(path_that_works_again_is_used_again, end_test),
		cmocka_unit_test_teardown(hearing_alone_does_not_bring_it_back, end_test),
		cmocka_unit_test_teardown(traffic_both_ways_needs_no_probe, end_test),
		cmocka_unit_test_teardown(traffic_one_way_stays, end_test),
		cmocka_unit_test_teardown(silence_costs_nothing, end_test),
		cmocka_unit_test_teardown(peer_may_ask_for_the_stream, end_test),
		cmocka_unit_test_teardown(silence_is_asked_about_each_interval, end_test),
		cmocka_unit_test_teardown(what_is_heard_puts_the_question_off, end_test),
		cmocka_unit_test_teardown(silent_death_is_found_by_the_interval, end_test),
		cmocka_unit_test_teardown(away_is_not_asked_about_as_well, end_test),
		cmocka_unit_test_teardown(silence_of_ours_is_kept_alive, end_test),
		cmocka_unit_test_teardown(leaving_is_over_when_all_packets_are_in, end_test),
		cmocka_unit_test_teardown(end_that_came_before_we_left_counts, end_test),
		cmocka_unit_test_teardown(leaving_does_not_wait_for_ever, end_test),
		cmocka_unit_test_teardown(nothing_is_sent_behind_end, end_test),
		cmocka_unit_test_teardown(end_is_not_for_other_programs, end_test),
		cmocka_unit_test_teardown(malformed_end_is_ignored, end_test),
		cmocka_unit_test_teardown(alerts_that_end_it_and_those_that_do_not, end_test),
		cmocka_unit_test_teardown(used_up_key_ends_it, end_test),
		cmocka_unit_test_teardown(another_worker_may_seal_meanwhile, end_test),
		cmocka_unit_test_teardown(strangers_bytes_change_nothing, end_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
