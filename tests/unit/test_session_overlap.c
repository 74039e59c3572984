/* SPDX-License-Identifier: Apache-2.0 */
/* A rekey between two adits: make before break, each rule of it, and that no schedule loses or doubles a packet. */
#include "testsession.h"

#ifdef __SANITIZE_THREAD__
enum { SCHEDULES = 50 }; /* one thread: nothing to find, and each session freed costs a suppressed report */
#else
enum { SCHEDULES = 2000 };
#endif
enum { INTERVAL = 900000, STEPS = 1000, SMALL = 48 };

static const struct session_settings adit = { .overlap = true, .rekey = { .interval_ms = INTERVAL } };

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

static void receive(struct plug *p)
{
	testsession_receive(p, SIZE_MAX);
}

static void check_intact(const struct end *from, const struct end *to, bool in_order)
{
	assert_int_equal(to->arrived_len, from->sent);
	for (uint32_t i = 0; i < from->sent; i++) {
		assert_int_equal(to->times[i], 1);
		if (in_order)
			assert_int_equal(to->arrived[i], i);
	}
	assert_int_equal(from->queue_dropped, 0);
}

/* ---- the proof moves the sending ---- */

static void client_proves_the_new_stream_at_once(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_overlap(w);
	testsession_settle(w);
	assert_int_equal(at_gateway(new)->dpd_reqs, 1);
	assert_int_equal(at_client(new)->dpd_resps, 1);
	assert_int_equal(at_client(new)->dpd_reqs, 0);
	testsession_free(w);
}

static void before_the_proof_all_goes_on_the_old_stream(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w);

	(void)state;
	testsession_overlap(w);
	testsession_send(gateway(w));
	testsession_send(client(w));
	receive(at_gateway(old));
	receive(at_client(old));
	assert_int_equal(at_gateway(old)->data, 1);
	assert_int_equal(at_client(old)->data, 1);
	assert_int_equal(gateway(w)->s->generation, 1);
	assert_int_equal(gateway(w)->moved, 1);
	testsession_free(w);
}

static void gateway_moves_at_the_proof_and_the_client_at_its_answer(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new));
	assert_ptr_equal(gateway(w)->s->tx, at_gateway(new)->channel);
	assert_ptr_equal(gateway(w)->s->leaving, at_gateway(old)->channel);
	assert_int_equal(gateway(w)->s->generation, 2);
	assert_int_equal(gateway(w)->moved, 2);
	assert_ptr_equal(client(w)->s->tx, at_client(old)->channel);
	receive(at_client(new));
	assert_ptr_equal(client(w)->s->tx, at_client(new)->channel);
	assert_int_equal(client(w)->s->generation, 2);
	assert_int_equal(client(w)->moved, 2);
	testsession_free(w);
}

static void data_proves_a_stream_too(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_overlap(w);
	receive(at_gateway(new));
	buf_clear(&at_client(new)->in); /* not the answer: a packet comes first */
	testsession_send(gateway(w));
	receive(at_client(new));
	assert_ptr_equal(client(w)->s->current, at_client(new)->channel);
	testsession_settle(w);
	check_intact(gateway(w), client(w), true);
	testsession_free(w);
}

/* ---- END ---- */

static void end_tells_the_count_and_is_the_last_frame(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w);

	(void)state;
	for (int i = 0; i < 5; i++)
		testsession_send(client(w));
	for (int i = 0; i < 3; i++)
		testsession_send(gateway(w));
	testsession_overlap(w);
	testsession_settle(w); /* fails on a frame behind END */
	assert_int_equal(at_gateway(old)->ends, 1);
	assert_int_equal(at_gateway(old)->end_count, 5);
	assert_int_equal(at_client(old)->ends, 1);
	assert_int_equal(at_client(old)->end_count, 3);
	testsession_free(w);
}

static void nothing_is_sealed_behind_the_end(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new));
	assert_int_equal(channel_seal(at_gateway(old)->channel, FRAME_KEEPALIVE, NULL, 0), ERR_REFUSED);
	testsession_free(w);
}

static void end_of_the_wrong_length_ends_the_stream(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w);
	uint8_t count[FRAME_END_LEN + 1] = { 0 };

	(void)state;
	testsession_overlap(w);
	assert_int_equal(testsession_frame(at_client(old), FRAME_END, count, FRAME_END_LEN - 1), ERR_PROTO);
	testsession_free(w);
	w = testsession_world(adit);
	old = testsession_connect(w);
	testsession_overlap(w);
	assert_int_equal(testsession_frame(at_client(old), FRAME_END, count, FRAME_END_LEN + 1), ERR_PROTO);
	testsession_free(w);
	w = testsession_world(adit);
	old = testsession_connect(w);
	testsession_overlap(w);
	assert_int_equal(testsession_frame(at_client(old), FRAME_END, count, FRAME_END_LEN), 0);
	testsession_free(w);
}

