/* SPDX-License-Identifier: Apache-2.0 */
/* A session's life without rekeys beside each other: streams come and go, limits, probes, the end. */
#include "testsession.h"

#include "ip/checksum.h"
#include "session/datagram.h"

enum { DPD = 20000, KEEP = 3600 };

static const struct session_settings plain;
static const struct session_settings adit = { .overlap = true };

static struct end *gateway(struct world *w)
{
	return &w->ends[SESSION_GATEWAY];
}

static struct end *client(struct world *w)
{
	return &w->ends[SESSION_CLIENT];
}

static struct plug *at_gateway(struct line *l)
{
	return &l->plugs[SESSION_GATEWAY];
}

static struct plug *at_client(struct line *l)
{
	return &l->plugs[SESSION_CLIENT];
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* ---- streams ---- */

static void first_stream_is_the_first_generation(void **state)
{
	struct world *w = testsession_world(plain);
	struct session *s = gateway(w)->s;
	struct line *l;

	(void)state;
	assert_true(s->away);
	assert_int_equal(s->generation, 0);
	l = testsession_connect(w);
	assert_ptr_equal(s->current, at_gateway(l)->channel);
	assert_ptr_equal(s->tx, s->current);
	assert_int_equal(s->generation, 1);
	assert_int_equal(s->peer.port, 443);
	assert_int_equal(gateway(w)->moved, 1);
	assert_false(s->away);
	testsession_free(w);
}

static void packets_wait_for_the_first_stream(void **state)
{
	struct world *w = testsession_world(plain);

	(void)state;
	testsession_send(gateway(w));
	testsession_send(gateway(w));
	testsession_connect(w);
	testsession_settle(w);
	assert_int_equal(client(w)->arrived_len, 2);
	assert_int_equal(client(w)->arrived[0], 0);
	testsession_free(w);
}

static void stream_that_breaks_leaves_a_lost_session(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_break(at_gateway(l));
	assert_int_equal(gateway(w)->lost, 1);
	assert_string_equal(gateway(w)->why, "connection reset");
	assert_true(at_gateway(l)->gone);
	assert_true(gateway(w)->s->away);
	assert_null(gateway(w)->s->tx);
	assert_int_equal(gateway(w)->over, 0);
	testsession_free(w);
}

static void closed_stream_is_gone_only_once(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_break(at_gateway(l));
	session_gone(gateway(w)->s, at_gateway(l)->channel, "again", w->now);
	assert_int_equal(gateway(w)->lost, 1);
	testsession_free(w);
}

static void reconnect_replaces_a_living_stream(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *old = testsession_connect(w), *new;

	(void)state;
	testsession_cut(old);
	new = testsession_connect(w);
	assert_ptr_equal(gateway(w)->s->current, at_gateway(new)->channel);
	assert_ptr_equal(gateway(w)->s->leaving, at_gateway(old)->channel);
	assert_int_equal(gateway(w)->s->generation, 2);
	assert_int_equal(gateway(w)->moved, 2);
	assert_int_equal(gateway(w)->lost, 0);
	testsession_free(w);
}

static void replaced_stream_is_read_to_its_end_without_disconnect(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *old = testsession_connect(w), *new;

	(void)state;
	testsession_send(client(w));
	new = testsession_line(w);
	testsession_attach(at_gateway(new));
	testsession_settle(w);
	assert_int_equal(gateway(w)->arrived_len, 1);
	assert_int_equal(at_client(old)->byes, 0);
	testsession_wait(w, SESSION_LINGER_MS - 1);
	assert_false(at_gateway(old)->gone);
	testsession_wait(w, 1);
	assert_true(at_gateway(old)->gone);
	assert_int_equal(gateway(w)->lost, 0);
	testsession_settle(w);
	assert_int_equal(at_client(old)->byes, 0);
	testsession_free(w);
}

/* Nothing tells how far the old stream got: the new one's data does not wait for an END that will not come. */
static void data_of_a_reconnect_does_not_wait(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w);

	(void)state;
	testsession_cut(old);
	testsession_connect(w);
	testsession_send(client(w));
	testsession_settle(w);
	assert_int_equal(gateway(w)->arrived_len, 1);
	testsession_free(w);
}

