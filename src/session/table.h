/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which session owns an inner address. Read by every worker for every packet, under RCU; changed rarely. Addresses
 * leased to sessions are in a hash table; networks behind clients are fixed by the configuration: a prefix leads to a
 * site, a site to the session that serves it at present.
 */
#ifndef SESSION_TABLE_H
#define SESSION_TABLE_H

#include <stddef.h>

#include "base/addr.h"

struct session;
struct session_table;

/** session_table_new() - An empty table; NULL without memory */
struct session_table *session_table_new(void);

/**
 * session_table_site() - Declare a network behind a client; before any look-up
 * @t:    table
 * @p:    network
 * @name: client's identity; borrowed for the table's life
 *
 * Return: 0, ERR_EXISTS, or ERR_NOMEM.
 */
int session_table_site(struct session_table *t, const struct prefix *p, const char *name);

/**
 * session_table_add() - Publish a session under its leases and the sites of its name
 *
 * The table takes a reference. A newer session of the same name takes the sites over. No other session may hold the
 * same leases.
 */
void session_table_add(struct session_table *t, struct session *s);

/** session_table_remove() - Take a session out and drop the reference; nothing when it is not in */
void session_table_remove(struct session_table *t, struct session *s);

/** session_table_fallback() - A client's one session, for every destination that is not found; NULL for none */
void session_table_fallback(struct session_table *t, struct session *s);

/** session_fallback() - That session, or NULL. Only inside an RCU read section; the result is good as long as that */
struct session *session_fallback(struct session_table *t);

/** session_by_dst() - Who owns @dst, or NULL. Only inside an RCU read section; the result is good as long as that */
struct session *session_by_dst(struct session_table *t, const struct addr *dst);

/** session_by_addr() - As session_by_dst() without the fallback */
struct session *session_by_addr(struct session_table *t, const struct addr *dst);

/** session_table_each() - Call @fn for every published session, oldest first, under the table's lock: be brief */
void session_table_each(struct session_table *t, void (*fn)(struct session *s, void *arg), void *arg);

/** session_table_count() - Published sessions */
size_t session_table_count(struct session_table *t);

/** session_table_free() - The table must be empty; accepts NULL */
void session_table_free(struct session_table *t);

#endif
