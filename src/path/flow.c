/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's datagrams at work on a loop. Everything about a flow runs on its loop, but that any worker may send on
 * the channel that the session uses, under its tx_lock. A flow is freed from its loop alone: when it is over, pushed
 * out by another, or with all of its session.
 */
#include "path/flow.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/dtls.h"
#include "path/due.h"
#include "path/egress.h"
#include "path/ingress.h"
#include "path/link.h"
#include "path/mailbox.h"
#include "path/path.h"
#include "session/session.h"
#include "wire/dtls_header.h"
#include "wire/dtls_hello.h"
#include "wire/dtls_record.h"

struct flows {
	struct path *path;
	struct session *session; /* referenced */
	struct handshakes handshakes;
	TAILQ_HEAD(, flow) all;
	uv_timer_t timer;
	flow_failed_fn *failed;        /* client */
	const char *failure;           /* to be told */
	bool over;                     /* nothing begins here any more */
	struct due due;                /* of the timer */
	TAILQ_ENTRY(flows) of_session; /* under the session's tx_lock */
	TAILQ_ENTRY(flows) of_path;
};

enum { FLOWS_MAX = 4 }; /* of a session on one loop: present, next, leaving, and one more */

static _Atomic uint64_t last_serial;

/* ---- the table of a gateway's worker ---- */

static unsigned long hash_endpoint(const struct path *p, const struct endpoint *e)
{
	return addr_hash(p->hash_key + e->port, &e->addr);
}

static int match_peer(struct cds_lfht_node *node, const void *key)
{
	return endpoint_equal(&caa_container_of(node, struct flow, node)->peer, key);
}

struct flow *flow_find(struct path *p, const struct endpoint *peer)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(p->by_peer, hash_endpoint(p, peer), match_peer, peer, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct flow, node) : NULL;
}

/* ---- a session's flows on a loop ---- */

static void flows_tick(struct flows *fs, uint64_t now_ms);

static void on_timer(uv_timer_t *timer)
{
	struct flows *fs = timer->data;
	uint64_t now_ms = clock_ms();

	if (due_is_late(&fs->due, now_ms))
		uv_timer_start(timer, on_timer, 1, 0);
	else
		flows_tick(fs, now_ms);
}

static void wake(struct flows *fs)
{
	if (!uv_is_closing((uv_handle_t *)&fs->timer))
		uv_timer_start(&fs->timer, on_timer, 0, 0);
}

/* Under tx_lock. */
static struct flows *flows_on(struct session *s, const struct path *p)
{
	struct flows *fs;

	TAILQ_FOREACH(fs, &s->flows, of_session)
		if (fs->path == p)
			return fs;
	return NULL;
}

static struct flows *flows_get(struct path *p, struct session *s)
{
	struct flows *fs;

	pthread_mutex_lock(&s->tx_lock);
	fs = flows_on(s, p);
	pthread_mutex_unlock(&s->tx_lock);
	if (fs)
		return fs;
	fs = calloc(1, sizeof(*fs));
	if (!fs || !session_get(s)) {
		free(fs);
		return NULL;
	}
	fs->path = p;
	fs->session = s;
	TAILQ_INIT(&fs->all);
	fs->due.at_ms = CLOCK_NEVER;
	fs->timer.data = fs;
	uv_timer_init(p->loop, &fs->timer);
	TAILQ_INSERT_TAIL(&p->flows, fs, of_path);
	pthread_mutex_lock(&s->tx_lock);
	TAILQ_INSERT_TAIL(&s->flows, fs, of_session);
	pthread_mutex_unlock(&s->tx_lock);
	return fs;
}

/* ---- letters to the loops of a session's flows ---- */

struct letter {
	struct session *session; /* referenced */
	struct path *path;       /* whose loop reads it */
	unsigned below;
	bool here;
};

/* Whether it is on its way. */
static bool post(struct session *s, struct path *p, void (*fn)(void *), unsigned below, bool here)
{
	struct letter *l = calloc(1, sizeof(*l));

	if (!l || !session_get(s)) {
		free(l);
		return false;
	}
	*l = (struct letter){ .session = s, .path = p, .below = below, .here = here };
	if (mailbox_post(p->mailbox, fn, l) == 0)
		return true;
	session_put(s);
	free(l);
	return false;
}

static void post_all(struct session *s, void (*fn)(void *), unsigned below)
{
	struct flows *fs;

	pthread_mutex_lock(&s->tx_lock);
	TAILQ_FOREACH(fs, &s->flows, of_session)
		post(s, fs->path, fn, below, false);
	pthread_mutex_unlock(&s->tx_lock);
}

/* The flows that a letter is for, or NULL; the letter is gone. */
static struct flows *open_letter(struct letter *l)
{
	struct flows *fs;

	pthread_mutex_lock(&l->session->tx_lock);
	fs = flows_on(l->session, l->path);
	pthread_mutex_unlock(&l->session->tx_lock);
	session_put(l->session); /* the flows have a reference of their own */
	free(l);
	return fs;
}

