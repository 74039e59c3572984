/* SPDX-License-Identifier: Apache-2.0 */
/* Which session owns an address: leases, sites and their heirs, the fallback; readers beside a writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "session/session.h"
#include "session/table.h"

enum { MANY = 1000, ROUNDS = 200, BESIDE = 16 };

static const struct session_events no_events;

static struct addr addr(const char *text)
{
	struct addr a = { 0 };

	if (text)
		assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct session *session(const char *name, const char *ipv4, const char *ipv6)
{
	struct session_settings settings = { .name = name, .events = &no_events };
	struct session *s;

	settings.ipv4 = addr(ipv4);
	settings.ipv6 = addr(ipv6);
	s = session_new(&settings, 1);
	assert_non_null(s);
	return s;
}

static struct session_table *table(void)
{
	struct session_table *t = session_table_new();

	assert_non_null(t);
	return t;
}

static void add_site(struct session_table *t, const char *text, const char *name)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	assert_int_equal(session_table_site(t, &p, name), 0);
}

static const struct session *owner(struct session_table *t, const char *dst)
{
	struct addr a = addr(dst);
	const struct session *s;

	urcu_memb_read_lock();
	s = session_by_dst(t, &a);
	urcu_memb_read_unlock();
	return s;
}

/* Takes it out and drops the test's own reference. */
static void end(struct session_table *t, struct session *s)
{
	session_table_remove(t, s);
	session_put(s);
}

static void empty_table_knows_nobody(void **state)
{
	struct session_table *t = table();

	(void)state;
	assert_null(owner(t, "10.20.0.2"));
	assert_null(owner(t, "fd20::2"));
	assert_int_equal(session_table_count(t), 0);
	session_table_free(t);
	session_table_free(NULL);
}

static void session_is_found_by_both_of_its_leases(void **state)
{
	struct session_table *t = table();
	struct session *s = session("alice", "10.20.0.2", "fd20::2");

	(void)state;
	session_table_add(t, s);
	assert_ptr_equal(owner(t, "10.20.0.2"), s);
	assert_ptr_equal(owner(t, "fd20::2"), s);
	assert_null(owner(t, "10.20.0.3"));
	assert_null(owner(t, "fd20::3"));
	end(t, s);
	session_table_free(t);
}

static void removed_session_is_not_found(void **state)
{
	struct session_table *t = table();
	struct session *s = session("alice", "10.20.0.2", "fd20::2");

	(void)state;
	session_table_add(t, s);
	session_table_remove(t, s);
	assert_null(owner(t, "10.20.0.2"));
	assert_null(owner(t, "fd20::2"));
	session_table_remove(t, s); /* nothing when it is not in */
	assert_int_equal(session_table_count(t), 0);
	session_put(s);
	session_table_free(t);
}

static void session_of_one_family_is_found_by_that(void **state)
{
	struct session_table *t = table();
	struct session *four = session("alice", "10.20.0.2", NULL), *six = session("bob", NULL, "fd20::2");

	(void)state;
	session_table_add(t, four);
	session_table_add(t, six);
	assert_ptr_equal(owner(t, "10.20.0.2"), four);
	assert_ptr_equal(owner(t, "fd20::2"), six);
	assert_null(owner(t, "0.0.0.0"));
	assert_null(owner(t, "::"));
	end(t, four);
	end(t, six);
	session_table_free(t);
}

static void ipv4_address_is_not_an_ipv6_one_of_the_same_bytes(void **state)
{
	struct session_table *t = table();
	struct session *s = session("alice", "10.20.0.2", NULL);

	(void)state;
	session_table_add(t, s);
	assert_null(owner(t, "a14:2::"));
	end(t, s);
	session_table_free(t);
}

static void each_of_thousands_is_found(void **state)
{
	static struct session *all[MANY];
	struct session_table *t = table();
	char ipv4[ADDR_TEXT_LEN], ipv6[ADDR_TEXT_LEN];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(ipv4, sizeof(ipv4), "10.20.%d.%d", i >> 8, i & 255);
		snprintf(ipv6, sizeof(ipv6), "fd20::%x", i + 1);
		all[i] = session("many", ipv4, ipv6);
		session_table_add(t, all[i]);
	}
	assert_int_equal(session_table_count(t), MANY);
	for (int i = 0; i < MANY; i++) {
		assert_ptr_equal(owner(t, addr_format(&all[i]->ipv4, ipv4)), all[i]);
		assert_ptr_equal(owner(t, addr_format(&all[i]->ipv6, ipv6)), all[i]);
	}
	for (int i = 0; i < MANY; i++)
		end(t, all[i]);
	assert_null(owner(t, "10.20.0.2"));
	session_table_free(t);
}

