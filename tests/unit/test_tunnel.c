/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT: offers and grants as they are written, read, and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "testhttp.h"
#include "wire/tunnel.h"

enum { TEXT_ROOM = 65536 };

static struct buf out = BUF_INIT;
static struct tunnel_grant decoded;

/* ---- builders ---- */

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct tunnel_offer full_offer(void)
{
	return (struct tunnel_offer){
		.cookie = "SECRET==",
		.user_agent = "Open AnyConnect VPN Agent v9.01-3",
		.hostname = "laptop",
		.base_mtu = 1500,
		.mtu = 1390,
		.ipv4 = true,
		.ipv6 = true,
		.full_ipv6 = true,
		.had_ipv4 = addr("10.88.0.50"),
		.had_ipv6 = addr("fd88::50"),
		.psk_negotiate = true,
		.frames = true,
		.overlap = true,
		.join = 3,
	};
}

static struct tunnel_grant small_grant(void)
{
	return (struct tunnel_grant){
		.status = 200,
		.ipv4 = addr("10.88.0.50"),
		.ipv4_netmask = addr("255.255.255.0"),
		.ipv6 = prefix("fd88::50/64"),
		.mtu = 1400,
	};
}

static void encode_grant(const struct tunnel_grant *g, const struct tunnel_offer *offer)
{
	buf_clear(&out);
	assert_int_equal(tunnel_encode_grant(g, offer, &out), 0);
}

static void encode_includes(struct prefix *includes, size_t len)
{
	struct tunnel_grant g = small_grant();
	struct tunnel_offer offer = full_offer();

	g.includes = includes;
	g.includes_len = len;
	encode_grant(&g, &offer);
}

static bool has(const char *line)
{
	return testhttp_has_line(&out, line);
}

static bool mentions(const char *text)
{
	return memmem(buf_data(&out), buf_len(&out), text, strlen(text));
}

static int decode_grant(const char *headers)
{
	char text[TEXT_ROOM];
	struct http_message m;

	snprintf(text, sizeof(text), "HTTP/1.1 200 CONNECTED\r\n%s\r\n", headers);
	m = testhttp_text(HTTP_REPLY, true, text);
	tunnel_grant_fini(&decoded);
	return tunnel_decode_grant(&m, &decoded);
}

#define MINIMAL "X-CSTP-Address: 10.88.0.50\r\nX-CSTP-MTU: 1400\r\n"

static int decode_with(const char *header)
{
	char text[4096];

	snprintf(text, sizeof(text), MINIMAL "%s\r\n", header);
	return decode_grant(text);
}

static int decode_offer(const char *headers, struct tunnel_offer *o)
{
	char text[4096];
	struct http_message m;

	snprintf(text, sizeof(text), "CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\n%s\r\n", headers);
	m = testhttp_text(HTTP_REQUEST, false, text);
	return tunnel_decode_offer(&m, o);
}

#define COOKIE "Cookie: webvpn=X\r\n"

static int decode_offer_with(const char *header, struct tunnel_offer *o)
{
	char text[4096];

	snprintf(text, sizeof(text), COOKIE "%s\r\n", header);
	return decode_offer(text, o);
}

static void check_addr(const struct addr *a, const char *expected)
{
	char text[ADDR_TEXT_LEN];

	assert_string_equal(addr_format(a, text), expected);
}

static void check_prefix(const struct prefix *p, const char *expected)
{
	char text[PREFIX_TEXT_LEN];

	assert_string_equal(prefix_format(p, text), expected);
}

/* ---- the offer ---- */

static void offer_comes_back(void **state)
{
	struct tunnel_offer o = full_offer(), back;
	struct http_message m;

	(void)state;
	assert_int_equal(tunnel_encode_offer(&o, "vpn.test", 4443, &out), 0);
	m = testhttp_buf(HTTP_REQUEST, false, &out);
	assert_string_equal(m.method, "CONNECT");
	assert_string_equal(m.url, TUNNEL_PATH);
	assert_int_equal(tunnel_decode_offer(&m, &back), 0);
	assert_memory_equal(&o, &back, sizeof(o));
}

static void offer_is_spelled_as_gateways_compare_it(void **state)
{
	struct tunnel_offer o = full_offer();

	(void)state;
	assert_int_equal(tunnel_encode_offer(&o, "vpn.test", 4443, &out), 0);
	assert_true(has("CONNECT /CSCOSSLC/tunnel HTTP/1.1"));
	assert_true(has("Host: vpn.test:4443"));
	assert_true(has("User-Agent: Open AnyConnect VPN Agent v9.01-3"));
	assert_true(has("Cookie: webvpn=SECRET=="));
	assert_true(has("X-CSTP-Version: 1"));
	assert_true(has("X-CSTP-Hostname: laptop"));
	assert_true(has("X-CSTP-Base-MTU: 1500"));
	assert_true(has("X-CSTP-MTU: 1390"));
	assert_true(has("X-CSTP-Address-Type: IPv6,IPv4"));
	assert_true(has("X-CSTP-Full-IPv6-Capability: true"));
	assert_true(has("X-DTLS-CipherSuite: PSK-NEGOTIATE"));
	assert_true(has("X-Adit-Frames: 1"));
	assert_true(has("X-Adit-Overlap: 1"));
	assert_true(has("X-Adit-Join: 3"));
	assert_false(mentions("Accept-Encoding") || mentions("X-DTLS-Master-Secret"));
}

