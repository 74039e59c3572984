/* SPDX-License-Identifier: Apache-2.0 */
/* Datagram sockets, in batches. */
#include "io/udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>

#include "base/err.h"
#include "io/sock_int.h"

enum {
	SEND_TRIES = 2, /* the first may bring an error of an earlier datagram */
	RECV_TRIES = 4,
};

/* ---- opening ---- */

/* Without the right to go beyond the host's limit, up to it. */
static void size_buffer(int fd, int force, int plain, int bytes)
{
	if (sock_set(fd, SOL_SOCKET, force, bytes) < 0)
		sock_set(fd, SOL_SOCKET, plain, bytes);
}

static int set_options(int fd, bool v6)
{
	size_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, UDP_RECV_BUFFER);
	size_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, UDP_SEND_BUFFER);
	/* Of a socket for both families, each has its own. */
	if (sock_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) < 0 ||
	    (v6 && sock_set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE) < 0) ||
	    (v6 && sock_set(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1) < 0))
		return ERR_SYS;
	return 0;
}

static int domain_of(int fd)
{
	int domain;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ? ERR_SYS : domain;
}

int udp_listen(const struct endpoint *at, bool shared)
{
	int fd = sock_bound(SOCK_DGRAM, at, shared);
	bool v6;

	if (fd < 0)
		return fd;
	v6 = domain_of(fd) == AF_INET6;
	/* Of a socket for both families, IPV6_PKTINFO tells the mapped address too. */
	if (set_options(fd, v6) < 0 ||
	    sock_set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1) < 0)
		return sock_fail_closing(fd);
	return fd;
}

int udp_open(enum addr_family family)
{
	int domain = family == ADDR_V4 ? AF_INET : AF_INET6;
	int fd = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return ERR_SYS;
	if (set_options(fd, domain == AF_INET6) < 0)
		return sock_fail_closing(fd);
	return fd;
}

/* A kernel without the option says so. */
static bool has_gso(int fd)
{
	int size;
	socklen_t len = sizeof(size);

	return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, &len) == 0;
}

int udp_init(struct udp *u, int fd, bool gso, bool gro)
{
	int domain = domain_of(fd);

	if (domain < 0)
		return ERR_SYS;
	*u = (struct udp){
		.fd = fd,
		.v6 = domain == AF_INET6,
		.gso = gso && has_gso(fd),
		.gro = sock_set(fd, SOL_UDP, UDP_GRO, gro) == 0 && gro,
	};
	return 0;
}

/* ---- sending ---- */

enum { SEND_CONTROL_ROOM = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) };

/* What all calls for one batch have in common. */
struct outgoing {
	union sock_name to;
	struct iovec part;
	struct msghdr msg;
	union {
		struct cmsghdr header;
		char room[SEND_CONTROL_ROOM]; /* the source if there is one, then the length of a segment */
	} control;
	size_t source_len, control_len;
};

static struct in6_addr map_addr(const struct addr *a)
{
	struct in6_addr out = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (a->family == ADDR_V4)
		memcpy(out.s6_addr + 12, a->bytes, 4);
	else
		memcpy(out.s6_addr, a->bytes, 16);
	return out;
}

static void put_control(struct outgoing *o, int level, int type, const void *value, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(o->control.room + o->control_len);

	*c = (struct cmsghdr){ .cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len) };
	memcpy(CMSG_DATA(c), value, len);
	o->control_len += CMSG_SPACE(len);
}

