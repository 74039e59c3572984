/* SPDX-License-Identifier: Apache-2.0 */
/* Datagram records between two of ours, and against libssl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "crypto/aead.h"
#include "crypto/memory.h"
#include "testdtls.h"
#include "wire/dtls_record.h"

enum { LENGTH_MAX = 1500, ROOM = 2048, HEADER = DTLS_HEADER_LEN, ROOM_MAX = DTLS_PLAIN_MAX + 64 };

static uint8_t plain[DTLS_PLAIN_MAX];
static const size_t overhead[AEAD_CIPHERS] = { 24, 24, 16 }; /* behind the header: explicit nonce and tag */

struct ends {
	struct dtls_sealer sealer;
	struct dtls_opener opener;
};

/* The two ends of one direction. */
static void ends_init(struct ends *e, enum aead_cipher cipher)
{
	struct dtls_keys keys = { .cipher = cipher, .tx_number = DTLS_NUMBER_FIRST };

	memset(keys.tx.key, 0x11, sizeof(keys.tx.key));
	memset(keys.tx.iv, 0x22, sizeof(keys.tx.iv));
	keys.rx = keys.tx;
	assert_int_equal(dtls_sealer_init(&e->sealer, &keys), 0);
	assert_int_equal(dtls_opener_init(&e->opener, &keys), 0);
}

static void ends_fini(struct ends *e)
{
	dtls_sealer_fini(&e->sealer);
	dtls_opener_fini(&e->opener);
}

static size_t seal_as(struct dtls_sealer *s, uint8_t type, size_t len, uint8_t *out)
{
	struct iovec piece = { plain, len };
	int r = dtls_seal(s, type, &piece, 1, out);

	assert_int_equal(r, dtls_record_len(s->cipher, len));
	return (size_t)r;
}

static size_t seal(struct dtls_sealer *s, size_t len, uint8_t *out)
{
	return seal_as(s, DTLS_DATA, len, out);
}

static void assert_opens(struct dtls_opener *o, uint8_t *record, size_t record_len, size_t len)
{
	struct dtls_plain p;

	assert_int_equal(dtls_open(o, record, record_len, &p), PASS);
	assert_int_equal(p.type, DTLS_DATA);
	assert_int_equal(p.len, len);
	assert_int_equal(p.record_len, record_len);
	assert_memory_equal(p.data, plain, len);
}

static void for_every_cipher(void (*body)(enum aead_cipher cipher))
{
	for (int i = 0; i < AEAD_CIPHERS; i++)
		body((enum aead_cipher)i);
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 31 + i / 256);
	return crypto_memory_init();
}

static void all_lengths(enum aead_cipher cipher)
{
	static uint8_t record[DTLS_PLAIN_MAX + DTLS_OVERHEAD_MAX];
	struct ends e;

	ends_init(&e, cipher);
	for (size_t len = 0; len <= DTLS_PLAIN_MAX; len += len < LENGTH_MAX ? 1 : DTLS_PLAIN_MAX - LENGTH_MAX)
		assert_opens(&e.opener, record, seal(&e.sealer, len, record), len);
	assert_int_equal(e.sealer.records, e.opener.records);
	assert_int_equal(e.sealer.bytes, e.opener.bytes);
	ends_fini(&e);
}

static void every_length_comes_back(void **state)
{
	(void)state;
	for_every_cipher(all_lengths);
}

static void header_is_as_on_the_wire(void **state)
{
	static const uint8_t header[] = { 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0x10, 0, 0, 0, 8 + 5 + 16 };
	uint8_t record[ROOM];
	struct ends e;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	seal(&e.sealer, 5, record);
	assert_memory_equal(record, header, sizeof(header));
	assert_memory_equal(record + HEADER, header + 3, DTLS_EXPLICIT_LEN);
	ends_fini(&e);
}

static void pieces_are_the_same_as_one(void **state)
{
	uint8_t whole[ROOM], gathered[ROOM];
	struct iovec pieces[] = { { plain, 1 }, { plain + 1, 40 }, { plain + 41, 1359 } };
	struct ends e, twin;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	ends_init(&twin, AEAD_AES_128_GCM);
	assert_int_equal(dtls_seal(&twin.sealer, DTLS_DATA, pieces, 3, gathered), seal(&e.sealer, 1400, whole));
	assert_memory_equal(gathered, whole, dtls_record_len(AEAD_AES_128_GCM, 1400));
	ends_fini(&e);
	ends_fini(&twin);
}

