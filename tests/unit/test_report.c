/* SPDX-License-Identifier: Apache-2.0 */
/* What is reported has the form that docs/ promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "path/path.h"
#include "server/report.h"
#include "session/channel.h"
#include "session/datagram.h"
#include "session/session.h"
#include "testschema.h"

static struct channel channel = {
	.facts = { "TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519", "0123456789abcdef" },
};

/* A session with a stream; take it away by s.tx = NULL. */
static struct session a_session(void)
{
	struct session s = { .name = "berlin", .tx = &channel, .generation = 2, .since_ms = 1700000000123u };

	pthread_mutex_init(&s.tx_lock, NULL);
	addr_parse("10.20.0.7", &s.ipv4);
	addr_parse("fd20:aa::7", &s.ipv6);
	addr_parse("192.0.2.1", &s.peer.addr);
	s.peer.port = 40000;
	atomic_init(&s.rx_bytes, 5000000000u);
	return s;
}

static json_t *list_of(json_t *session)
{
	return json_pack("[o]", session);
}

static void assert_text(const json_t *o, const char *key, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(o, key)), text);
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void assert_form(const char *schema, json_t *o)
{
	assert_true(testschema_file(schema, o));
	json_decref(o);
}

static void refuse_form(const char *schema, json_t *o)
{
	assert_false(testschema_file(schema, o));
	json_decref(o);
}

static void session_has_its_form(void **state)
{
	struct session s = a_session();

	(void)state;
	assert_form("sessions.schema.json", list_of(report_session(&s)));
}

static void session_tells_what_it_knows(void **state)
{
	struct session s = a_session();
	json_t *o = report_session(&s), *tls = json_object_get(o, "tls");

	(void)state;
	assert_text(o, "name", "berlin");
	assert_text(o, "ipv4", "10.20.0.7");
	assert_text(o, "ipv6", "fd20:aa::7");
	assert_text(o, "peer", "192.0.2.1:40000");
	assert_text(o, "transport", "tls");
	assert_text(o, "since", "2023-11-14T22:13:20.123Z");
	assert_text(tls, "version", "TLSv1.3");
	assert_text(tls, "peer_share", "0123456789abcdef");
	assert_int_equal(number(o, "generation"), 2);
	assert_int_equal(number(o, "rx_bytes"), 5000000000);
	assert_true(json_is_true(json_object_get(o, "connected")));
	json_decref(o);
}

static json_t *datagrams_of(struct session *s)
{
	json_t *o = report_session(s), *datagrams = json_incref(json_object_get(o, "datagrams"));

	assert_form("sessions.schema.json", list_of(o));
	return datagrams;
}

static void session_tells_of_its_datagrams_or_why_there_are_none(void **state)
{
	static struct datagram d = { .state = DATAGRAM_UP, .sealer.cipher = AEAD_AES_256_GCM }; /* aligned */
	struct session s = a_session();
	json_t *o;

	(void)state;
	d.since_ms = clock_ms() - 37500;
	s.no_datagram = "no hello";
	o = datagrams_of(&s);
	assert_text(o, "obstacle", "no hello");
	assert_true(json_is_null(json_object_get(o, "suite")));
	assert_true(json_is_null(json_object_get(o, "key_seconds")));
	json_decref(o);
	s.datagram = &d;
	o = datagrams_of(&s);
	assert_true(json_is_null(json_object_get(o, "obstacle")));
	assert_text(o, "suite", "PSK-AES256-GCM-SHA384");
	assert_int_equal(number(o, "key_seconds"), 37);
	json_decref(o);
	d.state = DATAGRAM_AWAY;
	o = datagrams_of(&s);
	assert_text(o, "obstacle", "nothing comes back");
	json_decref(o);
}