/* ---- sites ---- */

static void network_leads_to_the_session_of_its_name(void **state)
{
	struct session_table *t = table();
	struct session *s = session("berlin", "10.20.0.7", NULL), *other = session("alice", "10.20.0.8", NULL);

	(void)state;
	add_site(t, "192.168.7.0/24", "berlin");
	add_site(t, "fd77::/64", "berlin");
	session_table_add(t, other);
	assert_null(owner(t, "192.168.7.9"));
	session_table_add(t, s);
	assert_ptr_equal(owner(t, "192.168.7.9"), s);
	assert_ptr_equal(owner(t, "fd77::9"), s);
	assert_null(owner(t, "192.168.8.9"));
	end(t, s);
	assert_null(owner(t, "192.168.7.9"));
	end(t, other);
	session_table_free(t);
}

static void narrower_network_and_lease_come_first(void **state)
{
	struct session_table *t = table();
	struct session *wide = session("wide", "10.20.0.7", NULL), *narrow = session("narrow", "10.20.0.8", NULL);
	struct session *lease = session("lease", "192.168.7.9", NULL);

	(void)state;
	add_site(t, "192.168.0.0/16", "wide");
	add_site(t, "192.168.7.0/24", "narrow");
	session_table_add(t, wide);
	session_table_add(t, narrow);
	session_table_add(t, lease);
	assert_ptr_equal(owner(t, "192.168.1.1"), wide);
	assert_ptr_equal(owner(t, "192.168.7.8"), narrow);
	assert_ptr_equal(owner(t, "192.168.7.9"), lease);
	end(t, wide);
	end(t, narrow);
	end(t, lease);
	session_table_free(t);
}

static void same_network_twice_is_refused(void **state)
{
	struct session_table *t = table();
	struct prefix p;

	(void)state;
	add_site(t, "192.168.7.0/24", "berlin");
	assert_int_equal(prefix_parse("192.168.7.0/24", &p), 0);
	assert_int_equal(session_table_site(t, &p, "paris"), ERR_EXISTS);
	session_table_free(t);
}

static void newer_session_takes_the_sites_over(void **state)
{
	struct session_table *t = table();
	struct session *old = session("berlin", "10.20.0.7", NULL), *new = session("berlin", "10.20.0.8", NULL);

	(void)state;
	add_site(t, "192.168.7.0/24", "berlin");
	session_table_add(t, old);
	session_table_add(t, new);
	assert_ptr_equal(owner(t, "192.168.7.9"), new);
	end(t, old); /* the older one's end takes nothing from the newer one */
	assert_ptr_equal(owner(t, "192.168.7.9"), new);
	end(t, new);
	session_table_free(t);
}

static void sites_go_back_to_the_newest_that_is_left(void **state)
{
	struct session_table *t = table();
	struct session *s[3];

	(void)state;
	add_site(t, "192.168.7.0/24", "berlin");
	s[0] = session("berlin", "10.20.0.7", NULL);
	s[1] = session("berlin", "10.20.0.8", NULL);
	s[2] = session("berlin", "10.20.0.9", NULL);
	for (int i = 0; i < 3; i++)
		session_table_add(t, s[i]);
	end(t, s[2]);
	assert_ptr_equal(owner(t, "192.168.7.9"), s[1]);
	end(t, s[1]);
	assert_ptr_equal(owner(t, "192.168.7.9"), s[0]);
	end(t, s[0]);
	assert_null(owner(t, "192.168.7.9"));
	session_table_free(t);
}

/* ---- fallback, list ---- */

static void fallback_gets_what_nobody_owns(void **state)
{
	struct session_table *t = table();
	struct session *s = session("gateway", "10.20.0.2", NULL);
	struct addr far = addr("203.0.113.1");

	(void)state;
	session_table_add(t, s);
	assert_null(owner(t, "203.0.113.1"));
	session_table_fallback(t, s);
	assert_ptr_equal(owner(t, "203.0.113.1"), s);
	assert_ptr_equal(owner(t, "2001:db8::1"), s);
	urcu_memb_read_lock();
	assert_null(session_by_addr(t, &far));
	assert_ptr_equal(session_fallback(t), s);
	urcu_memb_read_unlock();
	session_table_fallback(t, NULL);
	assert_null(owner(t, "203.0.113.1"));
	end(t, s);
	session_table_free(t);
}

