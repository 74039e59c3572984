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
 * "sessions": so many tunnels: POST, CONNECT, a datagram channel with the exporter's key, its first record, then
 * silence; each certificate makes one at a time. One counts when the gateway has answered by datagrams; what is lost on
 * the way is sent again. Prints the number and the seconds when they stand, and keeps them until its standard input
 * ends.
 *
 * The gateway's certificate is not looked at: this is about the gateway's work. X25519 alone is offered, so that the
 * work is always the same.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	AT_ONCE = 16, /* places, and certificates at most: each place has its own, as far as there are so many */
	REPLY_MAX = 16384,
	STALL_S = 20,       /* nothing happens for so long: it is broken */
	TURN_MS = 100,      /* how often it is looked what has to be sent again */
	RESTING_MAX = 4000, /* sockets of one process, and a few more: not above the usual limits */
	APP_ID_MAX = 32,
	PSK_LEN = 32,
	MASTER_LEN = 48,
	PATH_MTU = 1400,
	KIND_DPD_REQ = 3, /* docs/protocol.md, section 8.5 */
	KIND_DPD_RESP = 4,
	QUESTIONS = 2,
	KIND_KEEPALIVE = 7,
};

#define REPEAT_S    0.5 /* a word that is not answered */
#define DATAGRAMS_S 4   /* the gateway gives up a handshake that lasts longer */

enum stage { STAGE_HANDSHAKE, STAGE_GOODBYE, STAGE_LOGIN, STAGE_TUNNEL, STAGE_DATAGRAMS, STAGE_WORD };

struct client {
	int fd; /* -1: the place is free; of the datagrams from STAGE_DATAGRAMS on */
	SSL *ssl;
	enum stage stage;
	unsigned char psk[PSK_LEN];
	double datagrams_since, word_since;
	bool heard;        /* our question is answered */
	unsigned answered; /* questions of the gateway */
	size_t reply_len;
	char reply[REPLY_MAX + 1];
};

static struct client clients[AT_ONCE];
static SSL_CTX *contexts[AT_ONCE], *datagrams;
static unsigned contexts_len, places = AT_ONCE;
static struct sockaddr_in gateway;
static bool only_handshakes;
static int loop, resting[RESTING_MAX];
static unsigned resting_len;
static unsigned long begun, done, failed;

static _Noreturn void die(const char *what)
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

static unsigned give_psk(SSL *ssl, const char *hint, char *name, unsigned name_room, unsigned char *psk, unsigned room)
{
	const struct client *c = SSL_get_app_data(ssl);

	(void)hint;
	if (room < PSK_LEN)
		return 0;
	snprintf(name, name_room, "psk");
	memcpy(psk, c->psk, PSK_LEN);
	return PSK_LEN;
}

static void prepare_datagrams(void)
{
	datagrams = SSL_CTX_new(DTLS_client_method());
	if (!datagrams || !SSL_CTX_set_min_proto_version(datagrams, DTLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(datagrams, "PSK-AES128-GCM-SHA256"))
		die("DTLS");
	SSL_CTX_set_options(datagrams, SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_psk_client_callback(datagrams, give_psk);
}

/* ---- one client ---- */

/* The other end is @to; what happens to the socket is told to @c. */
static void open_socket(struct client *c, int type, const struct sockaddr_in *to)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

	c->fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	if (connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &wanted) < 0)
		die("epoll");
}

static void begin(struct client *c)
{
	static const int yes = 1;

	open_socket(c, SOCK_STREAM, &gateway);
	/* As stock clients do: what follows the handshake must not wait for a delayed acknowledgement. */
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	c->ssl = SSL_new(contexts[(size_t)(c - clients) % contexts_len]);
	begun++;
	c->stage = STAGE_HANDSHAKE;
	c->reply_len = 0;
	c->reply[0] = '\0';
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
		die("client");
	SSL_set_connect_state(c->ssl);
}

/* The place is free; its socket stays open. */
static void vacate(struct client *c)
{
	SSL_free(c->ssl);
	epoll_ctl(loop, EPOLL_CTL_DEL, c->fd, NULL); /* closing would not do it: a keeper may have the socket, too */
	c->fd = -1;
}

static void leave(struct client *c)
{
	int fd = c->fd;

	vacate(c);
	close(fd);
}

static _Noreturn void stay_to_the_end(void)
{
	char unused;

	while (read(STDIN_FILENO, &unused, sizeof(unused)) > 0)
		;
	exit(0);
}