static void read_wake(void *arg)
{
	struct flows *fs = open_letter(arg);

	if (fs)
		wake(fs);
}

/* ---- what the session's home learns ---- */

static void read_transport(void *arg)
{
	struct session *s = arg;

	session_transport(s, clock_ms());
	session_put(s);
}

static void tell_home(struct session *s)
{
	if (session_get(s) && mailbox_post(s->home, read_transport, s) < 0)
		session_put(s);
}

struct failure_letter {
	struct session *session; /* referenced */
	flow_failed_fn *failed;
	const char *why;
};

static void read_failure(void *arg)
{
	struct failure_letter *l = arg;

	l->failed(l->session, l->why);
	session_put(l->session);
	free(l);
}

/* Without memory it is not told: the session ends or moves on some time, and a new one is dialed. */
static void tell_failure(struct session *s, flow_failed_fn *failed, const char *why)
{
	struct failure_letter *l = calloc(1, sizeof(*l));

	if (!l || !session_get(s)) {
		free(l);
		return;
	}
	*l = (struct failure_letter){ .session = s, .failed = failed, .why = why };
	if (mailbox_post(s->home, read_failure, l) < 0) {
		session_put(s);
		free(l);
	}
}

/* ---- sending ---- */

static int send_batch(struct flow *f, struct udp_batch batch, struct udp_sent *sent)
{
	if (f->udp != &f->own) {
		batch.to = &f->peer;
		batch.from = &f->local;
	}
	return udp_send_batch(f->udp, &batch, sent);
}

/* Control, past what waits: what is lost of it is repeated, or missed by nobody. */
static void send_alone(struct flow *f, const uint8_t *datagram, size_t len)
{
	struct udp_sent sent;

	send_batch(f, (struct udp_batch){ .records = datagram, .len = len, .stride = len }, &sent);
}

/* What has become of packets whose longest record has @longest bytes. */
static void account(struct flow *f, struct path *p, const struct udp_sent *sent, size_t longest)
{
	if (sent->too_big)
		datagram_refused(f->datagram, longest);
	if (sent->gso_off) {
		log_warn("the kernel refuses runs of datagrams, sending them singly: offload=udp_gso");
		atomic_store_explicit(&p->udp_gso, false, memory_order_relaxed);
	}
	if (sent->refused)
		verdict_add(&p->egress, DROP_SEND, (unsigned)sent->refused);
}

static void on_ready(uv_poll_t *poll, int status, int events);

/* As flow_is_full(), for who does not hold the lock. */
static bool look_if_full(struct flow *f)
{
	struct session *s = f->flows->session;
	bool full;

	pthread_mutex_lock(&s->tx_lock);
	full = flow_is_full(f);
	pthread_mutex_unlock(&s->tx_lock);
	return full;
}

static void watch(struct flow *f)
{
	uv_poll_start(&f->poll, UV_READABLE | (look_if_full(f) ? UV_WRITABLE : 0), on_ready);
}

static void read_full(void *arg)
{
	struct flows *fs = open_letter(arg);
	struct flow *f;

	if (!fs)
		return;
	TAILQ_FOREACH(f, &fs->all, next)
		watch(f);
}

/* Whether it waits now; not if nobody would learn that the socket is writable. */
static bool let_wait(struct flow *f, const struct udp_batch *rest)
{
	if (f->udp != &f->own)
		return false;
	if (!flow_is_full(f) && !post(f->flows->session, f->flows->path, read_full, 0, false))
		return false;
	return backlog_add(&f->waits, rest) == 0;
}

void flow_send(struct flow *f, struct path *p)
{
	struct udp_batch run = { .records = p->records, .len = p->run.len, .stride = p->run.stride };
	struct udp_sent sent = { 0 };
	size_t done;

	if (!flow_is_full(f))
		send_batch(f, run, &sent);
	account(f, p, &sent, run.stride);
	done = sent.records + sent.refused;
	if (done == p->run.count)
		return;
	run.records += done * run.stride;
	run.len -= done * run.stride;
	if (!let_wait(f, &run))
		verdict_add(&p->egress, DROP_SEND, p->run.count - (unsigned)done);
}

/* The socket is writable. */
static void send_waiting(struct flow *f)
{
	struct session *s = f->flows->session;
	struct path *p = f->flows->path;
	const struct udp_batch *front;
	struct udp_sent sent;
	int r = 0;

	pthread_mutex_lock(&s->tx_lock);
	while (r == 0 && (front = backlog_front(&f->waits))) {
		r = send_batch(f, *front, &sent);
		account(f, p, &sent, front->stride);
		backlog_done(&f->waits, sent.records + sent.refused);
	}
	pthread_mutex_unlock(&s->tx_lock);
	if (r == ERR_AGAIN)
		return;
	watch(f);
	path_resume_all(p);
	wake(f->flows); /* the flow may be over but for that */
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct flow *f = poll->data;

	if (events & UV_WRITABLE)
		send_waiting(f);
	if (status < 0) /* an ICMP message leaves an error, at which libuv stops; reading takes it */
		watch(f);
	if (events & UV_READABLE || status < 0)
		ingress_datagrams(f->flows->path, &f->own, f, clock_ms());
}

