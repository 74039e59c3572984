/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, counters and events as JSON. */
#include "server/report.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/verdict.h"
#include "crypto/aead.h"
#include "crypto/dtls.h"
#include "path/path.h"
#include "session/channel.h"
#include "session/datagram.h"
#include "session/session.h"

enum { TIME_TEXT_LEN = 32, TEXT_MAX = 512 };

static _Atomic uint64_t counts[REPORT_COUNTS];

static const char *const count_names[] = {
	[COUNT_ACCEPTED] = "accepted",
	[COUNT_HANDSHAKES] = "handshakes",
	[COUNT_REFUSED] = "refused",
	[COUNT_HANDSHAKE_ERRORS] = "handshake_errors",
	[COUNT_HANDSHAKE_TIMEOUT] = "handshake_timeouts",
	[COUNT_DROPPED_OLDEST] = "dropped_oldest",
	[COUNT_HTTP_ERRORS] = "http_errors",
	[COUNT_COOKIE_REFUSED] = "cookie_refused",
	[COUNT_POOL_EMPTY] = "pool_empty",
	[COUNT_HOOK_REFUSED] = "hook_refused",
	[COUNT_REPLACED] = "replaced",
	[COUNT_REKEYS] = "rekeys",
	[COUNT_REKEY_FAILURES] = "rekey_failures",
	[COUNT_STREAMS_LOST] = "streams_lost",
	[COUNT_MOVED] = "moved",
};
static_assert(sizeof(count_names) / sizeof(count_names[0]) == REPORT_COUNTS, "a name for every counter");

/* ISO 8601, UTC, with milliseconds. */
static json_t *iso_time(uint64_t wall_ms)
{
	char out[TIME_TEXT_LEN];
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(out, TIME_TEXT_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, TIME_TEXT_LEN - n, ".%03uZ", (unsigned)(wall_ms % 1000));
	return json_string(out);
}

/* A peer's words need not be UTF-8, without which JSON takes no string. */
static json_t *text(const char *words)
{
	json_t *o = json_string(words);
	char plain[TEXT_MAX];
	size_t i;

	if (o)
		return o;
	snprintf(plain, sizeof(plain), "%s", words);
	for (i = 0; plain[i]; i++)
		if ((unsigned char)plain[i] >= 0x80)
			plain[i] = '?';
	return json_string(plain);
}

static json_t *address(const struct addr *a)
{
	char out[ADDR_TEXT_LEN];

	return a->family == ADDR_NONE ? json_null() : json_string(addr_format(a, out));
}

static json_t *outer_address(const struct endpoint *e)
{
	char out[ENDPOINT_TEXT_LEN];

	return e->addr.family == ADDR_NONE ? json_null() : json_string(endpoint_format(e, out));
}

static json_t *counter(const _Atomic uint64_t *n)
{
	return json_integer((json_int_t)atomic_load_explicit(n, memory_order_relaxed));
}

static json_t *verdict_object(const uint64_t sums[VERDICTS])
{
	json_t *o = json_object();
	int v;

	for (v = 0; v < VERDICTS; v++)
		json_object_set_new(o, verdict_name((enum verdict)v), json_integer((json_int_t)sums[v]));
	return o;
}

static void add_verdicts(uint64_t sums[VERDICTS], const struct verdict_counts *counted)
{
	int v;

	for (v = 0; v < VERDICTS; v++)
		sums[v] += atomic_load_explicit(&counted->n[v], memory_order_relaxed);
}

static json_t *tls_object(const struct tls_facts *facts)
{
	return json_pack("{s:s?, s:s?, s:s?, s:s}", "version", facts->version, "suite", facts->suite, "group",
			 facts->group, "peer_share", facts->peer_share);
}

/* Copied under the lock, for JSON takes memory. */
struct datagram_facts {
	const char *suite;
	uint64_t key_seconds;
	const char *obstacle;
};

static struct datagram_facts datagram_facts(const struct session *s)
{
	struct datagram_facts facts = { .obstacle = session_obstacle(s) };

	if (s->datagram) {
		facts.suite = dtls_suite_name(s->datagram->sealer.cipher);
		facts.key_seconds = (clock_ms() - s->datagram->since_ms) / 1000;
	}
	return facts;
}

static json_t *datagram_object(const struct datagram_facts *facts)
{
	json_t *seconds = facts->suite ? json_integer((json_int_t)facts->key_seconds) : json_null();

	return json_pack("{s:s?, s:o, s:s?}", "suite", facts->suite, "key_seconds", seconds, "obstacle",
			 facts->obstacle);
}