static void fallback_ends_with_its_session(void **state)
{
	struct session_table *t = table();
	struct session *s = session("gateway", "10.20.0.2", NULL);

	(void)state;
	session_table_add(t, s);
	session_table_fallback(t, s);
	end(t, s);
	assert_null(owner(t, "203.0.113.1"));
	session_table_free(t);
}

struct listed {
	struct session *sessions[4];
	size_t len;
};

static void list(struct session *s, void *arg)
{
	struct listed *l = arg;

	assert_true(l->len < 4);
	l->sessions[l->len++] = s;
}

static void sessions_are_listed_oldest_first(void **state)
{
	struct session_table *t = table();
	struct listed l = { .len = 0 };
	struct session *a = session("a", "10.20.0.2", NULL), *b = session("b", "10.20.0.3", NULL),
		       *c = session("c", "10.20.0.4", NULL);

	(void)state;
	session_table_add(t, a);
	session_table_add(t, b);
	session_table_add(t, c);
	session_table_remove(t, a);
	session_table_add(t, a);
	session_table_each(t, list, &l);
	assert_int_equal(l.len, 3);
	assert_ptr_equal(l.sessions[0], b);
	assert_ptr_equal(l.sessions[1], c);
	assert_ptr_equal(l.sessions[2], a);
	end(t, a);
	end(t, b);
	end(t, c);
	session_table_free(t);
}

/* ---- readers beside a writer ---- */

struct reader {
	struct session_table *t;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic unsigned long found;
	unsigned long wrong;
};

/* Whoever is found owns the address, and can be kept beyond the read section unless it is being freed. */
static void look(struct reader *r, const struct addr *a, const char *name)
{
	struct session *s;

	urcu_memb_read_lock();
	s = session_by_dst(r->t, a);
	if (s && !session_get(s))
		s = NULL;
	urcu_memb_read_unlock();
	if (!s)
		return;
	r->found++;
	r->wrong += !addr_equal(&s->ipv4, a) && strcmp(s->name, name) != 0;
	session_put(s);
}

static void *read_on(void *arg)
{
	const struct addr site = addr("192.168.7.9");
	struct reader *r = arg;
	struct addr first = addr("10.20.0.2");

	urcu_memb_register_thread();
	while (!atomic_load(&r->stop)) {
		for (uint32_t i = 0; i < BESIDE; i++) {
			struct addr a = addr_add(&first, i);

			look(r, &a, "");
			look(r, &site, "berlin");
		}
	}
	urcu_memb_unregister_thread();
	return NULL;
}

static struct session *newcomer(uint32_t i)
{
	struct addr first = addr("10.20.0.2"), a = addr_add(&first, i);
	char text[ADDR_TEXT_LEN];

	return session(i % 4 ? "other" : "berlin", addr_format(&a, text), NULL);
}

static void readers_see_only_living_sessions_beside_a_writer(void **state)
{
	struct reader r = { .t = table() };
	struct session *present[BESIDE];

	(void)state;
	add_site(r.t, "192.168.7.0/24", "berlin");
	assert_int_equal(pthread_create(&r.thread, NULL, read_on, &r), 0);
	for (int round = 0; round < ROUNDS || !atomic_load(&r.found); round++) {
		for (uint32_t i = 0; i < BESIDE; i++) {
			present[i] = newcomer(i);
			session_table_add(r.t, present[i]);
		}
		for (uint32_t i = 0; i < BESIDE; i++)
			end(r.t, present[i]);
	}
	atomic_store(&r.stop, true);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.wrong, 0);
	session_table_free(r.t);
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
		cmocka_unit_test(empty_table_knows_nobody),
		cmocka_unit_test(session_is_found_by_both_of_its_leases),
		cmocka_unit_test(removed_session_is_not_found),
		cmocka_unit_test(session_of_one_family_is_found_by_that),
		cmocka_unit_test(ipv4_address_is_not_an_ipv6_one_of_the_same_bytes),
		cmocka_unit_test(each_of_thousands_is_found),
		cmocka_unit_test(network_leads_to_the_session_of_its_name),
		cmocka_unit_test(narrower_network_and_lease_come_first),
		cmocka_unit_test(same_network_twice_is_refused),
		cmocka_unit_test(newer_session_takes_the_sites_over),
		cmocka_unit_test(sites_go_back_to_the_newest_that_is_left),
		cmocka_unit_test(fallback_gets_what_nobody_owns),
		cmocka_unit_test(fallback_ends_with_its_session),
		cmocka_unit_test(sessions_are_listed_oldest_first),
		cmocka_unit_test(readers_see_only_living_sessions_beside_a_writer),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