static void offer_leaves_out_what_it_does_not_say(void **state)
{
	struct tunnel_offer o = { .cookie = "X", .ipv4 = true };

	(void)state;
	assert_int_equal(tunnel_encode_offer(&o, "vpn.test", 443, &out), 0);
	assert_true(has("Host: vpn.test"));
	assert_true(has("X-CSTP-Address-Type: IPv4"));
	assert_false(mentions("MTU") || mentions("X-Adit") || mentions("X-DTLS") || mentions("Hostname"));
	assert_false(mentions("X-CSTP-Address:") || mentions("Full-IPv6"));
}

static void offer_of_openconnect_is_read(void **state)
{
	struct tunnel_offer o;

	(void)state;
	assert_int_equal(decode_offer("Host: vpn.test:4443\r\n"
				      "User-Agent: Open AnyConnect VPN Agent v9.01-3\r\n"
				      "Cookie: a=b; webvpn=SECRET; c=d\r\n"
				      "X-CSTP-Version: 1\r\nX-CSTP-Hostname: client\r\n"
				      "X-AnyConnect-STRAP-Verify: AAAA\r\n"
				      "X-CSTP-Accept-Encoding: oc-lz4,lzs\r\n"
				      "X-CSTP-Base-MTU: 1500\r\nX-CSTP-MTU: 1390\r\n"
				      "X-CSTP-Address-Type: IPv6,IPv4\r\nX-CSTP-Address: 10.88.0.50\r\n"
				      "X-CSTP-Full-IPv6-Capability: true\r\nX-CSTP-Address: fd88::50\r\n"
				      "X-DTLS-Master-Secret: 00\r\n"
				      "X-DTLS-CipherSuite: OC-DTLS1_2-AES256-GCM:AES128-SHA:PSK-NEGOTIATE\r\n"
				      "X-DTLS-Accept-Encoding: oc-lz4,lzs\r\n",
				      &o),
			 0);
	assert_string_equal(o.cookie, "SECRET");
	assert_string_equal(o.hostname, "client");
	assert_int_equal(o.base_mtu, 1500);
	assert_int_equal(o.mtu, 1390);
	assert_true(o.ipv4 && o.ipv6 && o.full_ipv6 && o.psk_negotiate);
	check_addr(&o.had_ipv4, "10.88.0.50");
	check_addr(&o.had_ipv6, "fd88::50");
	assert_false(o.frames || o.overlap || o.join);
}

static void offer_of_a_cookie_alone_wants_both_families(void **state)
{
	struct tunnel_offer o;

	(void)state;
	assert_int_equal(decode_offer(COOKIE, &o), 0);
	assert_true(o.ipv4 && o.ipv6);
	assert_false(o.full_ipv6 || o.psk_negotiate);
	assert_int_equal(o.mtu, 0);
}

static void offer_without_a_cookie_is_refused(void **state)
{
	char header[TUNNEL_COOKIE_MAX + 64];
	struct tunnel_offer o;

	(void)state;
	assert_int_equal(decode_offer("Host: x\r\n", &o), ERR_MISSING);
	assert_int_equal(decode_offer("Cookie: webvpn=\r\n", &o), ERR_MISSING);
	snprintf(header, sizeof(header), "Cookie: webvpn=%0*d\r\n", TUNNEL_COOKIE_MAX - 1, 0);
	assert_int_equal(decode_offer(header, &o), 0);
	snprintf(header, sizeof(header), "Cookie: webvpn=%0*d\r\n", TUNNEL_COOKIE_MAX, 0);
	assert_int_equal(decode_offer(header, &o), ERR_TOO_BIG);
}

static void malformed_offer_is_refused(void **state)
{
	static const char *const bad[] = {
		"X-CSTP-MTU: abc",
		"X-CSTP-MTU: 1400x",
		"X-CSTP-MTU: 99999",
		"X-CSTP-MTU: 9",
		"X-CSTP-Base-MTU: ",
		"X-CSTP-Address: 10.0",
		"X-CSTP-Address: ",
		"X-Adit-Join: 0",
		"X-Adit-Join: x",
		"X-Adit-Join: -1",
		"X-Adit-Join: 1 2",
		"X-CSTP-Address-Type: IPX",
		"X-Adit-Join: 99999999999999",
	};
	struct tunnel_offer o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(decode_offer_with(bad[i], &o), ERR_INVALID);
}

static void whole_tokens_of_the_cipher_list_count(void **state)
{
	struct tunnel_offer o;

	(void)state;
	assert_int_equal(decode_offer_with("X-DTLS-CipherSuite: PSK-NEGOTIATE", &o), 0);
	assert_true(o.psk_negotiate);
	assert_int_equal(decode_offer_with("X-DTLS-CipherSuite: AES:PSK-NEGOTIATE-2:XPSK-NEGOTIATE::", &o), 0);
	assert_false(o.psk_negotiate);
}