static void session_without_stream_keeps_its_last_peer(void **state)
{
	struct session s = a_session();
	json_t *o;

	(void)state;
	s.tx = NULL;
	o = report_session(&s);
	assert_text(o, "peer", "192.0.2.1:40000");
	assert_true(json_is_false(json_object_get(o, "connected")));
	assert_true(json_is_null(json_object_get(o, "transport")));
	assert_true(json_is_null(json_object_get(o, "tls")));
	assert_form("sessions.schema.json", list_of(o));
}

static void session_without_addresses_has_its_form(void **state)
{
	struct session s = a_session();

	(void)state;
	s.ipv4.family = s.ipv6.family = s.peer.addr.family = ADDR_NONE;
	s.generation = 0;
	assert_form("sessions.schema.json", list_of(report_session(&s)));
}

static void other_forms_of_a_session_are_refused(void **state)
{
	struct session s = a_session();
	json_t *o = report_session(&s);

	(void)state;
	json_object_del(o, "since");
	refuse_form("sessions.schema.json", list_of(o));
	o = report_session(&s);
	json_object_set_new(o, "color", json_string("red"));
	refuse_form("sessions.schema.json", list_of(o));
	o = report_session(&s);
	json_object_set_new(o, "transport", json_string("ipsec"));
	refuse_form("sessions.schema.json", list_of(o));
	o = report_session(&s);
	json_object_set_new(o, "rx_bytes", json_integer(-1));
	refuse_form("sessions.schema.json", list_of(o));
	o = report_session(&s);
	json_object_set_new(o, "rx_bytes", json_string("many"));
	refuse_form("sessions.schema.json", list_of(o));
}

static void status_has_its_form(void **state)
{
	struct session s = a_session();

	(void)state;
	assert_form("status.schema.json", report_status("server", NULL, 0, list_of(report_session(&s))));
	assert_form("status.schema.json", report_status("client", NULL, 0, json_array()));
}

static void other_forms_of_status_are_refused(void **state)
{
	struct session s = a_session();
	json_t *broken = report_session(&s);

	(void)state;
	refuse_form("status.schema.json", report_status("router", NULL, 0, json_array()));
	json_object_del(broken, "name");
	refuse_form("status.schema.json", report_status("server", NULL, 0, list_of(broken)));
}

static void status_without_its_parts_is_none(void **state)
{
	(void)state;
	assert_null(report_status("server", NULL, 0, NULL));
}

static void offload_is_in_use_when_all_workers_use_it(void **state)
{
	static struct path one = { .tso = true, .uso = true, .udp_gro = true }, two = { .tso = true, .udp_gro = true };
	const struct path *const paths[] = { &one, &two };
	json_t *o = report_status("server", paths, 2, json_array()), *offloads = json_object_get(o, "offloads");

	(void)state;
	assert_true(json_is_true(json_object_get(offloads, "tso")));
	assert_true(json_is_false(json_object_get(offloads, "uso")));
	assert_true(json_is_true(json_object_get(offloads, "udp_gro")));
	assert_true(json_is_false(json_object_get(offloads, "udp_gso")));
	json_decref(o);
}

static void counters_of_all_workers_are_summed(void **state)
{
	static struct path one, two;
	const struct path *const paths[] = { &one, &two };
	json_t *o;

	(void)state;
	verdict_count(&one.egress, PASS);
	verdict_count(&two.egress, PASS);
	verdict_count(&two.ingress, DROP_SOURCE);
	o = report_counters(paths, 2);
	assert_int_equal(number(json_object_get(o, "egress"), "packets"), 2);
	assert_int_equal(number(json_object_get(o, "egress"), "drop_source"), 0);
	assert_int_equal(number(json_object_get(o, "ingress"), "drop_source"), 1);
	json_decref(o);
}

static void what_is_counted_shows(void **state)
{
	json_t *before = report_counters(NULL, 0), *after;

	(void)state;
	report_count_add(COUNT_REFUSED);
	report_count_add(COUNT_REFUSED);
	after = report_counters(NULL, 0);
	assert_int_equal(number(after, "refused") - number(before, "refused"), 2);
	assert_int_equal(number(after, "streams_lost") - number(before, "streams_lost"), 0);
	json_decref(before);
	json_decref(after);
}