static void reconnect_closes_what_was_joining(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *next;

	(void)state;
	next = testsession_overlap(w);
	testsession_cut(next);
	testsession_connect(w);
	assert_true(at_gateway(next)->gone);
	assert_false(at_gateway(old)->gone);
	assert_null(gateway(w)->s->next);
	testsession_free(w);
}

/* ---- waiting for a stream ---- */

static void session_is_over_when_no_stream_comes_back_in_time(void **state)
{
	struct world *w = testsession_world((struct session_settings){ .keep_seconds = KEEP });
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_break(at_gateway(l));
	assert_int_equal(gateway(w)->deadline, w->now + KEEP * 1000);
	testsession_wait(w, KEEP * 1000 - 1);
	assert_int_equal(gateway(w)->over, 0);
	testsession_wait(w, 1);
	assert_int_equal(gateway(w)->over, 1);
	assert_false(gateway(w)->over_by_peer);
	testsession_free(w);
}

static void session_kept_for_ever_is_never_over(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_break(at_gateway(l));
	assert_int_equal(gateway(w)->deadline, CLOCK_NEVER);
	testsession_wait(w, UINT64_C(1) << 40);
	assert_int_equal(gateway(w)->over, 0);
	testsession_free(w);
}

static void stream_that_comes_back_ends_the_waiting(void **state)
{
	struct world *w = testsession_world((struct session_settings){ .keep_seconds = KEEP });

	(void)state;
	testsession_break(at_gateway(testsession_connect(w)));
	testsession_wait(w, KEEP * 1000 - 1);
	testsession_attach(at_gateway(testsession_line(w)));
	testsession_wait(w, KEEP * 1000);
	assert_int_equal(gateway(w)->over, 0);
	assert_int_equal(gateway(w)->lost, 1);
	testsession_free(w);
}

static void idle_session_is_over(void **state)
{
	struct world *w = testsession_world((struct session_settings){ .idle_seconds = 60 });

	(void)state;
	testsession_connect(w);
	testsession_wait(w, 30000);
	testsession_send(client(w));
	testsession_settle(w);
	testsession_wait(w, 59999);
	assert_int_equal(gateway(w)->over, 0);
	assert_int_equal(gateway(w)->deadline, w->now + 1);
	testsession_wait(w, 1);
	assert_int_equal(gateway(w)->over, 1);
	assert_string_equal(gateway(w)->why, "idle");
	testsession_free(w);
}

static void without_idle_limit_silence_is_no_end(void **state)
{
	struct world *w = testsession_world(plain);

	(void)state;
	testsession_connect(w);
	testsession_wait(w, 86400000);
	assert_int_equal(gateway(w)->over, 0);
	testsession_free(w);
}

/* ---- dead peers ---- */

static void silent_peer_is_probed_then_dead(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l;

	(void)state;
	w->dpd_s = DPD / 1000;
	l = testsession_connect(w);
	testsession_wait(w, DPD);
	assert_int_equal(gateway(w)->lost, 0);
	testsession_cut(l); /* the probes are on their way, and lost */
	testsession_wait(w, DPD / 2);
	testsession_wait(w, DPD / 2 - 1);
	assert_int_equal(gateway(w)->lost, 0);
	testsession_wait(w, 1);
	assert_int_equal(gateway(w)->lost, 1);
	assert_int_equal(client(w)->lost, 1);
	testsession_free(w);
}

static void peer_that_answers_the_probe_lives(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l;

	(void)state;
	w->dpd_s = DPD / 1000;
	l = testsession_connect(w);
	for (int i = 0; i < 10; i++) {
		testsession_wait(w, DPD);
		testsession_settle(w);
	}
	assert_int_equal(gateway(w)->lost, 0);
	assert_true(at_client(l)->dpd_reqs > 0);
	assert_true(at_gateway(l)->dpd_resps > 0);
	testsession_free(w);
}

static void keepalive_is_sent_when_nothing_else_was(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l;

	(void)state;
	w->keep_s = 30;
	l = testsession_connect(w);
	testsession_wait(w, 29999);
	testsession_settle(w);
	assert_int_equal(at_client(l)->keepalives, 0);
	testsession_wait(w, 1);
	testsession_settle(w);
	assert_int_equal(at_client(l)->keepalives, 1);
	testsession_free(w);
}

