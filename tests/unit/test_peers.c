/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies and whom they are bound to, who replaces whom, and addresses given and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "session/peers.h"
#include "session/session.h"

enum { NOW = 1000000, COOKIE_MS = 3600 * 1000 };

static const struct session_events no_events;

/* A gateway's settings as far as peers look at them: "berlin" has fixed addresses, "many" a limit of its own. */
static struct conf_client clients[] = {
	{ .name = "berlin" },
	{ .name = "many", .sessions = 3 },
};
static struct conf conf;

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct peers *peers(const char *ipv4, const char *ipv6)
{
	struct peers *p;

	conf = (struct conf){ .limits = { .sessions_per_client = 1, .cookie_seconds = COOKIE_MS / 1000 } };
	clients[0].ipv4 = addr("10.20.0.7");
	clients[0].ipv6 = addr("fd20::7");
	conf.clients.items = clients;
	conf.clients.len = sizeof(clients) / sizeof(clients[0]);
	if (ipv4)
		assert_int_equal(prefix_parse(ipv4, &conf.addresses.ipv4), 0);
	if (ipv6)
		assert_int_equal(prefix_parse(ipv6, &conf.addresses.ipv6), 0);
	p = peers_new(&conf);
	assert_non_null(p);
	return p;
}

static struct peers *both_families(void)
{
	return peers("10.20.0.0/24", "fd20::/64");
}

static struct tls_identity_proof proof(const char *name)
{
	struct tls_identity_proof who = { .root = "0123456789abcdef" };

	strcpy(who.name, name);
	return who;
}

static struct tls_identity_proof proof_by(const char *name, const char *root)
{
	struct tls_identity_proof who = proof(name);

	strcpy(who.root, root);
	return who;
}

/* One device of an identity: its cookie and its session. */
struct device {
	struct tls_identity_proof who;
	char cookie[PEER_COOKIE_LEN];
	struct admission admission;
	struct session *s;
};

static struct device login(struct peers *p, const char *name)
{
	struct device d = { .who = proof(name) };

	assert_int_equal(peers_login(p, &d.who, NOW, d.cookie), 0);
	return d;
}

static int admit(struct peers *p, struct device *d)
{
	return peers_admit(p, &d->who, d->cookie, true, true, &d->admission);
}

static void release(struct peers *p, struct device *d)
{
	peers_release(p, &d->who, d->cookie, &d->admission);
}

static void enter(struct peers *p, struct device *d)
{
	struct session_settings settings = { .name = d->who.name, .events = &no_events };

	settings.ipv4 = d->admission.ipv4;
	settings.ipv6 = d->admission.ipv6;
	d->s = session_new(&settings, NOW);
	assert_non_null(d->s);
	peers_enter(p, &d->who, d->cookie, d->s);
}

static struct device connect(struct peers *p, const char *name)
{
	struct device d = login(p, name);

	assert_int_equal(admit(p, &d), 0);
	enter(p, &d);
	return d;
}

static void leave(struct peers *p, struct device *d)
{
	peers_leave(p, d->s);
	session_put(d->s);
}

/* The one session that @d replaced: out of the books, its reference handed over. */
static void check_replaced(struct peers *p, struct device *d, struct device *old)
{
	assert_int_equal(d->admission.replaced_len, 1);
	assert_ptr_equal(d->admission.replaced[0], old->s);
	assert_false(old->s->booked);
	session_put(d->admission.replaced[0]);
	leave(p, old);
}

static int claim(struct peers *p, const struct device *d, uint64_t now_ms)
{
	struct session *living = NULL;
	int r = peers_claim(p, &d->who, d->cookie, now_ms, &living);

	assert_ptr_equal(living, r < 0 ? NULL : d->s);
	session_put(living);
	return r;
}

/* ---- cookies ---- */

static void cookie_is_good_for_whom_it_was_made(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice");

	(void)state;
	assert_int_equal(strlen(d.cookie), PEER_COOKIE_LEN - 1);
	assert_int_equal(claim(p, &d, NOW), 0);
	peers_free(p);
}

