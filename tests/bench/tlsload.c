/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients at one gateway, from one process that waits for nothing but the network:
 *
 *	tlsload handshakes ADDRESS PORT SECONDS CERT KEY [CERT KEY]...
 *	tlsload sessions ADDRESS PORT COUNT CERT KEY [CERT KEY]...
 *
 * "handshakes": full mutual TLS 1.3 handshakes, one after the other in each of a few places. One counts when the
 * gateway has answered our goodbye, so it has checked the certificate, too. Prints how many there were, how many
 * failed, and the seconds.
 *
 * "sessions": so many tunnels: POST, CONNECT, then silence; each certificate makes one at a time. Prints the number and
 *the seconds when they stand, and keeps them until its standard input ends.
 *
 * The gateway's certificate is not looked at: this is about the gateway's work. X25519 alone is offered, so that the
 * work is always the same.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	AT_ONCE = 16, /* places, and certificates at most: each place has its own, as far as there are so many */
	REPLY_MAX = 16384,
	STALL_S = 20, /* nothing happens for so long: it is broken */
};

enum stage { STAGE_HANDSHAKE, STAGE_GOODBYE, STAGE_LOGIN, STAGE_TUNNEL };

struct client {
	int fd; /* -1: the place is free */
	SSL *ssl;
	enum stage stage;
	size_t reply_len;
	char reply[REPLY_MAX + 1];
};

static struct client clients[AT_ONCE];
static SSL_CTX *contexts[AT_ONCE];
static unsigned contexts_len, places = AT_ONCE;
static struct sockaddr_in gateway;
static bool only_handshakes;
static int loop;
static unsigned long begun, done, failed;

static void die(const char *what)
{
	fprintf(stderr, "tlsload: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void add_certificate(const char *certificate, const char *key)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	if (!c || !SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) || !SSL_CTX_set1_groups_list(c, "X25519") ||
	    SSL_CTX_use_certificate_chain_file(c, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		die(certificate);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c, SSL_OP_IGNORE_UNEXPECTED_EOF);
	contexts[contexts_len++] = c;
}

/* ---- one client ---- */

static void begin(struct client *c)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->ssl = SSL_new(contexts[(size_t)(c - clients) % contexts_len]);
	begun++;
	c->stage = STAGE_HANDSHAKE;
	c->reply_len = 0;
	c->reply[0] = '\0';
	if (c->fd < 0 || !c->ssl || !SSL_set_fd(c->ssl, c->fd))
		die("client");
	SSL_set_connect_state(c->ssl);
	if (connect(c->fd, (struct sockaddr *)&gateway, sizeof(gateway)) < 0 && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &wanted) < 0)
		die("epoll");
}

static void leave(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	c->fd = -1;
}

/* Only of the first that fails it is told why. */
static void fail(struct client *c)
{
	static const char *const stages[] = { "handshake", "goodbye", "login", "tunnel" };
	char reason[128];

	if (!failed++) {
		ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
		fprintf(stderr, "tlsload: %s failed: %s, %s, \"%.*s\"\n", stages[c->stage], reason, strerror(errno),
			(int)strcspn(c->reply, "\r"), c->reply);
	}
	leave(c);
}

/* The tunnel stands. Nothing more is said on it, so its place is free; the descriptor stays open to the end. */
static void rest(struct client *c)
{
	SSL_free(c->ssl);
	epoll_ctl(loop, EPOLL_CTL_DEL, c->fd, NULL);
	c->fd = -1;
	done++;
}