static void second_end_ends_the_stream(void **state)
{
	static const uint64_t none;
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w);

	(void)state;
	testsession_overlap(w);
	assert_int_equal(testsession_frame(at_client(old), FRAME_END, &none, sizeof(none)), 0);
	assert_int_equal(testsession_frame(at_client(old), FRAME_END, &none, sizeof(none)), ERR_PROTO);
	assert_true(at_client(old)->gone);
	testsession_free(w);
}

static void end_without_a_successor_ends_the_stream(void **state)
{
	static const uint64_t none;
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	assert_int_equal(testsession_frame(at_client(l), FRAME_END, &none, sizeof(none)), ERR_PROTO);
	assert_int_equal(client(w)->lost, 1);
	testsession_free(w);
}

/* ---- holding ---- */

/* The client's last packet and END wait on the old line, and a packet of its on the new one has arrived. */
static void overtake(struct world *w, struct line **old, struct line **new)
{
	*old = testsession_connect(w);
	*new = testsession_overlap(w);
	receive(at_gateway(*new));
	testsession_send(client(w));
	receive(at_client(*new));
	testsession_send(client(w));
	receive(at_gateway(*new));
}

static void data_waits_for_the_old_streams_end(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old, *new;

	(void)state;
	overtake(w, &old, &new);
	assert_int_equal(gateway(w)->arrived_len, 0);
	assert_true(at_gateway(new)->channel->rx_held);
	receive(at_gateway(old));
	assert_false(at_gateway(new)->channel->rx_held);
	assert_true(at_gateway(new)->resumed);
	assert_int_equal(gateway(w)->deadline, gateway(w)->s->leaving->close_ms);
	testsession_settle(w);
	check_intact(client(w), gateway(w), true);
	testsession_free(w);
}

static void data_waits_no_longer_than_the_limit(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old, *new;

	(void)state;
	overtake(w, &old, &new);
	assert_int_equal(gateway(w)->deadline, w->now + SESSION_HOLD_MS);
	testsession_wait(w, SESSION_HOLD_MS - 1);
	receive(at_gateway(new));
	assert_int_equal(gateway(w)->arrived_len, 0);
	testsession_wait(w, 1);
	receive(at_gateway(new));
	assert_int_equal(gateway(w)->arrived_len, 1);
	assert_int_equal(gateway(w)->arrived[0], 1);
	testsession_free(w);
}

static void late_data_of_the_old_stream_is_delivered_all_the_same(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old, *new;

	(void)state;
	overtake(w, &old, &new);
	testsession_wait(w, SESSION_HOLD_MS);
	receive(at_gateway(new));
	testsession_send(client(w));
	receive(at_gateway(new));
	assert_int_equal(gateway(w)->arrived_len, 2);
	testsession_settle(w);
	check_intact(client(w), gateway(w), false);
	testsession_free(w);
}

static void data_that_came_after_the_end_does_not_wait(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_overlap(w);
	testsession_settle(w);
	testsession_send(client(w));
	receive(at_gateway(new));
	assert_int_equal(gateway(w)->arrived_len, 1);
	testsession_free(w);
}

static void old_stream_that_breaks_lets_the_data_go(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old, *new;

	(void)state;
	overtake(w, &old, &new);
	testsession_break(at_gateway(old));
	receive(at_gateway(new));
	assert_int_equal(gateway(w)->arrived_len, 1);
	assert_int_equal(gateway(w)->lost, 0);
	testsession_free(w);
}

static void reconnect_lets_held_data_go_first(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old, *new;

	(void)state;
	overtake(w, &old, &new);
	testsession_connect(w);
	assert_true(at_gateway(old)->gone);
	testsession_settle(w);
	assert_int_equal(gateway(w)->times[1], 1);
	testsession_free(w);
}

static void end_of_the_session_reads_a_held_stream_again(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old, *new;

	(void)state;
	overtake(w, &old, &new);
	session_end(gateway(w)->s, "idle", w->now);
	testsession_tick(gateway(w));
	session_end(client(w)->s, NULL, w->now);
	testsession_settle(w);
	assert_int_equal(gateway(w)->drained, 1);
	assert_int_equal(gateway(w)->arrived_len, 0);
	testsession_free(w);
}