static void odd_host_name_counts_as_none(void **state)
{
	struct tunnel_offer o;

	(void)state;
	assert_int_equal(decode_offer_with("X-CSTP-Hostname: a b$(reboot)", &o), 0);
	assert_string_equal(o.hostname, "");
	assert_int_equal(decode_offer_with("X-CSTP-Hostname: my-laptop.local", &o), 0);
	assert_string_equal(o.hostname, "my-laptop.local");
}

static void other_versions_of_an_extension_are_not_offered(void **state)
{
	struct tunnel_offer o;

	(void)state;
	assert_int_equal(decode_offer_with("X-Adit-Frames: 2\r\nX-Adit-Overlap: yes", &o), 0);
	assert_false(o.frames || o.overlap);
}

/* ---- the grant, written ---- */

static void grant_comes_back(void **state)
{
	struct prefix includes[] = { prefix("10.99.0.0/16"), prefix("10.1.2.3/32"), prefix("fd99::/48") };
	struct prefix excludes[] = { prefix("10.99.1.0/24"), prefix("fd99:0:0:1::/64") };
	struct prefix networks[] = { prefix("192.168.7.0/24") };
	char split_dns[2][TUNNEL_NAME_MAX] = { "corp.example", "lab.example" };
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();
	struct http_message m;

	(void)state;
	g.base_mtu = 1500;
	g.dns[g.dns_len++] = addr("10.88.0.1");
	g.dns[g.dns_len++] = addr("fd88::1");
	strcpy(g.default_domain, "corp.example lab.example");
	g.split_dns = split_dns;
	g.split_dns_len = 2;
	g.includes = includes;
	g.includes_len = 3;
	g.excludes = excludes;
	g.excludes_len = 2;
	g.networks = networks;
	g.networks_len = 1;
	g.dpd_seconds = 20;
	g.keepalive_seconds = 30;
	g.idle_seconds = 600;
	g.rekey_seconds = 900;
	g.rekey_method = TUNNEL_REKEY_NEW_TUNNEL;
	g.disconnected_seconds = 3600;
	strcpy(g.banner, "100 % welcome,\nuser");
	memset(g.app_id, 0xa5, TUNNEL_APP_ID_MAX);
	g.app_id_len = TUNNEL_APP_ID_MAX;
	g.dtls_port = 4443;
	g.dtls_dpd_seconds = 5;
	g.dtls_keepalive_seconds = 25;
	g.dtls_rekey_seconds = 901;
	g.dtls_rekey_method = TUNNEL_REKEY_SSL;
	g.frames = g.overlap = true;
	g.generation = 7;
	encode_grant(&g, &offer);
	m = testhttp_buf(HTTP_REPLY, true, &out);
	assert_int_equal(tunnel_decode_grant(&m, &decoded), 0);

	assert_int_equal(decoded.includes_len, 3);
	assert_int_equal(decoded.excludes_len, 2);
	assert_int_equal(decoded.networks_len, 1);
	assert_int_equal(decoded.split_dns_len, 2);
	assert_memory_equal(decoded.includes, includes, sizeof(includes));
	assert_memory_equal(decoded.excludes, excludes, sizeof(excludes));
	assert_memory_equal(decoded.networks, networks, sizeof(networks));
	assert_string_equal(decoded.split_dns[1], split_dns[1]);
	assert_string_equal(decoded.reason, "CONNECTED");
	tunnel_grant_fini(&decoded);

	/* All the rest, lists and the reason aside. */
	assert_int_equal(tunnel_decode_grant(&m, &decoded), 0);
	g.split_dns = decoded.split_dns;
	g.includes = decoded.includes;
	g.excludes = decoded.excludes;
	g.networks = decoded.networks;
	memcpy(g.reason, decoded.reason, sizeof(g.reason));
	assert_memory_equal(&g, &decoded, sizeof(g));
}

/* As many of each as a configuration may hold, each as long as it can be. */
static void largest_grant_is_read(void **state)
{
	enum { PREFIXES = 448, DOMAINS = 64 };
	static struct prefix wide[PREFIXES], long6[PREFIXES];
	static char domains[DOMAINS][TUNNEL_NAME_MAX];
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();
	struct http_message m;

	(void)state;
	for (int i = 0; i < PREFIXES; i++) {
		wide[i] = prefix("198.100.100.100/32");
		long6[i] = prefix("2001:db80:1111:2222:3333:4444:5555:6666/128");
	}
	for (int i = 0; i < DOMAINS; i++)
		memset(domains[i], 'd', TUNNEL_NAME_MAX - 1);
	g.includes = wide;
	g.excludes = g.networks = long6;
	g.includes_len = g.excludes_len = g.networks_len = PREFIXES;
	g.split_dns = domains;
	g.split_dns_len = DOMAINS;
	memset(g.default_domain, 'd', TUNNEL_NAME_MAX - 1);
	encode_grant(&g, &offer);
	m = testhttp_buf(HTTP_REPLY, true, &out);
	assert_int_equal(tunnel_decode_grant(&m, &decoded), 0);
	assert_int_equal(decoded.includes_len, PREFIXES);
	assert_int_equal(decoded.excludes_len, PREFIXES);
	assert_int_equal(decoded.networks_len, PREFIXES);
	assert_int_equal(decoded.split_dns_len, DOMAINS);
}