/* ---- channels ---- */

/* Packets go by this channel from now on; the others leave when they see that. */
static void take_into_use(struct flow *f)
{
	struct session *s = f->flows->session;
	const struct flow *used;
	bool is_new;

	pthread_mutex_lock(&s->tx_lock);
	used = s->datagram ? s->datagram->owner : NULL;
	is_new = used != f;
	if (used && used->serial > f->serial) { /* an older one that passes again */
		pthread_mutex_unlock(&s->tx_lock);
		return;
	}
	s->datagram = f->datagram;
	pthread_mutex_unlock(&s->tx_lock);
	egress_resume(f->flows->path, s, clock_ms());
	if (is_new)
		post_all(s, read_wake, 0);
}

static void put_out_of_use(struct flow *f, const char *why)
{
	struct session *s = f->flows->session;

	pthread_mutex_lock(&s->tx_lock);
	if (s->datagram == f->datagram) {
		s->datagram = NULL;
		s->no_datagram = why;
	}
	pthread_mutex_unlock(&s->tx_lock);
	path_resume_all(f->flows->path); /* its socket may be full */
}

static void on_changed(struct datagram *d, enum datagram_state was)
{
	struct flow *f = d->owner;

	(void)was;
	if (datagram_usable(d)) {
		take_into_use(f);
	} else if (d->state == DATAGRAM_OVER) {
		log_debug("datagrams end name=%s generation=%u: %s", f->flows->session->name, d->generation, d->why);
		put_out_of_use(f, d->why);
	} else {
		path_resume_all(f->flows->path); /* likewise */
	}
	tell_home(f->flows->session);
	wake(f->flows);
}

static void on_record(struct datagram *d, const uint8_t *record, size_t len)
{
	send_alone(d->owner, record, len);
}

static const struct datagram_events datagram_events = { .send = on_record, .changed = on_changed };

/* ---- handshakes ---- */

static struct handshake *handshake_of(struct flow *f)
{
	struct handshake *h = f->flows->handshakes.places;

	for (int i = 0; i < HANDSHAKES_MAX; i++)
		if (h[i].dtls && h[i].owner == f)
			return &h[i];
	return NULL;
}

static void on_handshake_send(struct handshake *h, const uint8_t *datagram, size_t len)
{
	send_alone(h->owner, datagram, len);
}

static void on_handshake_failed(struct handshake *h, const char *why)
{
	struct flow *f = h->owner;

	log_debug("datagram handshake failed name=%s generation=%u: %s", f->flows->session->name, h->generation, why);
	f->flows->failure = why;
	session_no_datagram(f->flows->session, why);
	wake(f->flows);
}

/* What the session's present channel has found out about the same way. */
static unsigned known_length(const struct flow *f)
{
	struct session *s = f->flows->session;
	unsigned known = 0;

	pthread_mutex_lock(&s->tx_lock);
	if (s->datagram && addr_equal(&s->datagram->peer.addr, &f->peer.addr))
		known = datagram_packet_max(s->datagram);
	pthread_mutex_unlock(&s->tx_lock);
	return known;
}

/* By its channel, when the client turns up elsewhere; @before: where it was before it moved here. */
static void make_findable(struct flow *f, const struct addr *before)
{
	struct path *p = f->flows->path;

	if (!p->roam)
		return;
	roam_remove(p->roam, &f->roamer);
	if (!f->datagram)
		return;
	f->roamer.session = f->flows->session;
	f->roamer.path = p;
	f->roamer.serial = f->serial;
	f->roamer.places[0].addr = f->peer.addr;
	f->roamer.places[1].addr = before && !addr_equal(before, &f->peer.addr) ? *before : (struct addr){ 0 };
	atomic_store(&f->roamer.next, f->datagram->opener.replay.next);
	roam_add(p->roam, &f->roamer);
}

static void make_unfindable(struct flow *f)
{
	if (f->flows->path->roam)
		roam_remove(f->flows->path->roam, &f->roamer);
}

static void on_handshake_done(struct handshake *h)
{
	struct flow *f = h->owner;
	struct session *s = f->flows->session;
	struct datagram_settings settings = {
		.generation = f->settings.generation,
		.peer = f->peer,
		.gate = f->settings.gate,
		.overlap = s->overlap,
		.announce = f->settings.announce,
		.dpd_seconds = f->settings.dpd_seconds,
		.keepalive_seconds = f->settings.keepalive_seconds,
		.packet_max = f->settings.packet_max,
		.packet_known = known_length(f),
		.events = &datagram_events,
		.owner = f,
		.tx_lock = &s->tx_lock,
	};
	struct dtls_keys keys;

	if (f->datagram) { /* the peer has begun anew from the same place */
		put_out_of_use(f, "its handshake has been done anew");
		datagram_free(f->datagram);
	}
	f->datagram = dtls_take_keys(h->dtls, &keys) < 0 ? NULL : datagram_new(&settings, &keys, clock_ms());
	explicit_bzero(&keys, sizeof(keys));
	f->serial = atomic_fetch_add(&last_serial, 1) + 1;
	f->outdated_ms = 0;
	f->told_max = 0;
	session_no_datagram(s, f->datagram ? datagram_obstacle(f->datagram) : "out of memory");
	make_findable(f, NULL);
	if (!f->datagram)
		f->flows->failure = "out of memory";
	else if (f->datagram->state == DATAGRAM_UP)
		take_into_use(f);
	tell_home(s);
	wake(f->flows);
}