/* ---- the old stream's close ---- */

static void client_closes_the_old_stream_when_both_ends_are_through(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new));
	at_client(old)->blocked = true;
	receive(at_client(new));
	receive(at_client(old));
	assert_true(at_client(old)->channel->rx_ended);
	assert_false(at_client(old)->finished); /* its own END is still here */
	at_client(old)->blocked = false;
	testsession_flush(at_client(old)->channel);
	testsession_tick(client(w));
	assert_true(at_client(old)->finished);
	receive(at_gateway(old));
	assert_true(at_gateway(old)->gone);
	assert_false(at_gateway(old)->finished);
	receive(at_client(old));
	assert_true(at_client(old)->gone);
	assert_int_equal(client(w)->lost + gateway(w)->lost, 0);
	testsession_free(w);
}

static void client_does_not_close_before_the_gateways_end(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new));
	receive(at_client(new));
	testsession_tick(client(w));
	assert_false(at_client(old)->finished);
	receive(at_client(old));
	assert_true(at_client(old)->finished);
	testsession_free(w);
}

static void old_stream_that_does_not_end_is_closed_after_the_linger(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new;

	(void)state;
	testsession_cut(old);
	new = testsession_overlap(w);
	testsession_settle(w);
	testsession_wait(w, SESSION_LINGER_MS - 1);
	assert_false(at_gateway(old)->gone);
	assert_false(at_client(old)->gone);
	testsession_wait(w, 1);
	assert_true(at_gateway(old)->gone);
	assert_true(at_client(old)->gone);
	assert_ptr_equal(gateway(w)->s->current, at_gateway(new)->channel);
	assert_int_equal(client(w)->lost + gateway(w)->lost, 0);
	testsession_free(w);
}

static void old_stream_that_still_sends_is_not_cut(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w);
	struct channel *leaving = at_gateway(old)->channel;

	(void)state;
	at_gateway(old)->blocked = true;
	testsession_send(gateway(w));
	testsession_overlap(w);
	testsession_settle(w);
	assert_ptr_equal(gateway(w)->s->leaving, leaving);
	for (int i = 0; i < 3; i++) {
		buf_consume(&leaving->out, 1);
		testsession_wait(w, SESSION_LINGER_MS - 1);
		assert_false(at_gateway(old)->gone);
	}
	testsession_wait(w, SESSION_LINGER_MS);
	assert_true(at_gateway(old)->gone);
	testsession_free(w);
}

/* ---- who may join ---- */

static void join_of_the_next_generation_is_taken(void **state)
{
	struct world *w = testsession_world(adit);

	(void)state;
	testsession_connect(w);
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 2), 0);
	assert_int_equal(testsession_live(gateway(w)), 2);
	testsession_free(w);
}

static void join_of_another_generation_is_refused(void **state)
{
	static const unsigned wrong[] = { 0, 1, 3, UINT32_MAX };
	struct world *w = testsession_world(adit);

	(void)state;
	testsession_connect(w);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(testsession_join(at_gateway(testsession_line(w)), wrong[i]), ERR_REFUSED);
	assert_null(gateway(w)->s->next);
	testsession_free(w);
}

static void join_without_overlap_is_refused(void **state)
{
	struct world *w = testsession_world((struct session_settings){ 0 });

	(void)state;
	testsession_connect(w);
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 2), ERR_REFUSED);
	testsession_free(w);
}

static void join_without_a_current_stream_is_refused(void **state)
{
	struct world *w = testsession_world(adit);

	(void)state;
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 1), ERR_REFUSED);
	testsession_break(at_gateway(testsession_connect(w)));
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 2), ERR_REFUSED);
	testsession_free(w);
}

static void join_while_another_joins_is_refused(void **state)
{
	struct world *w = testsession_world(adit);

	(void)state;
	testsession_connect(w);
	testsession_overlap(w);
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 2), ERR_EXISTS);
	testsession_free(w);
}

static void join_while_the_old_one_leaves_is_refused(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_overlap(w);
	receive(at_gateway(new));
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 3), ERR_EXISTS);
	testsession_settle(w);
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 3), 0);
	testsession_free(w);
}

/* ---- failure before the proof ---- */