static void cookie_of_another_name_is_refused(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice");

	(void)state;
	login(p, "bob");
	d.who = proof("bob");
	assert_int_equal(claim(p, &d, NOW), ERR_DENIED);
	d.who = proof("nobody");
	assert_int_equal(claim(p, &d, NOW), ERR_DENIED);
	peers_free(p);
}

static void cookie_of_the_same_name_by_another_root_is_refused(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice"), other = { .who = proof_by("alice", "fedcba9876543210") };

	(void)state;
	assert_int_equal(peers_login(p, &other.who, NOW, other.cookie), 0);
	assert_int_equal(claim(p, &other, NOW), 0);
	d.who = other.who;
	assert_int_equal(claim(p, &d, NOW), ERR_DENIED);
	peers_free(p);
}

static void malformed_cookie_is_refused(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice");
	struct session *living;
	char cookie[2 * PEER_COOKIE_LEN];

	(void)state;
	assert_int_equal(peers_claim(p, &d.who, "", NOW, &living), ERR_DENIED);
	strcpy(cookie, d.cookie);
	cookie[PEER_COOKIE_LEN - 2] = '\0';
	assert_int_equal(peers_claim(p, &d.who, cookie, NOW, &living), ERR_DENIED);
	strcpy(cookie, d.cookie);
	strcat(cookie, "0");
	assert_int_equal(peers_claim(p, &d.who, cookie, NOW, &living), ERR_DENIED);
	strcpy(cookie, d.cookie);
	cookie[0] = 'x';
	assert_int_equal(peers_claim(p, &d.who, cookie, NOW, &living), ERR_DENIED);
	strcpy(cookie, d.cookie);
	cookie[63] = cookie[63] == '0' ? '1' : '0';
	assert_int_equal(peers_claim(p, &d.who, cookie, NOW, &living), ERR_DENIED);
	peers_free(p);
}

static void cookie_without_a_session_expires(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice");

	(void)state;
	assert_int_equal(claim(p, &d, NOW + COOKIE_MS - 1), 0);
	assert_int_equal(claim(p, &d, NOW + COOKIE_MS), ERR_DENIED);
	peers_free(p);
}

static void cookie_of_a_living_session_does_not_expire(void **state)
{
	struct peers *p = both_families();
	struct device d = connect(p, "alice");

	(void)state;
	assert_int_equal(claim(p, &d, NOW + 10 * (uint64_t)COOKIE_MS), 0);
	assert_int_equal(peers_expire(p, NOW + 10 * (uint64_t)COOKIE_MS), CLOCK_NEVER);
	assert_int_equal(claim(p, &d, NOW + 10 * (uint64_t)COOKIE_MS), 0);
	leave(p, &d);
	peers_free(p);
}

static void cookie_dies_with_its_session(void **state)
{
	struct peers *p = both_families();
	struct device d = connect(p, "alice");

	(void)state;
	peers_leave(p, d.s);
	assert_int_equal(claim(p, &d, NOW), ERR_DENIED);
	session_put(d.s);
	peers_free(p);
}

static void expiry_forgets_old_cookies_and_names_the_next(void **state)
{
	struct peers *p = both_families();
	struct device first = login(p, "alice"), second = { .who = proof("bob") };

	(void)state;
	assert_int_equal(peers_login(p, &second.who, NOW + 500, second.cookie), 0);
	assert_int_equal(peers_expire(p, NOW), NOW + COOKIE_MS);
	assert_int_equal(peers_expire(p, NOW + COOKIE_MS), NOW + COOKIE_MS + 500);
	assert_int_equal(claim(p, &first, NOW), ERR_DENIED);
	assert_int_equal(claim(p, &second, NOW), 0);
	assert_int_equal(peers_expire(p, NOW + COOKIE_MS + 500), CLOCK_NEVER);
	peers_free(p);
}