/* One buffer for UDP_SEGMENT, the last record shorter; and a datagram of several records reads the same. */
static void batch_lies_at_equal_stride(void **state)
{
	enum { COUNT = 44, LEN = 1400, LAST = 77 };
	static uint8_t batch[COUNT * ROOM];
	size_t stride = dtls_record_len(AEAD_AES_256_GCM, LEN), used = 0;
	struct dtls_plain p;
	struct ends e;

	(void)state;
	ends_init(&e, AEAD_AES_256_GCM);
	for (int i = 0; i < COUNT; i++)
		used += seal(&e.sealer, i == COUNT - 1 ? LAST : LEN, batch + (size_t)i * stride);
	assert_int_equal(used, (COUNT - 1) * stride + dtls_record_len(AEAD_AES_256_GCM, LAST));
	for (size_t at = 0; at < used; at += p.record_len)
		assert_int_equal(dtls_open(&e.opener, batch + at, used - at, &p), PASS);
	assert_int_equal(p.len, LAST);
	assert_int_equal(e.opener.records, COUNT);
	ends_fini(&e);
}

static void alert_is_told_from_data(void **state)
{
	uint8_t record[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	len = seal_as(&e.sealer, DTLS_ALERT, 2, record);
	assert_int_equal(dtls_open(&e.opener, record, len, &p), PASS);
	assert_int_equal(p.type, DTLS_ALERT);
	ends_fini(&e);
}

/* ---- refusals ---- */

static void handshake_under_the_keys_is_refused(void **state)
{
	uint8_t record[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	len = seal_as(&e.sealer, DTLS_HANDSHAKE, 12, record);
	assert_int_equal(dtls_open(&e.opener, record, len, &p), DROP_RECORD);
	ends_fini(&e);
}

static void record_comes_in_only_once(void **state)
{
	uint8_t record[ROOM], copy[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	(void)state;
	ends_init(&e, AEAD_CHACHA20_POLY1305);
	len = seal(&e.sealer, 100, record);
	memcpy(copy, record, len);
	assert_opens(&e.opener, record, len, 100);
	assert_int_equal(dtls_open(&e.opener, copy, len, &p), DROP_REPLAY);
	assert_int_equal(e.opener.failed, 0);
	ends_fini(&e);
}

static void late_record_comes_in_within_the_window(void **state)
{
	uint8_t late[ROOM], lost[ROOM], record[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	seal(&e.sealer, 9, lost);
	len = seal(&e.sealer, 9, late);
	for (int i = 0; i < REPLAY_WINDOW - 1; i++)
		assert_opens(&e.opener, record, seal(&e.sealer, 9, record), 9);
	assert_int_equal(dtls_open(&e.opener, lost, len, &p), DROP_REPLAY);
	assert_opens(&e.opener, late, len, 9);
	ends_fini(&e);
}

/* The way may turn a batch round: each comes in, and only once. */
static void records_come_in_whatever_their_order(void **state)
{
	enum { COUNT = 100 };
	static uint8_t records[COUNT][ROOM];
	uint8_t again[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len = 0;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	for (int i = 0; i < COUNT; i++)
		len = seal(&e.sealer, 20, records[i]);
	for (int i = COUNT; i--;) {
		memcpy(again, records[i], len);
		assert_opens(&e.opener, records[i], len, 20);
		assert_int_equal(dtls_open(&e.opener, again, len, &p), DROP_REPLAY);
	}
	assert_int_equal(e.opener.records, COUNT);
	ends_fini(&e);
}

static void no_bit_may_be_another_of(enum aead_cipher cipher)
{
	uint8_t record[ROOM], bent[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	ends_init(&e, cipher);
	len = seal(&e.sealer, 20, record);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		enum verdict v;

		memcpy(bent, record, len);
		bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
		v = dtls_open(&e.opener, bent, len, &p);
		if (bent[0] == DTLS_ALERT)
			assert_int_equal(v, DROP_TAG);
		else if (bit / 8 < 3) /* type and version */
			assert_int_equal(v, DROP_RECORD);
		else if (bit / 8 < 5)
			assert_int_equal(v, DROP_EPOCH);
		else if (bit / 8 == 11 || bit / 8 == 12) /* length */
			assert_true(v == DROP_RECORD || v == DROP_TAG);
		else
			assert_int_equal(v, DROP_TAG);
	}
	assert_opens(&e.opener, record, len, 20); /* none of them has moved the window */
	ends_fini(&e);
}

static void no_bit_may_be_another(void **state)
{
	(void)state;
	for_every_cipher(no_bit_may_be_another_of);
}

static void no_byte_may_be_missing_of(enum aead_cipher cipher)
{
	uint8_t record[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	ends_init(&e, cipher);
	len = seal(&e.sealer, 20, record);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *piece = malloc(cut ? cut : 1);

		memcpy(piece, record, cut);
		assert_int_equal(dtls_open(&e.opener, piece, cut, &p), DROP_RECORD);
		if (cut >= HEADER) {
			piece[11] = 0;
			piece[12] = (uint8_t)(cut - HEADER);
			assert_int_not_equal(dtls_open(&e.opener, piece, cut, &p), PASS);
		}
		free(piece);
	}
	assert_opens(&e.opener, record, len, 20);
	ends_fini(&e);
}

static void no_byte_may_be_missing(void **state)
{
	(void)state;
	for_every_cipher(no_byte_may_be_missing_of);
}

/* Longer than any that is sent, though the datagram holds it; the longest is told by its tag alone. */
static void too_long_a_record_is_refused_by_its_header(void **state)
{
	static uint8_t record[HEADER + UINT16_MAX] = { 23, 0xfe, 0xfd, 0, 1 };
	(void)state;
	for (int i = 0; i < AEAD_CIPHERS; i++) {
		const size_t longest = overhead[i] + DTLS_PLAIN_MAX, lens[] = { longest, longest + 1, UINT16_MAX };
		struct dtls_plain p;
		struct ends e;

		ends_init(&e, (enum aead_cipher)i);
		for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			record[11] = (uint8_t)(lens[k] >> 8);
			record[12] = (uint8_t)lens[k];
			assert_int_equal(dtls_open(&e.opener, record, HEADER + lens[k], &p),
					 k == 0 ? DROP_TAG : DROP_RECORD);
		}
		assert_int_equal(e.opener.failed, 1);
		ends_fini(&e);
	}
}

static void bytes_behind_a_record_are_left_alone(void **state)
{
	uint8_t record[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	len = seal(&e.sealer, 20, record);
	record[len] = 0x5a;
	assert_int_equal(dtls_open(&e.opener, record, len + 1, &p), PASS);
	assert_int_equal(p.record_len, len);
	assert_int_equal(record[len], 0x5a);
	assert_int_equal(dtls_open(&e.opener, record + len, 1, &p), DROP_RECORD);
	ends_fini(&e);
}

static void other_key_opens_nothing(void **state)
{
	struct dtls_keys keys = { .cipher = AEAD_AES_128_GCM };
	uint8_t record[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	dtls_opener_fini(&e.opener);
	assert_int_equal(dtls_opener_init(&e.opener, &keys), 0);
	len = seal(&e.sealer, 20, record);
	assert_int_equal(dtls_open(&e.opener, record, len, &p), DROP_TAG);
	assert_int_equal(e.opener.failed, 1);
	ends_fini(&e);
}

static void tag_alone_is_an_empty_record_and_less_is_none(void **state)
{

	(void)state;
	for (int i = 0; i < AEAD_CIPHERS; i++) {
		uint8_t record[ROOM] = { 23, 0xfe, 0xfd, 0, 1 };
		struct dtls_plain p;
		struct ends e;

		ends_init(&e, (enum aead_cipher)i);
		record[12] = (uint8_t)overhead[i];
		assert_int_equal(dtls_open(&e.opener, record, sizeof(record), &p), DROP_TAG);
		record[12]--;
		assert_int_equal(dtls_open(&e.opener, record, sizeof(record), &p), DROP_RECORD);
		ends_fini(&e);
	}
}

static void trial_changes_nothing_but_the_count_of_failures(void **state)
{
	static uint8_t room[DTLS_PLAIN_MAX];
	uint8_t record[ROOM], copy[ROOM];
	struct ends e;
	size_t len;

	(void)state;
	ends_init(&e, AEAD_AES_256_GCM);
	len = seal(&e.sealer, 500, record);
	memcpy(copy, record, len);
	assert_true(dtls_open_trial(&e.opener, record, len, room));
	assert_memory_equal(record, copy, len);
	assert_int_equal(e.opener.records, 0);
	copy[len - 1] ^= 1;
	assert_false(dtls_open_trial(&e.opener, copy, len, room));
	assert_int_equal(e.opener.failed, 1);
	assert_opens(&e.opener, record, len, 500);
	memcpy(copy, record, len);
	assert_false(dtls_open_trial(&e.opener, copy, len, room)); /* has come before */
	assert_int_equal(e.opener.failed, 1);
	ends_fini(&e);
}

static void trial_is_for_newer_records_only(void **state)
{
	static uint8_t room[DTLS_PLAIN_MAX];
	uint8_t first[ROOM], second[ROOM];
	size_t first_len, second_len;
	struct ends e;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	first_len = seal(&e.sealer, 100, first);
	second_len = seal(&e.sealer, 100, second);
	assert_opens(&e.opener, second, second_len, 100);
	assert_false(dtls_open_trial(&e.opener, first, first_len, room));
	assert_opens(&e.opener, first, first_len, 100); /* from where it was it is welcome */
	ends_fini(&e);
}

/* ---- limits ---- */

static void no_number_is_used_twice(void **state)
{
	uint8_t record[ROOM];
	struct dtls_record r;
	struct ends e;

	(void)state;
	ends_init(&e, AEAD_AES_128_GCM);
	for (uint64_t i = 0; i < 100; i++) {
		seal(&e.sealer, 1, record);
		assert_int_equal(dtls_header_parse(record, sizeof(record), &r), PASS);
		assert_int_equal(r.number, DTLS_NUMBER_FIRST + i);
	}
	ends_fini(&e);
}

static void key_seals_no_more_than_its_limit(void **state)
{
	struct iovec piece = { plain, 1 };
	uint8_t record[ROOM];
	struct ends e;

	(void)state;
	for (int i = 0; i < AEAD_CIPHERS; i++) {
		ends_init(&e, (enum aead_cipher)i);
		e.sealer.records = dtls_seal_max((enum aead_cipher)i) - 1;
		seal(&e.sealer, 1, record);
		assert_int_equal(dtls_seal(&e.sealer, DTLS_DATA, &piece, 1, record), ERR_REFUSED);
		ends_fini(&e);
	}
	ends_init(&e, AEAD_CHACHA20_POLY1305);
	e.sealer.next = (UINT64_C(1) << 48) - 1;
	seal(&e.sealer, 1, record);
	assert_int_equal(dtls_seal(&e.sealer, DTLS_DATA, &piece, 1, record), ERR_REFUSED);
	ends_fini(&e);
	/* RFC 9325 4.4: 2^24.5 */
	assert_in_range(dtls_seal_max(AEAD_AES_128_GCM), 1 << 24, 23726566);
	assert_in_range(dtls_seal_max(AEAD_AES_256_GCM), 1 << 24, 23726566);
}

static void key_that_was_attacked_too_often_opens_nothing(void **state)
{
	uint8_t record[ROOM];
	struct dtls_plain p;
	struct ends e;
	size_t len;

	(void)state;
	for (int i = 0; i < AEAD_CIPHERS; i++) {
		ends_init(&e, (enum aead_cipher)i);
		e.opener.failed = dtls_fail_max((enum aead_cipher)i) - 1;
		assert_opens(&e.opener, record, seal(&e.sealer, 1, record), 1);
		e.opener.failed++;
		len = seal(&e.sealer, 1, record);
		assert_int_equal(dtls_open(&e.opener, record, len, &p), DROP_TAG);
		ends_fini(&e);
	}
	assert_int_equal(dtls_fail_max(AEAD_AES_128_GCM), 1 << 28);
}

/* ---- libssl at the other end ---- */

static struct testdtls_pair pair;

static const char *const suites[] = { "PSK-AES128-GCM-SHA256", "PSK-AES256-GCM-SHA384", "PSK-CHACHA20-POLY1305" };

static void open_by_libssl(struct dtls_sealer *s, size_t len)
{
	static uint8_t record[ROOM_MAX], got[ROOM_MAX];
	size_t record_len = seal(s, len, record);

	BIO_write(pair.raw.in, record, (int)record_len);
	assert_int_equal(SSL_read(pair.raw.ssl, got, sizeof(got)), len);
	assert_memory_equal(got, plain, len);
}

static void open_from_libssl(struct dtls_opener *o, size_t len)
{
	static uint8_t record[ROOM_MAX];
	int record_len;

	assert_int_equal(SSL_write(pair.raw.ssl, plain, (int)len), len);
	record_len = BIO_read(pair.raw.out, record, sizeof(record));
	assert_true(record_len > 0);
	assert_opens(o, record, (size_t)record_len, len);
}

/* All that packets have, then some, and all close to the longest. */
static size_t next_length(size_t len)
{
	return len < LENGTH_MAX || len >= DTLS_PLAIN_MAX - 20 ? len + 1
	       : len + 97 < DTLS_PLAIN_MAX - 20               ? len + 97
							      : DTLS_PLAIN_MAX - 20;
}

static void exchange_with_libssl(enum tls_role raw_role, enum aead_cipher cipher)
{
	struct dtls_keys keys;
	struct ends e;

	testdtls_shake_raw(&pair, raw_role, suites[cipher]);
	assert_int_equal(pair.client_step, TLS_DONE);
	assert_int_equal(pair.server_step, TLS_DONE);
	assert_int_equal(dtls_take_keys(raw_role == TLS_SERVER ? pair.client : pair.server, &keys), 0);
	assert_int_equal(keys.cipher, cipher);
	assert_int_equal(dtls_sealer_init(&e.sealer, &keys), 0);
	assert_int_equal(dtls_opener_init(&e.opener, &keys), 0);
	for (size_t len = 1; len <= DTLS_PLAIN_MAX; len = next_length(len)) {
		open_by_libssl(&e.sealer, len);
		open_from_libssl(&e.opener, len);
	}
	ends_fini(&e);
	testdtls_fini(&pair);
}

static void exchange_by_each_backend(enum tls_role raw_role)
{
	static const enum aead_choice choices[] = { AEAD_EVP, AEAD_AUTO };

	for (int i = 0; i < 2 * AEAD_CIPHERS; i++) {
		assert_int_equal(aead_choose(choices[i / AEAD_CIPHERS]), 0);
		exchange_with_libssl(raw_role, (enum aead_cipher)(i % AEAD_CIPHERS));
	}
}

static void libssl_client_and_we_understand_each_other(void **state)
{
	(void)state;
	exchange_by_each_backend(TLS_CLIENT);
}

static void libssl_server_and_we_understand_each_other(void **state)
{
	(void)state;
	exchange_by_each_backend(TLS_SERVER);
}

static void close_notify_of_libssl_is_an_alert(void **state)
{
	struct dtls_keys keys;
	struct dtls_opener o;
	struct dtls_plain p;
	uint8_t record[ROOM];
	int len;

	(void)state;
	testdtls_shake_raw(&pair, TLS_CLIENT, suites[0]);
	assert_int_equal(dtls_take_keys(pair.server, &keys), 0);
	assert_int_equal(dtls_opener_init(&o, &keys), 0);
	SSL_shutdown(pair.raw.ssl);
	len = BIO_read(pair.raw.out, record, sizeof(record));
	assert_int_equal(dtls_open(&o, record, (size_t)len, &p), PASS);
	assert_int_equal(p.type, DTLS_ALERT);
	assert_int_equal(p.len, 2);
	assert_int_equal(p.data[1], SSL_AD_CLOSE_NOTIFY);
	dtls_opener_fini(&o);
	testdtls_fini(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_comes_back),
		cmocka_unit_test(header_is_as_on_the_wire),
		cmocka_unit_test(pieces_are_the_same_as_one),
		cmocka_unit_test(batch_lies_at_equal_stride),
		cmocka_unit_test(alert_is_told_from_data),
		cmocka_unit_test(handshake_under_the_keys_is_refused),
		cmocka_unit_test(record_comes_in_only_once),
		cmocka_unit_test(late_record_comes_in_within_the_window),
		cmocka_unit_test(records_come_in_whatever_their_order),
		cmocka_unit_test(no_bit_may_be_another),
		cmocka_unit_test(no_byte_may_be_missing),
		cmocka_unit_test(too_long_a_record_is_refused_by_its_header),
		cmocka_unit_test(bytes_behind_a_record_are_left_alone),
		cmocka_unit_test(other_key_opens_nothing),
		cmocka_unit_test(tag_alone_is_an_empty_record_and_less_is_none),
		cmocka_unit_test(trial_changes_nothing_but_the_count_of_failures),
		cmocka_unit_test(trial_is_for_newer_records_only),
		cmocka_unit_test(no_number_is_used_twice),
		cmocka_unit_test(key_seals_no_more_than_its_limit),
		cmocka_unit_test(key_that_was_attacked_too_often_opens_nothing),
		cmocka_unit_test(libssl_client_and_we_understand_each_other),
		cmocka_unit_test(libssl_server_and_we_understand_each_other),
		cmocka_unit_test(close_notify_of_libssl_is_an_alert),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