static void unproven_stream_that_breaks_leaves_the_old_one_going(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	testsession_break(at_gateway(new));
	testsession_break(at_client(new));
	assert_int_equal(gateway(w)->rekey_failed, 1);
	assert_int_equal(client(w)->rekey_failed, 1);
	assert_int_equal(client(w)->lost + gateway(w)->lost, 0);
	testsession_send(client(w));
	testsession_send(gateway(w));
	testsession_settle(w);
	assert_int_equal(at_gateway(old)->data, 1);
	assert_int_equal(at_client(old)->data, 1);
	assert_int_equal(client(w)->s->generation, 1);
	testsession_free(w);
}

static void unproven_stream_is_given_up_after_the_linger(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_overlap(w);
	testsession_cut(new);
	testsession_wait(w, SESSION_LINGER_MS - 1);
	assert_int_equal(client(w)->rekey_failed, 0);
	testsession_wait(w, 1);
	assert_int_equal(client(w)->rekey_failed, 1);
	assert_int_equal(gateway(w)->rekey_failed, 1);
	assert_int_equal(client(w)->lost + gateway(w)->lost, 0);
	testsession_free(w);
}

static void failed_rekey_is_tried_again_after_a_second_doubling_to_thirty(void **state)
{
	static const unsigned waits[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
	struct world *w = testsession_world(adit);

	(void)state;
	testsession_connect(w);
	session_rekey_now(client(w)->s, w->now);
	testsession_wait(w, 0);
	for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct line *new = testsession_overlap(w);

		assert_int_equal(client(w)->rekey, i + 1);
		testsession_break(at_gateway(new));
		testsession_break(at_client(new));
		assert_int_equal(client(w)->deadline, w->now + waits[i]);
		testsession_wait(w, waits[i] - 1);
		assert_int_equal(client(w)->rekey, i + 1);
		testsession_wait(w, 1);
	}
	assert_int_equal(client(w)->rekey, 8);
	testsession_free(w);
}

static void disconnect_on_an_unproven_stream_fails_only_the_rekey(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_line(w);
	assert_int_equal(testsession_join(at_client(new), 2), 0);
	session_control(client(w)->s, at_client(new)->channel,
			&(struct frame){ .kind = FRAME_DISCONNECT, .payload = (const uint8_t *)"\xb0no", .len = 3 },
			w->now);
	assert_int_equal(client(w)->rekey_failed, 1);
	assert_string_equal(client(w)->why, "no");
	assert_int_equal(client(w)->over, 0);
	testsession_free(w);
}

static void disconnect_on_the_leaving_stream_is_ignored(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new));
	session_control(gateway(w)->s, at_gateway(old)->channel, &(struct frame){ .kind = FRAME_DISCONNECT }, w->now);
	assert_int_equal(gateway(w)->over, 0);
	testsession_free(w);
}

/* ---- breaks around the move ---- */

static void new_stream_that_breaks_after_the_move_is_a_loss(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_overlap(w);
	testsession_settle(w);
	testsession_break(at_client(new));
	assert_int_equal(client(w)->lost, 1);
	assert_int_equal(client(w)->rekey_failed, 0);
	testsession_free(w);
}

static void new_stream_that_breaks_after_the_gateways_move_is_a_loss(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new)); /* the gateway has moved; its answer is lost */
	receive(at_client(old));
	testsession_break(at_client(new));
	assert_true(at_client(old)->gone);
	assert_int_equal(client(w)->lost, 1);
	testsession_free(w);
}

static void end_that_comes_after_the_new_stream_broke_is_a_loss(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new));
	testsession_break(at_client(new));
	assert_int_equal(client(w)->lost, 0);
	receive(at_client(old));
	assert_int_equal(client(w)->lost, 1);
	testsession_free(w);
}

static void joining_stream_takes_over_from_a_broken_one(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	testsession_break(at_client(old));
	testsession_break(at_gateway(old));
	assert_int_equal(client(w)->lost + gateway(w)->lost, 0);
	testsession_send(client(w));
	testsession_settle(w);
	assert_ptr_equal(client(w)->s->current, at_client(new)->channel);
	assert_int_equal(gateway(w)->arrived_len, 1);
	testsession_free(w);
}

static void joining_stream_that_breaks_after_the_current_one_is_a_loss(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	testsession_break(at_client(old));
	testsession_break(at_client(new));
	assert_int_equal(client(w)->rekey_failed, 1);
	assert_int_equal(client(w)->lost, 1);
	testsession_free(w);
}

/* ---- when ---- */

