/* SPDX-License-Identifier: Apache-2.0 */
/* Linux TUN devices with a virtio header. */
#include "io/tun.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"

#define TUN_NODE "/dev/net/tun"

/* Linux 6.2, newer than the headers of the oldest system we build on. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static_assert(sizeof(struct tun_header) == TUN_HEADER_LEN, "struct virtio_net_hdr");
static_assert((int)TUN_NAME_LEN == IFNAMSIZ, "interface names");

/* The mask belongs to the device, so it is set even to nothing. An unknown bit is EINVAL: ask for less. */
static int set_offloads(int fd, struct tun_offloads *offloads)
{
	const struct tun_offloads ladder[] = {
		*offloads,
		{ .tso = offloads->tso },
		{ 0 },
	};
	unsigned long mask;

	for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
		mask = TUN_F_CSUM | (ladder[i].tso ? TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0) |
		       (ladder[i].uso ? TUN_F_USO4 | TUN_F_USO6 : 0);
		*offloads = ladder[i];
		if (ioctl(fd, TUNSETOFFLOAD, mask) == 0)
			return 0;
	}
	return ioctl(fd, TUNSETOFFLOAD, 0);
}

static int queue_open(struct ifreq *request, struct tun_offloads *offloads)
{
	int saved, fd = open(TUN_NODE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return ERR_SYS;
	if (ioctl(fd, TUNSETIFF, request) < 0 || set_offloads(fd, offloads) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return ERR_SYS;
	}
	return fd;
}

int tun_open(char *name, int queues, struct tun_offloads *offloads, int *fds)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL };
	int i, saved;

	assert(queues >= 1 && queues <= TUN_QUEUES_MAX);
	if (queues > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	for (i = 0; i < queues; i++) {
		fds[i] = queue_open(&request, offloads);
		if (fds[i] < 0)
			goto out;
		/* Only the first queue creates the device; the kernel has filled in its name. */
		request.ifr_flags &= (short)~IFF_TUN_EXCL;
	}
	memcpy(name, request.ifr_name, TUN_NAME_LEN);
	return 0;
out:
	saved = errno;
	while (i-- > 0)
		close(fds[i]);
	errno = saved;
	return ERR_SYS;
}

int tun_read(int fd, struct tun_header *header, uint8_t *packet)
{
	struct iovec parts[2] = {
		{ header, TUN_HEADER_LEN },
		{ packet, TUN_READ_MAX - TUN_HEADER_LEN },
	};
	ssize_t n;

	do
		n = readv(fd, parts, 2);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_SYS;
	if (n < TUN_HEADER_LEN) {
		errno = EIO;
		return ERR_SYS;
	}
	return (int)n - TUN_HEADER_LEN;
}

int tun_write(int fd, const struct tun_header *header, const uint8_t *packet, size_t len)
{
	struct iovec piece = { (void *)packet, len };

	return tun_write_parts(fd, header, &piece, 1);
}

int tun_write_parts(int fd, const struct tun_header *header, const struct iovec *pieces, size_t n)
{
	struct iovec parts[1 + TUN_PARTS_MAX]; /* no more of it is touched than is used */
	ssize_t written;

	assert(n <= TUN_PARTS_MAX);
	parts[0] = (struct iovec){ (void *)header, TUN_HEADER_LEN };
	memcpy(parts + 1, pieces, n * sizeof(parts[0]));
	do
		written = writev(fd, parts, 1 + (int)n);
	while (written < 0 && errno == EINTR);
	return written < 0 ? ERR_SYS : 0;
}
