/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many small packets get through: `send` emits UDP as fast as it can, `count` tells how many arrive in a time that
 * begins with the first. SIZE is that of the IPv4 packet. Each prints one line: packets and seconds.
 *
 *	flood send ADDRESS PORT SIZE MILLISECONDS
 *	flood count ADDRESS PORT MILLISECONDS
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
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
	BATCH = 64,
	RCVBUF = 8 << 20,
	FIRST_MS = 5000, /* how long the first packet may take */
};

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	uint8_t bytes[BATCH][SIZE_MAX_PACKET];
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

static int flood_send(struct sockaddr_in to, size_t size, double seconds)
{
	int fd = udp_socket(), n;
	double begin = now(), end = begin + seconds, at = begin;
	unsigned long sent = 0;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	prepare_batch(size - HEADERS);
	for (; at < end; at = now()) {
		n = sendmmsg(fd, batch.messages, BATCH, 0);
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
	int fd = udp_socket(), size = RCVBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("bind");
	fprintf(stderr, "listening\n");
	return fd;
}

static int flood_count(struct sockaddr_in at, double seconds)
{
	struct pollfd wait = { .fd = listen_on(at), .events = POLLIN };
	unsigned long received = 0;
	double begin, end, time;
	int n;

	if (poll(&wait, 1, FIRST_MS) != 1) {
		fprintf(stderr, "flood: nothing has come\n");
		return 1;
	}
	prepare_batch(SIZE_MAX_PACKET);
	begin = time = now();
	for (end = begin + seconds; time < end; time = now()) {
		if (poll(&wait, 1, (int)((end - time) * 1000) + 1) < 0)
			die("poll");
		n = recvmmsg(wait.fd, batch.messages, BATCH, MSG_DONTWAIT, NULL);
		received += n > 0 ? (unsigned long)n : 0;
	}
	printf("%lu %.3f\n", received, time - begin);
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: flood send ADDRESS PORT SIZE MILLISECONDS\n"
			"       flood count ADDRESS PORT MILLISECONDS\n");
	return 64;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "send"))
		return flood_send(endpoint(argv[2], argv[3]), (size_t)number(argv[4], HEADERS, SIZE_MAX_PACKET),
				  (double)number(argv[5], 1, 3600000) / 1000);
	if (argc == 5 && !strcmp(argv[1], "count"))
		return flood_count(endpoint(argv[2], argv[3]), (double)number(argv[4], 1, 3600000) / 1000);
	return usage();
}