static const struct handshake_events handshake_events = {
	.send = on_handshake_send,
	.done = on_handshake_done,
	.failed = on_handshake_failed,
};

static int begin_handshake(struct flow *f, struct dtls *dtls, enum tls_role role, bool known, uint64_t now_ms)
{
	struct handshake wanted = {
		.dtls = dtls,
		.events = &handshake_events,
		.owner = f,
		.role = role,
		.peer = f->peer,
		.generation = f->settings.generation,
		.known = known,
	};

	return handshakes_begin(&f->flows->handshakes, &wanted, now_ms) ? 0 : ERR_FULL;
}

/* ---- a flow ---- */

static struct flow *flow_new(struct flows *fs, const struct endpoint *peer, const struct flow_settings *settings)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->flows = fs;
	f->own.fd = -1;
	backlog_init(&f->waits);
	f->peer = *peer;
	f->settings = *settings;
	TAILQ_INSERT_TAIL(&fs->all, f, next);
	return f;
}

static void on_socket_closed(uv_handle_t *handle)
{
	struct flow *f = handle->data;

	close(f->own.fd);
	free(f);
}

static void on_unseen(struct rcu_head *rcu)
{
	free(caa_container_of(rcu, struct flow, rcu));
}

static void flow_free(struct flow *f)
{
	struct handshake *h = handshake_of(f);

	if (h)
		handshake_end(h);
	make_unfindable(f);
	if (f->datagram) {
		put_out_of_use(f, f->datagram->why ? f->datagram->why : "its flow has ended");
		datagram_free(f->datagram);
	}
	verdict_add(&f->flows->path->egress, DROP_SEND, backlog_fini(&f->waits));
	TAILQ_REMOVE(&f->flows->all, f, next);
	if (f->own.fd >= 0) {
		uv_close((uv_handle_t *)&f->poll, on_socket_closed);
		return;
	}
	urcu_memb_read_lock();
	cds_lfht_del(f->flows->path->by_peer, &f->node);
	urcu_memb_read_unlock();
	urcu_memb_call_rcu(&f->rcu, on_unseen);
}

static void read_doubt(void *arg)
{
	unsigned serials = ((struct letter *)arg)->below;
	struct flows *fs = open_letter(arg);
	struct flow *f;

	if (!fs)
		return;
	TAILQ_FOREACH(f, &fs->all, next)
		if (f->datagram && (unsigned)f->serial <= serials)
			datagram_doubt(f->datagram, clock_ms());
	wake(fs);
}

/* The session may have been told on its home to let go of this generation, while a hello for it was on its way here. */
static bool may_begin(struct session *s, unsigned generation)
{
	bool may;

	pthread_mutex_lock(&s->tx_lock);
	may = generation >= s->flows_from && s->flows_from != UINT_MAX;
	pthread_mutex_unlock(&s->tx_lock);
	return may;
}

static bool is_in_use(const struct flow *f)
{
	struct session *s = f->flows->session;
	bool used;

	pthread_mutex_lock(&s->tx_lock);
	used = f->datagram && s->datagram == f->datagram;
	pthread_mutex_unlock(&s->tx_lock);
	return used;
}

/* A client that only ever completes handshakes gets no more than so many: the oldest goes that carries nothing. */
static void limit_flows(struct flows *fs)
{
	struct flow *f, *oldest = NULL;
	unsigned count = 0;

	TAILQ_FOREACH(f, &fs->all, next) {
		count++;
		if (!oldest && !is_in_use(f))
			oldest = f;
	}
	if (count > FLOWS_MAX && oldest)
		flow_free(oldest);
}

/* A gateway's, in its table. */
static struct flow *add_flow(struct flows *fs, struct udp *u, const struct udp_received *from,
			     const struct flow_settings *settings)
{
	struct path *p = fs->path;
	struct flow *f = flow_new(fs, &from->peer, settings);

	if (!f)
		return NULL;
	f->udp = u;
	f->local = from->local;
	cds_lfht_add(p->by_peer, hash_endpoint(p, &f->peer), &f->node);
	return f;
}

/*
 * Another session's, from the same place. Its client is gone from there, unless its channel is alive: a hello proves
 * nothing, whoever asks has to wait until that one is silent.
 */
static bool evict(struct flow *f)
{
	struct flows *theirs = f->flows;

	if (f->datagram && f->datagram->state < DATAGRAM_LEAVING && !datagram_is_silent(f->datagram))
		return false;
	flow_free(f);
	tell_home(theirs->session);
	wake(theirs);
	return true;
}