static void client_opens_the_next_generation_by_time(void **state)
{
	struct world *w = testsession_world(adit);

	(void)state;
	testsession_connect(w);
	testsession_wait(w, INTERVAL * 9 / 10 - 1);
	assert_int_equal(client(w)->rekey, 0);
	assert_in_range(client(w)->deadline, w->now + 1, w->now + 1 + INTERVAL / 10);
	w->now = client(w)->deadline;
	testsession_wait(w, 0);
	testsession_wait(w, 0);
	assert_int_equal(client(w)->rekey, 1);
	assert_int_equal(gateway(w)->rekey, 0);
	testsession_free(w);
}

static void rekey_that_falls_due_while_two_live_waits(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	new = testsession_overlap(w);
	receive(at_gateway(new));
	receive(at_client(new));
	session_rekey_now(client(w)->s, w->now);
	testsession_wait(w, 0);
	assert_int_equal(client(w)->rekey, 0);
	testsession_settle(w);
	assert_int_equal(client(w)->rekey, 1);
	testsession_free(w);
}

static void client_rekeys_by_records(void **state)
{
	struct session_settings settings = adit;
	struct world *w;

	(void)state;
	settings.rekey.records = 3;
	w = testsession_world(settings);
	testsession_connect(w);
	for (int i = 0; i < 2; i++)
		testsession_send(gateway(w));
	testsession_settle(w);
	testsession_tick(client(w));
	assert_int_equal(client(w)->rekey, 0);
	testsession_send(gateway(w)); /* the busier direction counts */
	testsession_settle(w);
	assert_int_equal(client(w)->rekey, 1);
	testsession_free(w);
}

static void client_rekeys_by_bytes(void **state)
{
	struct session_settings settings = adit;
	struct world *w;

	(void)state;
	settings.rekey.bytes = 2 * (FRAME_HEADER_LEN + sizeof(uint32_t));
	w = testsession_world(settings);
	testsession_connect(w);
	testsession_send(client(w));
	testsession_tick(client(w));
	assert_int_equal(client(w)->rekey, 0);
	testsession_send(client(w));
	testsession_tick(client(w));
	assert_int_equal(client(w)->rekey, 1);
	testsession_free(w);
}

static void gateway_over_its_limit_asks_the_client_once(void **state)
{
	struct session_settings settings = adit;
	struct world *w = testsession_world(settings);
	struct line *l;

	(void)state;
	gateway(w)->s->rekey.limits.records = 2;
	l = testsession_connect(w);
	testsession_send(gateway(w));
	testsession_send(gateway(w));
	for (int i = 0; i < 3; i++)
		testsession_tick(gateway(w));
	testsession_settle(w);
	assert_int_equal(at_client(l)->rekeys, 1);
	assert_int_equal(client(w)->rekey, 1);
	testsession_free(w);
}

static void operator_at_the_gateway_has_the_client_rekey(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	session_rekey_now(gateway(w)->s, w->now);
	testsession_settle(w);
	assert_int_equal(at_client(l)->rekeys, 1);
	assert_int_equal(client(w)->rekey, 1);
	testsession_free(w);
}

static void gateway_takes_no_orders_to_rekey(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_frame(at_gateway(l), FRAME_REKEY, NULL, 0);
	assert_false(at_gateway(l)->gone);
	assert_false(gateway(w)->s->rekey.asked);
	assert_int_equal(gateway(w)->rekey, 0);
	testsession_free(w);
}

static void wish_on_an_older_stream_is_granted_already(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w), *new = testsession_overlap(w);

	(void)state;
	receive(at_gateway(new));
	receive(at_client(new));
	assert_ptr_equal(client(w)->s->leaving, at_client(old)->channel);
	buf_clear(&at_client(old)->in); /* the gateway's END is on its way still */
	testsession_frame(at_client(old), FRAME_REKEY, NULL, 0);
	assert_false(client(w)->s->rekey.asked);
	assert_int_equal(client(w)->rekey, 0);
	testsession_free(w);
}

static void gateway_that_asks_again_does_not_shorten_the_back_off(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	testsession_frame(at_client(l), FRAME_REKEY, NULL, 0);
	testsession_tick(client(w));
	assert_int_equal(client(w)->rekey, 1);
	rekey_failed(&client(w)->s->rekey, w->now);
	testsession_frame(at_client(l), FRAME_REKEY, NULL, 0);
	testsession_tick(client(w));
	assert_int_equal(client(w)->rekey, 1);
	testsession_wait(w, REKEY_RETRY_FIRST_MS);
	assert_int_equal(client(w)->rekey, 2);
	testsession_free(w);
}

/* ---- a generation that is not renewed ---- */

