/* SPDX-License-Identifier: Apache-2.0 */
/* The handshakes of a session: who gets a place, how long each is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/time.h>

#include "base/clock.h"
#include "crypto/memory.h"
#include "session/handshakes.h"
#include "testdtls.h"

enum { START = 1000000 };

/* A gateway's places and one client's, with a line that may be cut. */
static struct handshakes at_gateway, at_client;
static struct testdtls_queue to_gateway, to_client;
static struct testdtls_pair greeting; /* makes servers' handshakes, begun by a hello with cookie */
static uint64_t now;
static unsigned done, failed;
static bool wrong_key; /* of what begins next */
static const char *why;

/* OpenSSL's clock for repetitions: the executable's definition comes before the C library's. */
int gettimeofday(struct timeval *tv, void *zone)
{
	(void)zone;
	tv->tv_sec = (time_t)(now / 1000);
	tv->tv_usec = (suseconds_t)(now % 1000 * 1000);
	return 0;
}

static void on_send(struct handshake *h, const uint8_t *datagram, size_t len)
{
	testdtls_push(h->role == TLS_CLIENT ? &to_gateway : &to_client, datagram, len);
}

static void on_done(struct handshake *h)
{
	struct dtls_keys keys;

	assert_int_equal(dtls_take_keys(h->dtls, &keys), 0);
	done++;
}

static void on_failed(struct handshake *h, const char *reason)
{
	assert_non_null(h->dtls);
	failed++;
	why = reason;
}

static const struct handshake_events events = { on_send, on_done, on_failed };

static struct endpoint flow(uint16_t port)
{
	return (struct endpoint){ testdtls_peer, port };
}

static struct dtls *begin_with_wrong_key(enum tls_role role)
{
	static const uint8_t key[TLS_PSK_LEN] = { 99 };
	struct dtls_context *ctx = dtls_context_new(role, AEAD_CIPHERS);
	struct dtls *d = dtls_new(ctx, key, testdtls_id, sizeof(testdtls_id));

	dtls_context_free(ctx);
	return d;
}

static struct handshake *begin(struct handshakes *hs, enum tls_role role, uint16_t port, bool known)
{
	struct handshake wanted = { .role = role,
				    .peer = flow(port),
				    .known = known,
				    .events = &events,
				    .dtls = testdtls_begin(role, AEAD_CIPHERS) };
	struct handshake *h;

	if (wrong_key) {
		dtls_free(wanted.dtls);
		wanted.dtls = begin_with_wrong_key(role);
	}
	h = handshakes_begin(hs, &wanted, now);
	if (!h)
		dtls_free(wanted.dtls);
	return h;
}

/* That of a flow, or NULL. */
static struct handshake *find(struct handshakes *hs, uint16_t port)
{
	for (int i = 0; i < HANDSHAKES_MAX; i++)
		if (hs->places[i].dtls && hs->places[i].peer.port == port)
			return &hs->places[i];
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	now = START;
	done = failed = 0;
	to_gateway.count = to_client.count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	handshakes_fini(&at_gateway);
	handshakes_fini(&at_client);
	return 0;
}

/* The gateway's end: what it does not know it greets (tests/unit/testdtls.h), what it knows it carries on. */
static void gateway_takes(const struct testdtls_datagram *d, uint16_t port)
{
	struct handshake wanted, *h = find(&at_gateway, port);

	if (h) {
		handshake_take(h, d->data, d->len, now);
		return;
	}
	memset(&greeting, 0, sizeof(greeting));
	testdtls_greet(&greeting, d, AEAD_CIPHERS);
	for (size_t i = 0; i < greeting.to_client.count; i++)
		testdtls_push(&to_client, greeting.to_client.waiting[i].data, greeting.to_client.waiting[i].len);
	if (!greeting.server)
		return;
	wanted = (struct handshake){
		.role = TLS_SERVER, .peer = flow(port), .events = &events, .dtls = greeting.server
	};
	assert_non_null(handshakes_begin(&at_gateway, &wanted, now));
}

static void carry(uint16_t port)
{
	struct testdtls_datagram d;
	struct handshake *h;

	while (to_gateway.count || to_client.count) {
		while (to_gateway.count) {
			d = testdtls_take(&to_gateway, 0);
			gateway_takes(&d, port);
		}
		while (to_client.count) {
			d = testdtls_take(&to_client, 0);
			h = find(&at_client, port);
			if (h)
				handshake_take(h, d.data, d.len, now);
		}
	}
}

static void both_ends_are_done_and_only_the_gateways_stays(void **state)
{
	(void)state;
	handshake_take(begin(&at_client, TLS_CLIENT, 1, true), NULL, 0, now);
	carry(1);
	assert_int_equal(done, 2);
	assert_int_equal(failed, 0);
	assert_null(find(&at_client, 1));
	assert_non_null(find(&at_gateway, 1));
	assert_int_equal(handshakes_tick(&at_client, now), CLOCK_NEVER);
	assert_int_equal(handshakes_tick(&at_gateway, now), now + HANDSHAKE_LINGER_MS);
}

static void lingering_ends_with_the_first_record_or_by_time(void **state)
{
	(void)state;
	handshake_take(begin(&at_client, TLS_CLIENT, 1, true), NULL, 0, now);
	carry(1);
	now += HANDSHAKE_LINGER_MS - 1;
	handshakes_tick(&at_gateway, now);
	assert_non_null(find(&at_gateway, 1));
	now++;
	assert_int_equal(handshakes_tick(&at_gateway, now), CLOCK_NEVER);
	assert_null(find(&at_gateway, 1));
	assert_int_equal(failed, 0);

	handshake_take(begin(&at_client, TLS_CLIENT, 1, true), NULL, 0, now);
	carry(1);
	handshake_end(find(&at_gateway, 1));
	assert_null(find(&at_gateway, 1));
}