static void grant_is_spelled_as_clients_compare_it(void **state)
{
	struct prefix includes[] = { prefix("10.99.0.0/16"), prefix("fd99::/48") };
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();

	(void)state;
	g.includes = g.excludes = includes;
	g.includes_len = g.excludes_len = 2;
	g.dns[g.dns_len++] = addr("10.88.0.1");
	g.dns[g.dns_len++] = addr("fd88::1");
	g.rekey_seconds = 900;
	g.rekey_method = TUNNEL_REKEY_NEW_TUNNEL;
	encode_grant(&g, &offer);
	assert_memory_equal(buf_data(&out), "HTTP/1.1 200 CONNECTED\r\n", 24);
	assert_true(has("X-CSTP-Version: 1"));
	assert_true(has("X-CSTP-Address: 10.88.0.50"));
	assert_true(has("X-CSTP-Netmask: 255.255.255.0"));
	assert_true(has("X-CSTP-Address-IP6: fd88::50/64"));
	assert_true(has("X-CSTP-DNS: 10.88.0.1"));
	assert_true(has("X-CSTP-DNS: fd88::1"));
	assert_true(has("X-CSTP-Split-Include: 10.99.0.0/255.255.0.0"));
	assert_true(has("X-CSTP-Split-Include-IP6: fd99::/48"));
	assert_true(has("X-CSTP-Split-Exclude: 10.99.0.0/255.255.0.0"));
	assert_true(has("X-CSTP-Split-Exclude-IP6: fd99::/48"));
	assert_true(has("X-CSTP-Tunnel-All-DNS: false"));
	assert_true(has("X-CSTP-Idle-Timeout: none"));
	assert_true(has("X-CSTP-Rekey-Time: 900"));
	assert_true(has("X-CSTP-Rekey-Method: new-tunnel"));
	assert_true(has("X-CSTP-MTU: 1400"));
	assert_false(mentions("Encoding") || mentions("X-DTLS"));
}

static void datagram_channel_is_spelled_as_clients_compare_it(void **state)
{
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();

	(void)state;
	memcpy(g.app_id, "\xa0\x94\x55\x15", 4);
	g.app_id_len = 4;
	g.dtls_port = 4443;
	g.dtls_dpd_seconds = 20;
	g.dtls_keepalive_seconds = 30;
	encode_grant(&g, &offer);
	assert_true(has("X-DTLS-App-ID: a0945515"));
	assert_true(has("X-DTLS-Port: 4443"));
	assert_true(has("X-DTLS-CipherSuite: PSK-NEGOTIATE"));
	assert_true(has("X-DTLS-DPD: 20"));
	assert_true(has("X-DTLS-Keepalive: 30"));
	assert_false(mentions("X-DTLS-Rekey") || mentions("X-DTLS-Session-ID") || mentions("Encoding"));
	g.dtls_rekey_seconds = 1209600;
	g.dtls_rekey_method = TUNNEL_REKEY_NEW_TUNNEL;
	encode_grant(&g, &offer);
	assert_true(has("X-DTLS-Rekey-Time: 1209600"));
	assert_true(has("X-DTLS-Rekey-Method: new-tunnel"));
	offer.psk_negotiate = false;
	encode_grant(&g, &offer);
	assert_false(mentions("X-DTLS"));
}

static void client_without_full_ipv6_gets_the_old_form(void **state)
{
	struct prefix includes[] = { prefix("10.99.0.0/16"), prefix("fd99::/48") };
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();

	(void)state;
	offer.full_ipv6 = false;
	g.includes = includes;
	g.includes_len = 2;
	g.dns[g.dns_len++] = addr("fd88::1");
	encode_grant(&g, &offer);
	assert_true(has("X-CSTP-Address: fd88::50"));
	assert_true(has("X-CSTP-Netmask: fd88::50/64"));
	assert_true(has("X-CSTP-Split-Include: 10.99.0.0/255.255.0.0"));
	assert_false(mentions("-IP6") || mentions("X-CSTP-DNS"));
}

static void anyconnect_gets_ipv6_dns_in_its_own_header(void **state)
{
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();

	(void)state;
	strcpy(offer.user_agent, "AnyConnect Linux_64 4.10");
	g.dns[g.dns_len++] = addr("10.88.0.1");
	g.dns[g.dns_len++] = addr("fd88::1");
	encode_grant(&g, &offer);
	assert_true(has("X-CSTP-DNS-IP6: fd88::1"));
	assert_true(has("X-CSTP-DNS: 10.88.0.1"));
	assert_false(has("X-CSTP-DNS: fd88::1"));
}