static void generation_not_renewed_is_closed_without_disconnect(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *l = testsession_connect(w);

	(void)state;
	w->now += 2 * INTERVAL - 1;
	testsession_tick(gateway(w));
	assert_false(at_gateway(l)->gone);
	assert_int_equal(gateway(w)->deadline, w->now + 1);
	w->now++;
	testsession_tick(gateway(w));
	assert_true(at_gateway(l)->gone);
	assert_int_equal(gateway(w)->lost, 1);
	assert_int_equal(gateway(w)->over, 0);
	testsession_settle(w);
	assert_int_equal(at_client(l)->byes, 0);
	testsession_free(w);
}

static void short_interval_still_leaves_thirty_seconds(void **state)
{
	struct world *w =
		testsession_world((struct session_settings){ .overlap = true, .rekey = { .interval_ms = 1000 } });
	struct line *l = testsession_connect(w);

	(void)state;
	w->now += 29999;
	testsession_tick(gateway(w));
	assert_false(at_gateway(l)->gone);
	w->now++;
	testsession_tick(gateway(w));
	assert_true(at_gateway(l)->gone);
	testsession_free(w);
}

static void join_that_proves_nothing_does_not_save_the_old_generation(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *old = testsession_connect(w);

	(void)state;
	w->now += 2 * INTERVAL - 1;
	assert_int_equal(testsession_join(at_gateway(testsession_line(w)), 2), 0);
	w->now += SESSION_LINGER_MS;
	testsession_tick(gateway(w));
	assert_true(at_gateway(old)->gone);
	assert_int_equal(gateway(w)->lost, 1);
	testsession_free(w);
}

static void new_generation_begins_its_own_time(void **state)
{
	struct world *w = testsession_world(adit);
	struct line *new;

	(void)state;
	testsession_connect(w);
	w->now += INTERVAL;
	new = testsession_overlap(w);
	testsession_settle(w);
	w->now += 2 * INTERVAL - 1;
	testsession_tick(gateway(w));
	assert_false(at_gateway(new)->gone);
	testsession_free(w);
}

/* ---- any schedule ---- */

/* A run of random steps: packets, deliveries in pieces, sockets that block, rekeys, time. */
struct schedule {
	struct world *w;
	uint64_t seed;
	bool prompt;       /* time passes only when nothing is held: END is never late */
	bool failing;      /* some rekeys break before their proof */
	struct line *next; /* joined at the gateway, its grant on the way to the client; or NULL */
	unsigned rekeys, failures;
};

static uint32_t pick(struct schedule *sc, uint32_t below)
{
	sc->seed ^= sc->seed << 13;
	sc->seed ^= sc->seed >> 7;
	sc->seed ^= sc->seed << 17;
	return (uint32_t)(sc->seed >> 32) % below;
}

static struct plug *pick_plug(struct schedule *sc)
{
	unsigned i, n = sc->w->lines_len;
	unsigned from = n > 3 ? n - 3 : 0; /* older ones are closed */

	i = from + pick(sc, n - from);
	return &sc->w->lines[i].plugs[pick(sc, 2)];
}

static void step_rekey(struct schedule *sc)
{
	struct session *g = gateway(sc->w)->s;
	struct line *l;

	if (sc->next) {
		assert_int_equal(testsession_join(at_client(sc->next), client(sc->w)->s->generation + 1), 0);
		sc->next = NULL;
		return;
	}
	if (testsession_live(client(sc->w)) != 1 || sc->w->lines_len == TESTSESSION_LINES)
		return;
	l = testsession_line(sc->w);
	/* the client's old stream ends with the gateway's close: a join never comes too early */
	assert_int_equal(testsession_join(at_gateway(l), g->generation + 1), 0);
	sc->next = l;
	sc->rekeys++;
}

/* The new stream breaks at both ends, before either has its proof. */
static void step_fail(struct schedule *sc)
{
	struct line *l = &sc->w->lines[sc->w->lines_len - 1];

	if (gateway(sc->w)->s->next != at_gateway(l)->channel || !at_gateway(l)->channel)
		return;
	testsession_break(at_gateway(l));
	if (at_client(l)->channel)
		testsession_break(at_client(l));
	sc->next = NULL;
	sc->rekeys--;
	sc->failures++;
}

static uint64_t latest_time(struct world *w)
{
	uint64_t at = w->now + 100;

	for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
		struct session *s = w->ends[side].s;

		if (s->next)
			at = clock_sooner(at, s->next->close_ms - 1);
		if (s->leaving)
			at = clock_sooner(at, s->leaving->close_ms - 1);
	}
	return at;
}