static bool wants_more(const struct client *c, int result)
{
	int error = SSL_get_error(c->ssl, result);

	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void request(struct client *c, enum stage stage, const char *text)
{
	c->stage = stage;
	c->reply_len = 0;
	c->reply[0] = '\0';
	/* A few hundred bytes on a connection that has carried no others: there is room. */
	if (SSL_write(c->ssl, text, (int)strlen(text)) <= 0)
		fail(c);
}

static void say_goodbye(struct client *c)
{
	c->stage = STAGE_GOODBYE;
	SSL_shutdown(c->ssl);
	shutdown(c->fd, SHUT_WR);
}

static void shake_hands(struct client *c)
{
	int r = SSL_do_handshake(c->ssl);

	if (r == 1 && only_handshakes)
		say_goodbye(c);
	else if (r == 1)
		request(c, STAGE_LOGIN, "POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n");
	else if (!wants_more(c, r))
		fail(c);
}

/* Whether the whole reply is there: its head, and as much body as that says. */
static bool whole_reply(const struct client *c)
{
	const char *end = strstr(c->reply, "\r\n\r\n"), *length = strstr(c->reply, "Content-Length: ");
	size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;

	return end && c->reply_len >= (size_t)(end + 4 - c->reply) + body;
}

static void take_reply(struct client *c)
{
	const char *cookie = strstr(c->reply, "webvpn=");
	char text[512];

	if (strncmp(c->reply, "HTTP/1.1 200 ", 13)) {
		fail(c);
	} else if (c->stage == STAGE_TUNNEL) {
		rest(c);
	} else if (!cookie) {
		fail(c);
	} else {
		snprintf(text, sizeof(text),
			 "CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: gateway\r\nCookie: %.*s\r\n\r\n",
			 (int)strcspn(cookie, ";\r"), cookie);
		request(c, STAGE_TUNNEL, text);
	}
}

static void read_reply(struct client *c)
{
	int r = 0;

	while (c->fd >= 0 && (r = SSL_read(c->ssl, c->reply + c->reply_len, (int)(REPLY_MAX - c->reply_len))) > 0) {
		c->reply_len += (size_t)r;
		c->reply[c->reply_len] = '\0';
		if (whole_reply(c))
			take_reply(c);
	}
	if (c->fd >= 0 && !wants_more(c, r))
		fail(c);
}

static void await_goodbye(struct client *c)
{
	int r = SSL_read(c->ssl, c->reply, REPLY_MAX);

	if (wants_more(c, r))
		return;
	if (SSL_get_error(c->ssl, r) == SSL_ERROR_ZERO_RETURN) {
		done++;
		leave(c);
	} else {
		fail(c);
	}
}

static void advance(struct client *c)
{
	ERR_clear_error();
	if (c->stage == STAGE_HANDSHAKE)
		shake_hands(c);
	if (c->fd >= 0 && c->stage == STAGE_GOODBYE)
		await_goodbye(c);
	else if (c->fd >= 0 && c->stage != STAGE_HANDSHAKE)
		read_reply(c);
}

/* ---- all of them ---- */

/* Clients in every place until @count have begun or @end has come. */
static void run(unsigned long count, double end)
{
	struct epoll_event events[AT_ONCE];
	int n;

	for (unsigned i = 0; i < AT_ONCE; i++)
		clients[i].fd = -1;
	while (done + failed < count && now() < end) {
		for (unsigned i = 0; i < places && begun < count; i++)
			if (clients[i].fd < 0)
				begin(&clients[i]);
		n = epoll_wait(loop, events, AT_ONCE, STALL_S * 1000);
		if (n == 0 || (n < 0 && errno != EINTR)) {
			fprintf(stderr, "tlsload: nothing happens after %lu\n", done);
			exit(1);
		}
		for (int i = 0; i < n; i++)
			advance(events[i].data.ptr);
	}
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 1 || n > max) {
		fprintf(stderr, "tlsload: \"%s\" is not a number from 1 to %lu\n", text, max);
		exit(64);
	}
	return n;
}

static int usage(void)
{
	fprintf(stderr, "usage: tlsload handshakes ADDRESS PORT SECONDS CERT KEY [CERT KEY]...\n"
			"       tlsload sessions ADDRESS PORT COUNT CERT KEY [CERT KEY]...\n");
	return 64;
}

int main(int argc, char **argv)
{
	double start;

	if (argc < 7 || argc % 2 == 0 || (argc - 5) / 2 > AT_ONCE)
		return usage();
	only_handshakes = !strcmp(argv[1], "handshakes");
	if (!only_handshakes && strcmp(argv[1], "sessions"))
		return usage();
	gateway = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htobe16((uint16_t)number(argv[3], 65535)) };
	if (inet_pton(AF_INET, argv[2], &gateway.sin_addr) != 1)
		return usage();
	for (int i = 5; i < argc; i += 2)
		add_certificate(argv[i], argv[i + 1]);
	if ((loop = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll");
	start = now();
	if (only_handshakes) {
		run((unsigned long)-1, start + (double)number(argv[4], 3600));
		printf("%lu %lu %.3f\n", done, failed, now() - start);
		return 0;
	}
	places = contexts_len;
	run(number(argv[4], 1000000), start + 3600);
	printf("%lu %.3f\n", done, now() - start);
	fflush(stdout);
	while (read(STDIN_FILENO, clients[0].reply, REPLY_MAX) > 0)
		;
	return 0;
}