static void everything_is_said_by_no_includes(void **state)
{
	struct prefix all[] = { prefix("0.0.0.0/0"), prefix("::/0"), prefix("10.0.0.0/8") };

	(void)state;
	encode_includes(all, 3);
	assert_false(mentions("Split-Include"));
	assert_true(has("X-CSTP-Tunnel-All-DNS: true"));
	encode_includes(NULL, 0);
	assert_false(mentions("Split-Include"));
	assert_true(has("X-CSTP-Tunnel-All-DNS: true"));
}

static void everything_of_one_family_is_written_out(void **state)
{
	struct prefix mixed[] = { prefix("0.0.0.0/0"), prefix("fd99::/48") };

	(void)state;
	encode_includes(mixed, 2);
	assert_true(has("X-CSTP-Split-Include: 0.0.0.0/0.0.0.0"));
	assert_true(has("X-CSTP-Split-Include-IP6: fd99::/48"));
}

static void family_without_an_address_counts_for_nothing(void **state)
{
	struct prefix routes[] = { prefix("0.0.0.0/0"), prefix("fd99::/48") };
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();

	(void)state;
	g.ipv6 = (struct prefix){ 0 };
	g.includes = routes;
	g.includes_len = 2;
	encode_grant(&g, &offer);
	assert_false(mentions("Split-Include") || mentions("IP6"));
}

static void extensions_that_were_not_offered_are_not_granted(void **state)
{
	struct prefix networks[] = { prefix("192.168.7.0/24") };
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();

	(void)state;
	g.frames = g.overlap = true;
	g.generation = 2;
	g.networks = networks;
	g.networks_len = 1;
	encode_grant(&g, &offer);
	assert_true(has("X-Adit-Frames: 1") && has("X-Adit-Overlap: 1") && has("X-Adit-Generation: 2"));
	assert_true(has("X-Adit-Network: 192.168.7.0/24"));
	offer.overlap = false;
	encode_grant(&g, &offer);
	assert_true(has("X-Adit-Frames: 1"));
	assert_false(mentions("X-Adit-Overlap"));
	offer.frames = false;
	encode_grant(&g, &offer);
	assert_false(mentions("X-Adit"));
}

static void no_value_breaks_out_of_its_line(void **state)
{
	struct tunnel_offer offer = full_offer();
	struct tunnel_grant g = small_grant();

	(void)state;
	strcpy(g.default_domain, "a\r\nX-CSTP-DNS: 6.6.6.6");
	strcpy(g.banner, "b\r\nX-CSTP-DNS: 6.6.6.6");
	strcpy(offer.hostname, "c\r\nX-CSTP-DNS: 6.6.6.6");
	encode_grant(&g, &offer);
	assert_false(mentions("\nX-CSTP-DNS"));
	assert_true(has("X-CSTP-Default-Domain: a  X-CSTP-DNS: 6.6.6.6"));
	g.status = 503;
	strcpy(g.reason, "d\r\n\r\nX-CSTP-DNS: 6.6.6.6");
	encode_grant(&g, &offer);
	assert_false(mentions("\nX-CSTP-DNS"));
	strcpy(offer.cookie, "e\r\nX-Adit-Join: 9");
	offer.join = 0;
	buf_clear(&out);
	assert_int_equal(tunnel_encode_offer(&offer, "f\r\nX-Adit-Join: 9", 443, &out), 0);
	assert_false(mentions("\nX-Adit-Join"));
}

static void refusal_carries_its_reason(void **state)
{
	struct tunnel_grant g = { .status = 503, .reason = "the address pool is empty" };
	struct tunnel_offer offer = full_offer();
	struct http_message m;

	(void)state;
	encode_grant(&g, &offer);
	assert_true(has("HTTP/1.1 503 the address pool is empty"));
	assert_true(has("X-Reason: the address pool is empty"));
	m = testhttp_buf(HTTP_REPLY, true, &out);
	assert_int_equal(tunnel_decode_grant(&m, &decoded), 0);
	assert_int_equal(decoded.status, 503);
	assert_string_equal(decoded.reason, g.reason);
}

/* ---- the grant, read ---- */

