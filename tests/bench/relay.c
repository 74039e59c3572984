/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tunnel that protects nothing: the ceiling for one that does. Two of these carry super-packets between two TUN
 * devices, over UDP (GSO out, GRO in) or over TCP, one thread for each direction.
 *
 *	relay udp DEVICE LOCAL REMOTE PORT
 *	relay listen DEVICE LOCAL PORT        TCP, one connection
 *	relay connect DEVICE REMOTE PORT
 *
 * On the wire stands what the TUN gave, virtio header first; what waits there goes out together. Over TCP the length
 * goes before each packet. Over UDP it is cut into pieces that fit the path, each behind the packet's number and total
 * length; pieces come in order, or the packet is lost.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef TUN_F_USO4 /* linux/if_tun.h since 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	PACKET_MAX = 10 + 65535, /* virtio header and IP packet */
	SEGMENT = 1472,          /* UDP payload on a path of 1500 */
	PIECE_MAX = SEGMENT - 8,
	SEGMENTS_MAX = 64,      /* of one send (UDP_MAX_SEGMENTS of linux before 6.9) */
	SEGMENTS_BYTES = 65507, /* likewise: what fits a datagram */
	RCVBUF = 8 << 20,
	STREAM_BUF = 256 << 10,
};

struct piece {
	uint32_t number_be;
	uint32_t total_be; /* length of the whole packet */
};
_Static_assert(sizeof(struct piece) == SEGMENT - PIECE_MAX, "wire size");

static int tun = -1, sock = -1;

static void die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_tun(const char *name)
{
	static const unsigned masks[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
	};
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	size_t i = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		die(name);
	while (ioctl(fd, TUNSETOFFLOAD, masks[i]) < 0)
		if (++i == sizeof(masks) / sizeof(masks[0]))
			die("offloads");
	return fd;
}

/* The kernel may refuse what the network brought; that is one packet less. */
static void write_tun(const uint8_t *packet, size_t len)
{
	if (write(tun, packet, len) < 0 && errno == EBADFD)
		die("TUN");
}

/* The next packet; 0 when none waits. */
static size_t read_tun(uint8_t *packet)
{
	ssize_t len = read(tun, packet, PACKET_MAX);

	if (len < 0 && errno != EAGAIN && errno != EINTR && errno != EIO) /* EIO: the device is not up yet */
		die("TUN");
	return len < 0 ? 0 : (size_t)len;
}

static void await_tun(void)
{
	struct pollfd wait = { .fd = tun, .events = POLLIN };

	if (poll(&wait, 1, -1) < 0 && errno != EINTR)
		die("poll");
}

/* ---- UDP ---- */

static struct {
	uint8_t bytes[SEGMENTS_BYTES];
	size_t len, segment, count;
} out; /* datagrams of one size, the last may be shorter: they become one send */

static void send_segments(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct iovec iov = { .iov_base = out.bytes, .iov_len = out.len };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	uint16_t segment = (uint16_t)out.segment;

	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	/* ECONNREFUSED: the other end has not begun. ENOBUFS: lost, as on any network. */
	if (out.len && sendmsg(sock, &m, 0) < 0 && errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR)
		die("send");
	out.len = out.count = 0;
}

static void add_segment(const struct piece *head, const uint8_t *bytes, size_t len)
{
	size_t whole = sizeof(*head) + len;

	if (out.count == SEGMENTS_MAX || out.len + whole > sizeof(out.bytes) || (out.len && whole > out.segment))
		send_segments();
	if (!out.len)
		out.segment = whole;
	memcpy(out.bytes + out.len, head, sizeof(*head));
	memcpy(out.bytes + out.len + sizeof(*head), bytes, len);
	out.len += whole;
	out.count++;
	if (whole < out.segment)
		send_segments();
}

static void *udp_out(void *unused)
{
	static uint8_t packet[PACKET_MAX];
	struct piece head;
	uint32_t number = 0;
	size_t len, at;

	(void)unused;
	for (;;) {
		await_tun();
		while ((len = read_tun(packet)) > 0) {
			head.number_be = htobe32(number++);
			head.total_be = htobe32((uint32_t)len);
			for (at = 0; at < len; at += PIECE_MAX)
				add_segment(&head, packet + at, len - at < PIECE_MAX ? len - at : PIECE_MAX);
		}
		send_segments();
	}
	return NULL;
}

/* Adds one datagram to the packet that it is a piece of. */
static void join_piece(const uint8_t *bytes, size_t len)
{
	static uint8_t packet[PACKET_MAX];
	static uint32_t number;
	static size_t have;
	struct piece head;
	size_t total;

	if (len <= sizeof(head))
		return;
	memcpy(&head, bytes, sizeof(head));
	bytes += sizeof(head);
	len -= sizeof(head);
	total = be32toh(head.total_be);
	if (be32toh(head.number_be) != number)
		have = 0;
	number = be32toh(head.number_be);
	if (total > sizeof(packet) || have + len > total)
		return;
	memcpy(packet + have, bytes, len);
	have += len;
	if (have < total)
		return;
	write_tun(packet, total);
	have = 0;
}

