/* SPDX-License-Identifier: Apache-2.0 */
/* Linux TUN devices, opened with a virtio header (linux/if_tun.h, linux/virtio_net.h) and one queue a worker. */
#ifndef IO_TUN_H
#define IO_TUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ip/tun_header.h"

enum {
	TUN_READ_MAX = TUN_HEADER_LEN + 65535,
	TUN_QUEUES_MAX = 64,
	TUN_NAME_LEN = 16, /* IFNAMSIZ */
};

/* What the kernel leaves to the reader of a device. */
struct tun_offloads {
	bool tso; /* TCP super-packets */
	bool uso; /* UDP super-packets; since Linux 6.2 */
};

/**
 * tun_open() - Create the device, or fail when a name is taken
 * @name:     wanted name, may hold %d; filled with the real one, TUN_NAME_LEN bytes
 * @queues:   1..TUN_QUEUES_MAX; IFF_MULTI_QUEUE is set for more than one
 * @offloads: wanted; filled with what the kernel agreed to. Checksums are left to the reader wherever it does that
 * @fds:      filled with @queues non-blocking, close-on-exec descriptors
 *
 * IFF_TUN | IFF_NO_PI | IFF_VNET_HDR. Needs CAP_NET_ADMIN. The device goes with its last descriptor.
 *
 * Return: 0, or ERR_SYS with nothing left open.
 */
int tun_open(char *name, int queues, struct tun_offloads *offloads, int *fds);

/**
 * tun_read() - One packet out of a queue
 * @fd:     queue
 * @header: filled
 * @packet: room for 65535 bytes
 *
 * Return: bytes of the packet, ERR_AGAIN when the queue is empty, ERR_SYS.
 */
int tun_read(int fd, struct tun_header *header, uint8_t *packet);

/**
 * tun_write() - One packet into the kernel
 * @fd:     queue
 * @header: what the kernel shall know of it; all zero for a plain packet
 * @packet: IP packet
 * @len:    its bytes
 *
 * The kernel's whole receive path runs inside this call.
 *
 * Return: 0, or ERR_SYS (EINVAL: the header's claims were refused; EIO: the device is down).
 */
int tun_write(int fd, const struct tun_header *header, const uint8_t *packet, size_t len);

enum { TUN_PARTS_MAX = 128 };

/** tun_write_parts() - The same for a packet that lies in @n pieces, at most TUN_PARTS_MAX */
int tun_write_parts(int fd, const struct tun_header *header, const struct iovec *pieces, size_t n);

#endif