static void beyond_the_limit_the_oldest_cookie_goes(void **state)
{
	struct peers *p = both_families();
	struct device d[PEER_COOKIES_MAX + 1];

	(void)state;
	for (int i = 0; i <= PEER_COOKIES_MAX; i++) {
		assert_int_equal(i ? claim(p, &d[0], NOW) : 0, 0);
		d[i] = login(p, "alice");
	}
	assert_int_equal(claim(p, &d[0], NOW), ERR_DENIED);
	for (int i = 1; i <= PEER_COOKIES_MAX; i++)
		assert_int_equal(claim(p, &d[i], NOW), 0);
	peers_free(p);
}

static void cookie_with_a_session_does_not_go_for_a_new_one(void **state)
{
	struct peers *p = both_families();
	struct device living = connect(p, "alice"), idle = login(p, "alice"), d;

	(void)state;
	for (int i = 1; i <= PEER_COOKIES_MAX; i++)
		d = login(p, "alice");
	assert_int_equal(claim(p, &living, NOW), 0);
	assert_int_equal(claim(p, &idle, NOW), ERR_DENIED);
	assert_int_equal(claim(p, &d, NOW), 0);
	leave(p, &living);
	peers_free(p);
}

/* ---- entering ---- */

static void cookie_with_a_session_is_not_admitted_again(void **state)
{
	struct peers *p = both_families();
	struct device d = connect(p, "alice"), again = d;

	(void)state;
	assert_int_equal(admit(p, &again), ERR_EXISTS);
	assert_int_equal(again.admission.replaced_len, 0);
	leave(p, &d);
	peers_free(p);
}

static void cookie_is_admitted_once_at_a_time(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice"), again = d;

	(void)state;
	assert_int_equal(admit(p, &d), 0);
	assert_int_equal(admit(p, &again), ERR_EXISTS);
	release(p, &d);
	assert_int_equal(admit(p, &again), 0);
	release(p, &again);
	peers_free(p);
}

static void cookie_that_is_gone_is_not_admitted(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice");

	(void)state;
	peers_expire(p, NOW + COOKIE_MS);
	assert_int_equal(admit(p, &d), ERR_DENIED);
	peers_free(p);
}

static void cookie_lives_while_it_is_admitted(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice");

	(void)state;
	assert_int_equal(admit(p, &d), 0);
	peers_expire(p, NOW + COOKIE_MS);
	for (int i = 0; i < PEER_COOKIES_MAX; i++)
		login(p, "alice");
	enter(p, &d);
	assert_true(d.s->booked);
	leave(p, &d);
	peers_free(p);
}

static void session_leaves_once(void **state)
{
	struct peers *p = both_families();
	struct device d = connect(p, "alice");

	(void)state;
	peers_leave(p, d.s);
	peers_leave(p, d.s);
	session_put(d.s);
	peers_free(p);
}

/* A hook takes its time: who waits for it counts. */
static void no_more_are_admitted_at_once_than_may_be(void **state)
{
	struct peers *p = both_families();
	struct device first = login(p, "berlin"), second = login(p, "berlin");

	(void)state;
	assert_int_equal(admit(p, &first), 0);
	assert_int_equal(admit(p, &second), ERR_EXISTS);
	enter(p, &first);
	assert_int_equal(admit(p, &second), 0);
	check_replaced(p, &second, &first);
	release(p, &second);
	peers_free(p);
}

/* ---- the newest takes over ---- */

/* Of another authority, as when one takes the place of the other. */
static void namesake_gets_the_fixed_address_from_the_other(void **state)
{
	struct peers *p = both_families();
	struct device old = connect(p, "berlin"), new = { .who = proof_by("berlin", "fedcba9876543210") };

	(void)state;
	assert_int_equal(peers_login(p, &new.who, NOW, new.cookie), 0);
	assert_int_equal(admit(p, &new), 0);
	assert_true(addr_equal(&old.admission.ipv4, &new.admission.ipv4));
	check_replaced(p, &new, &old);
	enter(p, &new);
	leave(p, &new);
	peers_free(p);
}