static void grant_of_ocserv_is_read_in_any_case(void **state)
{
	static const char headers[] =
		"X-CSTP-Version: 1\r\nX-CSTP-Server-Name: ocserv 1.1.6\r\nX-CSTP-Hostname: client\r\nX-CSTP-DPD: 60\r\n"
		"X-CSTP-Default-Domain: example.com\r\nX-CSTP-Address: 10.88.0.50\r\nX-CSTP-Netmask: 255.255.255.0\r\n"
		"X-CSTP-Address-IP6: fd88::50/128\r\nX-CSTP-DNS: 10.88.0.1\r\nX-CSTP-DNS: fd88::1\r\n"
		"X-CSTP-NBNS: 10.88.0.1\r\nX-CSTP-Split-DNS: example.com\r\n"
		"X-CSTP-Split-Include: 10.99.0.0/255.255.0.0\r\nX-CSTP-Split-Include-IP6: fd99::/48\r\n"
		"X-CSTP-Tunnel-All-DNS: false\r\nX-CSTP-Client-Bypass-Protocol: false\r\n"
		"X-CSTP-Split-Exclude: 10.99.1.0/255.255.255.0\r\nX-CSTP-Keepalive: 3600\r\nX-CSTP-Idle-Timeout: "
		"none\r\n"
		"X-CSTP-Smartcard-Removal-Disconnect: true\r\nX-CSTP-Rekey-Time: 172808\r\nX-CSTP-Rekey-Method: ssl\r\n"
		"X-CSTP-Session-Timeout: none\r\nX-CSTP-Disconnected-Timeout: none\r\nX-CSTP-Keep: true\r\n"
		"X-CSTP-TCP-Keepalive: true\r\nX-CSTP-License: accept\r\nX-DTLS-DPD: 60\r\nX-DTLS-Port: 4443\r\n"
		"X-DTLS-Rekey-Time: 172818\r\nX-DTLS-Rekey-Method: ssl\r\nX-DTLS-Keepalive: 3600\r\n"
		"X-DTLS-App-ID: a0945515a0945515\r\nX-DTLS-CipherSuite: PSK-NEGOTIATE\r\n"
		"X-CSTP-Base-MTU: 1500\r\nX-CSTP-MTU: 1434\r\nX-CSTP-Banner: hello%20you\r\n";
	char text[sizeof(headers)];

	(void)state;
	for (int shout = 0; shout < 2; shout++) {
		/* Names only: a value has its case. */
		bool in_name = true;

		for (size_t i = 0; i < sizeof(headers); i++) {
			in_name = headers[i] == '\n' || (in_name && headers[i] != ':');
			text[i] = headers[i];
			if (in_name && headers[i] >= 'A' && headers[i] <= 'Z')
				text[i] = (char)(headers[i] + (shout ? 0 : 'a' - 'A'));
		}
		assert_int_equal(decode_grant(text), 0);
		check_addr(&decoded.ipv4, "10.88.0.50");
		check_addr(&decoded.ipv4_netmask, "255.255.255.0");
		check_prefix(&decoded.ipv6, "fd88::50/128");
		check_addr(&decoded.dns[1], "fd88::1");
		assert_int_equal(decoded.dns_len, 2);
		assert_int_equal(decoded.includes_len, 2);
		check_prefix(&decoded.includes[0], "10.99.0.0/16");
		check_prefix(&decoded.includes[1], "fd99::/48");
		check_prefix(&decoded.excludes[0], "10.99.1.0/24");
		assert_string_equal(decoded.split_dns[0], "example.com");
		assert_string_equal(decoded.default_domain, "example.com");
		assert_int_equal(decoded.mtu, 1434);
		assert_int_equal(decoded.dpd_seconds, 60);
		assert_int_equal(decoded.idle_seconds, 0);
		assert_int_equal(decoded.rekey_seconds, 172808);
		assert_int_equal(decoded.rekey_method, TUNNEL_REKEY_SSL);
		assert_int_equal(decoded.app_id_len, 8);
		assert_int_equal(decoded.dtls_port, 4443);
		assert_string_equal(decoded.banner, "hello you");
		assert_false(decoded.frames || decoded.overlap);
	}
}

static void minimal_grant_is_enough(void **state)
{
	(void)state;
	assert_int_equal(decode_grant(MINIMAL), 0);
	assert_int_equal(decoded.includes_len, 0);
	assert_int_equal(decode_grant("X-CSTP-Address-IP6: fd88::50/64\r\nX-CSTP-MTU: 1400\r\n"), 0);
}

static void grant_without_mtu_or_address_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_grant("X-CSTP-Address: 10.88.0.50\r\n"), ERR_INVALID);
	assert_int_equal(decode_grant("X-CSTP-MTU: 1400\r\n"), ERR_INVALID);
	assert_int_equal(decode_grant("X-CSTP-MTU: 1400\r\nX-CSTP-Netmask: fd88::50/64\r\n"), ERR_INVALID);
}

static void old_form_of_ipv6_is_read_in_any_order(void **state)
{
	(void)state;
	assert_int_equal(decode_with("X-CSTP-Address: fd88::50\r\nX-CSTP-Netmask: fd88::50/64"), 0);
	check_prefix(&decoded.ipv6, "fd88::50/64");
	assert_int_equal(decode_with("X-CSTP-Netmask: fd88::50/64\r\nX-CSTP-Address: fd88::50"), 0);
	check_prefix(&decoded.ipv6, "fd88::50/64");
	assert_int_equal(decode_with("X-CSTP-Address: fd88::50"), 0);
	check_prefix(&decoded.ipv6, "fd88::50/128");
}

static void larger_of_the_mtus_counts(void **state)
{
	(void)state;
	assert_int_equal(decode_with("X-DTLS-MTU: 1300"), 0);
	assert_int_equal(decoded.mtu, 1400);
	assert_int_equal(decode_with("X-DTLS-MTU: 1420"), 0);
	assert_int_equal(decoded.mtu, 1420);
}