static void unblock(struct plug *p)
{
	p->blocked = false;
	if (p->channel && !p->gone)
		testsession_flush(p->channel);
	testsession_tick(p->end);
}

/* Packets wait for a socket no longer than the queue keeps them. */
static void unblock_older(struct world *w, uint64_t age_ms)
{
	for (unsigned i = 0; i < w->lines_len; i++) {
		for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
			struct plug *p = &w->lines[i].plugs[side];

			if (p->blocked && w->now >= p->blocked_ms + age_ms)
				unblock(p);
		}
	}
}

static void step_time(struct schedule *sc)
{
	struct world *w = sc->w;
	uint64_t span = latest_time(w) - w->now;

	unblock_older(w, QUEUE_AGE_MAX_MS / 2);
	if (sc->prompt && (gateway(w)->s->hold_until_ms || client(w)->s->hold_until_ms))
		return;
	testsession_wait(w, span ? pick(sc, (uint32_t)span) : 0);
}

static void step_block(struct schedule *sc)
{
	struct plug *p = pick_plug(sc);

	if (p->blocked) {
		unblock(p);
		return;
	}
	p->blocked = true;
	p->blocked_ms = sc->w->now;
}

static void step(struct schedule *sc)
{
	switch (pick(sc, 16)) {
	case 0:
		step_rekey(sc);
		return;
	case 1:
		step_time(sc);
		return;
	case 2:
		step_block(sc);
		return;
	case 3:
		if (sc->failing)
			step_fail(sc);
		return;
	case 4 ... 7:
		testsession_send(&sc->w->ends[pick(sc, 2)]);
		return;
	default:
		testsession_receive(pick_plug(sc), 1 + pick(sc, SMALL));
	}
	assert_true(testsession_live(gateway(sc->w)) <= 2);
	assert_true(testsession_live(client(sc->w)) <= 2);
}

static void finish_schedule(struct schedule *sc)
{
	if (sc->next)
		step_rekey(sc);
	unblock_older(sc->w, 0);
	testsession_wait(sc->w, 0);
	testsession_settle(sc->w);
}

static void check_end(const struct schedule *sc, const struct end *e)
{
	assert_int_equal(testsession_live(e), 1);
	assert_int_equal(e->s->generation, 1 + sc->rekeys);
	assert_int_equal(e->moved, 1 + sc->rekeys);
	assert_int_equal(e->lost, 0);
	assert_int_equal(e->over, 0);
	assert_int_equal(e->unread, 0);
}

static unsigned overtakings(const struct end *e)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < e->arrived_len; i++)
		n += e->arrived[i] < e->arrived[i - 1];
	return n;
}

/* What the schedules of a test did in all: that they tried what they are for. */
struct sum {
	unsigned rekeys, failures, overtakings;
};

static void run_schedule(uint64_t seed, bool prompt, bool failing, struct sum *sum)
{
	struct schedule sc = { .seed = seed * 0x9e3779b97f4a7c15u, .prompt = prompt, .failing = failing };

	sc.w = testsession_world((struct session_settings){ .overlap = true });
	testsession_connect(sc.w);
	for (int i = 0; i < STEPS; i++)
		step(&sc);
	finish_schedule(&sc);
	check_intact(gateway(sc.w), client(sc.w), prompt);
	check_intact(client(sc.w), gateway(sc.w), prompt);
	check_end(&sc, gateway(sc.w));
	check_end(&sc, client(sc.w));
	sum->rekeys += sc.rekeys;
	sum->failures += sc.failures;
	sum->overtakings += overtakings(gateway(sc.w)) + overtakings(client(sc.w));
	testsession_free(sc.w);
}

static struct sum run_schedules(bool prompt, bool failing)
{
	struct sum sum = { 0 };

	for (uint64_t seed = 1; seed <= SCHEDULES; seed++)
		run_schedule(seed, prompt, failing, &sum);
	return sum;
}

static void no_schedule_loses_doubles_or_reorders_a_packet(void **state)
{
	struct sum sum = run_schedules(true, false);

	(void)state;
	assert_true(sum.rekeys > 3 * SCHEDULES);
}

static void no_schedule_with_late_ends_loses_or_doubles_a_packet(void **state)
{
	struct sum sum = run_schedules(false, false);

	(void)state;
	assert_true(sum.rekeys > 3 * SCHEDULES);
	assert_true(sum.overtakings > SCHEDULES / 10);
}

