/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts what a network does to UDP packets: `send` emits numbered packets at a steady pace, `recv` tells how many
 * were lost, doubled or overtaken and how long the longest silence was, as one JSON line on stdout.
 *
 * Every packet carries the plan (how many, how fast), so the receiver knows from any one of them when the last is due.
 * A sender that is interrupted (SIGINT) tells the receiver how many there are after all.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MAGIC = 0x75647063,
	MAGIC_CUT = 0x75647064, /* the sender was interrupted: "number" is how many it has sent */
	CUT_REPEATS = 5,
	TOTAL_MAX = 1 << 26,
	SIZE_MAX_UDP = 65507,
	RCVBUF = 8 << 20,
	GRACE_MS = 1500, /* how long after its time the last packet may still come */
};

#define NSEC 1000000000LL

struct plan {
	uint32_t magic_be;
	uint32_t rate_be; /* packets a second */
	uint32_t total_be;
	uint32_t number_be; /* 0 .. total - 1 */
};
_Static_assert(sizeof(struct plan) == 16, "wire size");

struct tally {
	uint8_t *seen; /* one byte a number */
	uint32_t total;
	uint32_t unique, duplicated, reordered;
	uint32_t next;     /* one above the highest number seen */
	int64_t last_ns;   /* when the newest packet came */
	int64_t gap_ns;    /* longest silence between two packets */
	int64_t finish_ns; /* when the last packet is surely lost */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "udpcount: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static void sleep_until(int64_t at_ns)
{
	struct timespec ts = { .tv_sec = at_ns / NSEC, .tv_nsec = at_ns % NSEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static long number(const char *text, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < min || n > max) {
		fprintf(stderr, "udpcount: \"%s\" is not a number from %ld to %ld\n", text, min, max);
		exit(64);
	}
	return n;
}

static struct addrinfo *address(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *list;
	int r = getaddrinfo(host, port, &hints, &list);

	if (r != 0) {
		fprintf(stderr, "udpcount: %s %s: %s\n", host, port, gai_strerror(r));
		exit(64);
	}
	return list;
}

static int udp_socket(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

/* More than once, for the network may lose it. */
static void tell_cut(int fd, const struct addrinfo *to, struct plan plan, uint32_t sent)
{
	int i;

	plan.magic_be = htobe32(MAGIC_CUT);
	plan.number_be = htobe32(sent);
	for (i = 0; i < CUT_REPEATS; i++) {
		sendto(fd, &plan, sizeof(plan), 0, to->ai_addr, to->ai_addrlen);
		sleep_until(now_ns() + NSEC / 20);
	}
}

static int count_send(const char *host, const char *port, uint32_t rate, uint32_t seconds, size_t size)
{
	struct addrinfo *to = address(host, port);
	int fd = udp_socket(to);
	uint32_t total = rate * seconds, failed = 0;
	uint8_t packet[SIZE_MAX_UDP] = { 0 };
	struct plan plan = { .magic_be = htobe32(MAGIC), .rate_be = htobe32(rate), .total_be = htobe32(total) };
	int64_t start_ns = now_ns();
	uint32_t i;

	signal(SIGINT, on_interrupt);
	for (i = 0; i < total && !interrupted; i++) {
		plan.number_be = htobe32(i);
		memcpy(packet, &plan, sizeof(plan));
		sleep_until(start_ns + i * NSEC / rate);
		if (sendto(fd, packet, size, 0, to->ai_addr, to->ai_addrlen) < 0)
			failed++;
	}
	if (i < total)
		tell_cut(fd, to, plan, i);
	printf("{\"sent\":%u,\"failed\":%u}\n", i, failed);
	close(fd);
	freeaddrinfo(to);
	return 0;
}

static int listen_on(const char *host, const char *port)
{
	struct addrinfo *at = address(host, port);
	int fd = udp_socket(at), size = RCVBUF;

	/* Losses must be the network's: a receiver that falls behind needs room. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0)
		die("bind");
	freeaddrinfo(at);
	fprintf(stderr, "listening\n");
	return fd;
}

static void tally_begin(struct tally *t, uint32_t total)
{
	t->seen = calloc(total, 1);
	if (!t->seen)
		die("memory");
	t->total = total;
	fprintf(stderr, "receiving\n");
}

/* There are fewer than planned. */
static void tally_cut(struct tally *t, uint32_t total, int64_t at_ns)
{
	if (!t->seen || total < t->next || total > t->total)
		return;
	t->total = total;
	t->finish_ns = at_ns + GRACE_MS * NSEC / 1000;
}

static void tally_add(struct tally *t, const struct plan *plan, int64_t at_ns)
{
	uint32_t i = be32toh(plan->number_be), total = be32toh(plan->total_be), rate = be32toh(plan->rate_be);

	if (be32toh(plan->magic_be) == MAGIC_CUT)
		tally_cut(t, i, at_ns);
	if (be32toh(plan->magic_be) != MAGIC || rate == 0 || total > TOTAL_MAX || i >= total)
		return;
	if (!t->seen)
		tally_begin(t, total);
	if (total < t->total || i >= t->total)
		return;
	if (t->last_ns && at_ns - t->last_ns > t->gap_ns)
		t->gap_ns = at_ns - t->last_ns;
	t->last_ns = at_ns;
	t->finish_ns = at_ns + (total - i) * NSEC / rate + GRACE_MS * NSEC / 1000;
	if (t->seen[i]) {
		t->duplicated++;
		return;
	}
	t->seen[i] = 1;
	t->unique++;
	if (i < t->next)
		t->reordered++;
	else
		t->next = i + 1;
}

static int tally_print(const struct tally *t)
{
	printf("{\"expected\":%u,\"received\":%u,\"lost\":%u,\"duplicated\":%u,\"reordered\":%u,"
	       "\"longest_gap_ms\":%.1f}\n",
	       t->total, t->unique, t->total - t->unique, t->duplicated, t->reordered, (double)t->gap_ns / 1e6);
	return t->unique > 0 ? 0 : 1;
}

static int count_recv(const char *host, const char *port, uint32_t seconds)
{
	int fd = listen_on(host, port);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct tally t = { .finish_ns = now_ns() + seconds * NSEC };
	uint8_t packet[SIZE_MAX_UDP];
	struct plan plan;

	for (;;) {
		int64_t left_ns = t.finish_ns - now_ns();

		if (left_ns <= 0 || poll(&wait, 1, (int)(left_ns / 1000000) + 1) < 0)
			break;
		if (wait.revents && recv(fd, packet, sizeof(packet), MSG_DONTWAIT) >= (ssize_t)sizeof(plan)) {
			memcpy(&plan, packet, sizeof(plan));
			tally_add(&t, &plan, now_ns());
		}
	}
	close(fd);
	free(t.seen);
	return tally_print(&t);
}

static int usage(void)
{
	fprintf(stderr, "usage: udpcount send ADDRESS PORT PER_SECOND SECONDS [SIZE]\n"
			"       udpcount recv ADDRESS PORT SECONDS_FOR_THE_FIRST\n");
	return 64;
}

int main(int argc, char **argv)
{
	if ((argc == 6 || argc == 7) && strcmp(argv[1], "send") == 0)
		return count_send(argv[2], argv[3], (uint32_t)number(argv[4], 1, 100000),
				  (uint32_t)number(argv[5], 1, TOTAL_MAX / 100000),
				  argc == 7 ? (size_t)number(argv[6], sizeof(struct plan), SIZE_MAX_UDP) : 200);
	if (argc == 5 && strcmp(argv[1], "recv") == 0)
		return count_recv(argv[2], argv[3], (uint32_t)number(argv[4], 1, 86400));
	return usage();
}