static void namesake_without_a_fixed_address_is_somebody_else(void **state)
{
	struct peers *p = both_families();
	struct device old = connect(p, "alice"), new = { .who = proof_by("alice", "fedcba9876543210") };

	(void)state;
	assert_int_equal(peers_login(p, &new.who, NOW, new.cookie), 0);
	assert_int_equal(admit(p, &new), 0);
	assert_int_equal(new.admission.replaced_len, 0);
	release(p, &new);
	leave(p, &old);
	peers_free(p);
}

static void second_session_replaces_the_first(void **state)
{
	struct peers *p = both_families();
	struct device old = connect(p, "alice"), new = connect(p, "alice");

	(void)state;
	assert_int_equal(old.admission.replaced_len, 0);
	assert_int_equal(claim(p, &old, NOW), ERR_DENIED);
	assert_int_equal(claim(p, &new, NOW), 0);
	check_replaced(p, &new, &old);
	leave(p, &new);
	peers_free(p);
}

static void another_identity_replaces_nobody(void **state)
{
	struct peers *p = both_families();
	struct device a = connect(p, "alice"), b = connect(p, "bob");

	(void)state;
	assert_int_equal(b.admission.replaced_len, 0);
	assert_false(addr_equal(&a.admission.ipv4, &b.admission.ipv4));
	assert_int_equal(claim(p, &a, NOW), 0);
	leave(p, &a);
	leave(p, &b);
	peers_free(p);
}

static void limit_of_its_own_lets_more_in(void **state)
{
	struct peers *p = both_families();
	struct device d[4];

	(void)state;
	for (int i = 0; i < 3; i++) {
		d[i] = connect(p, "many");
		assert_int_equal(d[i].admission.replaced_len, 0);
	}
	for (int i = 0; i < 3; i++)
		d[i].s->tx = (struct channel *)&d[i]; /* any: they have a stream */
	d[3] = connect(p, "many");
	check_replaced(p, &d[3], &d[0]);
	for (int i = 1; i < 4; i++)
		leave(p, &d[i]);
	peers_free(p);
}

static void session_without_a_stream_goes_before_an_older_one(void **state)
{
	struct peers *p = both_families();
	struct device d[4];

	(void)state;
	for (int i = 0; i < 3; i++)
		d[i] = connect(p, "many");
	d[0].s->tx = (struct channel *)&d[0];
	d[2].s->tx = (struct channel *)&d[2];
	d[3] = connect(p, "many");
	check_replaced(p, &d[3], &d[1]);
	leave(p, &d[0]);
	leave(p, &d[2]);
	leave(p, &d[3]);
	peers_free(p);
}

static void lowered_limit_replaces_as_many_as_it_takes(void **state)
{
	struct peers *p = both_families();
	struct device d[4];

	(void)state;
	for (int i = 0; i < 3; i++)
		d[i] = connect(p, "many");
	clients[1].sessions = 1;
	d[3] = connect(p, "many");
	clients[1].sessions = 3;
	assert_int_equal(d[3].admission.replaced_len, 3);
	for (int i = 0; i < 3; i++) {
		session_put(d[3].admission.replaced[i]);
		leave(p, &d[i]);
	}
	leave(p, &d[3]);
	peers_free(p);
}

static void fixed_address_is_given_and_taken_over(void **state)
{
	struct peers *p = both_families();
	struct device old, new;
	struct addr ipv4 = addr("10.20.0.7"), ipv6 = addr("fd20::7");

	(void)state;
	conf.limits.sessions_per_client = 5;
	old = connect(p, "berlin");
	new = connect(p, "berlin");
	assert_true(addr_equal(&new.admission.ipv4, &ipv4));
	assert_true(addr_equal(&new.admission.ipv6, &ipv6));
	assert_ptr_equal(new.admission.fixed, &clients[0]);
	check_replaced(p, &new, &old);
	leave(p, &new);
	peers_free(p);
}

