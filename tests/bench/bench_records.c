/* SPDX-License-Identifier: Apache-2.0 */
/* What sealing and opening cost: nanoseconds a call, the best of several rounds, and GB/s. One core, warm caches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "crypto/aead.h"
#include "crypto/memory.h"
#include "crypto/tls.h"
#include "wire/records.h"

enum { ROUNDS = 20, ROUND_BYTES = 8 << 20, LEN_MAX = 256 * 1024, AAD_LEN = 13 };

static const char *const cipher_names[] = { "aes-128-gcm", "aes-256-gcm", "chacha20-poly1305" };
static uint8_t in[LEN_MAX], out[LEN_MAX + AEAD_TAG_LEN], back[LEN_MAX];
static const uint8_t nonce[AEAD_NONCE_LEN], aad[AAD_LEN], secret[SCHEDULE_SECRET_MAX];

struct job {
	struct aead_key *key;
	struct records *sealing, *opening;
	struct buf wire, plain;
	size_t len;
};

static void seal(struct job *j)
{
	aead_seal(j->key, nonce, aad, AAD_LEN, in, j->len, out);
}

static void seal_ending(struct job *j)
{
	aead_seal_ending(j->key, nonce, aad, AAD_LEN, in, j->len - 1, in[j->len - 1], out);
}

static void open_sealed(struct job *j)
{
	if (!aead_open(j->key, nonce, aad, AAD_LEN, out, j->len + AEAD_TAG_LEN, back))
		abort();
}

static void stream_seal(struct job *j)
{
	buf_clear(&j->wire);
	if (records_seal_all(j->sealing, in, j->len, &j->wire) < 0)
		abort();
}

/* Together with the sealing that it needs. */
static void stream_both(struct job *j)
{
	stream_seal(j);
	buf_clear(&j->plain);
	if (records_open(j->opening, buf_data(&j->wire), buf_len(&j->wire), &j->plain) < 0)
		abort();
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *what, enum aead_cipher cipher, struct job *j, void (*step)(struct job *j))
{
	size_t calls = ROUND_BYTES / j->len;
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double begun = now_ns(), took;

		for (size_t i = 0; i < calls; i++)
			step(j);
		took = (now_ns() - begun) / (double)calls;
		best = took < best ? took : best;
	}
	printf("%-9s %-18s %-22s %7zu bytes %9.0f ns %6.1f GB/s\n", aead_name(), cipher_names[cipher], what, j->len,
	       best, (double)j->len / best);
}

static void run_aead(enum aead_cipher cipher)
{
	static const size_t lens[] = { 64, 1400, 16384 };
	struct job j = { .key = aead_key_new(cipher, secret) };

	for (size_t i = 0; j.key && i < sizeof(lens) / sizeof(lens[0]); i++) {
		j.len = lens[i];
		measure("seal", cipher, &j, seal);
		measure("open", cipher, &j, open_sealed);
		measure("seal, byte behind", cipher, &j, seal_ending);
	}
	aead_key_free(j.key);
}

static struct records *records_of(enum aead_cipher cipher)
{
	struct tls_traffic traffic = { .cipher = cipher };

	return records_new_take(&traffic);
}

static void run_stream(enum aead_cipher cipher)
{
	static const size_t lens[] = { 1400, 65536, LEN_MAX };
	struct job j = { .sealing = records_of(cipher), .opening = records_of(cipher) };

	for (size_t i = 0; j.sealing && j.opening && i < sizeof(lens) / sizeof(lens[0]); i++) {
		j.len = lens[i];
		measure("stream, seal and open", cipher, &j, stream_both);
	}
	for (size_t i = 0; j.sealing && i < sizeof(lens) / sizeof(lens[0]); i++) {
		j.len = lens[i];
		measure("stream, seal", cipher, &j, stream_seal);
	}
	records_free(j.sealing);
	records_free(j.opening);
	buf_fini(&j.wire);
	buf_fini(&j.plain);
}

int main(void)
{
	static const enum aead_choice choices[] = { AEAD_EVP, AEAD_IPSEC_MB };

	if (crypto_memory_init() < 0)
		return 1;
	memset(in, 0x5a, sizeof(in));
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (aead_choose(choices[i]) < 0) {
			printf("ipsec-mb: %s\n", aead_missing());
			continue;
		}
		for (int cipher = 0; cipher < AEAD_CIPHERS; cipher++) {
			run_aead((enum aead_cipher)cipher);
			run_stream((enum aead_cipher)cipher);
		}
	}
	return 0;
}