/* One datagram, or several of one size that the kernel has merged */
static size_t recv_segments(uint8_t *bytes, size_t cap, size_t *segment)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = bytes, .iov_len = cap };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t len = recvmsg(sock, &m, 0);
	struct cmsghdr *c;
	int size;

	if (len < 0 && errno != ECONNREFUSED && errno != EINTR)
		die("receive");
	if (len <= 0)
		return 0;
	*segment = (size_t)len;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			*segment = (size_t)size;
		}
	return (size_t)len;
}

static void *udp_in(void *unused)
{
	static uint8_t bytes[65535];
	size_t len, at, segment = 0;

	(void)unused;
	for (;;) {
		len = recv_segments(bytes, sizeof(bytes), &segment);
		for (at = 0; at < len; at += segment)
			join_piece(bytes + at, len - at < segment ? len - at : segment);
	}
	return NULL;
}

static struct sockaddr_in endpoint(const char *address, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htobe16((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		fprintf(stderr, "relay: \"%s\" is not an IPv4 address\n", address);
		exit(64);
	}
	return at;
}

static void open_udp(const char *local, const char *remote, const char *port)
{
	struct sockaddr_in here = endpoint(local, port), there = endpoint(remote, port);
	int on = 1, size = RCVBUF;

	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    connect(sock, (struct sockaddr *)&there, sizeof(there)) < 0 ||
	    setsockopt(sock, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		die("UDP");
}

/* ---- TCP ---- */

static void send_all(const uint8_t *bytes, size_t len)
{
	size_t sent;
	ssize_t n;

	for (sent = 0; sent < len; sent += (size_t)n)
		if ((n = send(sock, bytes + sent, len - sent, MSG_NOSIGNAL)) < 0)
			die("send");
}

static void *tcp_out(void *unused)
{
	static uint8_t bytes[STREAM_BUF];
	size_t len, used;
	uint32_t len_be;

	(void)unused;
	for (;;) {
		await_tun();
		for (used = 0; used + sizeof(len_be) + PACKET_MAX <= sizeof(bytes); used += sizeof(len_be) + len) {
			if (!(len = read_tun(bytes + used + sizeof(len_be))))
				break;
			len_be = htobe32((uint32_t)len);
			memcpy(bytes + used, &len_be, sizeof(len_be));
		}
		send_all(bytes, used);
	}
	return NULL;
}

/* Writes the whole packets at @bytes to the TUN; returns how many bytes they were. */
static size_t take_packets(const uint8_t *bytes, size_t len)
{
	uint32_t packet, at = 0;

	while (len - at >= sizeof(packet)) {
		memcpy(&packet, bytes + at, sizeof(packet));
		packet = be32toh(packet);
		if (packet > PACKET_MAX) {
			fprintf(stderr, "relay: the other end is not a relay\n");
			exit(1);
		}
		if (len - at - sizeof(packet) < packet)
			break;
		write_tun(bytes + at + sizeof(packet), packet);
		at += (uint32_t)sizeof(packet) + packet;
	}
	return at;
}

static void *tcp_in(void *unused)
{
	static uint8_t bytes[STREAM_BUF];
	size_t have = 0, used;
	ssize_t n;

	(void)unused;
	while ((n = recv(sock, bytes + have, sizeof(bytes) - have, 0)) > 0) {
		have += (size_t)n;
		used = take_packets(bytes, have);
		have -= used;
		memmove(bytes, bytes + used, have);
	}
	exit(0); /* the other end has closed */
}

static void open_tcp(const char *address, const char *port, bool listens)
{
	struct sockaddr_in at = endpoint(address, port);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("TCP");
	if (!listens) {
		sock = fd;
		if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
			die("connect");
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
			die("listen");
		sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		close(fd);
	}
	if (sock < 0 || setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("TCP");
}

static int usage(void)
{
	fprintf(stderr, "usage: relay udp DEVICE LOCAL REMOTE PORT\n"
			"       relay listen DEVICE LOCAL PORT\n"
			"       relay connect DEVICE REMOTE PORT\n");
	return 64;
}

int main(int argc, char **argv)
{
	bool udp = argc == 6 && !strcmp(argv[1], "udp"), listens = argc == 5 && !strcmp(argv[1], "listen");
	pthread_t egress;

	if (!udp && !listens && (argc != 5 || strcmp(argv[1], "connect")))
		return usage();
	tun = open_tun(argv[2]);
	if (udp)
		open_udp(argv[3], argv[4], argv[5]);
	else
		open_tcp(argv[3], argv[4], listens);
	if (pthread_create(&egress, NULL, udp ? udp_out : tcp_out, NULL))
		die("thread");
	udp ? udp_in(NULL) : tcp_in(NULL);
	return 0;
}
