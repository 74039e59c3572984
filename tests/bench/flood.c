/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many small packets get through: `send` emits UDP as fast as it can, `count` tells how many arrive in a time that
 * begins with the first. SIZE is that of the IPv4 packet. Each prints one line: packets and seconds.
 *
 * With "runs" the kernel is given 64 packets as one piece (UDP_SEGMENT), as programs do that send much, QUIC's for
 * example; a device with USO gets them as one, any other one by one.
 *
 *	flood send ADDRESS PORT SIZE MILLISECONDS [runs]
 *	flood count ADDRESS PORT MILLISECONDS
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	HEADERS = 20 + 8, /* IPv4 and UDP */
	SIZE_MAX_PACKET = 1500,
	UDP_MAX = 65507,
	BATCH = 64,
	ROOM = 65536,
	RCVBUF = 8 << 20,
	FIRST_MS = 5000, /* how long the first packet may take */
};

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	uint8_t bytes[BATCH][ROOM];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(int))];
};

static struct batch batch;

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static long number(const char *text, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < min || n > max) {
		fprintf(stderr, "flood: \"%s\" is not a number from %ld to %ld\n", text, min, max);
		exit(64);
	}
	return n;
}

static struct sockaddr_in endpoint(const char *address, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htobe16((uint16_t)number(port, 1, 65535)) };

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		fprintf(stderr, "flood: \"%s\" is not an IPv4 address\n", address);
		exit(64);
	}
	return at;
}

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void prepare_batch(size_t len)
{
	for (int i = 0; i < BATCH; i++) {
		batch.iov[i] = (struct iovec){ .iov_base = batch.bytes[i], .iov_len = len };
		batch.messages[i].msg_hdr = (struct msghdr){ .msg_iov = &batch.iov[i], .msg_iovlen = 1 };
	}
}

/* Return: how many packets, or -1. */
static int send_singly(int fd, size_t len)
{
	(void)len;
	return sendmmsg(fd, batch.messages, BATCH, 0);
}

static int send_run(int fd, size_t len)
{
	int n = BATCH * len <= UDP_MAX ? BATCH : (int)(UDP_MAX / len);

	return send(fd, batch.bytes, (size_t)n * len, 0) < 0 ? -1 : n;
}

/* Have the kernel cut what is sent into datagrams of @len bytes; 0: no longer. */
static void segment(int fd, int len)
{
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &len, sizeof(len)) < 0)
		die("UDP_SEGMENT");
}

static int flood_send(struct sockaddr_in to, size_t size, double seconds, bool runs)
{
	int fd = udp_socket(), n, len = (int)size - HEADERS;
	double begin = now(), end = begin + seconds, at = begin;
	unsigned long sent = 0;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	segment(fd, runs ? len : 0);
	prepare_batch((size_t)len);
	for (; at < end; at = now()) {
		n = (runs ? send_run : send_singly)(fd, (size_t)len);
		if (n < 0 && errno == EIO && runs) { /* Linux before 6.11, at a device that leaves checksums to it */
			runs = false;
			segment(fd, 0);
			continue;
		}
		/* A full queue and a receiver that has left are no reason to stop. */
		if (n < 0 && errno != ENOBUFS && errno != ECONNREFUSED && errno != EINTR)
			die("send");
		sent += n > 0 ? (unsigned long)n : 0;
	}
	printf("%lu %.3f\n", sent, at - begin);
	return 0;
}

static int listen_on(struct sockaddr_in at)
{
	int fd = udp_socket(), size = RCVBUF, on = 1;

	if (setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0)
		die("UDP_GRO");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("bind");
	fprintf(stderr, "listening\n");
	return fd;
}

/* As many as the kernel has merged, if it has. */
static unsigned long packets_in(struct mmsghdr *m)
{
	struct cmsghdr *c;
	int size;

	for (c = CMSG_FIRSTHDR(&m->msg_hdr); c; c = CMSG_NXTHDR(&m->msg_hdr, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			return size > 0 ? (m->msg_len + (unsigned)size - 1) / (unsigned)size : 1;
		}
	return 1;
}

/* Return: how many packets have come. */
static unsigned long receive_batch(int fd)
{
	unsigned long packets = 0;
	int i, n;

	for (i = 0; i < BATCH; i++) {
		batch.messages[i].msg_hdr.msg_control = batch.control[i];
		batch.messages[i].msg_hdr.msg_controllen = sizeof(batch.control[i]);
	}
	n = recvmmsg(fd, batch.messages, BATCH, MSG_DONTWAIT, NULL);
	for (i = 0; i < n; i++)
		packets += packets_in(&batch.messages[i]);
	return packets;
}

static int flood_count(struct sockaddr_in at, double seconds)
{
	struct pollfd wait = { .fd = listen_on(at), .events = POLLIN };
	unsigned long received = 0;
	double begin, end, time;

	if (poll(&wait, 1, FIRST_MS) != 1) {
		fprintf(stderr, "flood: nothing has come\n");
		return 1;
	}
	prepare_batch(ROOM);
	begin = time = now();
	for (end = begin + seconds; time < end; time = now()) {
		if (poll(&wait, 1, (int)((end - time) * 1000) + 1) < 0)
			die("poll");
		received += receive_batch(wait.fd);
	}
	printf("%lu %.3f\n", received, time - begin);
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: flood send ADDRESS PORT SIZE MILLISECONDS [runs]\n"
			"       flood count ADDRESS PORT MILLISECONDS\n");
	return 64;
}

int main(int argc, char **argv)
{
	bool runs = argc == 7 && !strcmp(argv[6], "runs");

	if ((argc == 6 || runs) && !strcmp(argv[1], "send"))
		return flood_send(endpoint(argv[2], argv[3]), (size_t)number(argv[4], HEADERS + 1, SIZE_MAX_PACKET),
				  (double)number(argv[5], 1, 3600000) / 1000, runs);
	if (argc == 5 && !strcmp(argv[1], "count"))
		return flood_count(endpoint(argv[2], argv[3]), (double)number(argv[4], 1, 3600000) / 1000);
	return usage();
}