static void data_serves_as_keepalive(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l;

	(void)state;
	w->keep_s = 30;
	l = testsession_connect(w);
	testsession_wait(w, 20000);
	testsession_send(gateway(w));
	testsession_wait(w, 10000);
	testsession_settle(w);
	assert_int_equal(at_client(l)->keepalives, 0);
	testsession_wait(w, 20000);
	testsession_settle(w);
	assert_int_equal(at_client(l)->keepalives, 1);
	testsession_free(w);
}

static void probe_with_a_payload_is_echoed(void **state)
{
	struct world *w = testsession_world(plain);

	(void)state;
	testsession_connect(w);
	session_probe(client(w)->s, (const uint8_t *)"mark", 4, w->now);
	testsession_settle(w);
	assert_int_equal(client(w)->echoes, 1);
	assert_int_equal(client(w)->echo_len, 4);
	assert_memory_equal(client(w)->echo, "mark", 4);
	testsession_free(w);
}

static void answer_without_payload_is_no_echo(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	assert_int_equal(testsession_frame(at_client(l), FRAME_DPD_RESP, NULL, 0), 0);
	assert_int_equal(client(w)->echoes, 0);
	testsession_free(w);
}

static void probe_without_a_stream_is_nothing(void **state)
{
	struct world *w = testsession_world(plain);

	(void)state;
	session_probe(client(w)->s, (const uint8_t *)"mark", 4, w->now);
	assert_int_equal(client(w)->echoes, 0);
	testsession_free(w);
}

/* ---- frames ---- */

static void unknown_kinds_are_ignored_and_reported(void **state)
{
	static const uint8_t kinds[] = { 1, 2, 6, 10, 0x43, 0xff };
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++)
		assert_int_equal(testsession_frame(at_gateway(l), kinds[i], "x", 1), ERR_MISSING);
	assert_int_equal(testsession_frame(at_gateway(l), FRAME_KEEPALIVE, NULL, 0), 0);
	assert_false(at_gateway(l)->gone);
	testsession_free(w);
}

static void channel_says_where_the_peer_wants_packets(void **state)
{
	static const uint8_t by_stream = FRAME_BY_STREAM, by_datagram = FRAME_BY_DATAGRAM;
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	assert_int_equal(testsession_frame(at_gateway(l), FRAME_CHANNEL, &by_stream, 1), 0);
	assert_int_equal(gateway(w)->asked, -1);
	assert_int_equal(testsession_frame(at_gateway(l), FRAME_CHANNEL, &by_datagram, 1), 0);
	assert_int_equal(gateway(w)->asked, 1);
	assert_int_equal(testsession_frame(at_gateway(l), FRAME_CHANNEL, NULL, 0), ERR_PROTO);
	testsession_free(w);
}

/* ocserv goes on sending by datagrams until it is sent a packet by the stream. */
static void stock_gateway_is_drawn_to_the_stream_by_a_packet_that_is_none(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);
	static struct datagram d = { .state = DATAGRAM_UP }; /* aligned, which a sanitizer's stack is not */
	const struct buf *in = &at_gateway(l)->in;
	const uint8_t *packet;

	(void)state;
	client(w)->s->datagram = &d;
	session_transport(client(w)->s, w->now);
	assert_int_equal(buf_len(in), 0);
	d.state = DATAGRAM_AWAY;
	session_transport(client(w)->s, w->now);
	assert_int_equal(buf_len(in), 2 + FRAME_HEADER_LEN + 20); /* one record, one frame */
	assert_int_equal(buf_data(in)[2 + 6], FRAME_DATA);
	packet = buf_data(in) + 2 + FRAME_HEADER_LEN;
	assert_int_equal(packet[0], 0x45);
	assert_int_equal(packet[3], 20);
	assert_int_not_equal(checksum_fold(checksum_add(0, packet, 20)), 0xffff);
	session_transport(client(w)->s, w->now);
	assert_int_equal(buf_len(in), 2 * (2 + FRAME_HEADER_LEN + 20));
	client(w)->s->datagram = NULL;
	buf_clear(&at_gateway(l)->in);
	testsession_free(w);
}