/* The sockets that rest go to a process of their own, a keeper: one alone may not have so many open. */
static void hand_over(void)
{
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		stay_to_the_end();
	default:
		while (resting_len)
			close(resting[--resting_len]);
	}
}

/* Nothing more is said on its socket, which stays open to the end. */
static void rest(struct client *c)
{
	resting[resting_len++] = c->fd;
	vacate(c);
	if (resting_len == RESTING_MAX)
		hand_over();
}

/* Only of the first that fails it is told why. */
static void fail(struct client *c)
{
	static const char *const stages[] = { "handshake", "goodbye", "login", "tunnel", "datagrams", "word" };
	char reason[128];

	if (!failed++) {
		ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
		fprintf(stderr, "tlsload: %s failed: %s, %s, \"%.*s\"\n", stages[c->stage], reason, strerror(errno),
			(int)strcspn(c->reply, "\r"), c->reply);
	}
	leave(c);
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

/* ---- its datagrams ---- */

/* The text of a header in the reply, or NULL. */
static const char *header(const struct client *c, const char *name)
{
	const char *at = strstr(c->reply, name);

	return at ? at + strlen(name) : NULL;
}

static size_t read_hex(const char *text, unsigned char *out, size_t room)
{
	size_t len = 0;

	while (len < room && sscanf(text + 2 * len, "%2hhx", &out[len]) == 1)
		len++;
	return len;
}

/* The App-ID goes where the id of a session to be resumed goes, so such a session is made up; see src/crypto/dtls.c. */
static bool present_id(SSL *ssl, const unsigned char *id, size_t len)
{
	static const unsigned char master[MASTER_LEN] = { 1 };
	SSL_SESSION *s = SSL_SESSION_new();
	bool ok = s && SSL_SESSION_set_protocol_version(s, DTLS1_2_VERSION) &&
		  SSL_SESSION_set_cipher(s, sk_SSL_CIPHER_value(SSL_get_ciphers(ssl), 0)) &&
		  SSL_SESSION_set1_master_key(s, master, sizeof(master)) && SSL_SESSION_set1_id(s, id, (unsigned)len) &&
		  SSL_SESSION_set_time(s, (long)time(NULL)) && SSL_set_session(ssl, s);

	SSL_SESSION_free(s);
	return ok;
}

static void begin_datagrams(struct client *c, const unsigned char *id, size_t id_len, uint16_t port)
{
	struct sockaddr_in to = gateway;
	BIO *bio;

	to.sin_port = htobe16(port);
	open_socket(c, SOCK_DGRAM, &to);
	c->ssl = SSL_new(datagrams);
	bio = BIO_new_dgram(c->fd, BIO_NOCLOSE);
	if (!c->ssl || !bio || !present_id(c->ssl, id, id_len) || !SSL_set_mtu(c->ssl, PATH_MTU))
		die("DTLS client");
	BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &to);
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_app_data(c->ssl, c);
	SSL_set_connect_state(c->ssl);
	c->stage = STAGE_DATAGRAMS;
	c->heard = false;
	c->answered = 0;
	c->datagrams_since = now();
}

/* The tunnel stands, and the grant says where its datagrams go. */
static void leave_stream(struct client *c)
{
	static const char label[] = "EXPORTER-openconnect-psk";
	const char *app_id = header(c, "X-DTLS-App-ID: "), *port = header(c, "X-DTLS-Port: ");
	unsigned char id[APP_ID_MAX];
	size_t id_len = app_id ? read_hex(app_id, id, sizeof(id)) : 0;

	if (!id_len || !port ||
	    SSL_export_keying_material(c->ssl, c->psk, PSK_LEN, label, strlen(label), NULL, 0, 0) != 1) {
		fail(c);
		return;
	}
	rest(c);
	begin_datagrams(c, id, id_len, (uint16_t)strtoul(port, NULL, 10));
}

/* What makes the gateway send by datagrams, and a question that shows that it has heard: a word each. */
static void say_word(struct client *c)
{
	static const unsigned char words[] = { KIND_KEEPALIVE, KIND_DPD_REQ };

	c->stage = STAGE_WORD;
	c->word_since = now();
	if (SSL_write(c->ssl, &words[0], 1) <= 0 || SSL_write(c->ssl, &words[1], 1) <= 0)
		fail(c);
}

