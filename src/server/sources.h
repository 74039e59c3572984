/* SPDX-License-Identifier: Apache-2.0 */
/* Outer addresses that have a live session: their new connections (rekeys) have a quota of their own. */
#ifndef SERVER_SOURCES_H
#define SERVER_SOURCES_H

#include <stdbool.h>

struct addr;
struct sources;

/** sources_new() - Empty; NULL without memory */
struct sources *sources_new(void);

/** sources_add() / sources_remove() - One session more or less at @a; from any thread */
void sources_add(struct sources *s, const struct addr *a);
void sources_remove(struct sources *s, const struct addr *a);

/** sources_has() - Whether any session lives at @a; from any thread */
bool sources_has(struct sources *s, const struct addr *a);

/** sources_free() - Accepts NULL */
void sources_free(struct sources *s);

#endif