static void routes_lose_the_bits_behind_their_length(void **state)
{
	(void)state;
	assert_int_equal(decode_with("X-CSTP-Split-Include: 10.1.2.3/8\r\nX-CSTP-Split-Include: 10.9.9.9\r\n"
				     "X-CSTP-Split-Include: 0.0.0.0/0.0.0.0"),
			 0);
	check_prefix(&decoded.includes[0], "10.0.0.0/8");
	check_prefix(&decoded.includes[1], "10.9.9.9/32");
	check_prefix(&decoded.includes[2], "0.0.0.0/0");
}

static void malformed_grant_is_refused(void **state)
{
	static const char *const bad[] = {
		"X-CSTP-MTU: many",
		"X-CSTP-MTU: 65536",
		"X-CSTP-MTU: 67",
		"X-CSTP-Address: 10.88.0.500",
		"X-CSTP-Address: ",
		"X-CSTP-Address-IP6: 10.0.0.1/8",
		"X-CSTP-Address-IP6: fd88::/129",
		"X-CSTP-Netmask: 255.0.255.0",
		"X-CSTP-Netmask: none",
		"X-CSTP-Split-Include: 10.0.0.0/255.0.255.0",
		"X-CSTP-Split-Include: 10.0.0.0/33",
		"X-CSTP-Split-Include: 10.0.0.0/",
		"X-CSTP-Split-Include: fd00::/255.0.0.0",
		"X-CSTP-Split-Include: /255.0.0.0",
		"X-CSTP-DPD: 20s",
		"X-CSTP-DPD: 99999999999999999999",
		"X-CSTP-Rekey-Time: ",
		"X-CSTP-Content-Encoding: identity",
		"X-DTLS-Content-Encoding: oc-lz4",
		"X-DTLS-App-ID: abc",
		"X-DTLS-App-ID: ",
		"X-DTLS-App-ID: zz",
		"X-DTLS-Port: 65536",
		"X-DTLS-Port: 0",
		"X-DTLS-Port: -1",
		"X-DTLS-Port: none",
		"X-DTLS-Port: 443x",
		"X-Adit-Generation: x",
		"X-Adit-Network: here",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode_with(bad[i]), ERR_INVALID);
		assert_memory_equal(decoded.reason, bad[i], strcspn(bad[i], " ")); /* it says which */
	}
}

static void what_a_tunnel_can_do_without_is_left_out_when_malformed(void **state)
{
	(void)state;
	assert_int_equal(decode_with("X-CSTP-DNS: dns.example\r\nX-CSTP-DNS: \r\nX-CSTP-DNS: 10.0.0.1"), 0);
	assert_int_equal(decoded.dns_len, 1);
	assert_int_equal(decode_with("X-CSTP-Split-Exclude-IP6: fd00::/x\r\nX-CSTP-Split-Exclude: 10.0.0.0/8"), 0);
	assert_int_equal(decoded.excludes_len, 1);
}

#define APP_ID "X-DTLS-App-ID: a0945515\r\n"
#define PORT   "X-DTLS-Port: 4443\r\n"
#define SUITE  "X-DTLS-CipherSuite: PSK-NEGOTIATE\r\n"

static void app_id_is_limited(void **state)
{
	char header[256];

	(void)state;
	snprintf(header, sizeof(header), PORT SUITE "X-DTLS-App-ID: %0*d", 2 * TUNNEL_APP_ID_MAX, 0);
	assert_int_equal(decode_with(header), 0);
	assert_int_equal(decoded.app_id_len, TUNNEL_APP_ID_MAX);
	snprintf(header, sizeof(header), PORT SUITE "X-DTLS-App-ID: %0*d", 2 * TUNNEL_APP_ID_MAX + 2, 0);
	assert_int_equal(decode_with(header), ERR_INVALID);
}

static void datagram_channel_takes_app_id_port_and_suite(void **state)
{
	static const char *const lacking[] = {
		MINIMAL PORT SUITE,
		MINIMAL APP_ID SUITE,
		MINIMAL APP_ID PORT,
		MINIMAL APP_ID PORT "X-DTLS-CipherSuite: AES128-SHA\r\n",
		MINIMAL APP_ID PORT "X-DTLS12-CipherSuite: ECDHE-RSA-AES256-GCM-SHA384\r\n",
	};

	(void)state;
	assert_int_equal(decode_grant(MINIMAL APP_ID PORT SUITE), 0);
	assert_int_equal(decoded.app_id_len, 4);
	assert_memory_equal(decoded.app_id, "\xa0\x94\x55\x15", 4);
	assert_int_equal(decoded.dtls_port, 4443);
	for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++) {
		assert_int_equal(decode_grant(lacking[i]), 0);
		assert_int_equal(decoded.app_id_len, 0);
		assert_int_equal(decoded.dtls_port, 0);
	}
}

static void domain_is_limited(void **state)
{
	char header[512];

	(void)state;
	snprintf(header, sizeof(header), "X-CSTP-Default-Domain: %0*d", TUNNEL_NAME_MAX - 1, 0);
	assert_int_equal(decode_with(header), 0);
	snprintf(header, sizeof(header), "X-CSTP-Default-Domain: %0*d", TUNNEL_NAME_MAX, 0);
	assert_int_equal(decode_with(header), ERR_INVALID);
	snprintf(header, sizeof(header), "X-CSTP-Split-DNS: %0*d", TUNNEL_NAME_MAX, 0);
	assert_int_equal(decode_with(header), 0);
	assert_int_equal(decoded.split_dns_len, 0);
}

