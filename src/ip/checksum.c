/* SPDX-License-Identifier: Apache-2.0 */
/* The internet checksum: 64-bit end-around-carry sums, folded when they are needed (RFC 1071, section 2). */
#include "ip/checksum.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/err.h"

enum {
	UDP_CHECKSUM_OFFSET = 6,
	LANES = 2,  /* sums side by side: enough to keep the adders busy, few enough for the registers */
	BLOCK = 32, /* bytes that all of them take at a time */
};

/* What every processor that we know adds at once; others get it in pieces. */
typedef uint64_t vector __attribute__((vector_size(16)));

static_assert(LANES * sizeof(vector) == BLOCK, "a block");

static uint64_t add_carry(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

/* Fewer bytes than a block, the last of them less than a word: what lacks is zero. */
static uint64_t add_rest(uint64_t sum, const uint8_t *at, size_t len)
{
	uint64_t word;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = add_carry(sum, word);
	}
	if (!len)
		return sum;
	word = 0;
	memcpy(&word, at, len);
	return add_carry(sum, word);
}

/*
 * Whole blocks. Vectors have no carry, so the halves of each word are added up apart: 32 bits in lanes of 64, which do
 * not overflow below 2^32 blocks.
 */
static uint64_t add_blocks(uint64_t sum, const uint8_t *at, size_t len)
{
	vector low[LANES] = { { 0 } }, high[LANES] = { { 0 } }, words;

	for (; len; at += BLOCK, len -= BLOCK)
		for (size_t i = 0; i < LANES; i++) {
			memcpy(&words, at + i * sizeof(words), sizeof(words));
			low[i] += words & 0xffffffff;
			high[i] += words >> 32;
		}
	for (size_t i = 0; i < LANES; i++) {
		sum = add_carry(add_carry(sum, low[i][0]), low[i][1]);
		sum = add_carry(add_carry(sum, high[i][0]), high[i][1]);
	}
	return sum;
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t blocks = len - len % BLOCK;

	if (blocks)
		sum = add_blocks(sum, at, blocks);
	return add_rest(sum, at + blocks, len - blocks);
}

uint64_t checksum_pseudo(const uint8_t *packet, uint8_t protocol, size_t len)
{
	uint64_t tail = (uint64_t)htonl((uint32_t)len) + htons(protocol);

	if (packet[0] >> 4 == 4)
		return checksum_add(tail, packet + 12, 8);
	return checksum_add(tail, packet + 8, 32);
}

int checksum_finish(uint8_t *packet, size_t len, size_t start, size_t offset)
{
	uint16_t sum;

	if (start > len || offset > len - start || len - start - offset < sizeof(sum))
		return ERR_INVALID;
	sum = (uint16_t)~checksum_fold(checksum_add(0, packet + start, len - start));
	if (!sum && offset == UDP_CHECKSUM_OFFSET)
		sum = 0xffff;
	memcpy(packet + start + offset, &sum, sizeof(sum));
	return 0;
}