static void channel_of_a_stock_client_is_ignored(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	assert_int_equal(testsession_frame(at_gateway(l), FRAME_CHANNEL, "", 1), ERR_MISSING);
	assert_int_equal(gateway(w)->asked, 0);
	testsession_free(w);
}

static void datagrams_end_with_their_stream(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	session_gone(gateway(w)->s, at_gateway(l)->channel, "test", w->now);
	assert_int_equal(gateway(w)->dropped_below, gateway(w)->s->generation + 1);
	testsession_free(w);
}

/* ---- a stock client whose datagrams outlive its streams ---- */

static const struct session_settings smooth = { .smooth = true,
						.keep_seconds = 3600,
						.rekey = { .interval_ms = 60000, .records = 50 } };

static void smooth_session_keeps_its_datagrams_over_a_new_stream(void **state)
{
	struct world *w = testsession_world(smooth);
	struct line *l = testsession_connect(w);
	unsigned doubts;

	(void)state;
	testsession_break(at_gateway(l));
	assert_int_equal(gateway(w)->lost, 1);
	assert_int_equal(gateway(w)->generations_over, 0);
	assert_true(session_keeps_datagrams(gateway(w)->s));
	doubts = gateway(w)->doubts;
	assert_int_equal(doubts, 2); /* with the stream that came and with its loss */
	testsession_connect(w);
	assert_int_equal(gateway(w)->s->generation, 2);
	assert_int_equal(gateway(w)->doubts, doubts + 1);
	assert_int_equal(gateway(w)->dropped_below, 0);
	testsession_free(w);
}

static void strict_session_ends_them_with_its_stream(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_break(at_gateway(l));
	assert_int_equal(gateway(w)->generations_over, 1);
	assert_int_equal(gateway(w)->dropped_below, 2);
	assert_int_equal(gateway(w)->doubts, 0);
	assert_false(session_keeps_datagrams(gateway(w)->s));
	testsession_free(w);
}

static void smooth_sessions_datagrams_end_when_no_stream_renews_them(void **state)
{
	struct world *w = testsession_world(smooth);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_wait(w, 1000);
	testsession_break(at_gateway(l));
	assert_int_equal(gateway(w)->deadline, w->now + 119000);
	testsession_wait(w, 118999);
	assert_int_equal(gateway(w)->generations_over, 0);
	testsession_wait(w, 1);
	assert_int_equal(gateway(w)->generations_over, 1);
	assert_int_equal(gateway(w)->dropped_below, 2);
	assert_int_equal(gateway(w)->over, 0);
	testsession_wait(w, 1000);
	assert_int_equal(gateway(w)->generations_over, 1);
	testsession_connect(w);
	assert_true(session_keeps_datagrams(gateway(w)->s));
	testsession_free(w);
}

static void living_stream_that_nobody_renews_takes_them_along(void **state)
{
	struct world *w = testsession_world(smooth);

	(void)state;
	testsession_connect(w);
	testsession_wait(w, 120000);
	assert_int_equal(gateway(w)->lost, 1);
	assert_int_equal(gateway(w)->generations_over, 1);
	testsession_free(w);
}

/* Only a new channel brings new keys: the old one may not go on when it is used up. */
static void used_up_keys_end_a_smooth_sessions_datagrams(void **state)
{
	struct world *w = testsession_world(smooth);

	(void)state;
	testsession_connect(w);
	for (int i = 0; i < 50; i++)
		testsession_send(gateway(w));
	testsession_wait(w, 1);
	assert_int_equal(gateway(w)->lost, 1);
	assert_int_equal(gateway(w)->generations_over, 1);
	assert_false(session_keeps_datagrams(gateway(w)->s));
	testsession_free(w);
}

static void compressed_data_ends_the_stream(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	assert_int_equal(testsession_frame(at_gateway(l), FRAME_COMPRESSED, "x", 1), ERR_PROTO);
	assert_true(at_gateway(l)->gone);
	assert_int_equal(gateway(w)->lost, 1);
	testsession_free(w);
}

static void end_frame_from_a_stock_peer_ends_the_stream(void **state)
{
	static const uint64_t none;
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	assert_int_equal(testsession_frame(at_gateway(l), FRAME_END, &none, sizeof(none)), ERR_PROTO);
	assert_true(at_gateway(l)->gone);
	testsession_free(w);
}

