/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes: who is accepted, who is refused and how either end learns it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/err.h"
#include "base/hex.h"
#include "crypto/memory.h"
#include "testtls.h"

static const struct testpki_cert *root, *other_root, *gateway, *alice;

static struct tls_settings good_server(void)
{
	return testtls_server_settings(root, gateway);
}

static struct tls_settings good_client(void)
{
	return testtls_client_settings(root, alice);
}

static struct tls_settings client_with(struct testpki_spec spec)
{
	return testtls_client_settings(root, testpki_make(root, spec));
}

static struct tls_settings server_with(struct testpki_spec spec)
{
	return testtls_server_settings(root, testpki_make(root, spec));
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static void assert_accepted(struct tls_settings server, struct tls_settings client)
{
	struct testtls_pair p = testtls_pair(server, client);

	if (p.server_step == TLS_FAILED)
		fail_msg("server: %s", tls_failure(p.server)->reason);
	if (p.client_step == TLS_FAILED)
		fail_msg("client: %s", tls_failure(p.client)->reason);
	assert_int_equal(p.server_step, TLS_DONE);
	assert_int_equal(p.client_step, TLS_DONE);
	testtls_pair_fini(&p);
}

/* A TLS 1.3 client has finished by the time it is refused: the alert is the first thing its records see. */
static int alert_at_client(struct testtls_pair *p)
{
	struct buf plain = BUF_INIT;
	struct records *r;
	int alert;

	assert_int_equal(p->client_step, TLS_DONE);
	assert_int_equal(records_take(p->client, &r), 0);
	assert_int_equal(records_open(r, buf_data(&p->to_client), buf_len(&p->to_client), &plain), ERR_PROTO);
	alert = records_alert(r);
	assert_int_equal(records_seal(r, (const uint8_t *)"x", 1, &plain), ERR_CRYPTO);
	records_free(r);
	buf_fini(&plain);
	return alert;
}

static void assert_client_refused(struct tls_settings server, struct tls_settings client, int alert, const char *reason)
{
	struct testtls_pair p = testtls_pair(server, client);
	const struct tls_failure *f = tls_failure(p.server);

	assert_int_equal(p.server_step, TLS_FAILED);
	assert_contains(f->reason, reason);
	assert_int_equal(f->alert, alert);
	assert_false(f->received);
	assert_true(f->certificate);
	assert_contains(f->subject, "CN=");
	assert_int_equal(alert_at_client(&p), alert);
	testtls_pair_fini(&p);
}

static void assert_gateway_refused(struct tls_settings server, struct tls_settings client, int alert,
				   const char *reason)
{
	struct testtls_pair p = testtls_pair(server, client);

	assert_int_equal(p.client_step, TLS_FAILED);
	assert_contains(tls_failure(p.client)->reason, reason);
	assert_int_equal(tls_failure(p.client)->alert, alert);
	assert_false(tls_failure(p.client)->received);
	assert_true(tls_failure(p.client)->certificate);
	assert_int_equal(p.server_step, TLS_FAILED);
	assert_int_equal(tls_failure(p.server)->alert, alert);
	assert_true(tls_failure(p.server)->received);
	assert_false(tls_failure(p.server)->certificate);
	assert_contains(tls_failure(p.server)->reason, tls_alert_text(alert));
	testtls_pair_fini(&p);
}

static void good_certificates_are_accepted_at_both_ends(void **state)
{
	struct testtls_pair p = testtls_pair(good_server(), good_client());

	(void)state;
	assert_int_equal(p.server_step, TLS_DONE);
	assert_int_equal(p.client_step, TLS_DONE);
	assert_string_equal(tls_proof(p.server)->name, "alice");
	assert_string_equal(tls_proof(p.server)->subject, "CN=alice");
	assert_string_equal(tls_proof(p.client)->name, "");
	assert_string_equal(tls_proof(p.client)->subject, "CN=" TESTTLS_GATEWAY);
	assert_int_equal(strlen(tls_proof(p.server)->root), TLS_ROOT_LEN - 1);
	assert_string_equal(tls_proof(p.server)->root, tls_proof(p.client)->root);
	assert_true(tls_proof(p.server)->not_after > time(NULL) + 9L * TESTPKI_DAY);
	assert_true(tls_proof(p.server)->not_after < time(NULL) + 11L * TESTPKI_DAY);
	testtls_pair_fini(&p);
}

static void facts_name_what_was_negotiated(void **state)
{
	struct testtls_pair p = testtls_pair(good_server(), good_client());

	(void)state;
	assert_string_equal(tls_facts(p.client)->version, "TLSv1.3");
	assert_string_equal(tls_facts(p.client)->suite, "TLS_AES_128_GCM_SHA256");
	assert_string_equal(tls_facts(p.server)->suite, "TLS_AES_128_GCM_SHA256");
	assert_string_equal(tls_facts(p.server)->group, tls_facts(p.client)->group);
	assert_true(strstr(tls_facts(p.server)->group, "X25519") == tls_facts(p.server)->group);
	testtls_pair_fini(&p);
}

static void every_handshake_has_new_shares_and_a_new_psk(void **state)
{
	struct testtls_pair p = testtls_pair(good_server(), good_client());
	struct testtls_pair q = testtls_pair(good_server(), good_client());
	uint8_t server_psk[TLS_PSK_LEN], client_psk[TLS_PSK_LEN], later_psk[TLS_PSK_LEN];

	(void)state;
	assert_int_equal(tls_export_psk(p.server, server_psk), 0);
	assert_int_equal(tls_export_psk(p.client, client_psk), 0);
	assert_int_equal(tls_export_psk(q.client, later_psk), 0);
	assert_memory_equal(server_psk, client_psk, TLS_PSK_LEN);
	assert_memory_not_equal(client_psk, later_psk, TLS_PSK_LEN);
	assert_int_equal(strlen(tls_facts(p.server)->peer_share), TLS_SHARE_LEN - 1);
	assert_string_not_equal(tls_facts(p.server)->peer_share, tls_facts(p.client)->peer_share);
	assert_string_not_equal(tls_facts(p.server)->peer_share, tls_facts(q.server)->peer_share);
	assert_string_not_equal(tls_facts(p.client)->peer_share, tls_facts(q.client)->peer_share);
	testtls_pair_fini(&p);
	testtls_pair_fini(&q);
}

static void client_with_expired_certificate_is_refused(void **state)
{
	(void)state;
	assert_client_refused(
		good_server(),
		client_with((struct testpki_spec){
			.cn = { "old" }, .usage = "clientAuth", .from_s = -2L * TESTPKI_DAY, .until_s = -60 }),
		45, "certificate has expired");
}

static void client_with_future_certificate_is_refused(void **state)
{
	(void)state;
	assert_client_refused(
		good_server(),
		client_with((struct testpki_spec){ .cn = { "new" }, .usage = "clientAuth", .from_s = 3600 }), 45,
		"not yet valid");
}

static void client_of_other_ca_is_refused(void **state)
{
	struct tls_settings client = testtls_client_settings(root, testpki_client(other_root, "alice"));

	(void)state;
	assert_client_refused(good_server(), client, 48, "not signed by a trusted issuer");
}

static void client_of_ca_with_our_name_is_refused(void **state)
{
	const struct testpki_cert *forger = testpki_ca(NULL, "root");
	const struct testpki_cert *forged = testpki_make(
		forger, (struct testpki_spec){ .cn = { "alice" }, .usage = "clientAuth", .no_key_ids = true });

	(void)state;
	assert_client_refused(good_server(), testtls_client_settings(root, testpki_client(forger, "alice")), 48,
			      "not signed by a trusted issuer");
	assert_client_refused(good_server(), testtls_client_settings(root, forged), 48,
			      "not signed by a trusted issuer");
}

static void client_with_self_signed_certificate_is_refused(void **state)
{
	(void)state;
	assert_client_refused(good_server(), testtls_client_settings(root, testpki_client(NULL, "alice")), 48, "self");
}

static void client_without_usage_is_refused(void **state)
{
	(void)state;
	assert_client_refused(good_server(), client_with((struct testpki_spec){ .cn = { "alice" } }), 43,
			      "no extended key usage");
}

static void client_with_server_usage_is_refused(void **state)
{
	(void)state;
	assert_client_refused(good_server(),
			      client_with((struct testpki_spec){ .cn = { "alice" }, .usage = "serverAuth" }), 43,
			      "extended key usage");
}

static void client_with_any_usage_is_refused(void **state)
{
	(void)state;
	assert_client_refused(good_server(),
			      client_with((struct testpki_spec){ .cn = { "alice" }, .usage = "anyExtendedKeyUsage" }),
			      43, "extended key usage");
}

static void client_with_both_usages_is_accepted(void **state)
{
	(void)state;
	assert_accepted(good_server(),
			client_with((struct testpki_spec){ .cn = { "alice" }, .usage = "serverAuth,clientAuth" }));
}

static void client_with_two_names_is_refused(void **state)
{
	(void)state;
	assert_client_refused(good_server(),
			      client_with((struct testpki_spec){ .cn = { "alice", "bob" }, .usage = "clientAuth" }), 42,
			      "more than one common name");
}

static void client_without_name_is_refused(void **state)
{
	struct tls_settings client =
		client_with((struct testpki_spec){ .san = "DNS:a.example", .usage = "clientAuth" });
	struct testtls_pair p = testtls_pair(good_server(), client);

	(void)state;
	assert_int_equal(p.server_step, TLS_FAILED);
	assert_contains(tls_failure(p.server)->reason, "no common name");
	assert_int_equal(alert_at_client(&p), 42);
	testtls_pair_fini(&p);
}

static void client_with_strange_characters_is_refused(void **state)
{
	static const char *const names[] = { "al ice", "alice/..", "\xc3\xa4lice", "a\nb", "a;b", "$(id)" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_client_refused(good_server(),
				      client_with((struct testpki_spec){ .cn = { names[i] }, .usage = "clientAuth" }),
				      42, "has a character other than");
}

static void client_name_may_use_all_allowed_characters(void **state)
{
	static const char longest[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx.-_@";
	struct testtls_pair p = testtls_pair(
		good_server(), client_with((struct testpki_spec){ .cn = { longest }, .usage = "clientAuth" }));

	(void)state;
	assert_int_equal(strlen(longest), TLS_NAME_LEN - 1);
	assert_int_equal(p.server_step, TLS_DONE);
	assert_string_equal(tls_proof(p.server)->name, longest);
	testtls_pair_fini(&p);
}

static void client_name_comes_from_the_alternative_name_when_told(void **state)
{
	struct tls_settings server = good_server();
	struct tls_settings client = client_with((struct testpki_spec){
		.cn = { "x" }, .san = "DNS:laptop.example,email:alice@corp.example", .usage = "clientAuth" });
	struct testtls_pair p, q;

	(void)state;
	server.identity = TLS_IDENTITY_SAN_DNS;
	p = testtls_pair(server, client);
	assert_string_equal(tls_proof(p.server)->name, "laptop.example");
	server.identity = TLS_IDENTITY_SAN_EMAIL;
	q = testtls_pair(server, client);
	assert_string_equal(tls_proof(q.server)->name, "alice@corp.example");
	testtls_pair_fini(&p);
	testtls_pair_fini(&q);
}

static void client_with_several_or_no_alternative_names_is_refused(void **state)
{
	struct tls_settings server = good_server();

	(void)state;
	server.identity = TLS_IDENTITY_SAN_DNS;
	assert_client_refused(server,
			      client_with((struct testpki_spec){
				      .cn = { "x" }, .san = "DNS:a.example,DNS:b.example", .usage = "clientAuth" }),
			      42, "more than one alternative name");
	assert_client_refused(server, good_client(), 42, "no alternative name");
}

static void client_without_certificate_is_refused(void **state)
{
	struct testtls_raw raw = testtls_raw(false, NULL);
	struct tls *server = testtls_begin(good_server());

	(void)state;
	testtls_raw_begin(&raw);
	assert_int_equal(testtls_raw_shake(&raw, server), TLS_FAILED);
	assert_int_equal(tls_failure(server)->alert, 116);
	assert_true(tls_failure(server)->certificate);
	assert_string_equal(tls_failure(server)->reason, "no certificate was sent");
	tls_free(server);
	testtls_raw_fini(&raw);
}

static void gateway_with_expired_certificate_is_refused(void **state)
{
	(void)state;
	assert_gateway_refused(server_with((struct testpki_spec){ .cn = { "x" },
								  .san = "DNS:" TESTTLS_GATEWAY,
								  .usage = "serverAuth",
								  .from_s = -2L * TESTPKI_DAY,
								  .until_s = -60 }),
			       good_client(), 45, "certificate has expired");
}

static void gateway_with_future_certificate_is_refused(void **state)
{
	(void)state;
	assert_gateway_refused(
		server_with((struct testpki_spec){
			.cn = { "x" }, .san = "DNS:" TESTTLS_GATEWAY, .usage = "serverAuth", .from_s = 3600 }),
		good_client(), 45, "not yet valid");
}

static void gateway_of_other_ca_is_refused(void **state)
{
	struct tls_settings server = testtls_server_settings(root, testpki_server(other_root, TESTTLS_GATEWAY));

	(void)state;
	assert_gateway_refused(server, good_client(), 48, "not signed by a trusted issuer");
}

static void gateway_without_or_with_wrong_usage_is_refused(void **state)
{
	struct testpki_spec spec = { .cn = { "x" }, .san = "DNS:" TESTTLS_GATEWAY };

	(void)state;
	assert_gateway_refused(server_with(spec), good_client(), 43, "no extended key usage");
	spec.usage = "clientAuth";
	assert_gateway_refused(server_with(spec), good_client(), 43, "extended key usage");
}

static void gateway_with_other_host_name_is_refused(void **state)
{
	struct tls_settings client = good_client();

	(void)state;
	client.peer_name = "other.example";
	assert_gateway_refused(good_server(), client, 42, "hostname mismatch");
}

static void gateway_named_only_in_its_common_name_is_refused(void **state)
{
	(void)state;
	assert_gateway_refused(server_with((struct testpki_spec){ .cn = { TESTTLS_GATEWAY }, .usage = "serverAuth" }),
			       good_client(), 42, "hostname mismatch");
}

static void gateway_wildcard_covers_one_whole_label(void **state)
{
	struct tls_settings server =
		server_with((struct testpki_spec){ .cn = { "x" }, .san = "DNS:*.corp.example", .usage = "serverAuth" });
	struct tls_settings partial = server_with(
		(struct testpki_spec){ .cn = { "x" }, .san = "DNS:v*.corp.example", .usage = "serverAuth" });
	struct tls_settings client = good_client();

	(void)state;
	client.peer_name = "vpn.corp.example";
	assert_accepted(server, client);
	assert_gateway_refused(partial, client, 42, "hostname mismatch");
	client.peer_name = "a.vpn.corp.example";
	assert_gateway_refused(server, client, 42, "hostname mismatch");
}

static void gateway_address_is_matched_by_ip_name_only(void **state)
{
	struct tls_settings server = server_with(
		(struct testpki_spec){ .cn = { "x" }, .san = "IP:192.0.2.1,IP:2001:db8::1", .usage = "serverAuth" });
	struct tls_settings dns = server_with(
		(struct testpki_spec){ .cn = { "192.0.2.1" }, .san = "DNS:192.0.2.1", .usage = "serverAuth" });
	struct tls_settings client = good_client();

	(void)state;
	client.peer_name = "192.0.2.1";
	assert_accepted(server, client);
	assert_gateway_refused(dns, client, 42, "IP address mismatch");
	client.peer_name = "2001:db8::1";
	assert_accepted(server, client);
	client.peer_name = "192.0.2.2";
	assert_gateway_refused(server, client, 42, "IP address mismatch");
}

static void intermediates_are_sent_and_needed(void **state)
{
	const struct testpki_cert *middle = testpki_ca(root, "middle"), *low = testpki_ca(middle, "low");
	const struct testpki_cert *bob = testpki_client(low, "bob");
	struct tls_settings client = testtls_client_settings(root, bob);
	struct testtls_pair p;

	(void)state;
	assert_client_refused(good_server(), client, 48, "not signed by a trusted issuer");
	client.certificate = testpki_join(bob->pem, testpki_join(low->pem, middle->pem));
	p = testtls_pair(good_server(), client);
	assert_int_equal(p.server_step, TLS_DONE);
	assert_string_equal(tls_proof(p.server)->root, tls_proof(p.client)->root);
	testtls_pair_fini(&p);
}

static void issuer_that_is_no_ca_is_refused(void **state)
{
	const struct testpki_cert *mallory = testpki_client(alice, "mallory");
	struct tls_settings client = testtls_client_settings(root, mallory);

	(void)state;
	client.certificate = testpki_join(mallory->pem, alice->pem);
	assert_client_refused(good_server(), client, 48, "invalid CA");
}

static void revoked_client_is_refused_and_others_are_not(void **state)
{
	const struct testpki_cert *bob = testpki_client(root, "bob");
	struct tls_settings server = good_server();

	(void)state;
	server.crl = testpki_crl(root, bob, -3600, TESTPKI_DAY);
	assert_client_refused(server, testtls_client_settings(root, bob), 44, "certificate revoked");
	assert_accepted(server, good_client());
}

static void revoked_gateway_is_refused(void **state)
{
	struct tls_settings client = good_client();

	(void)state;
	client.crl = testpki_crl(root, gateway, -3600, TESTPKI_DAY);
	assert_gateway_refused(good_server(), client, 44, "certificate revoked");
}

static void client_below_revoked_intermediate_is_refused(void **state)
{
	const struct testpki_cert *middle = testpki_ca(root, "middle"), *bob = testpki_client(middle, "bob");
	struct tls_settings server = good_server(), client = testtls_client_settings(root, bob);

	(void)state;
	client.certificate = testpki_join(bob->pem, middle->pem);
	server.crl = testpki_crl(root, NULL, -3600, TESTPKI_DAY);
	assert_accepted(server, client);
	server.crl = testpki_crl(root, middle, -3600, TESTPKI_DAY);
	assert_client_refused(server, client, 44, "certificate revoked (issuer CN=middle)");
}

static void lapsed_list_still_revokes(void **state)
{
	const struct testpki_cert *bob = testpki_client(root, "bob");
	struct tls_settings server = good_server();

	(void)state;
	server.crl = testpki_crl(root, bob, -3600, -60);
	assert_accepted(server, good_client());
	assert_client_refused(server, testtls_client_settings(root, bob), 44, "certificate revoked");
}

static void lapsed_list_refuses_when_strict(void **state)
{
	struct tls_settings server = good_server();

	(void)state;
	server.crl_strict = true;
	server.crl = testpki_crl(root, NULL, -3600, -60);
	assert_client_refused(server, good_client(), 42, "revocation list has expired");
	server.crl = testpki_crl(root, NULL, -3600, 60);
	assert_accepted(server, good_client());
}

static void issuer_without_list_is_accepted(void **state)
{
	struct tls_settings server = good_server();

	(void)state;
	server.crl_strict = true;
	server.crl = testpki_crl(other_root, NULL, -3600, TESTPKI_DAY);
	assert_accepted(server, good_client());
}

static void list_forged_in_the_issuers_name_refuses(void **state)
{
	struct tls_settings server = good_server();

	(void)state;
	server.crl = testpki_crl(testpki_ca(NULL, "root"), NULL, -3600, TESTPKI_DAY);
	assert_client_refused(server, good_client(), 42, "revocation list is not signed by the issuer");
}

static void list_forged_in_the_roots_name_refuses_below_an_intermediate(void **state)
{
	const struct testpki_cert *middle = testpki_ca(root, "middle"), *bob = testpki_client(middle, "bob");
	struct tls_settings server = good_server(), client = testtls_client_settings(root, bob);

	(void)state;
	client.certificate = testpki_join(bob->pem, middle->pem);
	server.crl = testpki_crl(testpki_ca(NULL, "root"), NULL, -3600, TESTPKI_DAY);
	assert_client_refused(server, client, 42, "revocation list is not signed by the issuer (issuer CN=middle)");
}

static void handshake_works_one_byte_at_a_time(void **state)
{
	struct testtls_pair p = { .server = testtls_begin(good_server()), .client = testtls_begin(good_client()) };

	(void)state;
	testtls_shake(&p, 1);
	assert_int_equal(p.server_step, TLS_DONE);
	assert_int_equal(p.client_step, TLS_DONE);
	testtls_pair_fini(&p);
}

static void server_has_started_with_a_whole_hello_only(void **state)
{
	struct tls *server = testtls_begin(good_server()), *client = testtls_begin(good_client());
	struct buf hello = BUF_INIT, out = BUF_INIT;

	(void)state;
	tls_handshake(client, NULL, 0, &hello);
	assert_int_equal(tls_handshake(server, buf_data(&hello), buf_len(&hello) - 1, &out), TLS_MORE);
	assert_false(tls_started(server));
	assert_int_equal(buf_len(&out), 0);
	buf_consume(&hello, buf_len(&hello) - 1);
	assert_int_equal(tls_handshake(server, buf_data(&hello), 1, &out), TLS_MORE);
	assert_true(tls_started(server));
	buf_fini(&hello);
	buf_fini(&out);
	tls_free(server);
	tls_free(client);
}

static void assert_garbage_fails(const void *bytes, size_t len)
{
	struct tls *server = testtls_begin(good_server());
	struct buf out = BUF_INIT;

	assert_int_equal(tls_handshake(server, bytes, len, &out), TLS_FAILED);
	assert_int_not_equal(tls_failure(server)->reason[0], '\0');
	assert_false(tls_failure(server)->certificate);
	assert_int_equal(tls_handshake(server, bytes, len, &out), TLS_FAILED);
	buf_fini(&out);
	tls_free(server);
}

static void garbage_fails_with_a_reason(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: vpn.example\r\n\r\n";
	uint8_t noise[512];

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 37 + 5);
	assert_garbage_fails(http, strlen(http));
	assert_garbage_fails(noise, sizeof(noise));
	memset(noise, 0, sizeof(noise));
	assert_garbage_fails(noise, sizeof(noise));
}

/* Every single changed byte of the client's last flight is noticed. */
static void changed_bytes_never_succeed(void **state)
{
	for (size_t at = 0; at < 400; at += 7) {
		struct testtls_pair p = { .server = testtls_begin(good_server()),
					  .client = testtls_begin(good_client()) };

		(void)state;
		tls_handshake(p.client, NULL, 0, &p.to_server);
		testtls_deliver(p.server, &p.to_server, 16384, &p.to_client);
		p.client_step = testtls_deliver(p.client, &p.to_client, 16384, &p.to_server);
		assert_int_equal(p.client_step, TLS_DONE);
		assert_true(buf_len(&p.to_server) > 400);
		buf_data(&p.to_server)[at] ^= 0x40;
		assert_int_not_equal(testtls_deliver(p.server, &p.to_server, 16384, &p.to_client), TLS_DONE);
		testtls_pair_fini(&p);
	}
}

static void tls_1_2_is_refused(void **state)
{
	struct testtls_raw raw = testtls_raw(false, alice);
	struct tls *server = testtls_begin(good_server());

	(void)state;
	SSL_CTX_set_max_proto_version(raw.ctx, TLS1_2_VERSION);
	testtls_raw_begin(&raw);
	assert_int_equal(testtls_raw_shake(&raw, server), TLS_FAILED);
	assert_int_equal(tls_failure(server)->alert, 70);
	tls_free(server);
	testtls_raw_fini(&raw);
}

static void client_that_wants_short_records_is_refused(void **state)
{
	struct testtls_raw raw = testtls_raw(false, alice);
	struct tls *server = testtls_begin(good_server());

	(void)state;
	SSL_CTX_set_tlsext_max_fragment_length(raw.ctx, TLSEXT_max_fragment_length_512);
	testtls_raw_begin(&raw);
	assert_int_equal(testtls_raw_shake(&raw, server), TLS_FAILED);
	assert_int_equal(tls_failure(server)->alert, 40);
	assert_string_equal(tls_failure(server)->reason, "client asks for short records");
	tls_free(server);
	testtls_raw_fini(&raw);
}

static void each_group_is_offered_and_named(void **state)
{
	static const char *const names[] = { "X25519", "P-256", "P-384" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct testtls_raw raw = testtls_raw(false, alice);
		struct tls *server = testtls_begin(good_server());

		SSL_CTX_set1_groups_list(raw.ctx, names[i]);
		testtls_raw_begin(&raw);
		assert_int_equal(testtls_raw_shake(&raw, server), TLS_DONE);
		assert_string_equal(tls_facts(server)->group, names[i]);
		tls_free(server);
		testtls_raw_fini(&raw);
	}
}

static void second_connection_is_never_a_resumption(void **state)
{
	struct testtls_raw raw = testtls_raw(false, alice);
	struct tls *server = testtls_begin(good_server());

	(void)state;
	testtls_raw_begin(&raw);
	assert_int_equal(testtls_raw_shake(&raw, server), TLS_DONE);
	assert_int_equal(SSL_SESSION_is_resumable(SSL_get_session(raw.ssl)), 0);
	tls_free(server);
	testtls_raw_fini(&raw);
}

static void assert_bad_settings(struct tls_settings settings, enum tls_pem pem, const char *reason)
{
	struct tls_context *ctx = NULL;
	struct tls_fault fault;

	assert_int_equal(tls_context_new(&settings, &ctx, &fault), ERR_CONFIG);
	assert_null(ctx);
	assert_int_equal(fault.pem, pem);
	assert_contains(fault.why, reason);
}

static void bad_settings_are_refused_with_a_sentence(void **state)
{
	struct tls_settings s = good_server();

	(void)state;
	s.key = alice->key_pem;
	assert_bad_settings(s, TLS_PEM_KEY, "does not match");
	s = good_server();
	s.key = "no key";
	assert_bad_settings(s, TLS_PEM_KEY, "no private key");
	s = good_server();
	s.certificate = "";
	assert_bad_settings(s, TLS_PEM_CERTIFICATE, "no certificate");
	s.certificate = testpki_join(gateway->pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_bad_settings(s, TLS_PEM_CERTIFICATE, "damaged");
	s = good_server();
	s.ca = gateway->key_pem;
	assert_bad_settings(s, TLS_PEM_CA, "no CA certificate");
	s = good_server();
	s.crl = "";
	assert_bad_settings(s, TLS_PEM_CRL, "no revocation list");
	s = good_client();
	s.peer_name = ".example";
	assert_bad_settings(s, TLS_PEM_NONE, "begins with a dot");
}

static void key_with_passphrase_is_refused_without_asking(void **state)
{
	struct tls_settings s = good_server();
	BIO *pem = BIO_new(BIO_s_mem());

	(void)state;
	PEM_write_bio_PrivateKey(pem, gateway->key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
	s.key = testpki_text_take(pem);
	assert_bad_settings(s, TLS_PEM_KEY, "passphrase");
}

static void final_alerts_are_those_about_certificates(void **state)
{
	(void)state;
	for (int alert = -1; alert < 256; alert++) {
		bool final = (alert >= 42 && alert <= 46) || alert == 48 || alert == 49 || alert == 116;

		assert_int_equal(tls_alert_final(alert), final);
		assert_non_null(tls_alert_text(alert));
	}
	assert_string_equal(tls_alert_text(44), "certificate revoked");
}

#ifdef ADIT_KEYLOG
static void key_log_has_one_line_a_secret(void **state)
{
	struct testtls_pair p;
	char text[4096] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	tls_keylog_to(ends[1]);
	p = testtls_pair(good_server(), good_client());
	tls_keylog_to(-1);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_contains(text, "CLIENT_TRAFFIC_SECRET_0 ");
	assert_contains(text, "\nSERVER_TRAFFIC_SECRET_0 ");
	testtls_pair_fini(&p);
	close(ends[0]);
	close(ends[1]);
}
#endif

static int setup(void **state)
{
	(void)state;
	root = testpki_ca(NULL, "root");
	other_root = testpki_ca(NULL, "other root");
	gateway = testpki_server(root, TESTTLS_GATEWAY);
	alice = testpki_client(root, "alice");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	testpki_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_certificates_are_accepted_at_both_ends),
		cmocka_unit_test(facts_name_what_was_negotiated),
		cmocka_unit_test(every_handshake_has_new_shares_and_a_new_psk),
		cmocka_unit_test(client_with_expired_certificate_is_refused),
		cmocka_unit_test(client_with_future_certificate_is_refused),
		cmocka_unit_test(client_of_other_ca_is_refused),
		cmocka_unit_test(client_of_ca_with_our_name_is_refused),
		cmocka_unit_test(client_with_self_signed_certificate_is_refused),
		cmocka_unit_test(client_without_usage_is_refused),
		cmocka_unit_test(client_with_server_usage_is_refused),
		cmocka_unit_test(client_with_any_usage_is_refused),
		cmocka_unit_test(client_with_both_usages_is_accepted),
		cmocka_unit_test(client_with_two_names_is_refused),
		cmocka_unit_test(client_without_name_is_refused),
		cmocka_unit_test(client_with_strange_characters_is_refused),
		cmocka_unit_test(client_name_may_use_all_allowed_characters),
		cmocka_unit_test(client_name_comes_from_the_alternative_name_when_told),
		cmocka_unit_test(client_with_several_or_no_alternative_names_is_refused),
		cmocka_unit_test(client_without_certificate_is_refused),
		cmocka_unit_test(gateway_with_expired_certificate_is_refused),
		cmocka_unit_test(gateway_with_future_certificate_is_refused),
		cmocka_unit_test(gateway_of_other_ca_is_refused),
		cmocka_unit_test(gateway_without_or_with_wrong_usage_is_refused),
		cmocka_unit_test(gateway_with_other_host_name_is_refused),
		cmocka_unit_test(gateway_named_only_in_its_common_name_is_refused),
		cmocka_unit_test(gateway_wildcard_covers_one_whole_label),
		cmocka_unit_test(gateway_address_is_matched_by_ip_name_only),
		cmocka_unit_test(intermediates_are_sent_and_needed),
		cmocka_unit_test(issuer_that_is_no_ca_is_refused),
		cmocka_unit_test(revoked_client_is_refused_and_others_are_not),
		cmocka_unit_test(revoked_gateway_is_refused),
		cmocka_unit_test(client_below_revoked_intermediate_is_refused),
		cmocka_unit_test(lapsed_list_still_revokes),
		cmocka_unit_test(lapsed_list_refuses_when_strict),
		cmocka_unit_test(issuer_without_list_is_accepted),
		cmocka_unit_test(list_forged_in_the_issuers_name_refuses),
		cmocka_unit_test(list_forged_in_the_roots_name_refuses_below_an_intermediate),
		cmocka_unit_test(handshake_works_one_byte_at_a_time),
		cmocka_unit_test(server_has_started_with_a_whole_hello_only),
		cmocka_unit_test(garbage_fails_with_a_reason),
		cmocka_unit_test(changed_bytes_never_succeed),
		cmocka_unit_test(tls_1_2_is_refused),
		cmocka_unit_test(client_that_wants_short_records_is_refused),
		cmocka_unit_test(each_group_is_offered_and_named),
		cmocka_unit_test(second_connection_is_never_a_resumption),
		cmocka_unit_test(bad_settings_are_refused_with_a_sentence),
		cmocka_unit_test(key_with_passphrase_is_refused_without_asking),
		cmocka_unit_test(final_alerts_are_those_about_certificates),
#ifdef ADIT_KEYLOG
		cmocka_unit_test(key_log_has_one_line_a_secret),
#endif
	};

	return crypto_memory_init() < 0 ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