static void off_has_many_names(void **state)
{
	(void)state;
	assert_int_equal(decode_with("X-CSTP-DPD: none\r\nX-CSTP-Rekey-Time: -1\r\nX-CSTP-Keepalive: 0\r\n"
				     "X-CSTP-Rekey-Method: magic"),
			 0);
	assert_int_equal(decoded.dpd_seconds, 0);
	assert_int_equal(decoded.rekey_seconds, 0);
	assert_int_equal(decoded.keepalive_seconds, 0);
	assert_int_equal(decoded.rekey_method, TUNNEL_REKEY_NONE);
}

static void banner_keeps_what_does_not_decode(void **state)
{
	(void)state;
	assert_int_equal(decode_with("X-CSTP-Banner: a%0Ab%1B%zz\tc%4"), 0);
	assert_string_equal(decoded.banner, "a\nb%1B%zz c%4");
}

static void unknown_headers_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(decode_with("X-CSTP-Thing: 1\r\nX-Other: 2\r\nX-Adit-Thing: 3"), 0);
}

static void lists_are_cut_at_their_limit(void **state)
{
	char text[TEXT_ROOM] = MINIMAL;
	size_t len = strlen(text);

	(void)state;
	for (int i = 0; i < TUNNEL_LIST_MAX + 8; i++)
		len += (size_t)sprintf(text + len, "X-CSTP-Split-Include: 10.%d.%d.0/24\r\n", i / 256, i % 256);
	for (int i = 0; i < TUNNEL_DNS_MAX + 1; i++)
		len += (size_t)sprintf(text + len, "X-CSTP-DNS: 10.0.0.%d\r\n", i + 1);
	assert_int_equal(decode_grant(text), 0);
	assert_int_equal(decoded.includes_len, TUNNEL_LIST_MAX);
	assert_int_equal(decoded.dns_len, TUNNEL_DNS_MAX);
}

static void refusals_of_others_are_read(void **state)
{
	struct http_message m;

	(void)state;
	m = testhttp_text(HTTP_REPLY, true, "HTTP/1.1 401 Cookie is not acceptable\r\n\r\n");
	assert_int_equal(tunnel_decode_grant(&m, &decoded), 0);
	assert_int_equal(decoded.status, 401);
	assert_string_equal(decoded.reason, "Cookie is not acceptable");
	m = testhttp_text(HTTP_REPLY, true, "HTTP/1.1 503 Service Unavailable\r\nX-Reason: Server error\r\n\r\n");
	assert_int_equal(tunnel_decode_grant(&m, &decoded), 0);
	assert_string_equal(decoded.reason, "Server error");
}

static int teardown(void **state)
{
	(void)state;
	testhttp_fini();
	buf_fini(&out);
	tunnel_grant_fini(&decoded);
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(offer_comes_back),
		TEST(offer_is_spelled_as_gateways_compare_it),
		TEST(offer_leaves_out_what_it_does_not_say),
		TEST(offer_of_openconnect_is_read),
		TEST(offer_of_a_cookie_alone_wants_both_families),
		TEST(offer_without_a_cookie_is_refused),
		TEST(malformed_offer_is_refused),
		TEST(whole_tokens_of_the_cipher_list_count),
		TEST(odd_host_name_counts_as_none),
		TEST(other_versions_of_an_extension_are_not_offered),
		TEST(grant_comes_back),
		TEST(largest_grant_is_read),
		TEST(grant_is_spelled_as_clients_compare_it),
		TEST(datagram_channel_is_spelled_as_clients_compare_it),
		TEST(client_without_full_ipv6_gets_the_old_form),
		TEST(anyconnect_gets_ipv6_dns_in_its_own_header),
		TEST(everything_is_said_by_no_includes),
		TEST(everything_of_one_family_is_written_out),
		TEST(family_without_an_address_counts_for_nothing),
		TEST(extensions_that_were_not_offered_are_not_granted),
		TEST(no_value_breaks_out_of_its_line),
		TEST(refusal_carries_its_reason),
		TEST(grant_of_ocserv_is_read_in_any_case),
		TEST(minimal_grant_is_enough),
		TEST(grant_without_mtu_or_address_is_refused),
		TEST(old_form_of_ipv6_is_read_in_any_order),
		TEST(larger_of_the_mtus_counts),
		TEST(routes_lose_the_bits_behind_their_length),
		TEST(malformed_grant_is_refused),
		TEST(what_a_tunnel_can_do_without_is_left_out_when_malformed),
		TEST(app_id_is_limited),
		TEST(datagram_channel_takes_app_id_port_and_suite),
		TEST(domain_is_limited),
		TEST(off_has_many_names),
		TEST(banner_keeps_what_does_not_decode),
		TEST(unknown_headers_are_ignored),
		TEST(lists_are_cut_at_their_limit),
		TEST(refusals_of_others_are_read),
	};

	return cmocka_run_group_tests_name("tunnel", tests, NULL, NULL);
}
