/* SPDX-License-Identifier: Apache-2.0 */
/* The internet checksum: 64-bit end-around-carry sums, folded when they are needed (RFC 1071, section 2). */
#include "ip/checksum.h"

#include <string.h>

#include "base/err.h"

enum { UDP_CHECKSUM_OFFSET = 6 };

static uint64_t add_carry(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
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

uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
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