/* The handshake has its place, or all is as before. */
static bool accept_handshake(struct flows *fs, struct flow *f, struct dtls *dtls, bool known, uint64_t now_ms)
{
	bool is_new = !f->datagram && !handshake_of(f);

	if (begin_handshake(f, dtls, TLS_SERVER, known, now_ms) == 0) {
		limit_flows(fs);
		return true;
	}
	if (is_new)
		flow_free(f);
	return false;
}

struct flow *flow_accept(struct path *p, struct session *s, struct udp *u, const struct udp_received *from,
			 struct dtls *dtls, bool known, const struct flow_settings *settings, uint64_t now_ms)
{
	struct flow *f = flow_find(p, &from->peer);
	struct flows *fs = flows_get(p, s);
	bool may = fs && may_begin(s, settings->generation);

	if (may && f && f->flows != fs) {
		may = evict(f);
		f = NULL;
	}
	if (may && !f)
		f = add_flow(fs, u, from, settings);
	if (may && f)
		f->settings = *settings;
	if (!may || !f || !accept_handshake(fs, f, dtls, known, now_ms)) {
		dtls_free(dtls);
		if (fs)
			wake(fs); /* it may have been made for nothing */
		return NULL;
	}
	if (!s->overlap)
		flows_doubt(s); /* openconnect has closed its old flow, on whatever loop, when it says hello anew */
	return f;
}

/* What is to be dialed, on its way to the loop that is to have it. */
struct dialing {
	struct path *path;
	struct session *session; /* referenced */
	struct udp udp;
	struct endpoint peer;
	struct dtls *dtls;
	struct flow_settings settings;
	flow_failed_fn *failed;
};

/* A flow with its socket on the loop. */
static struct flow *open_flow(struct flows *fs, const struct dialing *d)
{
	struct flow *f = flow_new(fs, &d->peer, &d->settings);

	if (!f)
		return NULL;
	if (uv_poll_init(d->path->loop, &f->poll, d->udp.fd) < 0) {
		TAILQ_REMOVE(&fs->all, f, next);
		free(f);
		return NULL;
	}
	f->own = d->udp;
	f->udp = &f->own;
	f->poll.data = f;
	watch(f);
	return f;
}

static void begin_dial(struct flows *fs, struct flow *f, const struct dialing *d)
{
	uint64_t now_ms = clock_ms();

	fs->failed = d->failed;
	fs->failure = NULL;
	handshakes_fini(&fs->handshakes);
	begin_handshake(f, d->dtls, TLS_CLIENT, true, now_ms);
	handshake_take(handshake_of(f), NULL, 0, now_ms);
	wake(fs);
}

static void read_dial(void *arg)
{
	struct dialing *d = arg;
	struct flows *fs = flows_get(d->path, d->session);
	bool may = may_begin(d->session, d->settings.generation); /* if not by now, a letter reaches the flows */
	struct flow *f = fs && may ? open_flow(fs, d) : NULL;

	if (f) {
		begin_dial(fs, f, d);
	} else {
		close(d->udp.fd);
		dtls_free(d->dtls);
		if (fs)
			wake(fs); /* it may have been made for nothing */
		if (may)
			tell_failure(d->session, d->failed, "no memory or descriptor");
	}
	session_put(d->session);
	free(d);
}

int flow_dial(struct path *p, struct session *s, const struct udp *u, const struct endpoint *peer, struct dtls *dtls,
	      const struct flow_settings *settings, flow_failed_fn *failed)
{
	struct dialing *d = calloc(1, sizeof(*d));
	int r = ERR_NOMEM;

	if (d) {
		session_get(s); /* its home calls: it lives */
		*d = (struct dialing){ p, s, *u, *peer, dtls, *settings, failed };
		if ((r = mailbox_post(p->mailbox, read_dial, d)) == 0)
			return 0;
		session_put(s);
	}
	free(d);
	close(u->fd);
	dtls_free(dtls);
	return r;
}

/* ---- clients that move ---- */

/* A channel between two flows: nobody else's meanwhile, so packets go by the stream. */
struct luggage {
	struct datagram *datagram;
	struct flow_settings settings;
	uint64_t serial, outdated_ms;
	struct endpoint before;
	bool used; /* by its session */
};

/* To another worker with a record that may be of its flow, and back with the channel. */
struct search {
	struct session *session; /* referenced */
	struct path *at, *asker;
	uint64_t serial;
	struct udp *u; /* the asker's */
	struct udp_received from;
	struct luggage luggage;
	size_t len;
	uint8_t record[];
};

static struct luggage pack(struct flow *f)
{
	struct luggage l = { f->datagram, f->settings, f->serial, f->outdated_ms, f->peer, is_in_use(f) };
	struct handshake *h = handshake_of(f);

	make_unfindable(f);
	put_out_of_use(f, "its client has moved");
	f->datagram = NULL;
	if (h && h->done)
		handshake_end(h);
	wake(f->flows); /* where it ends */
	return l;
}