static void event_of_a_session_has_its_form(void **state)
{
	struct session s = a_session();
	json_t *o = report_event("rekey", &s, NULL, NULL);

	(void)state;
	assert_text(o, "event", "rekey");
	assert_text(o, "name", "berlin");
	assert_text(o, "peer_share", "0123456789abcdef");
	assert_int_equal(number(o, "generation"), 2);
	assert_form("events.schema.json", o);
}

static void event_leaves_out_what_is_not_known(void **state)
{
	struct session s = a_session();
	json_t *o;

	(void)state;
	s.tx = NULL;
	s.ipv6.family = ADDR_NONE;
	o = report_event("lost", &s, NULL, "the stream ended");
	assert_null(json_object_get(o, "peer_share"));
	assert_null(json_object_get(o, "ipv6"));
	assert_text(o, "reason", "the stream ended");
	assert_form("events.schema.json", o);
}

static void event_without_session_has_its_form(void **state)
{
	json_t *o = report_event("refused", NULL, "CN=mallory", "certificate has expired");

	(void)state;
	assert_text(o, "name", "CN=mallory");
	assert_form("events.schema.json", o);
	assert_form("events.schema.json", report_event("ready", NULL, NULL, NULL));
}

static void event_for_a_living_session_has_its_form(void **state)
{
	struct session s = a_session();
	json_t *session = report_session(&s), *o = report_event_session(session);

	(void)state;
	assert_text(o, "event", "session");
	assert_text(o, "peer_share", "0123456789abcdef");
	assert_form("events.schema.json", o);
	json_decref(session);
}

static void other_forms_of_an_event_are_refused(void **state)
{
	json_t *o = report_event("up", NULL, NULL, NULL);

	(void)state;
	json_object_del(o, "time");
	refuse_form("events.schema.json", o);
	o = report_event("up", NULL, NULL, NULL);
	json_object_set_new(o, "name", json_null());
	refuse_form("events.schema.json", o);
}

static void words_that_are_not_utf8_are_shown_as_far_as_they_go(void **state)
{
	json_t *o = report_event("down", NULL, "berlin", "bye \xff!");

	(void)state;
	assert_text(o, "reason", "bye ?!");
	json_decref(o);
}

static void schemas_of_commands_take_a_count(void **state)
{
	(void)state;
	assert_form("disconnect.schema.json", json_pack("{s:i}", "sessions", 1));
	assert_form("rekey.schema.json", json_pack("{s:i}", "sessions", 1));
	refuse_form("disconnect.schema.json", json_pack("{s:i}", "sessions", 0));
	refuse_form("rekey.schema.json", json_pack("{s:s}", "error", "no such session"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_has_its_form),
		cmocka_unit_test(session_tells_what_it_knows),
		cmocka_unit_test(session_tells_of_its_datagrams_or_why_there_are_none),
		cmocka_unit_test(session_without_stream_keeps_its_last_peer),
		cmocka_unit_test(session_without_addresses_has_its_form),
		cmocka_unit_test(other_forms_of_a_session_are_refused),
		cmocka_unit_test(status_has_its_form),
		cmocka_unit_test(other_forms_of_status_are_refused),
		cmocka_unit_test(status_without_its_parts_is_none),
		cmocka_unit_test(offload_is_in_use_when_all_workers_use_it),
		cmocka_unit_test(counters_of_all_workers_are_summed),
		cmocka_unit_test(what_is_counted_shows),
		cmocka_unit_test(event_of_a_session_has_its_form),
		cmocka_unit_test(event_leaves_out_what_is_not_known),
		cmocka_unit_test(event_without_session_has_its_form),
		cmocka_unit_test(event_for_a_living_session_has_its_form),
		cmocka_unit_test(other_forms_of_an_event_are_refused),
		cmocka_unit_test(words_that_are_not_utf8_are_shown_as_far_as_they_go),
		cmocka_unit_test(schemas_of_commands_take_a_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