static void put_source(struct outgoing *o, bool v6, const struct addr *from)
{
	struct in6_pktinfo info6 = { 0 };
	struct in_pktinfo info = { 0 };

	if (v6) {
		info6.ipi6_addr = map_addr(from);
		put_control(o, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	} else {
		memcpy(&info.ipi_spec_dst, from->bytes, sizeof(info.ipi_spec_dst));
		put_control(o, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	o->source_len = o->control_len;
}

static void put_destination(struct outgoing *o, bool v6, const struct endpoint *to)
{
	o->msg.msg_name = &o->to;
	if (v6 && to->addr.family == ADDR_V4) {
		o->to.v6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_port = htons(to->port),
			.sin6_addr = map_addr(&to->addr),
		};
		o->msg.msg_namelen = sizeof(o->to.v6);
	} else {
		o->msg.msg_namelen = sock_name_encode(to, &o->to);
	}
}

static void outgoing_init(struct outgoing *o, bool v6, const struct udp_batch *b)
{
	uint16_t stride = (uint16_t)b->stride;

	memset(o, 0, sizeof(*o));
	o->msg.msg_iov = &o->part;
	o->msg.msg_iovlen = 1;
	o->msg.msg_control = &o->control;
	if (b->to)
		put_destination(o, v6, b->to);
	if (b->from && b->from->family != ADDR_NONE)
		put_source(o, v6, b->from);
	put_control(o, SOL_UDP, UDP_SEGMENT, &stride, sizeof(stride));
}

/* Return: 0, or errno. */
static int send_message(int fd, struct outgoing *o, const uint8_t *data, size_t len, bool segmented)
{
	int tries = SEND_TRIES;
	ssize_t n;

	o->part = (struct iovec){ (void *)data, len };
	o->msg.msg_controllen = segmented ? o->control_len : o->source_len;
	do
		n = sendmsg(fd, &o->msg, MSG_NOSIGNAL);
	while (n < 0 && (errno == EINTR || (errno != EAGAIN && errno != ENOBUFS && --tries)));
	return n < 0 ? errno : 0;
}

static size_t length_at(const struct udp_batch *b, size_t at, size_t most)
{
	return b->len - at < most ? b->len - at : most;
}

static size_t bytes_done(const struct udp_batch *b, const struct udp_sent *sent)
{
	return (sent->records + sent->refused) * b->stride;
}

/* Sends one by one up to the byte @end. */
static int send_singly(const struct udp *u, struct outgoing *o, const struct udp_batch *b, size_t end,
		       struct udp_sent *sent)
{
	size_t at;
	int why;

	while ((at = bytes_done(b, sent)) < end) {
		why = send_message(u->fd, o, b->records + at, length_at(b, at, b->stride), false);
		if (why == EAGAIN)
			return ERR_AGAIN;
		sent->records += !why;
		sent->refused += !!why;
		sent->too_big |= why == EMSGSIZE;
	}
	return 0;
}

/* What the kernel takes one by one and not together, the offload is to blame for. */
static int send_after_refusal(struct udp *u, struct outgoing *o, const struct udp_batch *b, size_t end,
			      struct udp_sent *sent)
{
	struct udp_sent before = *sent;
	int r = send_singly(u, o, b, end, sent);

	if (sent->records > before.records && sent->refused == before.refused) {
		u->gso = false;
		sent->gso_off = true;
	}
	return r;
}

/* Sends what fits one call. */
static int send_run(struct udp *u, struct outgoing *o, const struct udp_batch *b, struct udp_sent *sent)
{
	size_t fit = UDP_SEND_MAX / b->stride;
	size_t most = (fit < UDP_SEGMENTS_MAX ? fit : UDP_SEGMENTS_MAX) * b->stride;
	size_t at = bytes_done(b, sent), len = length_at(b, at, most);
	int why;

	if (!u->gso || len <= b->stride)
		return send_singly(u, o, b, at + len, sent);
	why = send_message(u->fd, o, b->records + at, len, true);
	if (why == EAGAIN)
		return ERR_AGAIN;
	if (why == EIO || why == EINVAL || why == EOPNOTSUPP || why == EMSGSIZE)
		return send_after_refusal(u, o, b, at + len, sent);
	if (why && why != ENOBUFS) /* not for being many */
		return send_singly(u, o, b, at + len, sent);
	if (why)
		sent->refused += udp_records(len, b->stride);
	else
		sent->records += udp_records(len, b->stride);
	return 0;
}

int udp_send_batch(struct udp *u, const struct udp_batch *b, struct udp_sent *sent)
{
	struct outgoing o;
	int r = 0;

	assert(b->stride > 0 && b->stride <= UDP_SEND_MAX);
	*sent = (struct udp_sent){ 0 };
	outgoing_init(&o, u->v6, b);
	while (r == 0 && bytes_done(b, sent) < b->len)
		r = send_run(u, &o, b, sent);
	return r;
}

void udp_answer(struct udp *u, const struct udp_received *to, const uint8_t *data, size_t len)
{
	struct udp_batch batch = { .records = data, .len = len, .stride = len, .to = &to->peer, .from = &to->local };
	struct udp_sent sent;

	udp_send_batch(u, &batch, &sent);
}

/* ---- receiving ---- */

struct incoming {
	union sock_name from;
	struct iovec part;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
	} control;
};

static void incoming_init(struct incoming *in, struct mmsghdr *m, uint8_t *room)
{
	in->from.any.sa_family = AF_UNSPEC;
	in->part = (struct iovec){ room, UDP_RECV_ROOM };
	m->msg_hdr = (struct msghdr){
		.msg_name = &in->from,
		.msg_namelen = sizeof(in->from),
		.msg_iov = &in->part,
		.msg_iovlen = 1,
		.msg_control = &in->control,
		.msg_controllen = sizeof(in->control),
	};
}

static void read_control(struct msghdr *msg, struct udp_received *got)
{
	struct in6_pktinfo info6;
	struct in_pktinfo info;
	struct cmsghdr *c;
	int stride;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&stride, CMSG_DATA(c), sizeof(stride));
			got->stride = (size_t)stride;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			got->local = addr_from_bytes(&info.ipi_spec_dst, 32);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			got->local = sock_addr_v6(&info6.ipi6_addr);
		}
	}
}

static void read_message(struct mmsghdr *m, const struct incoming *in, struct udp_received *got)
{
	got->len = got->stride = m->msg_len;
	got->peer = sock_name_decode(&in->from);
	got->local = (struct addr){ 0 };
	read_control(&m->msg_hdr, got);
}

int udp_recv_batch(const struct udp *u, struct udp_received *got, size_t len)
{
	struct mmsghdr messages[UDP_RECV_MAX];
	struct incoming in[UDP_RECV_MAX];
	int i, n, tries = RECV_TRIES;

	assert(len > 0 && len <= UDP_RECV_MAX);
	for (i = 0; i < (int)len; i++)
		incoming_init(&in[i], &messages[i], got[i].data);
	do
		n = recvmmsg(u->fd, messages, (unsigned)len, MSG_DONTWAIT, NULL);
	while (n < 0 && errno != EAGAIN && --tries);
	if (n < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_SYS;
	for (i = 0; i < n; i++)
		read_message(&messages[i], &in[i], &got[i]);
	return n;
}
