/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: what is taken, what is refused and in which words. */
#include "testconf.h"

/* A line added to a good file, and the one fault that it is; NULL: none. */
struct row {
	const char *extra, *fault;
};

static void check_rows(struct testconf_parts parts, const struct row *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (rows[i].fault)
			testconf_bad(parts, rows[i].extra, rows[i].fault);
		else
			conf_free(testconf_good(parts, rows[i].extra));
	}
}
#define CHECK_ROWS(parts, rows) check_rows(parts, rows, sizeof(rows) / sizeof((rows)[0]))

static struct testconf_parts server_listening(const char *listen)
{
	struct testconf_parts parts = testconf_server;

	parts.what = listen;
	return parts;
}

static struct testconf_parts server_with_pools(const char *addresses)
{
	struct testconf_parts parts = testconf_server;

	parts.addresses = addresses;
	return parts;
}

static struct testconf_parts client_of(const char *server)
{
	struct testconf_parts parts = testconf_client;

	parts.what = server;
	return parts;
}

static struct testconf_parts server_with_identity(const char *identity)
{
	struct testconf_parts parts = testconf_server;

	parts.identity = identity;
	return parts;
}

static struct testconf_parts server_with_trust(const char *trust)
{
	struct testconf_parts parts = testconf_server;

	parts.trust = trust;
	return parts;
}

static void server_needs_nothing_but_the_required_keys(void **state)
{
	struct conf *c = testconf_good(testconf_server, "");

	(void)state;
	assert_int_equal(c->role, CONF_SERVER);
	assert_string_equal(c->path, testconf_path("test.conf"));
	assert_int_equal(c->listen.len, 1);
	assert_string_equal(c->listen.items[0].address, "*");
	assert_int_equal(c->listen.items[0].port, 443);
	assert_string_equal(c->identity.certificate, TESTCONF_CERT);
	assert_string_equal(c->identity.key, TESTCONF_KEY);
	assert_string_equal(c->trust.ca, TESTCONF_CERT);
	assert_null(c->trust.crl);
	assert_null(c->trust.crl_path);
	assert_int_equal(c->trust.crl_policy, CONF_CRL_WARN);
	assert_int_equal(c->trust.identity, CONF_IDENTITY_CN);
	assert_string_equal(c->tunnel.device, "adit%d");
	assert_int_equal(c->tunnel.mtu, 1400);
	assert_int_equal(c->rekey.seconds, 900);
	assert_int_equal(c->rekey.records_log2, 23);
	assert_int_equal(c->rekey.stock, CONF_STOCK_STRICT);
	assert_int_equal(c->dpd.seconds, 20);
	assert_int_equal(c->dpd.keepalive_seconds, 30);
	assert_true(c->client_to_client);
	assert_int_equal(c->limits.handshake_seconds, 10);
	assert_int_equal(c->limits.unauthenticated, 1024);
	assert_int_equal(c->limits.per_source, 64);
	assert_int_equal(c->limits.sessions_per_client, 1);
	assert_int_equal(c->limits.cookie_seconds, 3600);
	assert_int_equal(c->limits.idle_seconds, 0);
	assert_string_equal(c->hooks.connect, "");
	assert_string_equal(c->control, "/run/adit/server.sock");
	assert_string_equal(c->control_group, "");
	assert_string_equal(c->user, "adit");
	assert_int_equal(c->aead, CONF_AEAD_AUTO);
	assert_int_equal(c->workers, 0);
	conf_free(c);
}

static void client_needs_nothing_but_the_required_keys(void **state)
{
	struct conf *c = testconf_good(testconf_client, "");

	(void)state;
	assert_int_equal(c->role, CONF_CLIENT);
	assert_string_equal(c->server_host, "vpn.example.com");
	assert_int_equal(c->server_port, 443);
	assert_string_equal(c->trust.name, "vpn.example.com");
	assert_int_equal(c->tunnel.mtu, 0);
	assert_int_equal(c->transport, CONF_TRANSPORT_AUTO);
	assert_string_equal(c->control, "/run/adit/client.sock");
	assert_string_equal(c->script, "");
	conf_free(c);
}

static void file_with_both_or_neither_role_is_refused(void **state)
{
	(void)state;
	testconf_bad(client_of(""), "",
		     "1: listen: found neither listen nor server, allowed listen (in the file of a server) or server");
	testconf_bad(testconf_server, "server = \"a\";", "5: server: found beside listen, allowed listen (in");
}

static void server_file_names_every_required_key_that_is_missing(void **state)
{
	static const char *const want[] = { ":1: identity: found nothing, allowed a group { ... }\n",
					    ":2: trust.ca: found nothing, allowed PEM text or the path of a PEM file\n",
					    ":1: addresses: found nothing, allowed a group { ... }\n" };
	struct conf *c;
	size_t i;

	(void)state;
	assert_int_equal(testconf_load_text("listen = ( { } );\ntrust = { };\n", &c), ERR_CONFIG);
	for (i = 0; i < 3; i++)
		assert_non_null(strstr(testconf_said, want[i]));
}

static void all_schema_errors_are_reported_in_one_run(void **state)
{
	static const char *const want[] = { ":5: workers: ", ":6: tunnel.mtu: ", ":7: limits.per_source: ",
					    ":8: push.dns: ", ":9: nothing_like_it: " };
	struct conf *c;
	size_t i;

	(void)state;
	assert_int_equal(testconf_load(testconf_server,
				       "workers = -1;\ntunnel = { mtu = 12; };\nlimits = { per_source = 0; };\n"
				       "push = { dns = ( \"x\" ); };\nnothing_like_it = 1;",
				       &c),
			 ERR_CONFIG);
	for (i = 0; i < 5; i++)
		assert_non_null(strstr(testconf_said, want[i]));
}