static void report_move(const struct flow *f, const struct endpoint *before)
{
	char was[ENDPOINT_TEXT_LEN], is[ENDPOINT_TEXT_LEN];
	const struct path *p = f->flows->path;

	log_limited(LOG_LEVEL_INFO, "datagrams come from elsewhere name=%s was=%s is=%s", f->flows->session->name,
		    endpoint_format(before, was), endpoint_format(&f->peer, is));
	p->roamed(p->owner);
}

/* The channel's new flow, or NULL: the channel is gone then. */
static struct flow *unpack(struct path *p, struct session *s, struct udp *u, const struct udp_received *from,
			   const struct luggage *l)
{
	struct flows *fs = p->closed || flow_find(p, &from->peer) ? NULL : flows_get(p, s);
	struct flow *f = fs && may_begin(s, l->datagram->generation) ? add_flow(fs, u, from, &l->settings) : NULL;

	if (fs)
		wake(fs); /* it may have been made for nothing */
	if (!f) {
		datagram_free(l->datagram);
		tell_home(s);
		return NULL;
	}
	limit_flows(fs);
	f->datagram = l->datagram;
	f->datagram->owner = f;
	datagram_moved(f->datagram, &f->peer);
	f->serial = l->serial;
	f->outdated_ms = l->outdated_ms;
	make_findable(f, &l->before.addr);
	if (l->used)
		take_into_use(f);
	tell_home(s);
	report_move(f, &l->before);
	return f;
}

/* The flow of that channel on this worker, if the record is its client's. */
static struct flow *find_owner(struct session *s, const struct path *p, uint64_t serial, const uint8_t *data,
			       size_t len)
{
	struct flows *fs;
	struct flow *f;

	if (p->closed)
		return NULL;
	pthread_mutex_lock(&s->tx_lock);
	fs = flows_on(s, p);
	pthread_mutex_unlock(&s->tx_lock);
	if (!fs)
		return NULL;
	TAILQ_FOREACH(f, &fs->all, next)
		if (f->datagram && f->serial == serial)
			return datagram_is_newer(f->datagram, data, len, p->wire) ? f : NULL;
	return NULL;
}

static void end_search(struct search *search)
{
	session_put(search->session);
	free(search);
}

static void read_arrival(void *arg)
{
	struct search *search = arg;
	struct path *p = search->asker;
	struct flow *f;

	urcu_memb_read_lock();
	f = unpack(p, search->session, search->u, &search->from, &search->luggage);
	if (f)
		ingress_datagram(p, f, search->record, search->len, clock_ms());
	urcu_memb_read_unlock();
	end_search(search);
}

static void read_search(void *arg)
{
	struct search *search = arg;
	struct flow *f = find_owner(search->session, search->at, search->serial, search->record, search->len);

	if (!f) {
		verdict_count(&search->at->ingress, DROP_STRAY);
		end_search(search);
		return;
	}
	search->luggage = pack(f);
	if (mailbox_post(search->asker->mailbox, read_arrival, search) < 0) {
		datagram_free(search->luggage.datagram);
		end_search(search);
	}
}

static bool ask_for(struct path *p, struct udp *u, const struct udp_received *from, const struct roam_candidate *c,
		    const uint8_t *data, size_t len)
{
	struct search *search = malloc(sizeof(*search) + len);

	if (!search || !session_get(c->session)) {
		free(search);
		return false;
	}
	*search = (struct search){
		.session = c->session,
		.at = c->path,
		.asker = p,
		.serial = c->serial,
		.u = u,
		.from = *from,
		.len = len,
	};
	memcpy(search->record, data, len);
	if (mailbox_post(c->path->mailbox, read_search, search) == 0)
		return true;
	end_search(search);
	return false;
}

/* Of the candidates on this worker. */
static struct flow *find_here(struct path *p, const struct roam_candidate *c, size_t n, const uint8_t *data, size_t len)
{
	struct flow *f = NULL;

	for (size_t i = 0; i < n && !f; i++)
		if (c[i].path == p)
			f = find_owner(c[i].session, p, c[i].serial, data, len);
	return f;
}

static bool ask_others(struct path *p, struct udp *u, const struct udp_received *from, const struct roam_candidate *c,
		       size_t n, const uint8_t *data, size_t len)
{
	bool asked = false;

	for (size_t i = 0; i < n; i++)
		if (c[i].path != p && ask_for(p, u, from, &c[i], data, len))
			asked = true;
	return asked;
}

/* As far as can be told without keys. */
static bool may_be_of_a_channel(const struct dtls_record *r)
{
	return r->version == DTLS_VERSION_1_2 && r->epoch == DTLS_EPOCH && r->len <= DTLS_PLAIN_MAX + DTLS_OVERHEAD_MAX;
}

