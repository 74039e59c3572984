/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio header in front of a packet that a TUN device gives or takes (linux/virtio_net.h, struct virtio_net_hdr).
 */
#ifndef IP_TUN_HEADER_H
#define IP_TUN_HEADER_H

#include <stdint.h>

enum { TUN_HEADER_LEN = 10 };

enum tun_flag {
	TUN_NEEDS_CSUM = 1, /* the checksum field holds the pseudo-header sum; the rest is left to the reader */
	TUN_DATA_VALID = 2, /* the kernel has verified the checksum; of no meaning when written */
};

enum tun_gso {
	TUN_GSO_NONE = 0,
	TUN_GSO_TCP4 = 1,
	TUN_GSO_TCP6 = 4,
	TUN_GSO_UDP = 5,    /* VIRTIO_NET_HDR_GSO_UDP_L4: both versions of IP */
	TUN_GSO_ECN = 0x80, /* or-ed to a TCP type: CWR is set. Mask it before comparing. */
};

struct tun_header { /* host byte order */
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len; /* read: a hint that means nothing; written: all headers */
	uint16_t gso_size;
	uint16_t csum_start; /* from the first byte of the IP header */
	uint16_t csum_offset;
};

#endif