static json_t *new_event(const char *event)
{
	return json_pack("{s:s, s:o}", "event", event, "time", iso_time(clock_wall_ms()));
}

static void copy_known(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	if (value && !json_is_null(value))
		json_object_set(to, key, value);
}

static void add_session(json_t *event, const json_t *session)
{
	copy_known(event, session, "name");
	copy_known(event, session, "generation");
	copy_known(event, json_object_get(session, "tls"), "peer_share");
	copy_known(event, session, "ipv4");
	copy_known(event, session, "ipv6");
	copy_known(event, session, "peer");
}

void report_count_add(enum report_count c)
{
	atomic_fetch_add_explicit(&counts[c], 1, memory_order_relaxed);
}

json_t *report_counters(const struct path *const *paths, size_t paths_len)
{
	uint64_t egress[VERDICTS] = { 0 }, ingress[VERDICTS] = { 0 };
	json_t *o;
	size_t i;

	for (i = 0; i < paths_len; i++) {
		add_verdicts(egress, &paths[i]->egress);
		add_verdicts(ingress, &paths[i]->ingress);
	}
	o = json_pack("{s:o, s:o}", "egress", verdict_object(egress), "ingress", verdict_object(ingress));
	for (i = 0; i < REPORT_COUNTS; i++)
		json_object_set_new(o, count_names[i], counter(&counts[i]));
	return o;
}

json_t *report_session(struct session *s)
{
	struct tls_facts facts = { 0 };
	struct datagram_facts datagrams;
	struct endpoint peer;
	unsigned generation;
	bool connected, by_datagram;
	json_t *o = json_object();

	pthread_mutex_lock(&s->tx_lock);
	connected = s->tx != NULL;
	if (connected)
		facts = s->tx->facts;
	by_datagram = session_by_datagram(s);
	datagrams = datagram_facts(s);
	peer = s->peer;
	generation = s->generation;
	pthread_mutex_unlock(&s->tx_lock);

	json_object_set_new(o, "name", text(s->name));
	json_object_set_new(o, "ipv4", address(&s->ipv4));
	json_object_set_new(o, "ipv6", address(&s->ipv6));
	json_object_set_new(o, "peer", outer_address(&peer));
	json_object_set_new(o, "connected", json_boolean(connected));
	json_object_set_new(o, "transport", connected ? json_string(by_datagram ? "dtls" : "tls") : json_null());
	json_object_set_new(o, "tls", connected ? tls_object(&facts) : json_null());
	json_object_set_new(o, "datagrams", datagram_object(&datagrams));
	json_object_set_new(o, "generation", json_integer(generation));
	json_object_set_new(o, "since", iso_time(s->since_ms));
	json_object_set_new(o, "rx_bytes", counter(&s->rx_bytes));
	json_object_set_new(o, "tx_bytes", counter(&s->tx_bytes));
	json_object_set_new(o, "rx_packets", counter(&s->rx_packets));
	json_object_set_new(o, "tx_packets", counter(&s->tx_packets));
	return o;
}

json_t *report_event(const char *event, struct session *s, const char *name, const char *reason)
{
	json_t *o = new_event(event), *session;

	if (s) {
		session = report_session(s);
		add_session(o, session);
		json_decref(session);
	} else if (name) {
		json_object_set_new(o, "name", text(name));
	}
	if (reason)
		json_object_set_new(o, "reason", text(reason));
	return o;
}

json_t *report_event_session(const json_t *session)
{
	json_t *o = new_event("session");

	add_session(o, session);
	return o;
}

json_t *report_status(const char *role, const struct path *const *paths, size_t paths_len, json_t *sessions)
{
	json_t *counters = report_counters(paths, paths_len);
	bool tso = true, uso = true, gso = true, gro = true;

	for (size_t i = 0; i < paths_len; i++) {
		tso = tso && paths[i]->tso;
		uso = uso && paths[i]->uso;
		gso = gso && paths[i]->udp_gso;
		gro = gro && paths[i]->udp_gro;
	}
	if (!counters || !sessions) {
		json_decref(counters);
		json_decref(sessions);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:{s:b, s:b, s:b, s:b}, s:o, s:o}", "role", role, "version", ADIT_VERSION,
			 "aead", aead_name(), "offloads", "tso", tso, "uso", uso, "udp_gso", gso, "udp_gro", gro,
			 "counters", counters, "sessions", sessions);
}