enum verdict flow_roam(struct path *p, struct udp *u, const struct udp_received *from, const uint8_t *data, size_t len,
		       uint64_t now_ms, struct flow **out)
{
	struct roam_candidate candidates[TRIALS_DATAGRAM];
	enum verdict v = DROP_STRAY;
	struct dtls_record r;
	struct luggage l;
	struct flow *f;
	size_t n;

	*out = NULL;
	if (!p->roam || dtls_header_parse(data, len, &r) != PASS || !may_be_of_a_channel(&r))
		return v;
	/* The others of its datagram, if there are any, are as good as lost on the way. */
	len = DTLS_HEADER_LEN + r.len;
	n = roam_find(p->roam, &from->peer.addr, r.number, now_ms, candidates);
	f = find_here(p, candidates, n, data, len);
	if (f) {
		l = pack(f);
		*out = unpack(p, f->flows->session, u, from, &l);
	}
	if (*out || (!f && ask_others(p, u, from, candidates, n, data, len)))
		v = PASS;
	for (size_t i = 0; i < n; i++)
		session_put(candidates[i].session);
	return v;
}

/* ---- what arrives ---- */

/* Of the handshake itself, or of epoch 0: never for the channel. */
static bool is_handshake(const struct dtls_record *r)
{
	return r->type == DTLS_HANDSHAKE || r->type == DTLS_CHANGE_CIPHER_SPEC || r->epoch != DTLS_EPOCH;
}

static enum verdict take_handshake(struct flow *f, const uint8_t *data, size_t len, uint64_t now_ms,
				   struct datagram_packet *packet)
{
	struct handshake *h = handshake_of(f);

	*packet = (struct datagram_packet){ .record_len = len }; /* it takes the datagram whole */
	if (!h)
		return DROP_EPOCH;
	handshake_take(h, data, len, now_ms);
	wake(f->flows);
	return PASS;
}

bool flow_is_stranger(struct flow *f, const uint8_t *data, size_t len)
{
	struct dtls_hello hello;
	struct handshake *h;

	if (f->own.fd >= 0 || !len || data[0] != DTLS_HANDSHAKE || dtls_hello_peek(data, len, &hello) != PASS)
		return false;
	h = handshake_of(f);
	return !hello.cookie_len || !h || h->done;
}

enum verdict flow_take(struct flow *f, uint8_t *data, size_t len, uint64_t now_ms, struct datagram_packet *packet)
{
	struct handshake *h;
	struct dtls_record r;
	enum verdict v;

	if ((v = dtls_header_parse(data, len, &r)) != PASS)
		return v;
	if (is_handshake(&r))
		return take_handshake(f, data, len, now_ms, packet);
	if (!f->datagram)
		return DROP_EPOCH;
	v = datagram_open(f->datagram, data, len, now_ms, packet);
	if (v == PASS && (h = handshake_of(f)) && h->done)
		handshake_end(h); /* it has heard the end of the handshake */
	if (v == PASS && !packet->len)
		wake(f->flows); /* control packets may bring deadlines */
	return v;
}

/* ---- time ---- */

/* A handshake for the next one may be under way on the same flow. */
static unsigned generation_of(const struct flow *f)
{
	return f->datagram ? f->datagram->generation : f->settings.generation;
}

/* A newer channel is in use, or the session has moved on and none has come for long. */
static bool is_outdated(struct flow *f, uint64_t now_ms)
{
	struct session *s = f->flows->session;
	struct flow *used;
	bool newer, moved;

	pthread_mutex_lock(&s->tx_lock);
	used = s->datagram ? s->datagram->owner : NULL;
	newer = used && used->serial > f->serial;
	moved = !s->smooth && generation_of(f) < s->generation;
	pthread_mutex_unlock(&s->tx_lock);
	if (moved && !f->outdated_ms)
		f->outdated_ms = now_ms;
	return newer || (moved && now_ms >= f->outdated_ms + SESSION_LINGER_MS);
}

/* Once a search has ended. */
static void tell_length(struct flow *f)
{
	unsigned max = datagram_packet_max(f->datagram);

	if (max == f->told_max || !pmtu_settled(&f->datagram->pmtu))
		return;
	if (f->told_max || max < f->settings.packet_max)
		log_limited(LOG_LEVEL_INFO,
			    "datagrams carry packets of %u bytes at most, longer ones go by the stream: name=%s", max,
			    f->flows->session->name);
	f->told_max = max;
}

static uint64_t tick_flow(struct flow *f, uint64_t now_ms)
{
	uint64_t at;

	if (!f->datagram)
		return CLOCK_NEVER;
	if (f->datagram->state < DATAGRAM_LEAVING && is_outdated(f, now_ms)) {
		put_out_of_use(f, "its generation is over");
		datagram_leave(f->datagram, now_ms);
	}
	at = datagram_tick(f->datagram, now_ms);
	if (f->flows->path->roam)
		roam_silent(f->flows->path->roam, &f->roamer, datagram_is_silent(f->datagram));
	tell_length(f);
	if (f->outdated_ms && f->datagram->state < DATAGRAM_LEAVING)
		at = clock_sooner(at, f->outdated_ms + SESSION_LINGER_MS);
	return at;
}

/* What waits for its socket has as long as what is under way to us. */
static bool may_still_send(struct flow *f, uint64_t now_ms)
{
	return now_ms < f->datagram->leave_ms && look_if_full(f);
}

