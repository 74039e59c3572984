/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing by each backend against published vectors and against the other backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "crypto/aead.h"

enum { LEN_MAX = 16384, AAD_LEN = 13, BACKENDS = 2 };

static const enum aead_choice choices[BACKENDS] = { AEAD_EVP, AEAD_IPSEC_MB };
static unsigned backends; /* ipsec-mb may be missing */

static uint8_t text[LEN_MAX + 1], sealed[LEN_MAX + 1 + AEAD_TAG_LEN], other[LEN_MAX + 1 + AEAD_TAG_LEN],
	opened[LEN_MAX + 1 + AEAD_TAG_LEN];
static const uint8_t secret[AEAD_KEY_MAX] = { 1, 2, 3, 250 }, nonce[AEAD_NONCE_LEN] = { 9, 8, 7 },
		     aad[AAD_LEN] = "authenticated";

struct vector {
	enum aead_cipher cipher;
	const char *key, *nonce, *aad, *text, *sealed;
};

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4 and 16; RFC 8439 2.8.2 */
static const struct vector vectors[] = {
	{ AEAD_AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	  "5bc94fbc3221a5db94fae95ae7121a47" },
	{ AEAD_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
	{ AEAD_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	  "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
	  "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
	  "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
	  "637265656e20776f756c642062652069742e",
	  "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	  "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	  "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	  "3ff4def08e4b7a9de576d26586cec64b6116"
	  "1ae10b594f09e26a7e902ecbd0600691" },
};

static struct aead_key *key_of(unsigned backend, enum aead_cipher cipher, const uint8_t *bytes)
{
	struct aead_key *k;

	assert_int_equal(aead_choose(choices[backend]), 0);
	k = aead_key_new(cipher, bytes);
	assert_non_null(k);
	return k;
}

static size_t unhex(const char *hex, uint8_t *out)
{
	int len = hex_decode(hex, strlen(hex), out);

	assert_true(len >= 0);
	return (size_t)len;
}

static void check_vector(const struct vector *v, unsigned backend)
{
	uint8_t key[AEAD_KEY_MAX], iv[AEAD_NONCE_LEN], extra[32], plain[128], want[144];
	size_t extra_len = unhex(v->aad, extra), len = unhex(v->text, plain), want_len = unhex(v->sealed, want);
	struct aead_key *k;

	assert_int_equal(unhex(v->key, key), aead_key_len(v->cipher));
	assert_int_equal(unhex(v->nonce, iv), AEAD_NONCE_LEN);
	assert_int_equal(want_len, len + AEAD_TAG_LEN);
	k = key_of(backend, v->cipher, key);
	aead_seal(k, iv, extra, extra_len, plain, len, sealed);
	assert_memory_equal(sealed, want, want_len);
	assert_true(aead_open(k, iv, extra, extra_len, want, want_len, opened));
	assert_memory_equal(opened, plain, len);
	aead_key_free(k);
}

static void published_vectors_come_out(void **state)
{
	(void)state;
	for (unsigned b = 0; b < backends; b++)
		for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
			check_vector(&vectors[i], b);
}

/* Sealed by one, in either way, and opened by the other. */
static void check_length(struct aead_key *one, struct aead_key *two, size_t len)
{
	aead_seal(one, nonce, aad, sizeof(aad), text, len, sealed);
	aead_seal_ending(two, nonce, aad, sizeof(aad), text, len ? len - 1 : 0, text[len - (len > 0)], other);
	if (len)
		assert_memory_equal(sealed, other, len + AEAD_TAG_LEN);
	assert_true(aead_open(two, nonce, aad, sizeof(aad), sealed, len + AEAD_TAG_LEN, opened));
	assert_memory_equal(opened, text, len);
}

static void check_backends(enum aead_cipher cipher)
{
	struct aead_key *one, *two;

	for (unsigned a = 0; a < backends; a++) {
		one = key_of(a, cipher, secret);
		two = key_of(backends - 1 - a, cipher, secret);
		for (size_t len = 0; len <= LEN_MAX; len++)
			check_length(one, two, len);
		aead_key_free(one);
		aead_key_free(two);
	}
}

static void backends_open_what_the_other_has_sealed(void **state)
{
	(void)state;
	check_backends(AEAD_AES_128_GCM);
	check_backends(AEAD_AES_256_GCM);
	check_backends(AEAD_CHACHA20_POLY1305);
}

static void in_place_is_the_same(void **state)
{
	(void)state;
	for (unsigned b = 0; b < backends; b++) {
		for (int cipher = 0; cipher < AEAD_CIPHERS; cipher++) {
			struct aead_key *k = key_of(b, (enum aead_cipher)cipher, secret);

			aead_seal(k, nonce, aad, sizeof(aad), text, 1400, sealed);
			memcpy(other, text, 1400);
			aead_seal(k, nonce, aad, sizeof(aad), other, 1400, other);
			assert_memory_equal(other, sealed, 1400 + AEAD_TAG_LEN);
			assert_true(aead_open(k, nonce, aad, sizeof(aad), other, 1400 + AEAD_TAG_LEN, other));
			assert_memory_equal(other, text, 1400);
			aead_key_free(k);
		}
	}
}

static void assert_nothing_opened(size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(opened[i], 0);
}

/* What is opened with one bit changed in place @at of nonce, aad, ciphertext and tag, in a row. */
static void check_flip(struct aead_key *k, size_t len, size_t at)
{
	uint8_t changed_nonce[AEAD_NONCE_LEN], changed_aad[AAD_LEN];

	memcpy(changed_nonce, nonce, sizeof(nonce));
	memcpy(changed_aad, aad, sizeof(aad));
	memcpy(other, sealed, len + AEAD_TAG_LEN);
	if (at < sizeof(nonce))
		changed_nonce[at] ^= 1;
	else if (at < sizeof(nonce) + sizeof(aad))
		changed_aad[at - sizeof(nonce)] ^= 0x80;
	else
		other[at - sizeof(nonce) - sizeof(aad)] ^= 0x10;
	memset(opened, 0xee, sizeof(opened));
	assert_false(aead_open(k, changed_nonce, changed_aad, sizeof(aad), other, len + AEAD_TAG_LEN, opened));
	assert_nothing_opened(len);
}

static void a_changed_bit_anywhere_is_refused_and_nothing_is_given_out(void **state)
{
	enum { LEN = 70 };

	(void)state;
	for (unsigned b = 0; b < backends; b++) {
		for (int cipher = 0; cipher < AEAD_CIPHERS; cipher++) {
			struct aead_key *k = key_of(b, (enum aead_cipher)cipher, secret);

			aead_seal(k, nonce, aad, sizeof(aad), text, LEN, sealed);
			for (size_t at = 0; at < sizeof(nonce) + sizeof(aad) + LEN + AEAD_TAG_LEN; at++)
				check_flip(k, LEN, at);
			assert_true(aead_open(k, nonce, aad, sizeof(aad), sealed, LEN + AEAD_TAG_LEN, opened));
			aead_key_free(k);
		}
	}
}

static void what_is_cut_short_is_refused(void **state)
{
	(void)state;
	for (unsigned b = 0; b < backends; b++) {
		for (int cipher = 0; cipher < AEAD_CIPHERS; cipher++) {
			struct aead_key *k = key_of(b, (enum aead_cipher)cipher, secret);

			aead_seal(k, nonce, aad, sizeof(aad), text, 20, sealed);
			for (size_t len = 0; len < 20 + AEAD_TAG_LEN; len++)
				assert_false(aead_open(k, nonce, aad, sizeof(aad), sealed, len, opened));
			aead_key_free(k);
		}
	}
}

static void keys_differ(void **state)
{
	uint8_t changed[AEAD_KEY_MAX];

	(void)state;
	for (unsigned b = 0; b < backends; b++) {
		for (int cipher = 0; cipher < AEAD_CIPHERS; cipher++) {
			size_t last = aead_key_len((enum aead_cipher)cipher) - 1;
			struct aead_key *one = key_of(b, (enum aead_cipher)cipher, secret), *two;

			memcpy(changed, secret, sizeof(secret));
			changed[last] ^= 1;
			two = key_of(b, (enum aead_cipher)cipher, changed);
			aead_seal(one, nonce, aad, sizeof(aad), text, 20, sealed);
			assert_false(aead_open(two, nonce, aad, sizeof(aad), sealed, 20 + AEAD_TAG_LEN, opened));
			aead_key_free(one);
			aead_key_free(two);
		}
	}
}

static void the_choice_is_told(void **state)
{
	(void)state;
	assert_int_equal(aead_choose(AEAD_EVP), 0);
	assert_string_equal(aead_name(), "evp");
	assert_null(aead_missing());
	assert_int_equal(aead_choose(AEAD_AUTO), 0);
	assert_string_equal(aead_name(), backends == 2 ? "ipsec-mb" : "evp");
	if (backends == 2) {
		assert_int_equal(aead_choose(AEAD_IPSEC_MB), 0);
		assert_string_equal(aead_name(), "ipsec-mb");
		assert_null(aead_missing());
	} else {
		assert_int_equal(aead_choose(AEAD_IPSEC_MB), ERR_MISSING);
		assert_string_equal(aead_name(), "evp");
		assert_non_null(aead_missing());
	}
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 131 >> 3);
	backends = aead_choose(AEAD_IPSEC_MB) == 0 ? 2 : 1;
	if (backends == 1)
		print_message("# without ipsec-mb: %s\n", aead_missing());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors_come_out),
		cmocka_unit_test(backends_open_what_the_other_has_sealed),
		cmocka_unit_test(in_place_is_the_same),
		cmocka_unit_test(a_changed_bit_anywhere_is_refused_and_nothing_is_given_out),
		cmocka_unit_test(what_is_cut_short_is_refused),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(the_choice_is_told),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