static void no_schedule_with_failing_rekeys_loses_doubles_or_reorders_a_packet(void **state)
{
	struct sum sum = run_schedules(true, true);

	(void)state;
	assert_true(sum.rekeys > SCHEDULES);
	assert_true(sum.failures > SCHEDULES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_proves_the_new_stream_at_once),
		cmocka_unit_test(before_the_proof_all_goes_on_the_old_stream),
		cmocka_unit_test(gateway_moves_at_the_proof_and_the_client_at_its_answer),
		cmocka_unit_test(data_proves_a_stream_too),
		cmocka_unit_test(end_tells_the_count_and_is_the_last_frame),
		cmocka_unit_test(nothing_is_sealed_behind_the_end),
		cmocka_unit_test(end_of_the_wrong_length_ends_the_stream),
		cmocka_unit_test(second_end_ends_the_stream),
		cmocka_unit_test(end_without_a_successor_ends_the_stream),
		cmocka_unit_test(data_waits_for_the_old_streams_end),
		cmocka_unit_test(data_waits_no_longer_than_the_limit),
		cmocka_unit_test(late_data_of_the_old_stream_is_delivered_all_the_same),
		cmocka_unit_test(data_that_came_after_the_end_does_not_wait),
		cmocka_unit_test(old_stream_that_breaks_lets_the_data_go),
		cmocka_unit_test(reconnect_lets_held_data_go_first),
		cmocka_unit_test(end_of_the_session_reads_a_held_stream_again),
		cmocka_unit_test(client_closes_the_old_stream_when_both_ends_are_through),
		cmocka_unit_test(client_does_not_close_before_the_gateways_end),
		cmocka_unit_test(old_stream_that_does_not_end_is_closed_after_the_linger),
		cmocka_unit_test(old_stream_that_still_sends_is_not_cut),
		cmocka_unit_test(join_of_the_next_generation_is_taken),
		cmocka_unit_test(join_of_another_generation_is_refused),
		cmocka_unit_test(join_without_overlap_is_refused),
		cmocka_unit_test(join_without_a_current_stream_is_refused),
		cmocka_unit_test(join_while_another_joins_is_refused),
		cmocka_unit_test(join_while_the_old_one_leaves_is_refused),
		cmocka_unit_test(unproven_stream_that_breaks_leaves_the_old_one_going),
		cmocka_unit_test(unproven_stream_is_given_up_after_the_linger),
		cmocka_unit_test(failed_rekey_is_tried_again_after_a_second_doubling_to_thirty),
		cmocka_unit_test(disconnect_on_an_unproven_stream_fails_only_the_rekey),
		cmocka_unit_test(disconnect_on_the_leaving_stream_is_ignored),
		cmocka_unit_test(new_stream_that_breaks_after_the_move_is_a_loss),
		cmocka_unit_test(new_stream_that_breaks_after_the_gateways_move_is_a_loss),
		cmocka_unit_test(end_that_comes_after_the_new_stream_broke_is_a_loss),
		cmocka_unit_test(joining_stream_takes_over_from_a_broken_one),
		cmocka_unit_test(joining_stream_that_breaks_after_the_current_one_is_a_loss),
		cmocka_unit_test(client_opens_the_next_generation_by_time),
		cmocka_unit_test(rekey_that_falls_due_while_two_live_waits),
		cmocka_unit_test(client_rekeys_by_records),
		cmocka_unit_test(client_rekeys_by_bytes),
		cmocka_unit_test(gateway_over_its_limit_asks_the_client_once),
		cmocka_unit_test(operator_at_the_gateway_has_the_client_rekey),
		cmocka_unit_test(gateway_takes_no_orders_to_rekey),
		cmocka_unit_test(wish_on_an_older_stream_is_granted_already),
		cmocka_unit_test(gateway_that_asks_again_does_not_shorten_the_back_off),
		cmocka_unit_test(generation_not_renewed_is_closed_without_disconnect),
		cmocka_unit_test(short_interval_still_leaves_thirty_seconds),
		cmocka_unit_test(join_that_proves_nothing_does_not_save_the_old_generation),
		cmocka_unit_test(new_generation_begins_its_own_time),
		cmocka_unit_test(no_schedule_loses_doubles_or_reorders_a_packet),
		cmocka_unit_test(no_schedule_with_late_ends_loses_or_doubles_a_packet),
		cmocka_unit_test(no_schedule_with_failing_rekeys_loses_doubles_or_reorders_a_packet),
	};

	return cmocka_run_group_tests(tests, testsession_setup, testsession_teardown);
}