static bool is_dead(struct flow *f, uint64_t now_ms)
{
	if (!f->datagram)
		return !handshake_of(f);
	return f->datagram->state == DATAGRAM_OVER && !may_still_send(f, now_ms);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct flows *fs = handle->data;

	session_put(fs->session);
	free(fs);
}

static void flows_end(struct flows *fs)
{
	struct session *s = fs->session;
	struct flow *f;

	while ((f = TAILQ_FIRST(&fs->all)))
		flow_free(f);
	handshakes_fini(&fs->handshakes);
	pthread_mutex_lock(&s->tx_lock);
	TAILQ_REMOVE(&s->flows, fs, of_session);
	pthread_mutex_unlock(&s->tx_lock);
	TAILQ_REMOVE(&fs->path->flows, fs, of_path);
	uv_close((uv_handle_t *)&fs->timer, on_timer_closed);
}

static void pass_failure_on(struct flows *fs)
{
	const char *why = fs->failure;

	fs->failure = NULL;
	if (why && fs->failed && !fs->over)
		tell_failure(fs->session, fs->failed, why);
}

static void flows_tick(struct flows *fs, uint64_t now_ms)
{
	uint64_t at = handshakes_tick(&fs->handshakes, now_ms);
	struct flow *f, *next;

	TAILQ_FOREACH(f, &fs->all, next)
		at = clock_sooner(at, tick_flow(f, now_ms));
	for (f = TAILQ_FIRST(&fs->all); f; f = next) {
		next = TAILQ_NEXT(f, next);
		if (is_dead(f, now_ms))
			flow_free(f);
		else if (f->datagram && f->datagram->state == DATAGRAM_OVER)
			at = clock_sooner(at, f->datagram->leave_ms);
	}
	pass_failure_on(fs);
	if (fs->over || TAILQ_EMPTY(&fs->all)) {
		flows_end(fs);
		return;
	}
	fs->due.at_ms = at;
	if (at == CLOCK_NEVER) {
		uv_timer_stop(&fs->timer);
		return;
	}
	uv_update_time(fs->path->loop);
	uv_timer_start(&fs->timer, on_timer, at > now_ms ? at - now_ms : 1, 0); /* 0 would come before the sockets */
}

void flow_batch(struct flow *f)
{
	if (f->datagram)
		datagram_batch(f->datagram);
}

void flow_batch_done(struct flow *f)
{
	struct session *s = f->flows->session;
	bool used_up;

	if (!f->datagram)
		return;
	datagram_batch_done(f->datagram);
	atomic_store_explicit(&f->roamer.next, f->datagram->opener.replay.next, memory_order_relaxed);
	if (pthread_mutex_trylock(&s->tx_lock) != 0)
		return; /* who sends meanwhile looks at the same */
	used_up = session_used_up(s);
	if (used_up)
		link_used_up(f->flows->path, s);
	pthread_mutex_unlock(&s->tx_lock);
}

struct session *flow_session(const struct flow *f)
{
	return f->flows->session;
}

void flow_sent(struct flow *f, size_t longest, uint64_t now_ms)
{
	if (datagram_sent(f->datagram, longest, now_ms))
		post(f->flows->session, f->flows->path, read_wake, 0, false);
}

/* ---- for the session ---- */

static void read_asked(void *arg)
{
	bool here = ((struct letter *)arg)->here;
	struct flows *fs = open_letter(arg);
	struct flow *f;

	if (!fs)
		return;
	TAILQ_FOREACH(f, &fs->all, next)
		if (f->datagram)
			datagram_asked(f->datagram, here);
}

void flows_ask(struct session *s, bool here)
{
	struct flows *fs;

	pthread_mutex_lock(&s->tx_lock);
	TAILQ_FOREACH(fs, &s->flows, of_session)
		post(s, fs->path, read_asked, 0, here);
	pthread_mutex_unlock(&s->tx_lock);
}

static void read_drop(void *arg)
{
	unsigned below = ((struct letter *)arg)->below;
	struct flows *fs = open_letter(arg);
	struct flow *f, *next;

	if (!fs)
		return;
	for (f = TAILQ_FIRST(&fs->all); f; f = next) {
		next = TAILQ_NEXT(f, next);
		if (generation_of(f) < below)
			flow_free(f);
	}
	fs->over = below == UINT_MAX;
	tell_home(fs->session);
	wake(fs);
}

void flows_doubt(struct session *s)
{
	post_all(s, read_doubt, (unsigned)atomic_load(&last_serial));
}

void flows_drop(struct session *s, unsigned below)
{
	pthread_mutex_lock(&s->tx_lock);
	if (s->flows_from != UINT_MAX)
		s->flows_from = below;
	pthread_mutex_unlock(&s->tx_lock);
	post_all(s, read_drop, below);
}

void flows_moved(struct session *s)
{
	post_all(s, read_wake, 0);
}

void flows_close(struct path *p)
{
	struct flows *fs;

	while ((fs = TAILQ_FIRST(&p->flows)))
		flows_end(fs);
}