static void syntax_error_is_reported_with_its_line(void **state)
{
	(void)state;
	testconf_bad(testconf_server, "workers = ;", "5: syntax error");
	testconf_bad(testconf_server, "user = \"adit;\n\n\n", "5: syntax error: a string without an end\n");
	testconf_bad(testconf_server, "workers = 1;\nworkers = 2;", "6: duplicate setting name");
}

static void unreadable_files_are_refused(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(testconf_load_file("none.conf", &c), ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "none.conf: cannot read: "));
	assert_int_equal(testconf_load_file("sub", &c), ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "sub: cannot read: not a regular file of text"));
}

static void unknown_keys_are_refused_with_the_nearest_name(void **state)
{
	static const struct row rows[] = {
		{ "tunel = { };", "5: tunel: found an unknown key, did you mean \"tunnel\"?" },
		{ "limits = { per_sorce = 1; };",
		  "5: limits.per_sorce: found an unknown key, did you mean \"limits.per_source\"?" },
		{ "per_source = 1;", "5: per_source: found an unknown key, did you mean \"limits.per_source\"?" },
		{ "dpd = { second = 1; };", "5: dpd.second: found an unknown key, did you mean \"dpd.seconds\"?" },
		{ "clients = ( { nam = \"x\"; name = \"y\"; } );",
		  "5: clients.nam: found an unknown key, did you mean \"clients.name\"?" },
		{ "quux_zork = 1;", "5: quux_zork: found an unknown key\n" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void keys_of_the_other_role_are_refused(void **state)
{
	(void)state;
	testconf_bad(testconf_client, "limits = { };",
		     "5: limits: found in the file of a client, allowed in that of a server only");
	testconf_bad(testconf_server, "script = \"hook\";",
		     "5: script: found in the file of a server, allowed in that of a client only");
	testconf_bad(testconf_client, "rekey = { stock = \"strict\"; };",
		     "5: rekey.stock: found in the file of a client");
}

static void wrong_types_are_refused_with_type_and_value(void **state)
{
	static const struct row rows[] = {
		{ "workers = \"2\";", "5: workers: found string \"2\", allowed an integer 0..64\n" },
		{ "workers = 1.5;", "5: workers: found decimal number 1.5, allowed" },
		{ "workers = true;", "5: workers: found boolean true, allowed" },
		{ "workers = ( 1 );", "5: workers: found a list of 1, allowed" },
		{ "workers = { };", "5: workers: found a group, allowed" },
		{ "workers = 2;", NULL },
		{ "client_to_client = 1;", "5: client_to_client: found integer 1, allowed true or false\n" },
		{ "client_to_client = false;", NULL },
		{ "user = 7;", "5: user: found integer 7, allowed the name of a user\n" },
		{ "limits = ( );", "5: limits: found a list of 0, allowed a group { ... }\n" },
		{ "clients = { };", "5: clients: found a group, allowed a list of at most 65536, each a group" },
		{ "clients = ( 4 );", "5: clients: found integer 4, allowed a group { ... }" },
		{ "push = { dns = \"10.20.0.1\"; };", "5: push.dns: found string \"10.20.0.1\", allowed a list" },
		{ "push = { dns = ( 1 ); };", "5: push.dns: found integer 1, allowed an IP address" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void numbers_are_held_to_their_range(void **state)
{
	static const struct row rows[] = {
		{ "rekey = { seconds = 0; };", "5: rekey.seconds: found integer 0, allowed an integer 1..86400\n" },
		{ "rekey = { seconds = 1; };", NULL },
		{ "rekey = { seconds = 86400; };", NULL },
		{ "rekey = { seconds = 86401; };", "5: rekey.seconds: found integer 86401, allowed" },
		{ "rekey = { records_log2 = 9; };",
		  "5: rekey.records_log2: found integer 9, allowed an integer 10..24" },
		{ "rekey = { records_log2 = 10; };", NULL },
		{ "rekey = { records_log2 = 25; };", "5: rekey.records_log2: found integer 25" },
		{ "rekey = { mib = 131072; };", NULL },
		{ "rekey = { mib = 131073; };", "5: rekey.mib: found integer 131073" },
		{ "limits = { idle_seconds = 0; };", NULL },
		{ "limits = { idle_seconds = -1; };", "5: limits.idle_seconds: found integer -1" },
		{ "clients = ( { name = \"a\"; sessions = 2000; } );", "5: clients.sessions: found integer 2000" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

/* 4294968196 is 900 in its lower 32 bits. */
static void numbers_that_do_not_fit_in_32_bits_are_refused_as_written(void **state)
{
	static const struct row rows[] = {
		{ "rekey = { seconds = 900L; };", NULL },
		{ "rekey = { seconds = 4294968196L; };", "5: rekey.seconds: found integer 4294968196L, allowed" },
		{ "rekey = { seconds = 4294968196; };", "5: rekey.seconds: found integer 4294968196, allowed" },
		{ "rekey = { seconds = 0x100000384; };", "5: rekey.seconds: found integer 0x100000384, allowed" },
		{ "rekey = { seconds = 0x384; };", NULL },
		{ "rekey = { seconds = 99999999999999999999384; };",
		  "5: rekey.seconds: found integer 99999999999999999999384, allowed" },
		{ "/* \" 4294968196\n */ rekey = {\n seconds # \"\n = \n 4294968196; };",
		  "7: rekey.seconds: found integer 4294968196, allowed" },
		{ "// 4294968196 \"\nuser = \"a4294968196\"; workers = 4; # 4294968196", NULL },
		{ "rekey = { seconds = 5000000000; }; dpd = { seconds = 5; };",
		  "5: rekey.seconds: found integer 5000000000, allowed" },
		{ "clients = ( { name = \"a\"; sessions = 3; }, { name = \"b\"; sessions = 4294967299; } );",
		  "5: clients.sessions: found integer 4294967299, allowed" },
		{ "user = \"\\\"4294968196\n\"; ", "5: user: found string \"\"4294968196...\", allowed" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void words_are_taken_by_their_place(void **state)
{
	struct conf *c = testconf_good(
		server_with_trust("trust = { ca = \"ca.crt\"; crl_policy = \"strict\"; identity = \"san_email\"; };"),
		"");

	(void)state;
	assert_int_equal(c->trust.crl_policy, CONF_CRL_STRICT);
	assert_int_equal(c->trust.identity, CONF_IDENTITY_SAN_EMAIL);
	conf_free(c);
	testconf_bad(server_with_trust("trust = { ca = \"ca.crt\"; identity = \"dn\"; };"), "",
		     "3: trust.identity: found string \"dn\", allowed \"cn\" or \"san_dns\" or \"san_email\"\n");
}

static void what_protects_records_can_be_named(void **state)
{
	static const struct row rows[] = {
		{ "aead = \"auto\";", NULL },
		{ "aead = \"ipsec-mb\";", NULL },
		{ "aead = \"evp\";", NULL },
		{ "aead = \"rot13\";",
		  "5: aead: found string \"rot13\", allowed \"auto\" or \"ipsec-mb\" or \"evp\"\n" },
	};
	struct conf *c = testconf_good(testconf_server, "aead = \"evp\";");

	(void)state;
	assert_int_equal(c->aead, CONF_AEAD_EVP);
	conf_free(c);
	CHECK_ROWS(testconf_server, rows);
	CHECK_ROWS(testconf_client, rows);
}

static void keys_of_a_later_version_are_refused_when_they_ask_for_it(void **state)
{
	static const struct row rows[] = {
		{ "rekey = { stock = \"strict\"; };", NULL },
		{ "rekey = { stock = \"smooth\"; };", NULL },
		{ "offload = { };", NULL },
		{ "offload = { tso = true; uso = false; };", NULL },
		{ "offload = { udp_gso = true; udp_gro = false; };", NULL },
	};
	static const struct row client_rows[] = {
		{ "transport = \"auto\";", NULL },
		{ "transport = \"tls\";", NULL },
		{ "workers = 0;", NULL },
		{ "workers = 1;", NULL },
		{ "workers = 2;", NULL },
		{ "workers = 65;", "5: workers: found integer 65, allowed an integer 0..64\n" },
		{ "transport = \"dtls\";", NULL },
		{ "transport = \"udp\";",
		  "5: transport: found string \"udp\", allowed \"auto\" or \"dtls\" or \"tls\"\n" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
	CHECK_ROWS(testconf_client, client_rows);
}

static void listeners_take_datagrams_unless_told_otherwise(void **state)
{
	struct conf *c = testconf_good(
		server_listening(
			"listen = ( { }, { port = 444; datagrams = false; }, { port = 445; datagrams = true; } );"),
		"");

	(void)state;
	assert_true(c->listen.items[0].datagrams);
	assert_false(c->listen.items[1].datagrams);
	assert_true(c->listen.items[2].datagrams);
	conf_free(c);
}

static void listen_takes_several_addresses(void **state)
{
	struct conf *c = testconf_good(
		server_listening("listen = ( { port = 444; }, { address = \"127.0.0.1\"; }, { address = \"::1\"; } );"),
		"");

	(void)state;
	assert_int_equal(c->listen.len, 3);
	assert_int_equal(c->listen.items[0].port, 444);
	assert_string_equal(c->listen.items[2].address, "::1");
	conf_free(c);
}

static void listen_refuses_bad_entries(void **state)
{
	(void)state;
	testconf_bad(server_listening("listen = ( );"), "", "1: listen: found an empty list, allowed at least one");
	testconf_bad(server_listening("listen = ( { }, { } );"), "", "1: listen: found \"*\" port 443 again");
	testconf_bad(server_listening("listen = ( { port = 0; } );"), "", "1: listen.port: found integer 0");
	testconf_bad(server_listening("listen = ( { address = \"localhost\"; } );"), "",
		     "1: listen.address: found string \"localhost\", allowed \"*\" or an IP address\n");
}

static void server_of_a_client_is_host_and_port(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
	} good[] = {
		{ "server = \"vpn.example.com:8443\";", "vpn.example.com", 8443 },
		{ "server = \"192.0.2.1\";", "192.0.2.1", 443 },
		{ "server = \"[2001:db8::1]\";", "2001:db8::1", 443 },
		{ "server = \"[2001:db8::1]:65535\";", "2001:db8::1", 65535 },
	};
	static const char *const bad[] = {
		"",      ":443",   "a:",  "a:0",  "a:65536", "a:4294967739", "a:44x", "2001:db8::1", "[2001:db8::1",
		"[a]:1", "[::1]x", "a b", "a..b", "1.2.3",   "[192.0.2.1]",  "a:+1",  "a/b",         "-_-:1:2",
	};
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct conf *c = testconf_good(client_of(good[i].text), "");

		assert_string_equal(c->server_host, good[i].host);
		assert_string_equal(c->trust.name, good[i].host);
		assert_int_equal(c->server_port, good[i].port);
		conf_free(c);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "server = \"%s\";", bad[i]);
		testconf_bad(client_of(text), "", "1: server: found string \"");
	}
}

static void name_of_the_gateway_may_differ_from_its_host(void **state)
{
	struct testconf_parts parts = testconf_client;
	struct conf *c;

	(void)state;
	parts.trust = "trust = { ca = \"ca.crt\"; name = \"gate.example.com\"; };";
	c = testconf_good(parts, "");
	assert_string_equal(c->trust.name, "gate.example.com");
	conf_free(c);
	parts.trust = "trust = { ca = \"ca.crt\"; name = \"\"; };";
	testconf_bad(parts, "", "3: trust.name: found string \"\", allowed a host name or an IP address");
}

static void lists_in_brackets_and_parentheses_are_equal(void **state)
{
	struct conf *c =
		testconf_good(testconf_server, "push = { routes = ( \"10.0.0.0/8\", \"::/0\" ); "
					       "exclude = [ \"0.0.0.0/0\", \"192.0.2.1\" ]; domains = [ ]; };");

	(void)state;
	assert_int_equal(c->push.routes.len, 2);
	assert_int_equal(c->push.routes.items[1].addr.family, ADDR_V6);
	assert_int_equal(c->push.exclude.len, 2);
	assert_int_equal(c->push.exclude.items[0].len, 0);
	assert_int_equal(c->push.exclude.items[1].len, 32);
	assert_int_equal(c->push.domains.len, 0);
	conf_free(c);
}

static void pushed_values_are_checked(void **state)
{
	static const struct row rows[] = {
		{ "push = { routes = ( \"0.0.0.0/0\", \"::/0\" ); };", NULL },
		{ "push = { routes = ( \"10.0.0.0/8\",\n \"10.0.0.0/33\" ); };",
		  "6: push.routes: found string \"10.0.0.0/33\"" },
		{ "push = { routes = ( \"10.1.0.0/8\" ); };",
		  "5: push.routes: found string \"10.1.0.0/8\", allowed a network without bits behind its length: "
		  "\"10.0.0.0/8\"\n" },
		{ "push = { routes = ( \"fd00::1/64\" ); };",
		  "5: push.routes: found string \"fd00::1/64\", allowed a network" },
		{ "push = { routes = ( \"127.0.0.0/8\" ); };",
		  "5: push.routes: found string \"127.0.0.0/8\", allowed no loop" },
		{ "push = { exclude = ( \"fe80::/10\" ); };",
		  "5: push.exclude: found string \"fe80::/10\", allowed no loop" },
		{ "push = { exclude = ( \"224.0.0.0/4\" ); };", "5: push.exclude: found string \"224.0.0.0/4\"" },
		{ "push = { dns = ( \"10.20.0.1\", \"fd20::1\" ); };", NULL },
		{ "push = { dns = ( \"10.20.0.1/32\" ); };",
		  "5: push.dns: found string \"10.20.0.1/32\", allowed an IP" },
		{ "push = { dns = ( \"127.0.0.1\" ); };",
		  "5: push.dns: found string \"127.0.0.1\", allowed no loopback" },
		{ "push = { dns = ( \"0.0.0.0\" ); };",
		  "5: push.dns: found string \"0.0.0.0\", allowed an IP address" },
		{ "push = { dns = ( \"\" ); };", "5: push.dns: found string \"\", allowed an IP address" },
		{ "push = { domains = ( \"corp.example\", \"x_y.a-b\" ); };", NULL },
		{ "push = { domains = ( \"corp example\" ); };",
		  "5: push.domains: found string \"corp example\", allowed a" },
		{ "push = { domains = ( \"a\\r\\nX-Evil: 1\" ); };",
		  "5: push.domains: found string \"a?...\", allowed a domain name\n" },
		{ "push = { dns = (\"1.0.0.1\",\"1.0.0.1\",\"1.0.0.1\",\"1.0.0.1\",\"1.0.0.1\",\"1.0.0.1\",\"1.0.0.1\","
		  "\"1.0.0.1\",\"1.0.0.1\"); };",
		  "5: push.dns: found a list of 9, allowed a list of at most 8, each an IP address\n" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void address_pools_are_checked(void **state)
{
	static const struct {
		const char *addresses, *fault;
	} rows[] = {
		{ "addresses = { ipv4 = \"10.20.0.0/30\"; };", NULL },
		{ "addresses = { ipv6 = \"fd20::/126\"; ipv4 = \"\"; };", NULL },
		{ "addresses = { };", "4: addresses: found neither ipv4 nor ipv6, allowed one or both\n" },
		{ "addresses = { ipv4 = \"\"; };", "4: addresses: found neither ipv4 nor ipv6, allowed one or both\n" },
		{ "addresses = { ipv4 = \"10.20.0.0/31\"; };",
		  "4: addresses.ipv4: found \"10.20.0.0/31\", allowed a network of at least 4 addresses, /30\n" },
		{ "addresses = { ipv6 = \"fd20::/127\"; };",
		  "4: addresses.ipv6: found \"fd20::/127\", allowed a network of" },
		{ "addresses = { ipv4 = \"10.20.0.1/24\"; };",
		  "4: addresses.ipv4: found string \"10.20.0.1/24\", allowed a" },
		{ "addresses = { ipv4 = \"fd20::/64\"; };",
		  "4: addresses.ipv4: found string \"fd20::/64\", allowed an IPv4" },
		{ "addresses = { ipv6 = \"10.20.0.0/24\"; };",
		  "4: addresses.ipv6: found string \"10.20.0.0/24\", allowed" },
		{ "addresses = { ipv4 = \"0.0.0.0/8\"; };",
		  "4: addresses.ipv4: found \"0.0.0.0/8\", allowed a network of your" },
		{ "addresses = { ipv4 = \"169.254.0.0/16\"; };", "4: addresses.ipv4: found string \"169.254.0.0/16\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_ROWS(server_with_pools(rows[i].addresses), ((const struct row[]){ { "", rows[i].fault } }));
}

static void mtu_leaves_room_for_ipv6_where_it_is_used(void **state)
{
	static const struct row rows[] = {
		{ "tunnel = { mtu = 1280; };", NULL },
		{ "tunnel = { mtu = 1279; };",
		  "5: tunnel.mtu: found integer 1279, allowed an integer 1280..65535 with addresses.ipv6\n" },
		{ "tunnel = { mtu = 65536; };", "5: tunnel.mtu: found integer 65536, allowed an integer 576..65535\n" },
	};
	static const struct row ipv4_rows[] = {
		{ "tunnel = { mtu = 576; };", NULL },
		{ "tunnel = { mtu = 575; };", "5: tunnel.mtu: found integer 575, allowed an integer 576..65535\n" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
	CHECK_ROWS(server_with_pools("addresses = { ipv4 = \"10.20.0.0/24\"; };"), ipv4_rows);
}

static void client_entries_are_filled(void **state)
{
	struct conf *c = testconf_good(
		testconf_server, "clients = ( { name = \"berlin\"; ipv4 = \"10.20.0.7\"; ipv6 = \"\"; "
				 "networks = [ \"192.168.7.0/24\" ]; sessions = 2; }, { name = \"a.B_c@d-e\"; } );");
	char text[ADDR_TEXT_LEN];

	(void)state;
	assert_int_equal(c->clients.len, 2);
	assert_string_equal(c->clients.items[0].name, "berlin");
	assert_string_equal(addr_format(&c->clients.items[0].ipv4, text), "10.20.0.7");
	assert_int_equal(c->clients.items[0].ipv6.family, ADDR_NONE);
	assert_int_equal(c->clients.items[0].networks.len, 1);
	assert_int_equal(c->clients.items[0].sessions, 2);
	assert_int_equal(c->clients.items[1].ipv4.family, ADDR_NONE);
	assert_int_equal(c->clients.items[1].sessions, 0);
	conf_free(c);
}

#define NAME_16 "abcdefghijklmnop"
#define NAME_64 NAME_16 NAME_16 NAME_16 NAME_16

static void client_names_are_checked(void **state)
{
	static const struct row rows[] = {
		{ "clients = ( { name = \"" NAME_64 "\"; } );", NULL },
		{ "clients = ( { name = \"" NAME_64 "x\"; } );", "5: clients.name: found string \"" NAME_16 },
		{ "clients = ( { name = \"\"; } );", "5: clients.name: found string \"\", allowed 1..64 of" },
		{ "clients = ( { name = \"a b\"; } );", "5: clients.name: found string \"a b\", allowed 1..64 of" },
		{ "clients = ( { name = \"a/b\"; } );", "5: clients.name: found string \"a/b\"" },
		{ "clients = (\n { } );", "6: clients.name: found nothing, allowed 1..64 of" },
		{ "clients = ( { name = \"a\"; },\n { name = \"b\"; } );", NULL },
		{ "clients = ( { name = \"a\"; },\n { name = \"a\"; } );",
		  "6: clients.name: found \"a\" again, allowed each name once\n" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void fixed_addresses_are_checked(void **state)
{
	static const struct row rows[] = {
		{ "clients = ( { name = \"a\"; ipv4 = \"10.20.0.2\"; ipv6 = \"fd20::ffff\"; } );", NULL },
		{ "clients = ( { name = \"a\"; ipv4 = \"10.20.0.254\"; },\n { name = \"b\"; ipv4 = \"10.20.0.3\"; } );",
		  NULL },
		{ "clients = ( { name = \"a\"; ipv4 = \"10.20.0.3\"; },\n { name = \"b\"; ipv4 = \"10.20.0.3\"; } );",
		  "6: clients.ipv4: found \"10.20.0.3\", allowed each address once\n" },
		{ "clients = ( { name = \"a\"; ipv6 = \"fd20::3\"; },\n { name = \"b\"; ipv6 = \"fd20:0::3\"; } );",
		  "6: clients.ipv6: found \"fd20::3\", allowed each address once\n" },
		{ "clients = ( { name = \"a\"; ipv4 = \"10.20.1.2\"; } );",
		  "5: clients.ipv4: found \"10.20.1.2\", allowed an address within addresses\n" },
		{ "clients = ( { name = \"a\"; ipv4 = \"10.20.0.1\"; } );",
		  "5: clients.ipv4: found \"10.20.0.1\", allowed an address other than the gateway's own" },
		{ "clients = ( { name = \"a\"; ipv6 = \"fd20::1\"; } );",
		  "5: clients.ipv6: found \"fd20::1\", allowed an address other than the gateway's own" },
		{ "clients = ( { name = \"a\"; ipv4 = \"10.20.0.0\"; } );",
		  "5: clients.ipv4: found \"10.20.0.0\", allowed an" },
		{ "clients = ( { name = \"a\"; ipv6 = \"fd20::\"; } );",
		  "5: clients.ipv6: found \"fd20::\", allowed an" },
		{ "clients = ( { name = \"a\"; ipv4 = \"10.20.0.255\"; } );",
		  "5: clients.ipv4: found \"10.20.0.255\", allowed an address that a host may have\n" },
		{ "clients = ( { name = \"a\"; ipv4 = \"fd20::9\"; } );",
		  "5: clients.ipv4: found string \"fd20::9\", allowed an IPv4 address or \"\"\n" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
	testconf_bad(server_with_pools("addresses = { ipv4 = \"10.20.0.0/24\"; };"),
		     "clients = ( { name = \"a\"; ipv6 = \"fd20::5\"; } );",
		     "5: clients.ipv6: found \"fd20::5\", allowed an");
}

static void faulty_pool_does_not_accuse_the_clients(void **state)
{
	(void)state;
	testconf_bad(server_with_pools("addresses = { ipv4 = \"10.20.0.0/99\"; };"),
		     "clients = ( { name = \"a\"; ipv4 = \"10.20.0.5\"; } );", "4: addresses.ipv4: found string");
}

static void networks_of_clients_must_not_overlap(void **state)
{
	static const struct row rows[] = {
		{ "clients = ( { name = \"a\"; networks = ( \"10.1.0.0/24\" ); },\n"
		  " { name = \"b\"; networks = ( \"10.1.1.0/24\", \"fd01::/64\" ); } );",
		  NULL },
		{ "clients = ( { name = \"a\"; networks = ( \"10.1.0.0/16\" ); },\n"
		  " { name = \"b\"; networks = ( \"10.2.0.0/24\",\n \"10.1.1.0/24\" ); } );",
		  "7: clients.networks: found \"10.1.1.0/24\", allowed a network that does not overlap 10.1.0.0/16\n" },
		{ "clients = ( { name = \"a\"; networks = ( \"10.1.0.0/16\", \"10.1.0.0/16\" ); } );",
		  "5: clients.networks: found \"10.1.0.0/16\", allowed a network that does not overlap 10.1.0.0/16\n" },
		{ "clients = ( { name = \"a\"; networks = ( \"10.20.0.128/25\" ); } );",
		  "5: clients.networks: found \"10.20.0.128/25\", allowed a network that does not overlap "
		  "10.20.0.0/24\n" },
		{ "clients = ( { name = \"a\"; networks = ( \"::/0\" ); } );",
		  "5: clients.networks: found \"::/0\", allowed a network that does not overlap fd20::/64\n" },
		{ "clients = ( { name = \"a\"; networks = ( \"10.1.0.1/24\" ); } );",
		  "5: clients.networks: found string \"10.1.0.1/24\", allowed a network without bits" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void device_names_are_checked(void **state)
{
	static const struct row rows[] = {
		{ "tunnel = { device = \"adit0\"; };", NULL },
		{ "tunnel = { device = \"a%dx\"; };", NULL },
		{ "tunnel = { device = \"abcdefghijklmno\"; };", NULL },
		{ "tunnel = { device = \"abcdefghijklmnop\"; };",
		  "5: tunnel.device: found string \"abcdefghijklmnop\", allowed" },
		{ "tunnel = { device = \"\"; };", "5: tunnel.device: found string \"\"" },
		{ "tunnel = { device = \"a%d%d\"; };", "5: tunnel.device: found string \"a%d%d\"" },
		{ "tunnel = { device = \"a%s\"; };", "5: tunnel.device: found string \"a%s\"" },
		{ "tunnel = { device = \"a/b\"; };", "5: tunnel.device: found string \"a/b\"" },
		{ "tunnel = { device = \"..\"; };", "5: tunnel.device: found string \"..\"" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void accounts_are_checked(void **state)
{
	static const struct row rows[] = {
		{ "user = \"_adit.x-1\"; control_group = \"adm\";", NULL },
		{ "control_group = \"\";", NULL },
		{ "user = \"\";", "5: user: found string \"\", allowed the name of a user\n" },
		{ "user = \"-r\";", "5: user: found string \"-r\"" },
		{ "control_group = \"no_such_group\";", "5: control_group: found string \"no_such_group\", allowed the "
							"name of a group that exists, or \"\"\n" },
		{ "control_group = \"a:b\";",
		  "5: control_group: found string \"a:b\", allowed the name of a group or \"\"\n" },
	};

	(void)state;
	CHECK_ROWS(testconf_server, rows);
}

static void control_path_must_fit_a_socket_address(void **state)
{
	char extra[256], x[128];
	struct conf *c;

	(void)state;
	memset(x, 'x', sizeof(x));
	snprintf(extra, sizeof(extra), "control = \"/%.106s\";", x);
	c = testconf_good(testconf_server, extra);
	assert_int_equal(strlen(c->control), 107);
	conf_free(c);
	snprintf(extra, sizeof(extra), "control = \"/%.107s\";", x);
	testconf_bad(testconf_server, extra, "5: control: found string \"/xxx");
	/* Relative, it fits only until the directory stands before it. */
	snprintf(extra, sizeof(extra), "control = \"%.100s\";", x);
	testconf_bad(testconf_server, extra, "5: control: found string \"xxx");
}

static void programs_are_found_beside_the_file(void **state)
{
	struct conf *c = testconf_good(testconf_server, "hooks = { connect = \"hook\"; disconnect = \"/bin/true\"; };");

	(void)state;
	assert_string_equal(c->hooks.connect, testconf_path("hook"));
	assert_string_equal(c->hooks.disconnect, "/bin/true");
	conf_free(c);
}

static void programs_that_cannot_run_are_refused(void **state)
{
	(void)state;
	testconf_bad(testconf_server, "hooks = { connect = \"none\"; };",
		     "5: hooks.connect: found @/none: No such file");
	testconf_bad(testconf_server, "hooks = { connect = \"a.crt\"; };",
		     "5: hooks.connect: found string \"a.crt\", allowed the path of an executable file or \"\"\n");
	testconf_bad(testconf_client, "script = \"sub\";", "5: script: found string \"sub\", allowed the path of an");
	conf_free(testconf_good(testconf_client, "script = \"\";"));
}

static void certificates_and_keys_must_be_readable_pem(void **state)
{
	(void)state;
	testconf_bad(server_with_identity("identity = { certificate = \"none\"; key = \"a.key\"; };"), "",
		     "2: identity.certificate: found @/none: No such file or directory, allowed PEM text or the path");
	testconf_bad(server_with_identity("identity = { certificate = \"hook\"; key = \"a.key\"; };"), "",
		     "2: identity.certificate: found no PEM text in @/hook, allowed a PEM file");
	testconf_bad(server_with_identity("identity = { certificate = \"sub\"; key = \"a.key\"; };"), "",
		     "2: identity.certificate: found @/sub: not a regular file of text, allowed");
	testconf_bad(server_with_identity("identity = { certificate = \"\"; key = \"a.key\"; };"), "",
		     "2: identity.certificate: found string \"\", allowed PEM text or the path of a PEM file");
}

static void revocation_list_keeps_its_path(void **state)
{
	struct conf *c = testconf_good(server_with_trust("trust = { ca = \"ca.crt\"; crl = \"ca.crt\"; };"), "");

	(void)state;
	assert_string_equal(c->trust.crl, TESTCONF_CERT);
	assert_string_equal(c->trust.crl_path, testconf_path("ca.crt"));
	conf_free(c);
	c = testconf_good(server_with_trust("trust = { ca = \"ca.crt\"; crl = \"\"; };"), "");
	assert_null(c->trust.crl);
	conf_free(c);
	c = testconf_good(server_with_trust("trust = { ca = \"ca.crt\"; crl = \"-----BEGIN X509 CRL-----\n\"; };"), "");
	assert_string_equal(c->trust.crl, "-----BEGIN X509 CRL-----\n");
	assert_null(c->trust.crl_path);
	conf_free(c);
}

static void key_file_of_others_is_refused(void **state)
{
	(void)state;
	testconf_write("open.key", TESTCONF_KEY, 0640);
	testconf_bad(server_with_identity("identity = { certificate = \"a.crt\"; key = \"open.key\"; };"), "",
		     "2: identity.key: found mode 0640 of @/open.key, allowed 0600: a private key stands in it\n");
	testconf_write("open.key", TESTCONF_KEY, 0400);
	conf_free(testconf_good(server_with_identity("identity = { certificate = \"a.crt\"; key = \"open.key\"; };"),
				""));
}

#define INLINE_CONF(key)                                                                           \
	"server = \"a\";\nidentity = { certificate = \"" TESTCONF_CERT "\"; key = \"" key "\"; };" \
	"\ntrust = { ca = \"" TESTCONF_CERT "\"; };\n"

static void profile_with_everything_inline_is_one_private_file(void **state)
{
	struct conf *c;

	(void)state;
	testconf_write("profile.conf", INLINE_CONF(TESTCONF_KEY), 0600);
	assert_int_equal(testconf_load_file("profile.conf", &c), 0);
	assert_string_equal(c->identity.key, TESTCONF_KEY);
	conf_wipe_key(c);
	assert_null(c->identity.key);
	conf_free(c);

	testconf_write("profile.conf", INLINE_CONF(TESTCONF_KEY), 0604);
	assert_int_equal(testconf_load_file("profile.conf", &c), ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "profile.conf:5: identity.key: found mode 0604 of "));
	assert_non_null(strstr(testconf_said, "profile.conf, allowed 0600: a private key stands in it\n"));

	/* Without a private key in it the file may be read by all. */
	testconf_write("profile.conf", INLINE_CONF("a.key"), 0644);
	assert_int_equal(testconf_load_file("profile.conf", &c), 0);
	conf_free(c);
}

static void inline_key_may_be_written_as_strings_are(void **state)
{
	static const char *const forms[] = {
		"-----BEGIN PRIVATE KEY-----\\nAA==\\n-----END PRIVATE KEY-----\\n",
		"-----BEGIN PRIVATE KEY-----\\n\" # \"\n/* \" */ \"AA==\n\"\n\"-----END PRIVATE KEY-----\n",
	};
	char text[2048];
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(text, sizeof(text),
			 "server = \"a\";\n%s\nidentity = { certificate = \"a.crt\"; key = \"%s\"; };", TESTCONF_TRUST,
			 forms[i]);
		assert_int_equal(testconf_load_text(text, &c), 0);
		assert_string_equal(c->identity.key, TESTCONF_KEY);
		conf_free(c);
	}
	/* What stands behind it keeps its line. */
	snprintf(text, sizeof(text), "identity = { certificate = \"a.crt\"; key = \"%s\"; };", TESTCONF_KEY);
	testconf_bad(server_with_identity(text), "workers = -1;", "8: workers: found integer -1");
}

static void included_file_must_not_hold_a_private_key(void **state)
{
	struct conf *c;

	(void)state;
	testconf_write("sub/in.conf", "identity = {\ncertificate = \"../a.crt\";\n key = \"" TESTCONF_KEY "\"; };\n",
		       0600);
	assert_int_equal(testconf_load(server_with_identity(""), "@include \"sub/in.conf\"", &c), ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "/sub/in.conf:3: identity.key: found a private key in an included file, "
					      "allowed in the main file or a PEM file\n"));
}

static void no_message_shows_a_key(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(testconf_load(testconf_server, "user = \"-----BEGIN PRIVATE KEY-----\nSECRET\";", &c),
			 ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "5: user: found string \"-----BEGIN PRIVATE KEY-----...\""));
	assert_null(strstr(testconf_said, "SECRET"));
	testconf_bad(server_with_identity("identity = { certificate = \"a.crt\"; key = \"MIGH\nSECRET\"; };"), "",
		     "2: identity.key: found string \"MIGH...\", allowed PEM text or the path of a PEM file\n");
}

static void included_files_name_paths_beside_themselves(void **state)
{
	struct conf *c;

	(void)state;
	testconf_write("sub/hook", "#!/bin/true\n", 0700);
	testconf_write("sub/in.conf", "hooks = {\n connect = \"hook\"; };\n", 0600);
	c = testconf_good(testconf_server, "@include \"sub/in.conf\"");
	assert_string_equal(c->hooks.connect, testconf_path("sub/hook"));
	conf_free(c);
}

static void faults_in_included_files_name_these(void **state)
{
	struct conf *c;

	(void)state;
	testconf_write("sub/in.conf", "limits = {\n per_source = 4294967297; };\n", 0600);
	assert_int_equal(testconf_load(testconf_server, "@include \"sub/in.conf\"", &c), ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "/sub/in.conf:2: limits.per_source: found integer 4294967297, allowed"));
	testconf_write("sub/in.conf", "\n\nlimits = = ;\n", 0600);
	assert_int_equal(testconf_load(testconf_server, "@include \"sub/in.conf\"", &c), ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "/sub/in.conf:3: syntax error\n"));
}

static void includes_that_cannot_be_read_are_refused(void **state)
{
	(void)state;
	testconf_bad(testconf_server, "@include \"none.conf\"", "5: @include: cannot read @/none.conf: No such file");
	testconf_bad(testconf_server, "@include \"sub\"", "5: @include: cannot read @/sub: not a regular file");
	testconf_bad(testconf_server, "@include \"/etc/passwd\"", "5: @include: found \"/etc/passwd\", allowed a path");
	testconf_bad(testconf_server, "@include", "5: syntax error");
	testconf_bad(testconf_server, "@include \"sub", "5: syntax error: a string without an end\n");
}

static void include_of_itself_ends(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(testconf_load_text("@include \"test.conf\"\n", &c), ERR_CONFIG);
	assert_non_null(strstr(testconf_said, "include file nesting too deep"));
}

static void unfinished_files_are_refused(void **state)
{
	static const char *const ends[] = { "user = \"", "user = \"\\", "/*", "#", "@include \"",
					    "user = ",   "user",        "(",  "-" };
	struct testconf_parts parts = client_of("");
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		assert_int_equal(testconf_load(parts, ends[i], &c), ERR_CONFIG);
		assert_int_equal(testconf_load_text(ends[i], &c), ERR_CONFIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_needs_nothing_but_the_required_keys),
		cmocka_unit_test(client_needs_nothing_but_the_required_keys),
		cmocka_unit_test(file_with_both_or_neither_role_is_refused),
		cmocka_unit_test(server_file_names_every_required_key_that_is_missing),
		cmocka_unit_test(all_schema_errors_are_reported_in_one_run),
		cmocka_unit_test(syntax_error_is_reported_with_its_line),
		cmocka_unit_test(unreadable_files_are_refused),
		cmocka_unit_test(unknown_keys_are_refused_with_the_nearest_name),
		cmocka_unit_test(keys_of_the_other_role_are_refused),
		cmocka_unit_test(wrong_types_are_refused_with_type_and_value),
		cmocka_unit_test(numbers_are_held_to_their_range),
		cmocka_unit_test(numbers_that_do_not_fit_in_32_bits_are_refused_as_written),
		cmocka_unit_test(words_are_taken_by_their_place),
		cmocka_unit_test(what_protects_records_can_be_named),
		cmocka_unit_test(keys_of_a_later_version_are_refused_when_they_ask_for_it),
		cmocka_unit_test(listeners_take_datagrams_unless_told_otherwise),
		cmocka_unit_test(listen_takes_several_addresses),
		cmocka_unit_test(listen_refuses_bad_entries),
		cmocka_unit_test(server_of_a_client_is_host_and_port),
		cmocka_unit_test(name_of_the_gateway_may_differ_from_its_host),
		cmocka_unit_test(lists_in_brackets_and_parentheses_are_equal),
		cmocka_unit_test(pushed_values_are_checked),
		cmocka_unit_test(address_pools_are_checked),
		cmocka_unit_test(mtu_leaves_room_for_ipv6_where_it_is_used),
		cmocka_unit_test(client_entries_are_filled),
		cmocka_unit_test(client_names_are_checked),
		cmocka_unit_test(fixed_addresses_are_checked),
		cmocka_unit_test(faulty_pool_does_not_accuse_the_clients),
		cmocka_unit_test(networks_of_clients_must_not_overlap),
		cmocka_unit_test(device_names_are_checked),
		cmocka_unit_test(accounts_are_checked),
		cmocka_unit_test(control_path_must_fit_a_socket_address),
		cmocka_unit_test(programs_are_found_beside_the_file),
		cmocka_unit_test(programs_that_cannot_run_are_refused),
		cmocka_unit_test(certificates_and_keys_must_be_readable_pem),
		cmocka_unit_test(revocation_list_keeps_its_path),
		cmocka_unit_test(key_file_of_others_is_refused),
		cmocka_unit_test(profile_with_everything_inline_is_one_private_file),
		cmocka_unit_test(inline_key_may_be_written_as_strings_are),
		cmocka_unit_test(included_file_must_not_hold_a_private_key),
		cmocka_unit_test(no_message_shows_a_key),
		cmocka_unit_test(included_files_name_paths_beside_themselves),
		cmocka_unit_test(faults_in_included_files_name_these),
		cmocka_unit_test(includes_that_cannot_be_read_are_refused),
		cmocka_unit_test(include_of_itself_ends),
		cmocka_unit_test(unfinished_files_are_refused),
	};

	return cmocka_run_group_tests_name("conf", tests, testconf_setup, testconf_teardown);
}