/* ---- DISCONNECT ---- */

static void disconnect_ends_the_session_with_its_text(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	assert_int_equal(testsession_frame(at_client(l), FRAME_DISCONNECT, "\xb0replaced", 9), 0);
	assert_int_equal(client(w)->over, 1);
	assert_true(client(w)->over_by_peer);
	assert_string_equal(client(w)->why, "replaced");
	testsession_free(w);
}

static void disconnect_of_a_gateway_without_text_ends_only_its_stream(void **state)
{
	static const char *const byes[] = { "", "\xb0" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = testsession_world(plain);
		struct line *l = testsession_connect(w);

		testsession_frame(at_client(l), FRAME_DISCONNECT, byes[i], i);
		assert_int_equal(client(w)->over, 0);
		assert_int_equal(client(w)->lost, 1);
		testsession_free(w);
	}
}

static void terminate_ends_it_without_text_too(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_frame(at_client(l), FRAME_TERMINATE, NULL, 0);
	assert_int_equal(client(w)->over, 1);
	assert_string_equal(client(w)->why, "");
	testsession_free(w);
}

static void text_of_a_disconnect_has_no_control_characters(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_frame(at_gateway(l), FRAME_DISCONNECT,
			  "\xb0"
			  "a\nb\x7f"
			  "c\x1b"
			  "d\xc3\xa4",
			  10);
	assert_int_equal(gateway(w)->over, 1);
	assert_string_equal(gateway(w)->why, "a b c d\xc3\xa4");
	testsession_free(w);
}

static void disconnect_of_a_client_for_now_ends_only_its_stream(void **state)
{
	static const char *const byes[] = { "", "\x91" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = testsession_world(plain);
		struct line *l = testsession_connect(w);

		testsession_frame(at_gateway(l), FRAME_DISCONNECT, byes[i], i);
		assert_int_equal(gateway(w)->over, 0);
		assert_int_equal(gateway(w)->lost, 1);
		testsession_free(w);
	}
}

static void disconnect_of_a_client_for_good_ends_its_session(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_frame(at_gateway(l), FRAME_DISCONNECT, "\xb0", 1);
	assert_int_equal(gateway(w)->over, 1);
	testsession_free(w);
}

static void long_text_of_a_disconnect_is_cut(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);
	uint8_t bye[500];

	(void)state;
	memset(bye, 'x', sizeof(bye));
	testsession_frame(at_client(l), FRAME_DISCONNECT, bye, sizeof(bye));
	assert_int_equal(strlen(client(w)->why), SESSION_TEXT_MAX - 1);
	testsession_free(w);
}

static void disconnect_on_a_replaced_stream_is_ignored(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *old = testsession_connect(w);

	(void)state;
	testsession_connect(w);
	testsession_frame(at_client(old), FRAME_DISCONNECT, NULL, 0);
	assert_int_equal(client(w)->over, 0);
	testsession_free(w);
}

/* ---- a gateway that swaps streams ---- */

static void client_holds_its_packets_while_the_gateway_swaps(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *old = testsession_connect(w);

	(void)state;
	session_hold_sending(client(w)->s);
	testsession_send(client(w));
	testsession_settle(w);
	assert_int_equal(gateway(w)->arrived_len, 0);
	testsession_frame(at_client(old), FRAME_DISCONNECT, NULL, 0);
	assert_int_equal(client(w)->over, 0);
	testsession_break(at_client(old));
	assert_int_equal(client(w)->lost, 0);
	testsession_connect(w);
	testsession_settle(w);
	assert_int_equal(gateway(w)->arrived_len, 1);
	assert_false(client(w)->s->handing_over);
	testsession_free(w);
}

static void swap_without_the_old_streams_end_reads_it_to_its_end(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *old = testsession_connect(w);

	(void)state;
	session_hold_sending(client(w)->s);
	testsession_send(gateway(w));
	testsession_connect(w);
	testsession_frame(at_client(old), FRAME_DISCONNECT, NULL, 0);
	assert_int_equal(client(w)->over, 0);
	assert_int_equal(client(w)->arrived_len, 1);
	testsession_free(w);
}

