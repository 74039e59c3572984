/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a datagram of records: nobody can forge one, and none that is dropped leaves a trace. Then the same
 * bytes as a packet: what we seal, we open.
 */
#include <string.h>

#include "crypto/dtls.h"
#include "fuzz.h"
#include "wire/dtls_record.h"

enum { DATAGRAM_MAX = 4096 };

static void check_foreign(const struct dtls_keys *keys, const uint8_t *data, size_t len)
{
	uint8_t copy[DATAGRAM_MAX], room[DTLS_PLAIN_MAX];
	struct dtls_opener o;
	struct dtls_plain plain;

	fuzz_check(dtls_opener_init(&o, keys) == 0);
	memcpy(copy, data, len);
	fuzz_check(!dtls_open_trial(&o, data, len, room));
	fuzz_check(dtls_open(&o, copy, len, &plain) != PASS);
	fuzz_check(!o.records && !o.replay.next);
	dtls_opener_fini(&o);
}

static void check_own(const struct dtls_keys *keys, const uint8_t *data, size_t len)
{
	uint8_t record[DATAGRAM_MAX + DTLS_OVERHEAD_MAX];
	struct iovec pieces[] = { { (void *)data, len / 3 }, { (void *)(data + len / 3), len - len / 3 } };
	struct dtls_sealer s;
	struct dtls_opener o;
	struct dtls_plain plain;
	int sealed;

	fuzz_check(dtls_sealer_init(&s, keys) == 0 && dtls_opener_init(&o, keys) == 0);
	sealed = dtls_seal(&s, DTLS_DATA, pieces, 2, record);
	fuzz_check(sealed > 0 && (size_t)sealed == dtls_record_len(keys->cipher, len));
	fuzz_check(dtls_open(&o, record, (size_t)sealed, &plain) == PASS);
	fuzz_check(plain.len == len && plain.record_len == (size_t)sealed && !memcmp(plain.data, data, len));
	dtls_sealer_fini(&s);
	dtls_opener_fini(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dtls_keys keys = { .tx_number = DTLS_NUMBER_FIRST };

	if (!len || len > DATAGRAM_MAX)
		return 0;
	keys.cipher = (enum aead_cipher)(len % AEAD_CIPHERS);
	check_foreign(&keys, data, len);
	check_own(&keys, data, len);
	return 0;
}