static void shake_by_datagrams(struct client *c)
{
	int r = SSL_do_handshake(c->ssl);

	if (r == 1)
		say_word(c);
	else if (!wants_more(c, r))
		fail(c);
}

/* As openconnect does: without what came. */
static void answer(struct client *c)
{
	static const unsigned char word = KIND_DPD_RESP;

	c->answered++;
	if (SSL_write(c->ssl, &word, 1) <= 0)
		fail(c);
}

/* The gateway, too, asks: whether packets of full length pass, by a long request and a short one. */
static void await_answer(struct client *c)
{
	int r;

	while (c->stage == STAGE_WORD && (r = SSL_read(c->ssl, c->reply, REPLY_MAX)) > 0) {
		if (c->reply[0] == KIND_DPD_REQ)
			answer(c);
		c->heard |= c->reply[0] == KIND_DPD_RESP;
		if (c->stage != STAGE_WORD || !c->heard || c->answered < QUESTIONS)
			continue;
		rest(c);
		done++;
		return;
	}
	if (c->stage == STAGE_WORD && !wants_more(c, r))
		fail(c);
}

/* What was lost on the way is sent again. */
static void repeat(struct client *c)
{
	if (now() > c->datagrams_since + DATAGRAMS_S)
		fail(c);
	else if (c->stage == STAGE_DATAGRAMS && DTLSv1_handle_timeout(c->ssl) < 0)
		fail(c);
	else if (c->stage == STAGE_WORD && now() > c->word_since + REPEAT_S)
		say_word(c);
}

/* ---- its stream ---- */

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
		leave_stream(c);
	} else if (!cookie) {
		fail(c);
	} else {
		snprintf(text, sizeof(text),
			 "CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: gateway\r\nCookie: %.*s\r\n"
			 "X-DTLS-CipherSuite: PSK-NEGOTIATE\r\n\r\n",
			 (int)strcspn(cookie, ";\r"), cookie);
		request(c, STAGE_TUNNEL, text);
	}
}

static bool awaits_reply(const struct client *c)
{
	return c->fd >= 0 && (c->stage == STAGE_LOGIN || c->stage == STAGE_TUNNEL);
}

static void read_reply(struct client *c)
{
	int r = 0;

	while (awaits_reply(c) &&
	       (r = SSL_read(c->ssl, c->reply + c->reply_len, (int)(REPLY_MAX - c->reply_len))) > 0) {
		c->reply_len += (size_t)r;
		c->reply[c->reply_len] = '\0';
		if (whole_reply(c))
			take_reply(c);
	}
	if (awaits_reply(c) && !wants_more(c, r))
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
	if (awaits_reply(c))
		read_reply(c);
	if (c->fd >= 0 && c->stage == STAGE_DATAGRAMS)
		shake_by_datagrams(c);
	if (c->fd >= 0 && c->stage == STAGE_WORD)
		await_answer(c);
}

/* ---- all of them ---- */

/* One turn: what has happened is dealt with, and what was lost is sent again. Return: whether something happened. */
static bool turn(void)
{
	struct epoll_event events[AT_ONCE];
	int n = epoll_wait(loop, events, AT_ONCE, TURN_MS);

	for (int i = 0; i < n; i++)
		advance(events[i].data.ptr);
	for (unsigned i = 0; i < places; i++)
		if (clients[i].fd >= 0 && clients[i].stage >= STAGE_DATAGRAMS)
			repeat(&clients[i]);
	return n > 0;
}

/* Clients in every place until @count have begun or @end has come. */
static void run(unsigned long count, double end)
{
	double alive = now();

	for (unsigned i = 0; i < AT_ONCE; i++)
		clients[i].fd = -1;
	while (done + failed < count && now() < end) {
		for (unsigned i = 0; i < places && begun < count; i++)
			if (clients[i].fd < 0)
				begin(&clients[i]);
		if (turn())
			alive = now();
		if (now() > alive + STALL_S) {
			fprintf(stderr, "tlsload: nothing happens after %lu\n", done);
			exit(1);
		}
	}
}

/* The usual soft limit of 1,024 is for those that use select(). */
static void allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit");
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
	unsigned long count;
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
	count = number(argv[4], 1000000);
	allow_files();
	prepare_datagrams();
	run(count, start + 3600);
	printf("%lu %.3f\n", done, now() - start);
	fflush(stdout);
	stay_to_the_end();
}