static void swap_called_off_sends_on_the_old_stream_again(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	session_hold_sending(client(w)->s);
	assert_true(client(w)->s->handing_over);
	testsession_send(client(w));
	session_release_sending(client(w)->s);
	assert_false(client(w)->s->handing_over);
	testsession_settle(w);
	assert_int_equal(gateway(w)->arrived_len, 1);
	testsession_frame(at_client(l), FRAME_DISCONNECT, "\xb0replaced", 9);
	assert_int_equal(client(w)->over, 1);
	testsession_free(w);
}

static void swap_called_off_after_the_old_stream_is_gone_is_a_loss(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	session_hold_sending(client(w)->s);
	testsession_break(at_client(l));
	assert_int_equal(client(w)->lost, 0);
	session_release_sending(client(w)->s);
	assert_int_equal(client(w)->lost, 1);
	assert_false(client(w)->s->handing_over);
	testsession_free(w);
}

/* ---- the end ---- */

static void end_says_why_then_closes_our_direction(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	session_end(gateway(w)->s, "replaced", w->now);
	testsession_tick(gateway(w));
	assert_int_equal(gateway(w)->drained, 0);
	testsession_settle(w);
	assert_int_equal(at_client(l)->byes, 1);
	assert_int_equal(at_client(l)->bye_len, 9);
	assert_memory_equal(at_client(l)->bye, "\xb0replaced", 9);
	assert_true(at_gateway(l)->finished);
	assert_int_equal(gateway(w)->drained, 1);
	testsession_free(w);
}

static void end_of_an_unheard_peer_is_drained_after_a_second(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_cut(l);
	session_end(gateway(w)->s, "idle", w->now);
	testsession_tick(gateway(w));
	assert_int_equal(gateway(w)->deadline, w->now + SESSION_GOODBYE_MS);
	testsession_wait(w, SESSION_GOODBYE_MS - 1);
	assert_int_equal(gateway(w)->drained, 0);
	testsession_wait(w, 1);
	assert_int_equal(gateway(w)->drained, 1);
	assert_int_equal(gateway(w)->lost, 0);
	testsession_free(w);
}

static void end_without_reason_closes_at_once(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	session_end(gateway(w)->s, NULL, w->now);
	assert_true(at_gateway(l)->gone);
	testsession_tick(gateway(w));
	assert_int_equal(gateway(w)->drained, 1);
	assert_int_equal(gateway(w)->deadline, CLOCK_NEVER);
	assert_int_equal(gateway(w)->lost, 0);
	testsession_settle(w);
	assert_int_equal(at_client(l)->byes, 0);
	testsession_free(w);
}

static void end_without_a_stream_is_drained_at_once(void **state)
{
	struct world *w = testsession_world(plain);

	(void)state;
	session_end(gateway(w)->s, "idle", w->now);
	testsession_tick(gateway(w));
	assert_int_equal(gateway(w)->drained, 1);
	testsession_free(w);
}

static void end_cuts_a_long_reason(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);
	char reason[400];

	(void)state;
	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	session_end(gateway(w)->s, reason, w->now);
	testsession_settle(w);
	assert_int_equal(at_client(l)->bye_len, 1 + SESSION_TEXT_MAX - 1);
	testsession_free(w);
}

static void ending_session_delivers_nothing_and_takes_no_stream(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	session_end(gateway(w)->s, "idle", w->now);
	assert_false(session_may_deliver(gateway(w)->s, at_gateway(l)->channel, w->now));
	testsession_send(client(w));
	testsession_receive(at_gateway(l), SIZE_MAX);
	assert_int_equal(gateway(w)->arrived_len, 0);
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 2), ERR_REFUSED);
	testsession_free(w);
}

static void packets_after_the_end_are_not_sent(void **state)
{
	struct world *w = testsession_world(plain);
	struct line *l = testsession_connect(w);

	(void)state;
	session_end(gateway(w)->s, "idle", w->now);
	testsession_send(gateway(w));
	testsession_receive(at_client(l), SIZE_MAX);
	assert_int_equal(client(w)->arrived_len, 0);
	testsession_free(w);
}

/* ---- rekey of a peer without overlap ---- */

