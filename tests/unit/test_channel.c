/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing frames into records, in both formats. */
#include "testsession.h"

enum { HEADER = 2 }; /* of a record in these tests */

static struct channel *channel(enum frame_format format)
{
	static const struct endpoint peer;
	static const struct tls_facts facts;
	struct channel *c = channel_new(calloc(1, sizeof(struct records)), -1, &peer, &facts, format);

	assert_non_null(c);
	return c;
}

/* Length of the record at @at, which is moved behind it. */
static size_t next_record(const struct buf *b, size_t *at)
{
	const uint8_t *record = buf_data(b) + *at;
	size_t len = (size_t)record[0] << 8 | record[1];

	*at += HEADER + len;
	assert_true(*at <= buf_len(b));
	return len;
}

static void frame_becomes_a_record_behind_what_waits(void **state)
{
	struct channel *c = channel(FRAME_FORMAT_ADIT);
	struct frame f;
	size_t at = 0;

	(void)state;
	assert_int_equal(channel_seal(c, FRAME_KEEPALIVE, NULL, 0), 0);
	assert_int_equal(channel_seal(c, FRAME_DPD_REQ, "mark", 4), 0);
	assert_int_equal(next_record(&c->out, &at), FRAME_HEADER_LEN);
	assert_int_equal(frame_decode(c->format, buf_data(&c->out) + at + HEADER, FRAME_HEADER_LEN + 4, &f), 12);
	assert_int_equal(f.kind, FRAME_DPD_REQ);
	assert_memory_equal(f.payload, "mark", 4);
	next_record(&c->out, &at);
	assert_int_equal(at, buf_len(&c->out));
	channel_free(c);
}

static void largest_control_frame_is_sealed_and_a_larger_one_refused(void **state)
{
	static const uint8_t payload[FRAME_CSTP_PAYLOAD_MAX + 1];
	struct channel *c = channel(FRAME_FORMAT_CSTP);

	(void)state;
	assert_int_equal(channel_seal(c, FRAME_DPD_RESP, payload, FRAME_CSTP_PAYLOAD_MAX), 0);
	assert_int_equal(buf_len(&c->out), HEADER + RECORDS_PLAIN_MAX);
	assert_int_equal(channel_seal(c, FRAME_DPD_RESP, payload, FRAME_CSTP_PAYLOAD_MAX + 1), ERR_TOO_BIG);
	assert_int_equal(buf_len(&c->out), HEADER + RECORDS_PLAIN_MAX);
	channel_free(c);
}

static void adit_frames_are_cut_into_full_records(void **state)
{
	static uint8_t frames[2 * RECORDS_PLAIN_MAX + 100];
	struct channel *c = channel(FRAME_FORMAT_ADIT);
	struct buf out = BUF_INIT;
	size_t at = 0;

	(void)state;
	assert_int_equal(channel_seal_frames(c, frames, sizeof(frames), &out), 0);
	assert_int_equal(next_record(&out, &at), RECORDS_PLAIN_MAX);
	assert_int_equal(next_record(&out, &at), RECORDS_PLAIN_MAX);
	assert_int_equal(next_record(&out, &at), 100);
	assert_int_equal(at, buf_len(&out));
	assert_int_equal(buf_len(&c->out), 0);
	buf_fini(&out);
	channel_free(c);
}

static void cstp_frame_is_exactly_one_record(void **state)
{
	static const uint8_t frame[RECORDS_PLAIN_MAX + 1];
	struct channel *c = channel(FRAME_FORMAT_CSTP);
	struct buf out = BUF_INIT;
	size_t at = 0;

	(void)state;
	assert_int_equal(channel_seal_frames(c, frame, RECORDS_PLAIN_MAX + 1, &out), ERR_TOO_BIG);
	assert_int_equal(buf_len(&out), 0);
	assert_int_equal(channel_seal_frames(c, frame, RECORDS_PLAIN_MAX, &out), 0);
	assert_int_equal(next_record(&out, &at), RECORDS_PLAIN_MAX);
	assert_int_equal(at, buf_len(&out));
	buf_fini(&out);
	channel_free(c);
}

static void after_the_end_of_sending_all_is_refused(void **state)
{
	struct channel *c = channel(FRAME_FORMAT_ADIT);
	struct buf out = BUF_INIT;

	(void)state;
	c->tx_ended = true;
	assert_int_equal(channel_seal(c, FRAME_KEEPALIVE, NULL, 0), ERR_REFUSED);
	assert_int_equal(channel_seal_frames(c, (const uint8_t *)"frame", 5, &out), ERR_REFUSED);
	assert_int_equal(buf_len(&c->out) + buf_len(&out), 0);
	channel_free(c);
	channel_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_becomes_a_record_behind_what_waits),
		cmocka_unit_test(largest_control_frame_is_sealed_and_a_larger_one_refused),
		cmocka_unit_test(adit_frames_are_cut_into_full_records),
		cmocka_unit_test(cstp_frame_is_exactly_one_record),
		cmocka_unit_test(after_the_end_of_sending_all_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