static void unanswered_hello_is_repeated_and_then_given_up(void **state)
{
	uint64_t at;

	(void)state;
	handshake_take(begin(&at_client, TLS_CLIENT, 1, true), NULL, 0, now);
	assert_int_equal(to_gateway.count, 1);
	for (;;) {
		at = handshakes_tick(&at_client, now);
		if (at == CLOCK_NEVER)
			break;
		assert_true(at > now);
		now = at;
	}
	assert_int_equal(now, START + HANDSHAKE_MS);
	assert_int_equal(to_gateway.count, 4); /* 0, 400, 1200, 2800 ms */
	assert_int_equal(failed, 1);
	assert_string_equal(why, "the handshake was not done in time");
	assert_null(at_client.places[0].dtls);
}

/* openconnect built with OpenSSL keeps the key of its first stream: a Finished under it opens nowhere. */
static void key_of_another_stream_is_told_apart(void **state)
{
	(void)state;
	wrong_key = true;
	handshake_take(begin(&at_client, TLS_CLIENT, 1, true), NULL, 0, now);
	wrong_key = false;
	carry(1);
	assert_int_equal(done, 0);
	assert_string_equal(dtls_waiting(at_gateway.places[0].dtls), "the client's key is not that of its stream");
	assert_string_equal(dtls_waiting(at_client.places[0].dtls), "the gateway does not answer to our key");
	now += HANDSHAKE_MS;
	handshakes_tick(&at_gateway, now);
	assert_int_equal(failed, 1);
	assert_string_equal(why, "the client's key is not that of its stream");
}

static void lost_end_is_repeated_for_a_client_that_asks(void **state)
{
	struct testdtls_datagram d;

	(void)state;
	handshake_take(begin(&at_client, TLS_CLIENT, 1, true), NULL, 0, now);
	while (done < 1) {
		while (to_gateway.count) {
			d = testdtls_take(&to_gateway, 0);
			gateway_takes(&d, 1);
		}
		while (!done && to_client.count) {
			d = testdtls_take(&to_client, 0);
			handshake_take(&at_client.places[0], d.data, d.len, now);
		}
	}
	to_client.count = 0;
	now += DTLS_RETRANSMIT_MS;
	handshakes_tick(&at_client, now);
	carry(1);
	assert_int_equal(done, 2);
}

static void failure_frees_its_place(void **state)
{
	static const uint8_t junk[100] = { 22, 0xfe, 0xfd };
	struct handshake *h = begin(&at_gateway, TLS_SERVER, 1, true);

	(void)state;
	handshake_take(h, junk, sizeof(junk), now);
	assert_int_equal(failed, 1);
	assert_null(h->dtls);
}

static void third_one_finds_no_place(void **state)
{
	(void)state;
	assert_non_null(begin(&at_gateway, TLS_SERVER, 1, true));
	assert_non_null(begin(&at_gateway, TLS_SERVER, 2, true));
	assert_null(begin(&at_gateway, TLS_SERVER, 3, true));
	assert_null(begin(&at_gateway, TLS_SERVER, 3, false));
	now += HANDSHAKE_MS;
	handshakes_tick(&at_gateway, now);
	assert_int_equal(failed, 2);
	assert_non_null(begin(&at_gateway, TLS_SERVER, 3, false));
}

static void known_one_takes_the_place_of_an_unknown_one(void **state)
{
	struct handshake *own = begin(&at_gateway, TLS_SERVER, 1, true);
	struct handshake *foreign = begin(&at_gateway, TLS_SERVER, 2, false);

	(void)state;
	assert_null(begin(&at_gateway, TLS_SERVER, 3, false));
	assert_ptr_equal(begin(&at_gateway, TLS_SERVER, 3, true), foreign);
	assert_int_equal(own->peer.port, 1);
}

static void same_flow_keeps_its_place(void **state)
{
	struct handshake *first = begin(&at_gateway, TLS_SERVER, 1, false);
	struct handshake *second = begin(&at_gateway, TLS_SERVER, 2, false);

	(void)state;
	assert_ptr_equal(begin(&at_gateway, TLS_SERVER, 1, false), first);
	assert_ptr_equal(begin(&at_gateway, TLS_SERVER, 2, false), second);
	handshake_end(first);
	assert_ptr_equal(begin(&at_gateway, TLS_SERVER, 2, false), second);
}

static void lingering_one_makes_room_for_a_new_one(void **state)
{
	(void)state;
	handshake_take(begin(&at_client, TLS_CLIENT, 1, true), NULL, 0, now);
	carry(1);
	assert_true(at_gateway.places[0].done);
	assert_ptr_equal(begin(&at_gateway, TLS_SERVER, 2, false), &at_gateway.places[1]);
	assert_ptr_equal(begin(&at_gateway, TLS_SERVER, 3, false), &at_gateway.places[0]);
	assert_null(begin(&at_gateway, TLS_SERVER, 4, false));
}

static int init(void **state)
{
	(void)state;
	return crypto_memory_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ends_are_done_and_only_the_gateways_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(lingering_ends_with_the_first_record_or_by_time, setup, teardown),
		cmocka_unit_test_setup_teardown(unanswered_hello_is_repeated_and_then_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(key_of_another_stream_is_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_end_is_repeated_for_a_client_that_asks, setup, teardown),
		cmocka_unit_test_setup_teardown(failure_frees_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(third_one_finds_no_place, setup, teardown),
		cmocka_unit_test_setup_teardown(known_one_takes_the_place_of_an_unknown_one, setup, teardown),
		cmocka_unit_test_setup_teardown(same_flow_keeps_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(lingering_one_makes_room_for_a_new_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