static void gateway_closes_the_stream_of_a_stock_client_to_rekey(void **state)
{
	struct world *w = testsession_world((struct session_settings){ .keep_seconds = KEEP });
	struct line *l = testsession_connect(w);

	(void)state;
	session_rekey_now(gateway(w)->s, w->now);
	assert_true(at_gateway(l)->gone);
	assert_int_equal(gateway(w)->lost, 1);
	testsession_settle(w);
	assert_int_equal(at_client(l)->byes, 0);
	testsession_free(w);
}

static void records_make_a_stock_client_come_anew(void **state)
{
	struct world *w = testsession_world((struct session_settings){ .rekey = { .records = 3 } });
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_send(gateway(w));
	testsession_send(gateway(w));
	testsession_tick(gateway(w));
	assert_false(at_gateway(l)->gone);
	testsession_send(gateway(w));
	testsession_tick(gateway(w));
	assert_true(at_gateway(l)->gone);
	testsession_free(w);
}

static void sending_asks_once_a_generation_for_a_tick(void **state)
{
	struct world *w = testsession_world((struct session_settings){ .rekey = { .records = 2, .bytes = 1000 } });
	struct session *s = client(w)->s;

	(void)state;
	testsession_connect(w);
	testsession_send(client(w));
	assert_false(session_used_up(s));
	testsession_send(client(w));
	assert_true(session_used_up(s));
	assert_false(session_used_up(s));
	testsession_connect(w);
	assert_false(session_used_up(s));
	testsession_free(w);
}

/* ---- addresses and references ---- */

static void session_owns_its_leases_and_networks_and_nothing_else(void **state)
{
	static const char *const own[] = { "10.20.0.7", "fd20::7", "192.168.7.0", "192.168.7.255" };
	static const char *const foreign[] = { "10.20.0.8", "fd20::8", "192.168.8.0", "192.168.6.255", "::" };
	struct prefix network;
	struct session_settings settings = { .networks = &network, .networks_len = 1 };
	struct world *w;
	struct addr a;

	(void)state;
	assert_int_equal(prefix_parse("192.168.7.0/24", &network), 0);
	settings.ipv4 = addr("10.20.0.7");
	settings.ipv6 = addr("fd20::7");
	w = testsession_world(settings);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		a = addr(own[i]);
		assert_true(session_owns(gateway(w)->s, &a));
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		a = addr(foreign[i]);
		assert_false(session_owns(gateway(w)->s, &a));
	}
	testsession_free(w);
}

static void networks_of_a_session_can_be_replaced(void **state)
{
	struct session_settings settings = { .name = "gw", .events = &testsession_events };
	struct session *s = session_new(&settings, TESTSESSION_START);
	struct prefix networks[2];
	struct addr old = addr("192.168.7.1"), new = addr("192.168.8.1");

	(void)state;
	assert_int_equal(prefix_parse("192.168.7.0/24", &networks[0]), 0);
	assert_int_equal(prefix_parse("192.168.8.0/24", &networks[1]), 0);
	assert_false(session_owns(s, &old));
	assert_int_equal(session_set_networks(s, networks, 1), 0);
	assert_true(session_owns(s, &old));
	assert_false(session_owns(s, &new));
	assert_int_equal(session_set_networks(s, networks + 1, 1), 0);
	networks[1] = networks[0]; /* they were copied */
	assert_false(session_owns(s, &old));
	assert_true(session_owns(s, &new));
	assert_int_equal(session_set_networks(s, NULL, 0), 0);
	assert_false(session_owns(s, &new));
	session_put(s);
	urcu_memb_barrier();
}