static void replaced_sessions_leave_changes_nothing_for_the_newer(void **state)
{
	struct peers *p = both_families();
	struct device old = connect(p, "alice"), new = connect(p, "alice"), other;

	(void)state;
	check_replaced(p, &new, &old);
	other = connect(p, "bob");
	assert_false(addr_equal(&other.admission.ipv4, &new.admission.ipv4));
	assert_int_equal(claim(p, &new, NOW), 0);
	leave(p, &new);
	leave(p, &other);
	peers_free(p);
}

/* ---- addresses ---- */

static void fixed_address_is_lent_to_nobody_else(void **state)
{
	struct peers *p = peers("10.20.0.0/28", NULL);
	struct addr ipv4 = addr("10.20.0.7");
	struct device d[12];
	char name[2] = "a";

	(void)state;
	for (int i = 0; i < 12; i++, name[0]++) {
		d[i] = connect(p, name);
		assert_false(addr_equal(&d[i].admission.ipv4, &ipv4));
	}
	for (int i = 0; i < 12; i++)
		leave(p, &d[i]);
	peers_free(p);
}

static void address_comes_back_when_the_session_leaves(void **state)
{
	struct peers *p = peers("10.20.1.0/30", NULL);
	struct device a = connect(p, "alice"), b = login(p, "bob");

	(void)state;
	assert_int_equal(admit(p, &b), ERR_FULL);
	leave(p, &a);
	assert_int_equal(admit(p, &b), 0);
	assert_true(addr_equal(&a.admission.ipv4, &b.admission.ipv4));
	release(p, &b);
	peers_free(p);
}

static void address_comes_back_when_the_admission_comes_to_nothing(void **state)
{
	struct peers *p = peers("10.20.1.0/30", NULL);
	struct device a = login(p, "alice"), b = login(p, "bob");

	(void)state;
	assert_int_equal(admit(p, &a), 0);
	assert_int_equal(admit(p, &b), ERR_FULL);
	release(p, &a);
	assert_int_equal(admit(p, &b), 0);
	release(p, &b);
	peers_free(p);
}

static void address_of_the_replaced_is_there_for_the_newer(void **state)
{
	struct peers *p = peers("10.20.1.0/30", NULL);
	struct device old = connect(p, "alice"), new = connect(p, "alice");

	(void)state;
	assert_true(addr_equal(&old.admission.ipv4, &new.admission.ipv4));
	check_replaced(p, &new, &old);
	leave(p, &new);
	peers_free(p);
}

static void same_identity_gets_the_same_addresses_again(void **state)
{
	struct peers *p = peers("10.20.0.0/16", "fd20::/64");
	struct device first = connect(p, "alice"), again;

	(void)state;
	leave(p, &first);
	again = connect(p, "alice");
	assert_true(addr_equal(&first.admission.ipv4, &again.admission.ipv4));
	assert_true(addr_equal(&first.admission.ipv6, &again.admission.ipv6));
	leave(p, &again);
	peers_free(p);
}

static void full_pool_of_one_family_gives_the_other_family_back(void **state)
{
	struct peers *p = peers("10.20.0.0/24", "fd20:1::/126");
	struct device a = connect(p, "a"), b = connect(p, "b"), c = login(p, "c"), d = login(p, "c");
	struct addr want;

	(void)state;
	assert_int_equal(peers_admit(p, &d.who, d.cookie, true, false, &d.admission), 0);
	want = d.admission.ipv4;
	release(p, &d);
	assert_int_equal(admit(p, &c), ERR_FULL);
	assert_int_equal(peers_admit(p, &d.who, d.cookie, true, false, &d.admission), 0);
	assert_true(addr_equal(&d.admission.ipv4, &want));
	release(p, &d);
	leave(p, &a);
	leave(p, &b);
	peers_free(p);
}

