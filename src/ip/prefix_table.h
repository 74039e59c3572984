/* SPDX-License-Identifier: Apache-2.0 */
/* Longest-prefix match from an address to a pointer: a path-compressed binary trie. Built once, then only read. */
#ifndef IP_PREFIX_TABLE_H
#define IP_PREFIX_TABLE_H

#include "base/addr.h"

struct prefix_table;

/** prefix_table_new() - An empty table, or NULL without memory */
struct prefix_table *prefix_table_new(void);

/**
 * prefix_table_add() - Map a prefix to a value
 * @t:     table
 * @p:     prefix of either family; bits behind its length are ignored
 * @value: not NULL; borrowed
 *
 * Not to be called while another thread looks up.
 *
 * Return: 0, ERR_EXISTS (the very same prefix is there), ERR_NOMEM.
 */
int prefix_table_add(struct prefix_table *t, const struct prefix *p, void *value);

/** prefix_table_find() - Value of the longest prefix that holds @a, or NULL; safe from many threads */
void *prefix_table_find(const struct prefix_table *t, const struct addr *a);

/** prefix_table_free() - Accepts NULL; values are the caller's */
void prefix_table_free(struct prefix_table *t);

#endif