static void session_being_freed_cannot_be_had_again(void **state)
{
	struct session_settings settings = { .name = "alice", .events = &testsession_events };
	struct session *s = session_new(&settings, TESTSESSION_START);

	(void)state;
	assert_true(session_get(s));
	session_put(s);
	urcu_memb_read_lock();
	session_put(s);
	assert_false(session_get(s));
	urcu_memb_read_unlock();
	session_put(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_stream_is_the_first_generation),
		cmocka_unit_test(packets_wait_for_the_first_stream),
		cmocka_unit_test(stream_that_breaks_leaves_a_lost_session),
		cmocka_unit_test(closed_stream_is_gone_only_once),
		cmocka_unit_test(reconnect_replaces_a_living_stream),
		cmocka_unit_test(replaced_stream_is_read_to_its_end_without_disconnect),
		cmocka_unit_test(data_of_a_reconnect_does_not_wait),
		cmocka_unit_test(reconnect_closes_what_was_joining),
		cmocka_unit_test(session_is_over_when_no_stream_comes_back_in_time),
		cmocka_unit_test(session_kept_for_ever_is_never_over),
		cmocka_unit_test(stream_that_comes_back_ends_the_waiting),
		cmocka_unit_test(idle_session_is_over),
		cmocka_unit_test(without_idle_limit_silence_is_no_end),
		cmocka_unit_test(silent_peer_is_probed_then_dead),
		cmocka_unit_test(peer_that_answers_the_probe_lives),
		cmocka_unit_test(keepalive_is_sent_when_nothing_else_was),
		cmocka_unit_test(data_serves_as_keepalive),
		cmocka_unit_test(probe_with_a_payload_is_echoed),
		cmocka_unit_test(answer_without_payload_is_no_echo),
		cmocka_unit_test(probe_without_a_stream_is_nothing),
		cmocka_unit_test(unknown_kinds_are_ignored_and_reported),
		cmocka_unit_test(channel_says_where_the_peer_wants_packets),
		cmocka_unit_test(stock_gateway_is_drawn_to_the_stream_by_a_packet_that_is_none),
		cmocka_unit_test(channel_of_a_stock_client_is_ignored),
		cmocka_unit_test(datagrams_end_with_their_stream),
		cmocka_unit_test(smooth_session_keeps_its_datagrams_over_a_new_stream),
		cmocka_unit_test(strict_session_ends_them_with_its_stream),
		cmocka_unit_test(smooth_sessions_datagrams_end_when_no_stream_renews_them),
		cmocka_unit_test(living_stream_that_nobody_renews_takes_them_along),
		cmocka_unit_test(used_up_keys_end_a_smooth_sessions_datagrams),
		cmocka_unit_test(compressed_data_ends_the_stream),
		cmocka_unit_test(end_frame_from_a_stock_peer_ends_the_stream),
		cmocka_unit_test(disconnect_ends_the_session_with_its_text),
		cmocka_unit_test(disconnect_of_a_gateway_without_text_ends_only_its_stream),
		cmocka_unit_test(terminate_ends_it_without_text_too),
		cmocka_unit_test(text_of_a_disconnect_has_no_control_characters),
		cmocka_unit_test(disconnect_of_a_client_for_now_ends_only_its_stream),
		cmocka_unit_test(disconnect_of_a_client_for_good_ends_its_session),
		cmocka_unit_test(long_text_of_a_disconnect_is_cut),
		cmocka_unit_test(disconnect_on_a_replaced_stream_is_ignored),
		cmocka_unit_test(client_holds_its_packets_while_the_gateway_swaps),
		cmocka_unit_test(swap_without_the_old_streams_end_reads_it_to_its_end),
		cmocka_unit_test(swap_called_off_sends_on_the_old_stream_again),
		cmocka_unit_test(swap_called_off_after_the_old_stream_is_gone_is_a_loss),
		cmocka_unit_test(end_says_why_then_closes_our_direction),
		cmocka_unit_test(end_of_an_unheard_peer_is_drained_after_a_second),
		cmocka_unit_test(end_without_reason_closes_at_once),
		cmocka_unit_test(end_without_a_stream_is_drained_at_once),
		cmocka_unit_test(end_cuts_a_long_reason),
		cmocka_unit_test(ending_session_delivers_nothing_and_takes_no_stream),
		cmocka_unit_test(packets_after_the_end_are_not_sent),
		cmocka_unit_test(gateway_closes_the_stream_of_a_stock_client_to_rekey),
		cmocka_unit_test(records_make_a_stock_client_come_anew),
		cmocka_unit_test(sending_asks_once_a_generation_for_a_tick),
		cmocka_unit_test(session_owns_its_leases_and_networks_and_nothing_else),
		cmocka_unit_test(networks_of_a_session_can_be_replaced),
		cmocka_unit_test(session_being_freed_cannot_be_had_again),
	};

	return cmocka_run_group_tests(tests, testsession_setup, testsession_teardown);
}