static void only_wanted_families_are_leased(void **state)
{
	struct peers *p = both_families();
	struct device d = login(p, "alice");

	(void)state;
	assert_int_equal(peers_admit(p, &d.who, d.cookie, true, false, &d.admission), 0);
	assert_int_equal(d.admission.ipv4.family, ADDR_V4);
	assert_int_equal(d.admission.ipv6.family, ADDR_NONE);
	release(p, &d);
	assert_int_equal(peers_admit(p, &d.who, d.cookie, false, true, &d.admission), 0);
	assert_int_equal(d.admission.ipv4.family, ADDR_NONE);
	assert_int_equal(d.admission.ipv6.family, ADDR_V6);
	release(p, &d);
	peers_free(p);
}

static void family_without_a_network_is_missing(void **state)
{
	struct peers *p = peers("10.20.0.0/24", NULL);
	struct device d = login(p, "alice");

	(void)state;
	assert_int_equal(peers_admit(p, &d.who, d.cookie, false, true, &d.admission), ERR_MISSING);
	assert_int_equal(admit(p, &d), 0); /* one of two will do */
	assert_int_equal(d.admission.ipv6.family, ADDR_NONE);
	release(p, &d);
	peers_free(p);
}

static int setup(void **state)
{
	(void)state;
	urcu_memb_register_thread();
	return 0;
}

/* Sessions are freed after a grace period. */
static int teardown(void **state)
{
	(void)state;
	urcu_memb_barrier();
	urcu_memb_unregister_thread();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookie_is_good_for_whom_it_was_made),
		cmocka_unit_test(cookie_of_another_name_is_refused),
		cmocka_unit_test(cookie_of_the_same_name_by_another_root_is_refused),
		cmocka_unit_test(malformed_cookie_is_refused),
		cmocka_unit_test(cookie_without_a_session_expires),
		cmocka_unit_test(cookie_of_a_living_session_does_not_expire),
		cmocka_unit_test(cookie_dies_with_its_session),
		cmocka_unit_test(expiry_forgets_old_cookies_and_names_the_next),
		cmocka_unit_test(beyond_the_limit_the_oldest_cookie_goes),
		cmocka_unit_test(cookie_with_a_session_does_not_go_for_a_new_one),
		cmocka_unit_test(cookie_with_a_session_is_not_admitted_again),
		cmocka_unit_test(cookie_is_admitted_once_at_a_time),
		cmocka_unit_test(cookie_that_is_gone_is_not_admitted),
		cmocka_unit_test(cookie_lives_while_it_is_admitted),
		cmocka_unit_test(session_leaves_once),
		cmocka_unit_test(no_more_are_admitted_at_once_than_may_be),
		cmocka_unit_test(namesake_gets_the_fixed_address_from_the_other),
		cmocka_unit_test(namesake_without_a_fixed_address_is_somebody_else),
		cmocka_unit_test(second_session_replaces_the_first),
		cmocka_unit_test(another_identity_replaces_nobody),
		cmocka_unit_test(limit_of_its_own_lets_more_in),
		cmocka_unit_test(session_without_a_stream_goes_before_an_older_one),
		cmocka_unit_test(lowered_limit_replaces_as_many_as_it_takes),
		cmocka_unit_test(fixed_address_is_given_and_taken_over),
		cmocka_unit_test(replaced_sessions_leave_changes_nothing_for_the_newer),
		cmocka_unit_test(fixed_address_is_lent_to_nobody_else),
		cmocka_unit_test(address_comes_back_when_the_session_leaves),
		cmocka_unit_test(address_comes_back_when_the_admission_comes_to_nothing),
		cmocka_unit_test(address_of_the_replaced_is_there_for_the_newer),
		cmocka_unit_test(same_identity_gets_the_same_addresses_again),
		cmocka_unit_test(full_pool_of_one_family_gives_the_other_family_back),
		cmocka_unit_test(only_wanted_families_are_leased),
		cmocka_unit_test(family_without_a_network_is_missing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
