/* SPDX-License-Identifier: Apache-2.0 */
/* The internet checksum (RFC 1071) and the finishing of checksums that a kernel left partial. */
#ifndef IP_CHECKSUM_H
#define IP_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/**
 * checksum_add() - Add bytes to a running sum
 * @sum:  0, or the result of an earlier call over an even number of bytes
 * @data: any alignment
 * @len:  bytes; an odd last byte is padded with zero
 *
 * Return: the sum, to be folded by checksum_fold().
 */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/**
 * checksum_pseudo() - Sum of the pseudo-header of a TCP or UDP packet (RFC 9293 3.1, RFC 8200 8.1)
 * @packet:   IPv4 or IPv6 header
 * @protocol: of layer 4
 * @len:      layer 4 header and payload
 *
 * Return: a sum, to be continued or folded.
 */
uint64_t checksum_pseudo(const uint8_t *packet, uint8_t protocol, size_t len);

/** checksum_fold() - Fold to 16 bits, not inverted, in the byte order the data had (store it as it is) */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/**
 * checksum_finish() - Complete a checksum marked VIRTIO_NET_HDR_F_NEEDS_CSUM
 * @packet: IP packet; its checksum field holds the folded pseudo-header sum
 * @len:    bytes at @packet
 * @start:  first byte that is summed
 * @offset: place of the field, from @start
 *
 * A UDP result of zero is stored as 0xffff (RFC 768); TCP's stays. UDP is told by @offset 6.
 *
 * Return: 0, or ERR_INVALID when start or field lie outside, @packet untouched.
 */
int checksum_finish(uint8_t *packet, size_t len, size_t start, size_t offset);

#endif
